"""
Writes docs/reference-scripts.md from the declared fields of the Lua scripts.

    python -m tests.house.scripts_page
"""

from __future__ import annotations

import inspect
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.broker.scripts import SCRIPTS, Script, fields

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[2] / "docs" / "reference-scripts.md"

_HEAD = """\
# Scripts

Written from `runner/broker/scripts/fields.py` by `python -m tests.house.scripts_page`; a test
compares. Every transition of a job is one of these Lua scripts. What each keeps, whatever happens
around it, stands at the top of its file. All take the queue's key as the first of KEYS; ARGV is the
head, and then one block of fields for each job. Times are in Unix ms, lengths of time in ms, and
'' stands for none.

This page is for developers of the runner. Other programs enqueue by
[the documented envelope](reference-envelope.md).
"""


def page() -> str:
    """Return the page as it must be."""
    parts = [_HEAD]
    for name, script in SCRIPTS.items():
        if script.head is not None:
            parts += _of(name, script)
    return "\n".join(parts)


def _of(name: str, script: Script) -> Iterator[str]:
    yield f"## {name}\n"
    first = (Path(fields.__file__).parent / script.file).read_text("utf-8").partition("\n")[0]
    yield first.removeprefix("-- ") + "\n"
    assert script.head is not None
    yield from _block("Head", script.head)
    for block in script.blocks.values():
        yield from _block("Block", block)
    for block in script.replies.values():
        yield from _block("Reply", block)


def _block(kind: str, block: type[Any]) -> Iterator[str]:
    yield f"### {kind}: {block.__name__}\n"
    yield inspect.cleandoc(block.__doc__ or "") + "\n"
    yield "| field | default | meaning |\n|---|---|---|"
    hints = typing.get_type_hints(block, include_extras=True)
    for name, hint in hints.items():
        default = block._field_defaults.get(name)
        if isinstance(default, bytes):
            default = default.decode()
        shown = "" if name not in block._field_defaults else f"`{default!r}`"
        meaning = hint.__metadata__[0].replace("|", "\\|")
        yield f"| `{name}` | {shown} | {meaning} |"
    yield ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
