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
    r"|(^|_)(auth|creds?|cvc|cvv|dsn|hmac|otp|pin|pwd?|sid|sig|ssn|totp)($|_)"
    r"|(^|_|admin|db|ftp|pg|redis|root|smtp|sudo|user)pass\d*$"
    r"|^webhook_?url$"
)
_ELSEWHERE = re.compile(
    r"passwort|kennwort|mot_?de_?passe|contrase[nñ]a|(^|_)senha|wachtwoord|l[oö]senord|has[lł]o($|_)"
    r"|(^|_)heslo|парол|密[码碼]|口令|パスワード|비밀번호"
)
"""A password in other languages; their words for keys are too many things there."""

_WORD_BORDER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")
_LONGEST = 200


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether what is called *name*, in any spelling, is likely to be secret."""
    end = name[-_LONGEST:]
    plain = _WORD_BORDER.sub("_", end).strip("_").lower()
    found = _SECRET_NAME.search(plain) or _ELSEWHERE.search(plain)
    return found is not None or (not end.isascii() and _ELSEWHERE.search(end.lower()) is not None)
