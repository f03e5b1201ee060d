"""Rendered files: each channel's own folder, each file complete or absent."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

from jobs.report_files import file_path, folder_name, write_pages, write_whole

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("channel_id", "name"),
    [
        ("UCsXVk37bltHxD1rDPwtNM8Q", "UCsXVk37bltHxD1rDPwtNM8Q"),
        ("sample:video", "sample-video"),
        ("feed:0a1b2c3d4e5f", "feed-0a1b2c3d4e5f"),
    ],
)
def test_folder_name_of_a_usual_id_is_plain(channel_id: str, name: str) -> None:
    """A person finds the channel's folder by its id."""
    assert folder_name(channel_id) == name


def test_folder_name_is_never_shared() -> None:
    """Ids that differ only in characters not allowed in a folder's name have separate folders."""
    ids = ["a b", "a/b", "a.b", "東京", "大阪", "..", ".", "", "x" * 300, "x" * 301, "a:b:c", "A:b"]
    names = [folder_name(one) for one in ids]
    assert len(set(names)) == len(ids)
    for name in names:
        assert len(name) <= 100
        assert not set(name) & set("/\\.: ")


def test_file_path_names_report_and_charts(tmp_path: Path) -> None:
    """The report is `report`, a chart its key."""
    assert file_path(tmp_path, "UC1", None, "pdf") == tmp_path / "UC1" / "report.pdf"
    assert file_path(tmp_path, "UC1", "cadence", "svg") == tmp_path / "UC1" / "cadence.svg"


def test_write_whole_replaces_and_leaves_nothing_beside(tmp_path: Path) -> None:
    """The folder is made; afterwards it contains the file, and no part of it."""
    path = tmp_path / "a" / "report.html"
    write_whole(path, b"old")
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


def test_write_whole_keeps_the_old_file_when_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk leaves the old file, and no part of the new one."""
    path = tmp_path / "report.html"
    write_whole(path, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_write_whole_is_whole_for_readers_among_many_writers(tmp_path: Path) -> None:
    """A concurrent reader finds the complete content of one writer."""
    path, size = tmp_path / "report.html", 200_000
    write_whole(path, b"0" * size)
    done = threading.Event()

    def write(digit: int) -> None:
        for _ in range(10):
            write_whole(path, str(digit).encode() * size)

    writers = [threading.Thread(target=write, args=(digit,)) for digit in range(4)]
    seen: list[bytes] = []

    def read() -> None:
        while not done.is_set():
            seen.append(path.read_bytes())

    reader = threading.Thread(target=read)
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    assert seen
    assert all(len(each) == size and len(set(each)) == 1 for each in seen)
    assert list(tmp_path.iterdir()) == [path]


def test_pages_lie_beside_the_first_and_no_old_one_stays(tmp_path: Path) -> None:
    """A shorter report leaves no page of the longer one before; other files are not touched."""
    path, other = tmp_path / "report.png", tmp_path / "report-2.pdf"
    other.write_bytes(b"other")
    assert [one.name for one in write_pages(path, [b"1", b"2", b"3"])] == [
        "report.png",
        "report-2.png",
        "report-3.png",
    ]
    assert write_pages(path, [b"new"]) == [path]
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == {
        "report.png": b"new",
        "report-2.pdf": b"other",
    }


def test_write_whole_removes_what_a_killed_writer_left(tmp_path: Path) -> None:
    """Old parts of this file are removed; a fresh one may belong to a running writer."""
    path = tmp_path / "report.html"
    old, fresh = tmp_path / ".report.html.1.part", tmp_path / ".report.html.2.part"
    for part in (old, fresh):
        part.write_bytes(b"half")
    long_ago = time.time() - 7200
    os.utime(old, (long_ago, long_ago))
    write_whole(path, b"whole")
    assert sorted(tmp_path.iterdir()) == [fresh, path]
