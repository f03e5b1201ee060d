"""`make backtest`: anyone can test the forecasts on their own channels."""

from __future__ import annotations

import gzip
import json
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest

from benchmarks import backtest
from tests.real_data import data_path
from tests.unit.analysis.channels import growing

if TYPE_CHECKING:
    from pathlib import Path


def folder_of(path: Path) -> Path:
    """Make a folder with one file of counters: five channels, thirty days."""
    folder = path / "channel_daily"
    folder.mkdir()
    rows = ["date_utc,channel_id,channel_title,subscribers,views,videos"]
    for channel in range(5):
        for day, views in enumerate(growing(30, seed=channel)):
            on = date(2026, 1, 5) + timedelta(days=day)
            rows.append(f"{on},UC{channel},A title,{1_000 + 10 * day},{views},12")
    (folder / "daily_snapshots.csv.gz").write_bytes(gzip.compress("\n".join(rows).encode()))
    return path


def test_backtest_runs_on_any_folder_of_the_layout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It scores the existing data, reports what is missing, and writes the same figures as JSON."""
    output = tmp_path / "figures.json"
    assert backtest.main([str(folder_of(tmp_path)), "--json", str(output)]) == 0
    printed = capsys.readouterr()
    assert "channel_daily, all: next day" in printed.out
    assert "vtuber_daily" in printed.err
    figures = json.loads(output.read_text())
    assert set(figures) == {"channel_daily", "rows"}
    found = figures["channel_daily"]["next_day"]["weighted by past errors"]
    assert (found["channels"], found["days"]) == (5, 5 * 22)
    assert f"{found['error']:.3f}" in printed.out
    row = next(one for one in figures["rows"] if one["cell"] == "views, 7–13 days, 1 ahead")
    assert (row["cases"], row["counts"]) == (5 * 14, False)
    assert row["low"] < row["value"] < row["high"]
    assert "too few to count" in printed.out


def test_backtest_counts_only_the_days_asked_for(tmp_path: Path) -> None:
    """The last quarter of 29 days has 8 outcomes of each channel, all from three weeks and more."""
    output = tmp_path / "figures.json"
    arguments = [str(folder_of(tmp_path)), "--json", str(output), "--days", "later"]
    assert backtest.main(arguments) == 0
    rows = {one["cell"]: one for one in json.loads(output.read_text())["rows"]}
    assert rows["next day"]["cases"] == 5 * 8
    assert rows["views, 14–27 days, 1 ahead"]["cases"] == 5 * 8


def test_backtest_reads_the_exports_of_owners(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each folder of `studio_exports` with daily views is one channel."""
    folder = tmp_path / "studio_exports" / "mine"
    folder.mkdir(parents=True)
    days = [date(2026, 1, 5) + timedelta(days=i) for i in range(40)]
    lines = [f"{day},{100 + 10 * (i % 7)}" for i, day in enumerate(days)]
    (folder / "Totals.csv").write_text("\n".join(["Date,Views", *lines, ""]))
    assert backtest.main([str(tmp_path)]) == 0
    assert "mine" in capsys.readouterr().out


def test_backtest_prints_quantiles_for_the_intervals(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--fit` prints tables as `forecast_intervals` has them, and nothing else."""
    assert backtest.main([str(folder_of(tmp_path)), "--fit"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("VIEWS: Final = Quantiles(")
    assert "SUBSCRIBERS: Final = Quantiles(" in printed


def test_backtest_takes_trending_lists_of_any_layout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All lists of the folder count together; run lengths that no video reaches are left out."""
    folder = tmp_path / "youtube_trending"
    folder.mkdir()
    head = "video_id,title,publishedAt,channelId,channelTitle,trending_date,view_count\n"
    for day, views in ((12, 100), (13, 180), (14, 220), (15, 250)):
        row = f"2kyS6SvSYSE,A,2020-08-11T12:00:00Z,UC{'x' * 22},B,2020-08-{day}T00:00:00Z,{views}"
        (folder / f"list_{day}.csv").write_text(f"{head}{row}\n")
    output = tmp_path / "figures.json"
    assert backtest.main([str(tmp_path), "--json", str(output)]) == 0
    printed = capsys.readouterr().out
    figures = json.loads(output.read_text())["trending"]
    assert {name for name in figures if name.startswith("after")} == {
        "after 2 days",
        "after 3 days",
    }
    assert (figures["after 2 days"]["pairs"], figures["after 3 days"]["pairs"]) == (2, 1)
    assert "4 daily readings" not in printed


def test_backtest_of_nothing_says_so(tmp_path: Path) -> None:
    """A folder without any of the files gives exit status 2."""
    assert backtest.main([str(tmp_path)]) == 2


@pytest.mark.timeout(240)
def test_backtest_on_real_channels_keeps_its_promises(tmp_path: Path) -> None:
    """No single method is clearly better on any set, and intervals cover four fifths."""
    root = data_path("channel_daily", "daily_snapshots.csv.gz").parents[1]
    output = tmp_path / "figures.json"
    assert backtest.main([str(root), "--json", str(output)]) == 0
    figures = json.loads(output.read_text())
    for name, limit in (("channel_daily", 0.255), ("vtuber_daily", 0.655)):
        scores = figures[name]["next_day"]
        ours = scores.pop("weighted by past errors")
        assert ours["error"] < limit
        assert ours["error"] < 1.03 * min(one["error"] for one in scores.values())
        assert 0.75 <= ours["coverage"] <= 0.85
    for row in figures["rows"]:
        if row["figure"] == "held at 80%" and row["counts"] and row["cell"].startswith("views"):
            assert 0.75 <= row["value"] <= 0.89, row["cell"]
    trending = figures["trending"]["after 3 days"]
    assert trending["mean_ape"] <= 1.7
    assert trending["median_ape"] <= 0.5
    assert 0.75 <= trending["coverage"] <= 0.85
