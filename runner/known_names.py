"""
The names that a shell completes, kept from one key press to the next.

To import an application takes a third of a second or more, and a shell asks at each key. So the
names are kept in a file of the user's cache, with when the modules were last changed that they came
from: what is older than its modules is not believed.
"""

from __future__ import annotations

import contextlib
import os
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from runner.commands.host import Kind
    from runner.finding import Named

_FOLDER: Final = "pipeline"
_MOST_BYTES: Final = 4_000_000


def recall(named: Named, kind: Kind) -> Sequence[str] | None:
    """Return the names of *kind* in that application; None if nothing true is known."""
    import json

    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        path = _path(named)
        if path is None or path.stat().st_size > _MOST_BYTES or path.stat().st_uid != os.getuid():
            return None
        kept = json.loads(path.read_bytes())
        same = kept["of"] == _of(named)
        if same and all(os.stat(file).st_mtime_ns == at for file, at in kept["files"].items()):  # noqa: PTH116 -- pathlib takes longer
            return [str(name) for name in kept["names"][kind]]
    return None


def remember(named: Named, names: Mapping[Kind, Sequence[str]], modules: Iterable[str]) -> None:
    """
    Keep *names*, by kind. modules: those that they came from, beside what is in the app's folder.

    Where nothing can be kept, the next key press is as slow as this one.
    """
    import json
    import tempfile

    path = _path(named)
    if path is None:
        return
    tops = {name.partition(".")[0] for name in (named.target.partition(":")[0], *modules)}
    files = set()
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and (name.partition(".")[0] in tops or _is_below(file, named.folder)):
            # A new module changes its folder.
            files |= {file, str(Path(file).parent)}
    kept: dict[str, Any] = {
        "of": _of(named),
        "names": {kind: [*some] for kind, some in names.items()},
    }
    with contextlib.suppress(OSError):
        kept["files"] = {file: Path(file).stat().st_mtime_ns for file in sorted(files)}
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as unfinished:
            json.dump(kept, unfinished)
        Path(unfinished.name).replace(path)


def _of(named: Named) -> str:
    return ascii([sys.executable, str(named.folder), named.target])


def _path(named: Named) -> Path | None:
    """The file for one application; None where there is no home, as for some services."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 -- pathlib raises where there is no home
    if not os.path.isabs(cache):  # noqa: PTH117 -- and is slower
        return None
    return Path(cache, _FOLDER, f"names-{zlib.crc32(_of(named).encode()):08x}.json")


def _is_below(file: str, folder: Path | None) -> bool:
    return folder is not None and file.startswith(f"{folder}{os.sep}")
