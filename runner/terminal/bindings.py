"""The table of keys. Small letters look, CAPITALS change something and ask first."""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding

from runner.terminal.orders import ORDERS


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is shown and as Textual names it; what it does, in a word and in a sentence."""

    shown: str
    key: str
    action: str
    word: str
    sentence: str

    @property
    def binding(self) -> Binding:
        """The key, for Textual."""
        return Binding(self.key, self.action, self.word, show=False)


KEYS = (
    Key("?", "question_mark", "help", "help", "Show these keys."),
    Key("q", "q,ctrl+c", "quit", "quit", "Leave; workers and jobs go on."),
    Key(
        "1 … 7",
        "1,2,3,4,5,6,7",
        "tab",
        "",
        "Go to a tab; Tab and Shift+Tab go from table to table.",
    ),
    Key(
        "enter",
        "",
        "",
        "",
        "Show the jobs of the selected queue; for a job its arguments, attempts and why it waits.",
    ),
    Key("n p", "n,p", "queue", "", "Show the next queue, or the previous one."),
    Key(
        "/",
        "slash",
        "filter",
        "filter",
        "Show only rows with these words; job=NAME, id=, text= and error= search the whole queue.",
    ),
    Key("esc", "escape", "clear", "", "Remove the filter and the marks."),
    Key("space", "space", "mark", "mark", "Mark the row: CAPITALS act on the marked rows."),
    Key("a", "a", "mark_all", "", "Mark all rows of the table."),
    *(Key(key, key, f"order('{key}')", order.word, order.help) for key, order in ORDERS.items()),
)


def bindings() -> list[Binding]:
    """The keys, for Textual."""
    found = []
    for one in KEYS:
        if one.action in {"tab", "queue"}:
            found += [
                Binding(key, f"{one.action}('{key}')", one.word, show=False)
                for key in one.key.split(",")
            ]
        elif one.key:
            found.append(one.binding)
    return found
