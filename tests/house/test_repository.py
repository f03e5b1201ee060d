"""What the files of the repository must not name, and what must agree."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]

# Joined here, or this file would name them.
REGISTRY_HOSTS = [
    name + "." + domain
    for name, domain in [
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("anaconda", "org"),
        ("crates", "io"),
    ]
]
FOLDERS_OF_A_MACHINE = re.compile(
    r"(?<![\w.~}$/-])/(?:" + "|".join(["wo" + "rk", "ro" + "ot", r"home/\w+", r"Users/\w+"]) + ")/"
)


def test_files_name_no_registry() -> None:
    """The person who installs decides where packages come from."""
    named = [
        f"{path}: {host}" for path, text in _texts() for host in REGISTRY_HOSTS if host in text
    ]

    assert named == []


def test_files_name_no_folder_of_a_machine() -> None:
    """No file contains the path of a machine."""
    named = [
        f"{path}: {found.group()}"
        for path, text in _texts()
        for found in FOLDERS_OF_A_MACHINE.finditer(text)
    ]
    named += [f"{path}: {ROOT}" for path, text in _texts() if f"{ROOT}/" in text]

    assert named == []


def test_lock_has_what_pyproject_wants() -> None:
    """Each dependency in pyproject.toml is locked at an allowed version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lines = [*project["project"]["dependencies"]]
    for group in project["project"]["optional-dependencies"].values():
        lines += group
    for group in project["dependency-groups"].values():
        lines += [line for line in group if isinstance(line, str)]
    wanted = [Requirement(line) for line in lines]

    locked: dict[str, list[str]] = {}
    for name, version in re.findall(
        r"^([\w.-]+)==([^ ;\\]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE
    ):
        locked.setdefault(canonicalize_name(name), []).append(version)

    astray = [
        str(requirement)
        for requirement in wanted
        if requirement.name != project["project"]["name"]
        and not any(map(requirement.specifier.contains, locked.get(requirement.name, [])))
    ]
    assert astray == [], "run `make lock`"


def _texts() -> Iterator[tuple[Path, str]]:
    """Yield every text file that is, or would be, committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:
        # In an unpacked archive, dot-folders and caches were made locally.
        paths = [
            path
            for path in ROOT.rglob("*")
            if not re.search(r"/\.(?!ci/)[^/]+/|/__pycache__/", f"/{path.relative_to(ROOT)}")
        ]
    for path in sorted(paths):
        if not path.is_file():
            continue
        try:
            yield path.relative_to(ROOT), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
