"""Random numbers that follow from the data: the same data gives the same intervals, always."""

from __future__ import annotations

import hashlib

import numpy as np


def generator(fingerprint: str, purpose: str) -> np.random.Generator:
    """
    Return a generator seeded with the first 128 bits of SHA-256 over *fingerprint* and *purpose*.

    One purpose per use keeps the numbers of one section unchanged when another section draws
    more of them.
    """
    digest = hashlib.sha256(f"{fingerprint}\n{purpose}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))
