"""
The names that a shell completes, kept from one key press to the next.

To import an application takes a third of a second or more, and a shell asks at each key. So the
names are kept in a file of the user's cache, with when the modules were last changed that they came
from: what is older than its modules is not believed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from runner.finding import Named

_FOLDER: Final = "pipeline"
_MOST_BYTES: Final = 4_000_000


def recall(named: Named, kind: str) -> Sequence[str] | None:
    """Return the names of *kind* in that application; None if nothing true is known."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        path = _path(named)
        if path is None or path.stat().st_size > _MOST_BYTES or path.stat().st_uid != os.getuid():
            return None
        kept = json.loads(path.read_bytes())
        if all(os.stat(file).st_mtime_ns == at for file, at in kept["files"].items()):  # noqa: PTH116 -- pathlib takes longer
            return [str(name) for name in kept["names"][kind]]
    return None


def remember(named: Named, names: Mapping[str, Sequence[str]], modules: Iterable[str]) -> None:
    """
    Keep *names*, by kind. modules: those that they came from, beside what is in the app's folder.

    Where nothing can be kept, the next key press is as slow as this one.
    """
    path = _path(named)
    if path is None:
        return
    tops = {name.partition(".")[0] for name in (named.target.partition(":")[0], *modules)}
    files = set()
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and (name.partition(".")[0] in tops or _is_below(file, named.folder)):
            # A new module changes its folder.
            files |= {file, os.path.dirname(file)}  # noqa: PTH120 -- likewise
    kept: dict[str, Any] = {"names": {kind: list(some) for kind, some in names.items()}}
    with contextlib.suppress(OSError):
        kept["files"] = {file: os.stat(file).st_mtime_ns for file in sorted(files)}  # noqa: PTH116
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}")
        unfinished.write_text(json.dumps(kept), encoding="utf-8")
        unfinished.replace(path)


def _path(named: Named) -> Path | None:
    """The file for one application; None where there is no home, as for some services."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 -- pathlib raises where there is no home
    if not os.path.isabs(cache):  # noqa: PTH117
        return None
    wanted = f"{sys.executable}\n{named.folder}\n{named.target}"
    digest = hashlib.sha256(wanted.encode("utf-8", "surrogateescape")).hexdigest()
    return Path(cache, _FOLDER, f"{digest[:24]}.json")


def _is_below(file: str, folder: Path | None) -> bool:
    return folder is not None and file.startswith(f"{folder}{os.sep}")
