"""A traceback as it is read: one's own frames with their lines, those of libraries folded."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from typing import Final

_FRAME: Final = re.compile(
    r'  (?:\+ |\| )?File "(?P<file>.+)", line (?P<line>\d+), in (?P<name>.+)'
)
_LIBRARIES: Final = re.compile(
    r"(^|/)(site-packages|dist-packages|lib/python[\d.]+|runner)/|^<frozen |^<string>"
)
_SHOWN_PARTS: Final = 3


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. code: its lines, as they were kept. is_own: not of the runner or a library."""

    file: str
    line: int
    name: str
    code: tuple[str, ...]
    is_own: bool

    @property
    def text(self) -> str:
        """The frame as Python writes it."""
        return "\n".join((f'  File "{self.file}", line {self.line}, in {self.name}', *self.code))

    @property
    def place(self) -> str:
        """The end of its path: enough to know the file."""
        return "/".join(self.file.rsplit("/", _SHOWN_PARTS)[-2:])


@dataclass(frozen=True, slots=True)
class Part:
    """Frames that are shown, or folded together; text: lines between them."""

    frames: tuple[Frame, ...] = ()
    is_own: bool = False
    text: str = ""


def parts(traceback: str) -> list[Part]:
    """Return the frames of *traceback*, those that are not one's own folded; no error message."""
    found: list[Part] = []
    for is_own, items in groupby(_items(traceback), key=_kind):
        if is_own is None:
            found.append(Part(text="\n".join(str(one) for one in items).strip("\n")))
        else:
            frames = tuple(one for one in items if isinstance(one, Frame))
            found.append(Part(frames, is_own=is_own))
    if not any(part.is_own for part in found):  # then the last frame tells most
        return _with_last_shown(found)
    return [part for part in found if part.frames or part.text]


def _with_last_shown(found: list[Part]) -> list[Part]:
    for place in range(len(found) - 1, -1, -1):
        frames = found[place].frames
        if frames:
            head = [Part(frames[:-1])] if frames[:-1] else []
            found[place : place + 1] = [*head, Part(frames[-1:], is_own=True)]
            break
    return [part for part in found if part.frames or part.text]


def _kind(item: Frame | str) -> bool | None:
    return item.is_own if isinstance(item, Frame) else None


def _items(traceback: str) -> list[Frame | str]:
    """Frames, and lines between them; the heading and the error at the end are left out."""
    items: list[Frame | str] = []
    lines = traceback.rstrip().splitlines()
    at = 0
    while at < len(lines):
        match = _FRAME.match(lines[at])
        if match is None:
            text = lines[at]
            if (
                text.strip()
                and not text.startswith("Traceback (most recent")
                and at < len(lines) - 1
            ):
                items.append(text)
            at += 1
            continue
        code = []
        at += 1
        while at < len(lines) and lines[at].startswith("    ") and not _FRAME.match(lines[at]):
            code.append(lines[at])
            at += 1
        file = match["file"]
        own = not _LIBRARIES.search(file)
        items.append(Frame(file, int(match["line"]), match["name"], tuple(code), own))
    last = [place for place, one in enumerate(items) if isinstance(one, Frame)]
    # What follows the last frame is the error, whose message stands on its own.
    return items[: last[-1] + 1] if last else []
