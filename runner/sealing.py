"""
Seal values for Redis, and open them, by a ring of keys: AES-256-GCM.

    SECRET_KEYS="NEW,OLD"     each is 32 random bytes in base64: openssl rand -base64 32

The first key seals, all of them open. To change the key: put the new one first, in workers before
clients; take the old one away when `pipeline doctor` says that no job needs it.

A sealed value is the text `1.<key id>.<nonce, ciphertext and tag in base64>`. The key's id is the
beginning of its SHA-256. The associated data are the JSON list of job name, job id and parameter,
so a sealed value that is moved to another job or another parameter does not open there. The plain
text is JSON, padded with spaces to whole 64 bytes, which hides the value's length.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from runner.errors import ConfigurationError, SecretError
from runner.extras import extra

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

VARIABLE = "SECRET_KEYS"
VERSION = "1"

_KEY_BYTES = 32
_NONCE_BYTES = 12
_PADDED_TO = 64
_HOW = "give 32 random bytes in base64, as `openssl rand -base64 32` prints them"
_DEAD_ID = re.compile(r"(.*)~[0-9]+", re.DOTALL)
"""A job whose caller chose its id goes on as `<id>~<ms>` when it dies."""


class KeyRing:
    """
    Keys by their ids; the first one seals.

    Raises:
        ConfigurationError: A key is not 32 bytes in base64, there is none, or `cryptography` is
            not installed.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        with extra("secrets", "a Secret"):
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        if not keys:
            raise ConfigurationError(f"a Secret needs a key: set {VARIABLE}; {_HOW}")
        found = [_key(text, place) for place, text in enumerate(keys, 1)]
        self._ciphers: dict[str, Any] = {_id_of(key): AESGCM(key) for key in found}
        self.ids = tuple(self._ciphers)

    def seal(self, plain: bytes, job: tuple[str, str], parameter: str) -> str:
        """Return JSON sealed for the *parameter* of *job*, its name and id."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        padded = plain.ljust(-(-len(plain) // _PADDED_TO) * _PADDED_TO)
        key_id = self.ids[0]
        sealed = self._ciphers[key_id].encrypt(nonce, padded, _bound_to(*job, parameter))
        return f"{VERSION}.{key_id}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, job: tuple[str, str], parameter: str) -> bytes:
        """
        Return the JSON that was sealed for this parameter of this job.

        Raises:
            SecretError: Its key is not in the ring, it was sealed for another job or parameter, or
                somebody changed it.
        """
        from cryptography.exceptions import InvalidTag

        version, _, rest = sealed.partition(".")
        key_id, _, text = rest.partition(".")
        if version != VERSION:
            raise SecretError(f"{job[0]}: {parameter} is sealed in a way that this version lacks")
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise SecretError(
                f"{job[0]}: {parameter} is sealed by the key {key_id[:8]!a}, which is not in "
                f"{VARIABLE}: add it behind the first one"
            )
        name, job_id = job
        try:
            data = base64.b64decode(text.encode(), altchars=b"-_", validate=True)
            while True:
                try:
                    return bytes(
                        cipher.decrypt(
                            data[:_NONCE_BYTES],
                            data[_NONCE_BYTES:],
                            _bound_to(name, job_id, parameter),
                        )
                    )
                except InvalidTag:
                    found = _DEAD_ID.fullmatch(job_id)
                    if found is None:
                        raise
                    job_id = found[1]
        except (InvalidTag, ValueError):
            raise SecretError(
                f"{name}: {parameter} does not open: it was sealed for another job or parameter, "
                "or somebody changed it"
            ) from None


def ring() -> KeyRing:
    """
    Return this process's keys: those of `use_keys`, or else of the variable `SECRET_KEYS`.

    Raises:
        ConfigurationError: As for `KeyRing`.
    """
    # A service that enqueues has our jobs, and not our settings.
    given = _used[-1] if _used else os.environ.get(VARIABLE, "")
    if given not in _rings:
        _rings.clear()
        _rings[given] = KeyRing(given.replace(",", " ").split())
    return _rings[given]


def has_keys() -> bool:
    """Whether there are keys, right or wrong."""
    return bool(_used or os.environ.get(VARIABLE))


def use_keys(keys: str | None) -> None:
    """Use *keys*, separated by commas or spaces, from now on; None: those of the environment."""
    _used[:] = [] if keys is None else [keys]


@contextmanager
def keys_for_tests() -> Iterator[None]:
    """Use a key of one's own inside, if there are none; blocks side by side share it."""
    global _testing  # noqa: PLW0603 -- a process has one ring
    if _testing == 0 and has_keys():
        yield
        return
    if _testing == 0:
        use_keys(base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode())
    _testing += 1
    try:
        yield
    finally:
        _testing -= 1
        if _testing == 0:
            use_keys(None)


def _key(text: str, place: int) -> bytes:
    try:
        key = base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        # The text is not quoted: it may be nearly right.
        raise ConfigurationError(f"{VARIABLE}: key {place} is none: {_HOW}")
    return key


def _id_of(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()[:8]


def _bound_to(name: str, job_id: str, parameter: str) -> bytes:
    return to_json([name, job_id, parameter])


_used: list[str] = []
_testing = 0
"""Open blocks that use a key of their own."""
_rings: dict[str, KeyRing] = {}
