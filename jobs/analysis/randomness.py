"""Random numbers seeded by the data: the same data always gives the same intervals."""

from __future__ import annotations

import hashlib

import numpy as np


def generator(fingerprint: str, purpose: str) -> np.random.Generator:
    """
    Return a generator seeded with the first 128 bits of SHA-256 over *fingerprint* and *purpose*.

    With one purpose per use, the numbers of one section stay the same when another draws more.
    """
    digest = hashlib.sha256(f"{fingerprint}\n{purpose}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))
