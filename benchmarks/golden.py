"""
`make golden DATA=FOLDER REV=…`: are reports, charts, analyses and advice those of that revision?

Both revisions run the whole pipeline on the same channels of FOLDER, each with a state of its own,
and what they made is compared to the byte. Pairs that differ are written to a folder, pictures
beside each other on a page, to be looked at: a program cannot tell an improvement from damage.
What a revision made is kept in `benchmarks/.last/golden`, by its commit.

Exit codes: 0 all the same, 1 something differs, 2 not compared.
"""

from __future__ import annotations

import argparse
import html
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.lists import mapping_of
from benchmarks.measure import MeasurementError
from benchmarks.peers import HERE
from benchmarks.revision import short_commit, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_KEPT: Final = HERE / ".last" / "golden"
_PACKAGES: Final = ("runner", "jobs", "settings")
_FIGURE: Final = re.compile(r'<figure class="card" id="([^"]+)">.*?(<svg.*?</svg>)', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Set:
    """Some files of the data folder, which are run together, with *reports* or without."""

    name: str
    paths: tuple[str, ...]
    reports: bool = True


SETS: Final = (
    Set(
        "tech",
        (
            "channel_daily/daily_snapshots.csv.gz",
            "channel_daily/videos_2026-01.csv.gz",
            "channel_daily/videos_2026-02.csv.gz",
        ),
    ),
    Set("gaming", ("channel_video_lists/gaming_11_channels_videos.csv.gz",)),
    Set("studio", ("studio_exports",)),
    Set("counters", ("vtuber_daily/daily.csv.gz",), reports=False),
)

_QUERIES: Final = {
    "analysis": "SELECT channel_id, document FROM analyses",
    "answers": "SELECT channel_id, answers FROM analyses",
    "advice": "SELECT channel_id || ' ' || position, "
    "json_array(key, recommendations.title, advice, json(evidence), strength) "
    "FROM recommendations JOIN analyses ON analyses.id = analysis_id",
    "specification": "SELECT channel_id || ' ' || key, json_remove(spec, '$.usermeta.code') "
    "FROM charts JOIN analyses ON analyses.id = analysis_id",
}
"""By kind, what the store holds: a name and a text. The version of the code may differ."""


def main() -> None:
    """Compare, and say how many of each kind are the same."""
    parser = argparse.ArgumentParser(prog="make golden")
    parser.add_argument("data", type=Path, metavar="FOLDER")
    parser.add_argument("revision", metavar="REV")
    parser.add_argument("--sets", default=",".join(one.name for one in SETS))
    options = parser.parse_args()
    chosen = [one for one in SETS if one.name in options.sets.split(",")]
    same = True
    try:
        before = _KEPT / short_commit(options.revision)
        after = Path(tempfile.mkdtemp(prefix="golden-"))
        for each in chosen:
            if not (before / each.name / "done").exists():
                _make(each, options.data, before / each.name, before.name)
            _make(each, options.data, after / each.name, None)
            same &= _compare(each, _made(before / each.name), _made(after / each.name), after)
    except MeasurementError as error:
        _print(str(error))
        sys.exit(2)
    sys.exit(0 if same else 1)


def _make(of: Set, data: Path, folder: Path, commit: str | None) -> None:
    """Run the pipeline of *commit*, or of this checkout, with its state in *folder*."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    code = HERE.parent
    if commit is not None:
        code = folder / "code"
        unpack(commit, code, "pyproject.toml", *_PACKAGES)
    sources = [data / path for path in of.paths]
    mapping = mapping_of(sources[0]) if sources[0].is_file() else None
    # Before 2026-11-30 the command belonged to the settings.
    start = "runner.start" if (code / "runner" / "start.py").exists() else "settings.command"
    words = ["-m", start, "run", *map(str, sources), "--no-progress"]
    words += ["--mapping", mapping] if mapping else []
    words += [] if of.reports else ["--no-reports"]
    environment = {**os.environ, "PIPELINE_HOME": str(folder / "state"), "TMPDIR": str(folder)}
    for variable in ("REDIS_URL", "DATABASE_URL"):
        environment.pop(variable, None)
    _print(f"{of.name}: {commit or 'this checkout'}")
    with (folder / "log.txt").open("wb") as log:
        done = subprocess.run(
            [sys.executable, *words], cwd=code, env=environment, stdout=log, stderr=log, check=False
        )
    # A source that is refused is so by both; a job that died is not comparable.
    if not (folder / "state" / "pipeline.db").exists():
        raise MeasurementError(f"{of.name}: exit code {done.returncode}, see {folder / 'log.txt'}")
    shutil.rmtree(folder / "code", ignore_errors=True)
    (folder / "done").touch()


def _made(folder: Path) -> dict[str, dict[str, str]]:
    """Return by kind all that a run has made, as text by name."""
    made: dict[str, dict[str, str]] = {"report": {}, "picture": {}}
    with sqlite3.connect(folder / "state" / "pipeline.db") as store:
        for kind, query in _QUERIES.items():
            made[kind] = {name: text for name, text in store.execute(query) if text is not None}
    for report in sorted((folder / "state" / "reports").glob("*/report.html")):
        page = report.read_text("utf-8")
        made["report"][report.parent.name] = page
        for key, drawing in _FIGURE.findall(page):
            made["picture"][f"{report.parent.name} {key}"] = drawing
    return made


def _compare(
    of: Set,
    before: Mapping[str, Mapping[str, str]],
    after: Mapping[str, Mapping[str, str]],
    folder: Path,
) -> bool:
    """Print how many of each kind are the same, write the others, and return whether all are."""
    differing: Counter[str] = Counter()
    page = folder / f"{of.name}.html"
    with page.open("w", encoding="utf-8") as out:
        for kind in sorted(before):
            names = sorted({*before[kind], *after[kind]})
            others = [name for name in names if before[kind].get(name) != after[kind].get(name)]
            differing[kind] = len(others)
            _print(f"{of.name:<18}{kind:<14}{len(names) - len(others):>6} of {len(names)} the same")
            for name in others:
                pair = [before[kind].get(name, ""), after[kind].get(name, "")]
                out.writelines(_shown(f"{kind}: {name}", pair, picture=kind == "picture"))
    if differing.total():
        _print(f"{'':<18}look at {page}")
    return not differing.total()


def _shown(name: str, pair: Sequence[str], *, picture: bool) -> Iterator[str]:
    """Yield a pair as HTML: pictures whole, of texts the places where they differ."""
    yield f"<h2>{html.escape(name)}</h2>\n"
    if picture:
        yield "".join(f"<div style='width: 48%; float: left'>{each}</div>" for each in pair)
        yield "<br style='clear: both'>\n"
        return
    at = next((i for i, (a, b) in enumerate(zip(*pair, strict=False)) if a != b), 0)
    for each in pair:
        yield f"<pre>{html.escape(json.dumps(each[max(0, at - 200) : at + 400]))}</pre>\n"


def _print(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
