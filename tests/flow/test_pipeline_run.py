"""`pipeline run`: channels go in, reports come out, through all four queues."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import redis

if TYPE_CHECKING:
    from tests.pipeline_command import Commands, Running

pytestmark = pytest.mark.timeout(600)

COUNTS = {
    "channels",
    "items",
    "snapshots",
    "analyses",
    "charts",
    "recommendations",
    "notifications",
    "retries",
    "dead",
    "rejected_rows",
}
MANY = 16
THEMES = (
    "sourdough recipe oven bread baking dough flour kitchen",
    "speedrun gameplay boss controller arcade console quest pixel",
    "telescope galaxy comet planet nebula orbit eclipse rocket",
)

# A dead worker's jobs run again within one lease: short, so that nobody waits for it here.
SHORT_LEASE = {"RUNNER__LEASE_S": "8", "RUNNER__HEARTBEAT_S": "1", "RUNNER__BLOCKED_LIMIT_S": "6"}


@pytest.fixture
def daily_csv(commands: Commands) -> str:
    """Daily counters of so many channels that a run takes a moment."""
    rows = ["date_utc,channel_id,channel_title,subscribers,views,videos"]
    for channel in range(MANY):
        for day in range(1, 21):
            counters = f"{1000 + day},{50_000 + 300 * day + channel},{40 + day // 7}"
            rows.append(f"2026-01-{day:02},UC{channel:022},Channel {channel},{counters}")
    path = commands.folder / "daily.csv"
    path.write_text("\n".join(rows) + "\n")
    return str(path)


def test_run_samples_twice_gives_the_same_counts(commands: Commands) -> None:
    """From an empty folder to reports; run again, it finds everything and duplicates nothing."""
    first = commands.run("pipeline", "run", "samples:", "--json")
    again = commands.run("pipeline", "run", "samples:", "--json")

    assert (first.status, again.status) == (0, 0), first.err + again.err
    document = first.document
    assert set(document) >= COUNTS | {"seconds", "per_channel"}
    assert document["channels"] == document["analyses"] == document["notifications"] == 3
    assert min(document[name] for name in ("items", "snapshots", "charts")) > 0
    assert (document["retries"], document["dead"], document["rejected_rows"]) == (0, 0, 0)
    assert document["snapshots"] == document["channel_snapshots"] + document["item_snapshots"]
    assert _without_time(again.document) == _without_time(document)
    for channel in document["per_channel"]:
        assert set(channel) >= (COUNTS - {"channels"}) | {"id", "title", "report"}
        assert channel["generated"]
        page = Path(channel["report"]).read_text()
        assert channel["title"] in page
        assert "generated" in page
    index = Path(document["index"])
    for channel in document["per_channel"]:
        assert os.path.relpath(channel["report"], index.parent) in index.read_text()
    for name in COUNTS - {"channels"}:
        assert document[name] == sum(channel[name] for channel in document["per_channel"])


def test_run_tells_sources_and_summary_and_keeps_its_log(commands: Commands) -> None:
    """A person sees sources, progress, a table and reports; each job's lines are in the log."""
    ended = commands.run("pipeline", "run", "samples:")

    assert ended.status == 0, ended.err
    assert "samples: generated samples, 3 channels" in ended.err
    assert "no worker has announced" not in ended.err  # it works its queues itself
    assert "\x1b" not in ended.out + ended.err
    rows = dict(line.split()[:2] for line in ended.out.splitlines() if len(line.split()) >= 2)
    assert {"Channels", "Items", "Analyses", "Charts", "Retries", "Seconds"} <= set(rows)
    assert rows["Channels"] == "3"
    reports = [line.strip() for line in ended.out.splitlines() if line.endswith("report.html")]
    assert len(reports) == 3
    assert all((commands.folder / report).is_file() for report in reports)
    assert ".pipeline/reports/index.html" in ended.out
    of_jobs = [line for line in _log(commands) if line["event"] == "job done"]
    assert {line["queue"] for line in of_jobs} == {
        "default",
        "analytics",
        "recommendations",
        "notifications",
    }
    assert all({"job_id", "job_name", "queue", "attempt"} <= set(line) for line in of_jobs)
    assert "job done" not in ended.err


def _log(commands: Commands) -> list[dict[str, Any]]:
    log = commands.folder / ".pipeline" / "logs" / "run.log"
    return [json.loads(line) for line in log.read_text().splitlines()]


def _until_a_job_is_done(commands: Commands, run: Running) -> None:
    """Wait for the first of many, so that the others are still to be done."""
    log = commands.folder / ".pipeline" / "logs" / "run.log"
    deadline = time.monotonic() + 60.0
    while not log.exists() or '"job done"' not in log.read_text():
        assert run.process.poll() is None, run.out + run.err
        assert time.monotonic() < deadline, run.out + run.err
        time.sleep(0.01)


def test_run_on_the_users_redis_reads_what_it_can(
    commands: Commands, daily_csv: str, redis_url: str
) -> None:
    """
    A source and a row that cannot be read are named, and cost only themselves.

    With `REDIS_URL` no private Redis is started. Nothing can be asked about a channel without
    items: its analysis is saved together with the answers, and it takes no job for them.
    """
    path = Path(daily_csv)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:5], "2026-01-99,UC1,Broken,1,2,3", *lines[5:21]]) + "\n")

    ended = commands.run(
        *("pipeline", "run", "nowhere.csv", daily_csv, "--no-reports", "--json"),
        REDIS_URL=redis_url,
    )

    assert ended.status == 2, ended.err
    assert ended.document["channels"] == ended.document["analyses"] == 1
    assert ended.document["errors"] == [
        {
            "source": str(commands.folder / "nowhere.csv"),
            "reason": "does not exist. Check the path",
        }
    ]
    assert ended.document["rejected_rows"] == 1
    assert ended.document["channel_snapshots"] == 20
    assert "line 6 rejected: " in ended.err
    assert not (commands.folder / ".pipeline" / "redis").exists()
    jobs = {line.get("job_name") for line in _log(commands)}
    assert "analyze_channel" in jobs
    assert "recommend" not in jobs


def test_first_run_knows_days_on_which_all_counted_late(commands: Commands) -> None:
    """Some channels are read first, and the platform's own days measured before any analysis."""
    rows = ["date_utc,channel_id,channel_title,subscribers,views,videos"]
    for channel in range(22):
        views = 50_000
        for day in range(1, 41):
            views += {37: 100, 38: 580}.get(day, 340 + (day * 7 + channel * 3) % 40)
            when = f"2026-{1 + (day > 31):02}-{day - 31 * (day > 31):02}"
            rows.append(f"{when},UC{channel:022},Channel {channel},1000,{views},40")
    path = commands.folder / "daily.csv"
    path.write_text("\n".join(rows) + "\n")

    ended = commands.run("pipeline", "run", str(path), "--no-reports", "--json")

    assert ended.status == 0, ended.err
    assert ended.document["channels"] == ended.document["analyses"] == 22
    assert [ended.document[name] for name in ("retries", "dead")] == [0, 0]
    done = [line["job_name"] for line in _log(commands) if line["event"] == "job done"]
    assert done.index("measure_platform_days") < done.index("analyze_channel")
    assert (done.count("sync_channel"), done.count("analyze_channel")) == (22, 22)
    for one in ("UC" + "0" * 22, f"UC{21:022}"):
        report = commands.run("pipeline", "report", one, "--format", "html", "-o", "r.html")
        assert report.status == 0, report.err
        assert "the counter was late everywhere" in (commands.folder / "r.html").read_text()


def test_first_run_compares_channels_before_it_makes_their_reports(commands: Commands) -> None:
    """Which channels are similar, and the rank among them, are in the first report already."""
    folder = commands.folder / "data"
    folder.mkdir()
    days = ["date_utc,channel_id,channel_title,subscribers,views,videos"]
    items = ["snapshot_utc,channel_id,channel_title,video_id,title,published_at,view_count"]
    for channel in range(12):
        of = f"UC{channel:022},Channel {channel}"
        words = THEMES[channel % len(THEMES)].split()
        for day in range(1, 29):
            views = 50_000 + (300 + 10 * channel) * day + day * day % 7
            days.append(f"2026-01-{day:02},{of},1000,{views},40")
        for at in range(1, 9):
            title = " ".join(words[(channel + at + step) % len(words)] for step in range(4))
            published = f"2026-01-{2 * at:02}T08:00:00Z"
            items.append(f"2026-01-28T08:00:00Z,{of},v{channel}-{at},{title},{published},{at}00")
    (folder / "days.csv").write_text("\n".join(days) + "\n")
    (folder / "items.csv").write_text("\n".join(items) + "\n")

    ended = commands.run("pipeline", "run", str(folder), "--json")

    assert ended.status == 0, ended.err
    pages = [Path(one["report"]).read_text() for one in ended.document["per_channel"]]
    assert all("Channels that are alike in content" in page for page in pages)
    assert any(" similar channels this one is number " in page for page in pages)


def test_interrupted_run_goes_on_when_run_again(commands: Commands, daily_csv: str) -> None:
    """Ctrl-C stops with grace and says so; the next run ends with every channel, once."""
    # With reports, which take long enough to be interrupted.
    with commands.running("pipeline", "run", daily_csv) as running:
        _until_a_job_is_done(commands, running)
        ended = running.end(signal.SIGINT)

    assert ended.status == 130
    assert any(
        "interrupted" in line and "run the same command again" in line for line in ended.messages
    )
    assert "Traceback" not in ended.err

    again = commands.run("pipeline", "run", daily_csv, "--json")
    assert again.status == 0, again.err
    _assert_all_there(again.document)


def test_killed_run_goes_on_when_run_again(commands: Commands, daily_csv: str) -> None:
    """What was queued or half done when the process was killed is done by the next run."""
    with commands.running("pipeline", "run", daily_csv, **SHORT_LEASE) as running:
        _until_a_job_is_done(commands, running)
        running.end(signal.SIGKILL)

    again = commands.run("pipeline", "run", daily_csv, "--json", **SHORT_LEASE)
    assert again.status == 0, again.err
    _assert_all_there(again.document)
    assert again.document["notifications"] == MANY
    assert all(channel["report"] for channel in again.document["per_channel"])


def test_timeout_stops_and_says_so(commands: Commands, daily_csv: str) -> None:
    """A run that takes too long ends with status 1 and one line."""
    ended = commands.run("pipeline", "run", daily_csv, "--timeout", "0.5")

    assert ended.status == 1
    assert any("stopped after 0.5 s" in line for line in ended.messages)


def test_dead_job_is_told_with_its_channel(commands: Commands) -> None:
    """It is listed: queue, job, channel, error; the status is 1, also while it is still dead."""
    state = commands.folder / ".pipeline"
    state.mkdir()
    (state / "reports").write_text("a file where a folder should be")
    run = ("pipeline", "run", "samples:podcast")

    ended = commands.run(*run, "--json", QUEUES__DEFAULT__MAX_RETRIES="0")

    assert ended.status == 1
    assert ended.document["dead"] == 1
    assert ended.document["per_channel"][0]["dead"] == 1
    assert ended.document["per_channel"][0]["report"] is None
    [line] = [one for one in ended.messages if "job died" in one]
    assert "render_visualization in default, channel sample:podcast: " in line
    assert "Traceback" not in ended.err

    again = commands.run(*run, QUEUES__DEFAULT__MAX_RETRIES="0")
    assert again.status == 1, again.err
    assert len(again.messages) == 1


def _assert_all_there(document: dict[str, Any]) -> None:
    assert document["channels"] == document["analyses"] == MANY
    assert document["channel_snapshots"] == MANY * 20
    assert document["dead"] == 0


def _without_time(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "seconds"}


def test_run_goes_on_when_its_private_redis_is_killed(commands: Commands, daily_csv: str) -> None:
    """Redis comes back with its data, and the run ends with every channel."""
    # With reports, or it may have ended before.
    with commands.running("pipeline", "run", daily_csv, "--json") as run:
        _until_a_job_is_done(commands, run)
        pid = int((commands.folder / ".pipeline" / "redis" / "redis.pid").read_text())
        os.kill(pid, signal.SIGKILL)
        ended = run.ended()

    assert ended.status == 0, ended.err
    _assert_all_there(ended.document)


LOSSES = {
    "the whole state": (".pipeline", "was"),
    "the files of Redis": (".pipeline/redis", "were deleted while the private Redis ran"),
    "the database": (".pipeline/pipeline.db", "was deleted or replaced while it was open"),
}


@pytest.mark.parametrize("what", LOSSES)
def test_run_whose_data_is_deleted_fails_in_one_line(
    commands: Commands, daily_csv: str, what: str
) -> None:
    """Exit status 1, soon, and no server is left; run again, it starts anew."""
    deleted, said = LOSSES[what]
    with commands.running("pipeline", "run", daily_csv, "--json") as run:
        _until_a_job_is_done(commands, run)
        server = psutil.Process(
            int((commands.folder / ".pipeline" / "redis" / "redis.pid").read_text())
        )
        path = commands.folder / deleted
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
        ended = run.ended()

    assert ended.status == 1, ended.err
    [message] = ended.messages
    assert said in message
    server.wait(10)

    again = commands.run("pipeline", "run", daily_csv, "--no-reports", "--json")
    assert again.status == 0, again.err
    assert again.document["channels"] == MANY
    assert all(channel["analyses"] for channel in again.document["per_channel"])


def test_run_whose_redis_is_flushed_fails_in_one_line(
    commands: Commands, daily_csv: str, redis_url: str
) -> None:
    """It does not wait for ever for jobs that nobody has."""
    with commands.running("pipeline", "run", daily_csv, REDIS_URL=redis_url) as run:
        _until_a_job_is_done(commands, run)
        with redis.Redis.from_url(redis_url) as client:
            client.flushall()
        ended = run.ended()

    assert ended.status == 1, ended.err
    assert ended.messages == [
        "pipeline: Redis no longer has the jobs of this run: was it flushed? Run again"
    ]


def test_hostile_sources_cost_nothing_but_themselves(commands: Commands) -> None:
    """Each has its line; what is good beside them is read, with its titles, and has its report."""
    folder = commands.folder / "data"
    folder.mkdir()
    (folder / "comments.xml").write_text("<!--" * 16_384)
    attributes = " ".join(f"a{at}='1'" for at in range(20_000))
    (folder / "attributes.xml").write_text(f"<rss version='2.0'><channel {attributes}/></rss>")
    (folder / "bomb.csv.gz").write_bytes(
        gzip.compress(b"date_utc,channel_id,views\n" + b"1" * 8_000_000)
    )
    (folder / "odd.toml").write_text("a = " + "[" * 5000)
    days = "".join(
        f"2026-01-{day:02}T08:00:00Z,c,𝕱𝖆𝖓𝖈𝖞 \ufffe\x9b,v{at},𝕱𝖆𝖓𝖈𝖞 {at} \uffff \uf8ff 🫩,"
        f"2026-01-0{at}T08:00:00Z,{100 * at * day}\n"
        for day in range(10, 20)
        for at in range(1, 6)
    )
    header = "snapshot_utc,channel_id,channel_title,video_id,title,published_at,view_count\n"
    (folder / "good.csv").write_text(header + days)

    ended = commands.run("pipeline", "run", str(folder), "--json")

    assert ended.status == 2, ended.err
    assert "Traceback" not in ended.err
    assert len([line for line in ended.messages if ".xml: " in line or ".gz: " in line]) == 3
    (report,) = (commands.folder / ".pipeline" / "reports" / "c").glob("report.html")
    assert "𝕱𝖆𝖓𝖈𝖞 5" in report.read_text()
    assert "could not be drawn" not in report.read_text()
    pdf = commands.run("pipeline", "report", "c", "--format", "pdf", "-o", "report.pdf")
    assert pdf.status == 0, pdf.err
    assert (commands.folder / "report.pdf").read_bytes().startswith(b"%PDF")
    refused = commands.run("pipeline", "run", str(folder), "--mapping", str(folder / "odd.toml"))
    assert refused.status == 2
    assert "is not TOML" in refused.messages[0]
