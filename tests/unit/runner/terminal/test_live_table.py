"""The table of `pipeline top`: it cuts nothing off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from textual.app import App, ComposeResult

from runner.terminal.live_table import Line, LiveTable

if TYPE_CHECKING:
    from runner.terminal.orders import Target

LONG = "recommendations"


class OneTable(App[None]):
    """An app with only the table."""

    def compose(self) -> ComposeResult:
        """Yield the table."""
        yield LiveTable({"queue": "left", "ready": "right"}, id="queues")


def lines(*names: str) -> list[Line]:
    """Return a row for each name."""
    return [Line(str(n), (name, 7), cast("Target", name)) for n, name in enumerate(names)]


def painted(table: LiveTable) -> list[str]:
    """Return the rows as a painter sees them that does not wait until Textual is idle."""
    return [table.render_line(row + 1).text for row in range(table.row_count)]


async def test_cells_are_whole_in_the_first_picture_and_in_each_after_it() -> None:
    """New rows, longer and shorter cells: columns fit before they are painted."""
    async with OneTable().run_test(size=(60, 10)) as pilot:
        table = pilot.app.query_one(LiveTable)

        for names in (("default", LONG), ("default", "x"), ("default", LONG), ("x",)):
            table.show(lines(*names))
            for name, row in zip(names, painted(table), strict=True):
                assert name in row
                assert "7" in row
            await pilot.pause()
            widths: list[Any] = [column.content_width for column in table.ordered_columns]
            assert widths == [max(len(" queue"), *[len(name) + 1 for name in names]), len("ready")]
