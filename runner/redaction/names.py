"""Which names sound like a secret's: of arguments, fields, headers, parameters, options."""

from __future__ import annotations

import re
from functools import lru_cache

REDACTED = "[redacted]"
"""Stands in a secret's place."""

_OF_KEYS = (
    "access|account|aes|api|app|auth|cipher|client|consumer|crypto|decryption|deploy|encryption"
    "|fernet|gpg|hmac|host|license|master|pgp|private|root|rsa|secret|service|session|shared"
    "|signing|ssh|ssl|storage|subscription|tls|webhook|wrapping"
)
_SECRET_NAME = re.compile(
    r"pass(word|wd|phrase|code)|secret|token|jwt|bearer|credential|authori[sz]ation|cookie"
    r"|signature|session_?id|[cx]srf|mnemonic|(seed|recovery)_?phrase"
    r"|(backup|recovery|security|otp|mfa)_?code|card_?(number|no$)|conn(ection)?_?str"
    rf"|({_OF_KEYS})_?key|keyfile_?data"
    r"|(^|_)(auth|creds?|cvc|cvv|dsn|otp|pin|pwd?|sid|sig|ssn|totp)($|_)"
    r"|(^|_|admin|db|ftp|pg|redis|root|smtp|sudo|user)pass\d*$"
    r"|^webhook_?url$"
)
_WORD_BORDER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")
_LONGEST = 200


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether what is called *name*, in any spelling, is likely to be secret."""
    plain = _WORD_BORDER.sub("_", name[-_LONGEST:]).strip("_").lower()
    return _SECRET_NAME.search(plain) is not None
