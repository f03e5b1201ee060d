"""`pipeline report`: which channel is meant, what is written where, and what is printed."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click
import pytest
from click.testing import CliRunner

from jobs.analysis import analyze
from jobs.channel.records import ChannelReading, ChannelRecord, ChannelSnapshot, Platform
from jobs.commands.channels.choice import choose_channel
from jobs.commands.report import report
from jobs.services import Services
from jobs.store import migrate, open_store
from runner.commands.run_command import run_async
from tests.unit.analysis.channels import CHANNEL, DAY, START, growing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from click.testing import Result

    from jobs.services import SourceAccess

CHANNELS = [
    ChannelRecord("UCa", "Bench and Grain", Platform.YOUTUBE),
    ChannelRecord("UCb", "Bench", Platform.YOUTUBE),
    ChannelRecord("feed:c", "Straße", Platform.PODCAST),
]
UNREAD = ChannelRecord("UC9", "Never analysed", Platform.YOUTUBE)


@pytest.mark.parametrize(
    ("words", "channel_id"),
    [
        ("UCa", "UCa"),
        ("bench", "UCb"),
        ("grain", "UCa"),
        ("STRASSE", "feed:c"),
        ("feed:", "feed:c"),
    ],
)
def test_channel_is_meant_by_id_title_or_part(words: str, channel_id: str) -> None:
    """A whole id or title wins over a part of another."""
    assert choose_channel(CHANNELS, words).id == channel_id


@pytest.mark.parametrize(
    ("channels", "words", "expected"),
    [
        (CHANNELS, "UC", "may be UCa (Bench and Grain), UCb (Bench); give one of these ids"),
        (CHANNELS, "nobody", "no channel is named 'nobody'; there are UCa"),
        ([], "nobody", "begin with: pipeline run SOURCE"),
        (CHANNELS * 3, "other", "and 4 more"),
    ],
)
def test_unclear_channel_is_reported(
    channels: list[ChannelRecord], words: str, expected: str
) -> None:
    """The line names the channels that match, or those that exist."""
    with pytest.raises(click.ClickException) as raised:
        choose_channel(channels, words)
    assert expected in raised.value.message


@dataclass
class Host:
    """The application: a store in *folder*."""

    folder: Path

    def configure_logs(self) -> None:
        """Nothing is logged."""

    @asynccontextmanager
    async def open_services(self) -> AsyncIterator[Services]:
        """Open the store alone."""
        async with open_store(f"sqlite:///{self.folder / 'store.sqlite'}") as store:
            sources = cast("SourceAccess", None)
            yield Services(
                store=store, sources=sources, targets=(), reports_dir=self.folder / "reports"
            )

    async def fill(self) -> None:
        """Store a channel with its analysis, and one without."""
        await migrate(f"sqlite:///{self.folder / 'store.sqlite'}")
        async with self.open_services() as services:
            store = services.store
            snapshots = [
                ChannelSnapshot(START + day * DAY, views=views)
                for day, views in enumerate(growing(40))
            ]
            await store.readings.save([ChannelReading(CHANNEL, channel_snapshots=snapshots)])
            await store.channels.register(UNREAD, [])
            data = await store.readings.load(CHANNEL.id)
            document = analyze(data).model_dump(mode="json")
            await store.analyses.save(CHANNEL.id, data.fingerprint, document)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """Make an application with something to report."""
    made = Host(tmp_path)
    run_async(made.fill())
    return made


def ask(host: Host, *words: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(report, words, obj=host)


def test_report_is_written_and_its_path_printed(host: Host) -> None:
    """Missing charts are drawn; the second time all are found."""
    for _ in range(2):
        ended = ask(host, "chaîne")
        assert ended.exit_code == 0, ended.output
        path = Path(ended.stdout.strip())
        assert path == host.folder / "reports" / "UC0" / "report.html"
        assert 'id="daily-views"' in path.read_text()


def test_report_goes_to_the_output_that_is_given(host: Host) -> None:
    """`-o FILE` writes there alone, `-o -` to standard output and nothing else."""
    wanted = host.folder / "mine.json"
    assert ask(host, "UC0", "--format", "json", "-o", str(wanted)).exit_code == 0
    ended = ask(host, "UC0", "--format", "json", "-o", "-")
    assert ended.stdout_bytes == wanted.read_bytes()
    assert json.loads(ended.stdout)["title"] == "Une chaîne"
    assert not (host.folder / "reports").exists()


def test_pictures_are_printed_a_path_a_line(host: Host) -> None:
    """Each page has its line; for programs they are a list, and standard output gets the first."""
    first = host.folder / "mine.png"
    printed = ask(host, "UC0", "--format", "png", "-o", str(first)).stdout.splitlines()
    assert len(printed) > 1
    assert printed[:2] == [str(first), str(host.folder / "mine-2.png")]
    assert all(Path(one).read_bytes().startswith(b"\x89PNG") for one in printed)
    found = json.loads(ask(host, "UC0", "--format", "png", "-o", str(first), "--json").stdout)
    assert (found["path"], found["pages"]) == (str(first), printed)
    assert ask(host, "UC0", "--format", "png", "-o", "-").stdout_bytes == first.read_bytes()


def test_report_prints_its_path_for_programs(host: Host) -> None:
    """`--json` is one object: the channel, the file, its contents."""
    printed = json.loads(
        ask(host, "UC0", "--chart", "daily-views", "--format", "svg", "--json").stdout
    )
    assert printed["channel"] == {"id": "UC0", "title": "Une chaîne"}
    assert (printed["chart"], printed["format"]) == ("daily-views", "svg")
    assert Path(printed["path"]).stat().st_size == printed["bytes"]
    assert "daily-views" in printed["charts"]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["Never"], "channel UC9 (Never analysed) is not analysed yet"),
        (["nobody"], "no channel is named 'nobody'"),
        (["UC0", "--json", "-o", "-"], "both want standard output"),
        (["UC0", "--chart", "cadence", "--format", "json"], "a single chart has no json"),
        (["UC0", "--format", "gif"], "'gif' is not one of 'html', 'pdf', 'png', 'svg', 'json'"),
    ],
)
def test_impossible_report_is_refused_in_one_line(host: Host, words: list[str], line: str) -> None:
    """The line says what is wrong and what to do; nothing is written."""
    ended = ask(host, *words)
    assert ended.exit_code != 0
    assert line in ended.stderr
    assert not (host.folder / "reports").exists()
