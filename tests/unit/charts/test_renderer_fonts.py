"""The renderer takes its own copy of Liberation, not the system's."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from jobs.charts import renderer_fonts
from jobs.charts.renderer_fonts import without_liberation


@pytest.fixture
def fonts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a system's folder of typefaces."""
    monkeypatch.delenv("FONTCONFIG_FILE", raising=False)
    monkeypatch.setattr(renderer_fonts, "_roots", lambda: iter([tmp_path / "fonts"]))
    for name in ("fonts/dejavu/DejaVuSans.ttf", "fonts/deep/noto/NotoSans.otf"):
        _typeface(tmp_path / name)
    return tmp_path / "fonts"


def _typeface(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def _listed() -> list[str]:
    root = ET.parse(os.environ["FONTCONFIG_FILE"]).getroot()  # noqa: S314 -- written here
    *folders, own = [str(each.text) for each in root.iter("dir")]
    assert Path(own).is_dir()
    return folders


def test_liberation_is_hidden_and_all_else_is_found(fonts: Path) -> None:
    """The list has the folders without Liberation, and holds only in the block."""
    _typeface(fonts / "deep" / "liberation" / "LiberationSans-Regular.ttf")
    with without_liberation():
        assert _listed() == [str(fonts / "deep" / "noto"), str(fonts / "dejavu")]
    assert "FONTCONFIG_FILE" not in os.environ


def test_a_system_with_liberation_alone_has_an_empty_list(fonts: Path) -> None:
    """Its list is one folder without typefaces, since none at all would not count."""
    for name in ("dejavu", "deep"):
        fonts.joinpath(name).rename(fonts.parent / name)
    _typeface(fonts / "LiberationSans-Regular.ttf")
    with without_liberation():
        assert _listed() == []


def test_nothing_changes_without_liberation(fonts: Path) -> None:
    """There is nothing to hide, and no list."""
    assert fonts.is_dir()
    with without_liberation():
        assert "FONTCONFIG_FILE" not in os.environ


def test_a_folder_shared_with_other_typefaces_stays(fonts: Path) -> None:
    """What lies beside Liberation in one folder must still be found."""
    _typeface(fonts / "dejavu" / "LiberationSans-Regular.ttf")
    _typeface(fonts / "liberation" / "LiberationMono-Regular.ttf")
    with without_liberation():
        assert _listed() == [str(fonts / "deep"), str(fonts / "dejavu")]


def test_a_list_of_the_users_own_stays(fonts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever names a list wants that list."""
    _typeface(fonts / "liberation" / "LiberationSans-Regular.ttf")
    monkeypatch.setenv("FONTCONFIG_FILE", "/their/own.conf")
    with without_liberation():
        assert os.environ["FONTCONFIG_FILE"] == "/their/own.conf"
