"""Mapping files: any CSV becomes a source, or one line says what does not fit."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from jobs.channel.records import ChannelGain, ChannelSnapshot, ItemSnapshot, Platform
from jobs.sources import Skipped, SourceError, discover, open_source

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.sources.conftest import Write

MAP = """
name = "my tracker"
platform = "stream"

[columns]
channel_title = "Kanal"
observed_at = "Tag"
views = "Aufrufe"
subscribers = "Abos"

[dates]
observed_at = "%d.%m.%Y %H:%M"
time_zone = "Europe/Berlin"

[numbers]
thousands = "."
missing = ["k. A."]
"""
CSV = "Kanal;Tag;Aufrufe;Abos\nEins;17.01.2026 01:00;1.234;k. A.\nEins;gestern;1;2\n"


async def test_a_mapped_file_is_a_source(write: Write) -> None:
    """Columns, dates, time zone and numbers are read as the mapping says."""
    source = await open_source(write("list.csv", CSV), mapping=write("map.toml", MAP))
    (channel,) = source.channels()
    assert (channel.title, channel.platform) == ("Eins", Platform.STREAM)
    assert source.read(channel.id).channel_snapshots == [
        ChannelSnapshot(datetime(2026, 1, 17, tzinfo=UTC), views=1234)
    ]
    assert [(each.line, each.reason) for each in source.rejects] == [
        (3, "tag is not a date: 'gestern'")
    ]
    assert source.describe().startswith("my tracker, 1 channel")


async def test_a_mapping_may_say_that_a_list_holds_successes_only(write: Write) -> None:
    """The channel gets what the mapping says; without that it is unknown."""
    marked = write("marked.toml", "successes_only = true" + MAP)
    for mapping, only in ((marked, True), (write("map.toml", MAP), None)):
        source = await open_source(write("list.csv", CSV), mapping=mapping)
        assert [channel.successes_only for channel in source.channels()] == [only]


async def test_it_is_opened_again_by_its_reference(write: Write) -> None:
    """A worker that has nothing but kind and location reads it by the same mapping."""
    source = await open_source(write("list.csv", CSV), mapping=write("map.toml", MAP))
    again = await open_source(source.ref.location, source.ref.kind)
    assert again.channels() == source.channels()


async def test_items_of_one_channel_can_be_mapped(write: Write) -> None:
    """The channel may be named by the mapping alone."""
    mapping = """
    [columns]
    item_id = "Nr"
    title = "Name"
    published_at = "Out"
    observed_at = "Read"
    views = "Plays"
    [channel]
    title = "The Long Footnote"
    """
    source = await open_source(
        write("list.csv", "Nr,Name,Out,Read,Plays\n1,One,2026-01-01,2026-01-09,7\n"),
        mapping=write("map.toml", mapping),
    )
    (channel,) = source.channels()
    reading = source.read(channel.id)
    assert channel.title == "The Long Footnote"
    assert reading.item_snapshots == [ItemSnapshot("1", datetime(2026, 1, 9, tzinfo=UTC), views=7)]


async def test_a_missing_column_is_named_with_those_that_are_there(write: Write) -> None:
    """One line names the file, the missing column, and the columns that there are."""
    path = write("list.csv", "Kanal;Datum;Aufrufe\na;b;c\n")
    with pytest.raises(SourceError) as error:
        await open_source(path, mapping=write("map.toml", MAP))
    assert str(error.value) == (
        f"{path}: has no column abos, tag, which map.toml names. "
        "Its columns are kanal, datum, aufrufe"
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("columns = 3", "columns: Input should be a valid dictionary"),
        ("[columns", "is not TOML"),
        ("[columns]\nviews = 'V'", "names no channel for its rows"),
        ("[columns]\nchannel_id = 'C'", "maps no counter under [columns]: subscribers, views"),
        (
            "[columns]\nviewz = 'V'",
            "has under [columns] the unknown field viewz. There are",
        ),
        (
            "[columns]\nviews = 'V'\n[dates]\ntime_zone = 'Mars'",
            "dates.time_zone: is not a time zone",
        ),
        ("[column]\nviews = 'V'", "columns: Field required"),
        ("[[rows]]\nplatform = 'stream'", "rows.0.columns: Field required"),
        ("[columns]\nviews = 'V'\n[beside]", "beside: Input should be a valid list"),
    ],
)
async def test_a_wrong_mapping_is_an_error_that_names_the_mistake(
    write: Write, text: str, reason: str
) -> None:
    """A mistake in a mapping is an error of one line, which names it."""
    path = write("map.toml", text)
    with pytest.raises(SourceError) as error:
        await open_source(write("list.csv", CSV), mapping=path)
    assert str(error.value).startswith(f"{path}: {reason}")
    assert "\n" not in str(error.value)


async def test_in_a_folder_only_files_that_fit_are_mapped(write: Write, tmp_path: Path) -> None:
    """Files of known layouts beside them are read as always."""
    mapping = write("map.toml", MAP)
    write("data/daily.csv", "date_utc,channel_id,views\n2026-01-17,c,5\n")
    write("data/list.csv", CSV)
    findings = await discover(str(tmp_path / "data"), mapping=mapping)
    kinds = [each.ref.kind for each in findings if not isinstance(each, Skipped | SourceError)]
    assert kinds == ["csv", f"csv+{mapping}"]


async def test_the_sum_of_all_rows_is_no_item(write: Write) -> None:
    """A row that begins with the word for it, and has no title, is left out without a reject."""
    listed = (
        'platform = "youtube"\n[columns]\nitem_id = "V\u00addeo"\ntitle = "Name"\n'
        'published_at = "Am"\nviews = "Aufrufe"\n[channel]\ntitle = "L"\n'
    )
    text = "Vdeo,Name,Am,Aufrufe\nSumme,,,90\na1,Total,9. Mai 2023,60\na2,Two,10. Mai 2023,30\n"
    source = await open_source(write("l.csv", text), mapping=write("m.toml", listed))
    reading = source.read(source.channels()[0].id)
    assert [item.title for item in reading.items] == ["Total", "Two"]
    assert reading.items[1].published_at == datetime(2023, 5, 10, tzinfo=UTC)
    assert not source.rejects


async def test_dates_without_a_year_get_the_mappings(write: Write) -> None:
    """Also where a form is given; the year turns with the months."""
    described = (
        '[columns]\nobserved_at = "Tag"\nsubscribers = "Abos"\n[channel]\ntitle = "T"\n[dates]\n'
        'observed_at = "%d %b"\nyear = 2021\n'
    )
    text = "Tag,Abos\n31 Dec,7\n1 Jan,8\n"
    source = await open_source(write("l.csv", text), mapping=write("m.toml", described))
    seen = [each.observed_at for each in source.read(source.channels()[0].id).channel_snapshots]
    assert seen == [datetime(2021, 12, 31, tzinfo=UTC), datetime(2022, 1, 1, tzinfo=UTC)]


async def test_items_with_dates_need_no_counter(write: Write) -> None:
    """A list of episodes says how often they come out, as a feed does."""
    described = '[columns]\nitem_id = "guid"\npublished_at = "pub"\n[channel]\ntitle = "E"\n'
    text = "guid,pub\ng1,2023-05-01\ng2,2023-05-08\n"
    source = await open_source(write("l.csv", text), mapping=write("m.toml", described))
    reading = source.read(source.channels()[0].id)
    assert [item.published_at and item.published_at.day for item in reading.items] == [1, 8]
    assert not reading.item_snapshots


async def test_the_header_may_stand_in_any_row(write: Write) -> None:
    """A mapping may say where it is, also in a folder."""
    described = (
        'header_row = 3\n[columns]\nobserved_at = "Day"\nviews = "All"\n[channel]\ntitle = "E"\n'
    )
    text = "2023,2024,2025\na,b,c\nDay,All,x\n2023-05-01,7,1\n"
    mapping = write("m.toml", described)
    source = await open_source(write("f/l.csv", text), mapping=mapping)
    assert [each.views for each in source.read(source.channels()[0].id).channel_snapshots] == [7]


async def test_a_table_without_names_is_refused(write: Write) -> None:
    """Its first row is not printed as names of columns."""
    with pytest.raises(SourceError, match=r"first line is data, not names of columns\. Put a line"):
        await open_source(write("l.csv", "q1,2023-05-01,7,1\nq2,2023-05-02,8,1\n"))


GAINED = (
    'name = "log"\n[columns]\nobserved_at = "Day"\n{column} = "New"\n[channel]\ntitle = "G"\n'
    '[dates]\ntime_zone = "Europe/Berlin"\n'
)


def _days(values: list[int], step: int = 1) -> str:
    days = (date(2023, 5, 1) + timedelta(days=step * at) for at in range(len(values)))
    return "Day,New\n" + "".join(
        f"{day},{value}\n" for day, value in zip(days, values, strict=True)
    )


async def test_gains_are_mapped_as_gains(write: Write) -> None:
    """What came in on a day is that day's in the list's own time zone; subscribers may be lost."""
    mapping = write("m.toml", GAINED.format(column="gained_subscribers"))
    source = await open_source(write("l.csv", _days([5, -2, 7])), mapping=mapping)
    reading = source.read(source.channels()[0].id)
    assert reading.channel_gains == [
        ChannelGain(date(2023, 5, 1 + at), subscribers=value) for at, value in enumerate([5, -2, 7])
    ]
    assert not reading.channel_snapshots
    assert reading.scope
    assert reading.scope.words() == "gains of 2023-05-01 to 2023-05-03, by Europe/Berlin days"


async def test_what_falls_every_other_day_is_no_counter(write: Write) -> None:
    """A list of gains that is mapped to a counter is refused, with the field that it needs."""
    mapping = write("m.toml", GAINED.format(column="views"))
    values = [100 + 37 * at % 50 for at in range(30)]
    with pytest.raises(SourceError, match=r"views falls from \d+ of 30 .*Map it to gained_views"):
        await open_source(write("l.csv", _days(values)), mapping=mapping)
    corrected = [1000 + 10 * at - (500 if at == 20 else 0) for at in range(30)]
    await open_source(write("c.csv", _days(corrected)), mapping=mapping)


async def test_gains_of_weeks_are_no_days(write: Write) -> None:
    """The step is named."""
    mapping = write("m.toml", GAINED.format(column="gained_views"))
    with pytest.raises(SourceError, match=r"is weekly.*Export it by day"):
        await open_source(write("l.csv", _days([5, 6, 7, 8], step=7)), mapping=mapping)


async def test_rows_may_be_skipped_by_a_cell(write: Write) -> None:
    """A mapping may say which rows are none of the list's own."""
    described = 'skip.day = ["Ø Week"]\n' + GAINED.format(column="gained_views")
    text = _days([5, 6]) + "ø week,11\n"
    source = await open_source(write("l.csv", text), mapping=write("m.toml", described))
    assert not source.rejects


async def test_the_future_has_not_been_observed(write: Write) -> None:
    """A row of a day to come is a reject; an item to come has no date."""
    mapping = write("m.toml", GAINED.format(column="views"))
    source = await open_source(
        write("l.csv", "Day,New\n2023-05-01,5\n2190-05-01,6\n"), mapping=mapping
    )
    assert [each.reason for each in source.rejects] == ["day is in the future: '2190-05-01'"]
