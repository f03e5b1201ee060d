"""
What the store raises, as one tree.

    StoreError            the database cannot be used, or refused a value
    ├── NotStoredError    what was named is not in the store; a retry will not help
    └── StoreLostError    the file of the database was deleted or replaced while it was open
"""

from __future__ import annotations


class StoreError(Exception):
    """
    The database cannot be used, or refused a value; nothing was written.

    The message is one line: where (never with a password), what is wrong, what to do.
    """

    def __init__(self, where: str, reason: str, remedy: str = "") -> None:
        super().__init__(f"{where}: {reason}; {remedy}" if remedy else f"{where}: {reason}")
        self.where = where
        self.reason = reason
        self.remedy = remedy

    def __reduce__(self) -> tuple[type[StoreError], tuple[str, str, str]]:
        return type(self), (self.where, self.reason, self.remedy)


class NotStoredError(StoreError):
    """What was named, or what a record refers to, is not in the store."""


class StoreLostError(StoreError):
    """The file of the database was deleted or replaced while it was open."""
