"""A stream: entries by ids that only grow, trimmed from its start."""

from __future__ import annotations

from typing import Final, NamedTuple

NODE_ENTRIES: Final = 100
"""An approximate trim removes whole nodes of so many entries; their bytes are not limited here."""


class EntryId(NamedTuple):
    """An entry's id."""

    ms: int
    seq: int

    def text(self) -> bytes:
        """Return it as clients write it."""
        return b"%d-%d" % self


class Stream:
    """Entries in the order of their ids; an empty stream stays a key."""

    __slots__ = ("entries", "last", "nodes")

    def __init__(self) -> None:
        self.entries: dict[EntryId, list[bytes]] = {}
        self.nodes: list[dict[EntryId, None]] = []
        """Ids by node, in the order in which they were added."""
        self.last = EntryId(0, 0)

    def __len__(self) -> int:
        return len(self.entries)

    def __bool__(self) -> bool:
        return True

    def copy(self) -> Stream:
        """Return a copy."""
        other = Stream()
        other.entries, other.last = self.entries.copy(), self.last
        other.nodes = [node.copy() for node in self.nodes]
        return other

    def add(self, entry_id: EntryId, fields: list[bytes]) -> None:
        """Add an entry; its id is greater than the last one."""
        if not self.nodes or len(self.nodes[-1]) >= NODE_ENTRIES:
            self.nodes.append({})
        self.nodes[-1][entry_id] = None
        self.entries[entry_id] = fields
        self.last = entry_id

    def trim(self, keep: int, *, approximate: bool) -> int:
        """Remove the oldest entries until *keep* are left, or whole nodes; return how many."""
        removed = 0
        while self.nodes and len(self.entries) > keep:
            node = self.nodes[0]
            if len(self.entries) - len(node) >= keep:
                for entry_id in node:
                    del self.entries[entry_id]
                removed += len(node)
                del self.nodes[0]
                continue
            if approximate:
                break
            entry_id = next(iter(node))
            del node[entry_id], self.entries[entry_id]
            removed += 1
        return removed
