"""`pipeline run` on what real channels gave: the counts are those of an independent count."""

from __future__ import annotations

import csv
import gzip
import itertools
import sqlite3
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from tests.real_data import data_path

if TYPE_CHECKING:
    from pathlib import Path

    from tests.pipeline_command import Commands

pytestmark = pytest.mark.timeout(420)

_YT = "{http://www.youtube.com/xml/schemas/2015}"
_MEDIA = "{http://search.yahoo.com/mrss/}"


@pytest.fixture
def patient(commands: Commands) -> Commands:
    """Commands that may take longer: real data is not small."""
    commands.limit_s = 400
    return commands


def _rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_channel_daily_counts_are_those_of_the_files(patient: Commands) -> None:
    """162 channels, all analysed, with every counter and video of the three files, once."""
    daily = data_path("channel_daily", "daily_snapshots.csv.gz")
    videos = [data_path("channel_daily", f"videos_2026-0{month}.csv.gz") for month in (1, 2)]
    days: defaultdict[str, set[str]] = defaultdict(set)
    for row in _rows(daily):
        days[row["channel_id"]].add(row["date_utc"])
    items: defaultdict[str, set[str]] = defaultdict(set)
    observed: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    for path in videos:
        for row in _rows(path):
            items[row["channel_id"]].add(row["video_id"])
            observed[row["channel_id"]].add((row["video_id"], row["snapshot_utc"]))
    channels = {*days, *items}

    ended = patient.run("pipeline", "run", str(daily), *map(str, videos), "--no-reports", "--json")

    assert ended.status == 0, ended.err
    document = ended.document
    assert document["channels"] == document["analyses"] == len(channels) == 162
    assert (document["dead"], document["rejected_rows"]) == (0, 0)
    assert document["items"] == sum(map(len, items.values()))
    for channel in document["per_channel"]:
        found = {name: channel[name] for name in ("items", "channel_snapshots", "item_snapshots")}
        assert found == {
            "items": len(items[channel["id"]]),
            "channel_snapshots": len(days[channel["id"]]),
            "item_snapshots": len(observed[channel["id"]]),
        }, channel["title"]


def test_real_channels_have_reports_though_there_may_be_nothing_to_draw(
    patient: Commands, tmp_path: Path
) -> None:
    """Three channels of some days, and three of a single one: one day is nothing to draw."""
    rows = _rows(data_path("channel_daily", "daily_snapshots.csv.gz"))
    days = Counter(row["channel_id"] for row in rows)
    single = [one for one, count in days.items() if count == 1][:3]
    several = [one for one, count in days.items() if count > 7][:3]
    file = tmp_path / "daily.csv"
    with file.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, rows[0])
        writer.writeheader()
        writer.writerows(row for row in rows if row["channel_id"] in {*single, *several})

    ended = patient.run("pipeline", "run", str(file), "--json")

    assert ended.status == 0, ended.err
    assert ended.document["notifications"] == 6
    for channel in ended.document["per_channel"]:
        assert (channel["charts"] == 0) == (channel["id"] in single), channel["title"]
        assert channel["report"]


def test_kurzgesagt_recordings_are_successive_snapshots(patient: Commands) -> None:
    """17 recordings of one feed: 61 videos, their counts over time, the falling one kept."""
    recordings = sorted(data_path("feeds", "youtube").glob("kurzgesagt_*.xml"))
    counters: defaultdict[str, list[int]] = defaultdict(list)
    for path in recordings:
        for entry in ET.parse(path).getroot().iter("{http://www.w3.org/2005/Atom}entry"):  # noqa: S314 -- a file of ours
            views = entry.find(f".//{_MEDIA}statistics")
            if views is not None:
                counters[entry.findtext(f"{_YT}videoId") or ""].append(int(views.attrib["views"]))
    falls = [
        (video, before, after)
        for video, counts in counters.items()
        for before, after in itertools.pairwise(counts)
        if after < before
    ]

    ended = patient.run("pipeline", "run", *map(str, recordings), "--json")

    assert ended.status == 0, ended.err
    document = ended.document
    assert (document["channels"], document["items"]) == (1, 61)
    assert len(counters) == 61
    assert len(falls) == 1
    database = sqlite3.connect(patient.folder / ".pipeline" / "pipeline.db")
    video, before, after = falls[0]
    stored = database.execute(
        "SELECT views FROM item_snapshots WHERE item_id = ? ORDER BY observed_at", (video,)
    ).fetchall()
    database.close()
    assert [(before,), (after,)] == [pair for pair in stored if pair[0] in {before, after}]
    assert document["item_snapshots"] == sum(map(len, counters.values()))


def test_podcasts_and_malformed_feeds_stop_nothing(patient: Commands) -> None:
    """Every document yields its items, or one line with its name and the reason."""
    folders = [data_path("feeds", "podcasts"), data_path("feeds", "malformed")]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]

    ended = patient.run("pipeline", "run", *map(str, folders), "--json")

    assert ended.status in {0, 2}, ended.err
    document = ended.document
    assert document["channels"] > 0
    assert document["items"] >= 800
    assert (document["dead"], document["retries"]) == (0, 0)
    assert document["analyses"] == document["channels"]
    refused = {error["source"]: error["reason"] for error in document["errors"]}
    assert all(refused.values())
    assert (ended.status == 2) == bool(refused)
    unheard = [str(path) for path in files if str(path) not in _normal(ended.err)]
    assert unheard == []
    _assert_one_line_each(ended.err, refused)


def _normal(text: str) -> str:
    return " ".join(text.split())


def _assert_one_line_each(err: str, refused: dict[str, Any]) -> None:
    for source in refused:
        lines = [line for line in err.splitlines() if line.startswith(f"pipeline: {source}: ")]
        assert len(lines) == 1, source
