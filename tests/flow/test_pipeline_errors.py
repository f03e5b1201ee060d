"""What can be expected to go wrong is one line: what, where, what to do; and nothing is begun."""

from __future__ import annotations

import gzip
import socket
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.pipeline_command import Commands, Ended

pytestmark = pytest.mark.timeout(480)  # some run the command several times

HEADER = "date_utc,channel_id,channel_title,subscribers,views,videos\n"


def _assert_one_line(ended: Ended, *parts: str) -> None:
    assert ended.status == 2, ended.err
    assert len(ended.messages) == 1, ended.err
    assert "Traceback" not in ended.err
    for part in parts:
        assert part in ended.messages[0]


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


DAMAGED = {
    "empty.csv": (b"", "is empty"),
    "letter.csv": (b"Dear all,\nhow are you?\n", "is neither a feed nor a CSV"),
    "picture.csv": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\x00\xff\xfe", "is a picture, not text"),
    "page.xml": (b"<html><title>Not found</title></html>", "is an HTML page"),
    "bare.csv": (HEADER.encode(), "holds a header and no rows"),
    "cut.csv.gz": (
        gzip.compress(HEADER.encode() * 100, mtime=0)[:40],
        "is cut off: its gzip data ends early",
    ),
}


def test_damaged_sources_are_refused(commands: Commands) -> None:
    """A file that is not what it says gets one line with its name, and nothing is started."""
    paths = [_write(commands.folder / name, content) for name, (content, _) in DAMAGED.items()]

    ended = commands.run("pipeline", "run", *map(str, paths))

    assert ended.status == 2, ended.err
    assert "Traceback" not in ended.err
    assert len(ended.messages) == len(paths), ended.err
    for path, (_, reason) in zip(paths, DAMAGED.values(), strict=True):
        [line] = [one for one in ended.messages if str(path) in one]
        assert reason in line
    assert not (commands.folder / ".pipeline").exists()


def test_strict_refuses_a_source_and_stores_nothing(commands: Commands) -> None:
    """One bad row refuses the whole source, and is to be found in the file that the line names."""
    path = _write(
        commands.folder / "daily.csv",
        f"{HEADER}2026-01-17,c,C,1,2,3\n2026-01-18,c,C,many,2,3\n".encode(),
    )

    ended = commands.run("pipeline", "run", "--strict", str(path), "--json")

    assert ended.status == 2, ended.err
    _assert_one_line(ended, str(path), "has 1 row that --strict refuses")
    (rejected,) = ended.document["rejects"]
    assert "many" in (commands.folder / rejected["file"]).read_text()
    assert ended.document["channels"] == 0
    assert not (commands.folder / ".pipeline" / "pipeline.db").exists()


def test_a_mapping_makes_a_source_of_any_csv(commands: Commands) -> None:
    """Refused with its columns without one, and reported with one."""
    path = _write(commands.folder / "list.csv", b"Kanal;Tag;Aufrufe\nEins;2026-01-17;5\n")
    mapping = _write(
        commands.folder / "map.toml",
        b"[columns]\nchannel_title = 'Kanal'\nobserved_at = 'Tag'\nviews = 'Aufrufe'\n",
    )

    refused = commands.run("pipeline", "run", str(path))
    ended = commands.run("pipeline", "run", str(path), "--mapping", str(mapping), "--json")

    _assert_one_line(
        refused, str(path), "with the columns kanal, tag, aufrufe", "pipeline mapping "
    )
    assert ended.status == 0, ended.err
    assert (ended.document["channels"], ended.document["channel_snapshots"]) == (1, 1)
    assert ended.document["per_channel"][0]["title"] == "Eins"


def test_missing_source_is_refused_in_json_too(commands: Commands) -> None:
    """Standard output holds one JSON object, which names the very file, in any encoding."""
    ended = commands.run(
        "pipeline", "run", "--json", "nowhere/", "odd\udcff.csv", PYTHONIOENCODING="utf-8:strict"
    )

    assert ended.status == 2
    first, second = ended.messages
    assert "nowhere: does not exist" in first
    assert r"odd\udcff.csv: does not exist" in second
    assert ended.document["channels"] == 0
    sources = [error["source"] for error in ended.document["errors"]]
    assert sources[0].endswith("nowhere")
    assert sources[1].endswith("odd\udcff.csv")
    assert len(sources) == 2


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"REDIS_URL": "redis://me:hunter2@127.0.0.1:1/0"}, "Redis at redis://me:…@127.0.0.1:1/0"),
        ({"REDIS_URL": "127.0.0.1"}, "REDIS_URL is not a Redis address"),
        ({"DATABASE_URL": "mysql://host/x"}, "DATABASE_URL: it names neither SQLite nor"),
        ({"DATABASE_URL": "postgresql://127.0.0.1:1/x"}, "PostgreSQL database x at 127.0.0.1:1"),
        ({"LOG_LEVEL": "loud"}, "variable LOG_LEVEL is 'LOUD'"),
        ({"QUEUES__DEFAULT__WORKER_COUNT": "0"}, "variable QUEUES__DEFAULT__WORKER_COUNT is '0'"),
        ({"PIPELINE_CONFIG": "none.toml"}, "config file none.toml: No such file"),
        ({"SENTRY_DSN": "hello"}, "the Sentry DSN is invalid"),
    ],
)
def test_wrong_setting_is_told(
    commands: Commands, variables: dict[str, str], expected: str
) -> None:
    """Each wrong variable is named in one line, which can be sent to anybody: no password."""
    ended = commands.run("pipeline", "run", "samples:video", **variables)

    _assert_one_line(ended, expected)
    assert "hunter2" not in ended.err


def test_unknown_key_of_a_config_file_is_told(commands: Commands) -> None:
    """`--config` is taken before the command and after it; an unknown key is no silent default."""
    path = _write(commands.folder / "wrong.toml", b"[queues.slow]\nworker_count = 1\n")
    expected = f"config file {path}: queues.slow: there is no such setting; known are default"

    _assert_one_line(commands.run("pipeline", "--config", str(path), "run", "samples:"), expected)
    _assert_one_line(commands.run("pipeline", "up", "--config", str(path)), expected)


def test_state_directory_that_cannot_be_written_is_told(commands: Commands) -> None:
    """It names the directory and the variable that chooses another."""
    _write(commands.folder / "file", b"")

    for words in (("run", "samples:video"), ("up", "--health-port", "0"), ("worker", "default")):
        ended = commands.run("pipeline", *words, PIPELINE_HOME="file/state")
        _assert_one_line(ended, f"state directory {commands.folder}/file/state", "PIPELINE_HOME")


def test_database_that_is_none_is_told(commands: Commands) -> None:
    """A file that is no SQLite database is not touched."""
    path = _write(commands.folder / "notes.txt", b"these are my notes, and no database " * 20)

    ended = commands.run("pipeline", "run", "samples:video", DATABASE_URL=f"sqlite:///{path}")

    _assert_one_line(ended, f"SQLite database {path}: file is not a database")
    assert path.read_bytes().startswith(b"these are my notes")


def test_port_in_use_is_told(commands: Commands, redis_url: str) -> None:
    """`up` and `worker` say which port is taken, and end."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        for words in (("up",), ("worker", "default")):
            ended = commands.run("pipeline", *words, "--health-port", port, REDIS_URL=redis_url)
            _assert_one_line(ended, f"127.0.0.1:{port}: the port is in use")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("fly",), "No such command 'fly'; see pipeline --help"),
        (("run",), "Missing argument 'SOURCE…'; see pipeline run --help"),
        (("run", "samples:", "--timeout", "0"), "Invalid value for '--timeout'"),
        (("worker",), "Name one or more queues: default, analytics, recommendations"),
        (("worker", "slow"), "There is no queue 'slow'; choose from default, analytics"),
        (("worker", "slow"), "or name your own application: --app MODULE:NAME (`pipeline new"),
    ],
)
def test_wrong_usage_is_told(commands: Commands, words: tuple[str, ...], expected: str) -> None:
    """A wrong command line is one line, too."""
    _assert_one_line(commands.run("pipeline", *words), expected)


def test_debug_shows_where_an_error_comes_from(commands: Commands) -> None:
    """`--debug` adds the traceback, before the command or after it."""
    for words in (("--debug", "run", "samples:"), ("run", "samples:", "--debug")):
        ended = commands.run("pipeline", *words, REDIS_URL="redis://127.0.0.1:1")

        assert ended.status == 2
        assert "Traceback (most recent call last)" in ended.err
        assert len(ended.messages) == 1


def test_help_works_with_a_wrong_configuration(commands: Commands) -> None:
    """Who asks for help may not have got the settings right yet."""
    for words in (("--help",), ("run", "--help"), ("up", "--help"), ("--version",)):
        ended = commands.run("pipeline", *words, LOG_LEVEL="loud")
        assert ended.status == 0
        assert ended.err == ""
