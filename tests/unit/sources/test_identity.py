"""Whose a source is that does not name its channel."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from jobs.sources import discover, open_source
from jobs.sources.identity import id_of_title, of_place

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.sources.conftest import Write

TOTALS = "Date,Views\n2023-05-01,5\n2023-05-02,6\n"


def test_one_last_part_of_a_path_is_no_identity() -> None:
    """Two clients' folders of one name are two channels; each keeps its own from run to run."""
    one, two = (of_place(f"/clients/{name}/data", "youtube") for name in ("anna", "bert"))
    assert one.id != two.id
    assert one == of_place("/clients/anna/data", "youtube")
    assert (one.title, two.title) == ("anna/data", "bert/data")
    assert of_place("/clients/Anna Bakes", "youtube").title == "Anna Bakes"


@pytest.mark.parametrize(
    "name",
    [
        "Content 2023-05-01_2023-05-28 Some Show",
        "Content 2023-05-01_2023-05-28 Some Show (1)",
        "Content 2023-06-01_2023-06-30 Some Show(12)",
        "Inhalte 2023-05-01_2023-05-28 Some Show",
        "コンテンツ 2023-05-01_2023-05-28 Some Show.zip",
    ],
)
def test_studio_names_the_channel(name: str) -> None:
    """Whatever the range, the language or the number of a further download."""
    found = of_place(f"/anywhere/{name}", "youtube")
    assert found.title == "Some Show"
    assert found.id == id_of_title("youtube", "Some Show")
    assert found.first is not None


@pytest.mark.parametrize("kind", ["Overview", "Content", "Followers", "Viewers"])
def test_tiktok_studio_names_the_channel(kind: str) -> None:
    """An archive's name has its kind, the first day, and whose it is."""
    found = of_place(f"/d/{kind}_2025-08-28_1756400000_some.one.zip", "tiktok")
    assert (found.title, found.first) == ("some.one", date(2025, 8, 28))
    assert found.id == id_of_title("tiktok", "some.one")


def test_the_number_of_a_download_names_nothing() -> None:
    """A copy beside the first is the same channel; its range is read from its name."""
    assert of_place("/d/stats (2)", "youtube").id == of_place("/d/stats", "youtube").id
    found = of_place("/d/Content 2023-05-01_2023-05-28 Some", "youtube")
    assert (found.first, found.last) == (date(2023, 5, 1), date(2023, 5, 28))


async def test_exports_of_one_name_are_two_sources_of_two_channels(
    write: Write, tmp_path: Path
) -> None:
    """A source that does not name its channel is read under the id that the store has for it."""
    write("a/data/Totals.csv", TOTALS)
    write("b/data/Totals.csv", TOTALS)
    found = await discover(str(tmp_path))
    ids = {channel.id for source in found for channel in source.channels()}  # type: ignore[union-attr]
    assert len(ids) == 2
    source = await open_source(str(tmp_path / "a/data"))
    assert source.read("title:0123456789ab").channel.id == "title:0123456789ab"


async def test_a_mapped_file_may_be_its_own_channel(write: Write) -> None:
    """`{file}` and `{folder}` name it by its whole path, too."""
    described = '[columns]\nobserved_at = "Day"\nviews = "All"\n[channel]\ntitle = "{file}"\n'
    mapping = write("m.toml", described)
    text = "Day,All\n2023-05-01,7\n"
    one = await open_source(write("a/list.csv", text), mapping=mapping)
    two = await open_source(write("b/list.csv", text), mapping=mapping)
    assert one.channels()[0].id != two.channels()[0].id
    assert one.channels()[0].title == "list"
    assert one.read("title:0123456789ab").channel.id == "title:0123456789ab"
