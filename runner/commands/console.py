"""The console of commands: rich's, on which no value steers the terminal or forges a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.segment import Segment
from rich.text import Text

from runner.visible import visible_lines

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import ConsoleOptions, RenderableType


class SafeConsole(Console):
    """
    Prints texts as they are: no markup, no highlights, no control characters, no line breaks.

    Lines are made by tables and by several calls, never by what a text holds.
    """

    def __init__(
        self, *, stderr: bool = False, width: int | None = None, soft_wrap: bool = False
    ) -> None:
        super().__init__(
            stderr=stderr,
            width=width,
            soft_wrap=soft_wrap,
            highlight=False,
            markup=False,
            emoji=False,
        )

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Render it into segments; rich calls this for each part of a table, too."""
        if isinstance(renderable, Text):
            renderable = _in_one_line(renderable)
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment(visible_lines(segment.text), segment.style)

    def render_str(self, text: str, **options: Any) -> Text:
        """Make a text of what is printed as a plain string."""
        return _in_one_line(super().render_str(text, **options))


def _in_one_line(text: Text) -> Text:
    if "\n" in text.plain:
        text = text.copy()
        text.plain = text.plain.replace("\n", " ")  # as long as before: its styles stay in place
    return text
