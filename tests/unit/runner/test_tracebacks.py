"""A traceback is read by its own frames; those of libraries are folded."""

from __future__ import annotations

import traceback

from runner.web.tracebacks import parts

_FAILED = """Traceback (most recent call last):
  File "/srv/runner/worker/execute.py", line 30, in execute
    return Done(await policy.handler(ctx))
                ^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/usr/lib/python3.11/asyncio/tasks.py", line 1, in wait
    x
  File "/app/jobs/shards.py", line 89, in read_shard
    raise UpstreamError(path)
jobs.shards.UpstreamError: shard 11
is truncated
"""


def test_frames_of_the_runner_and_libraries_are_folded_together() -> None:
    """What is left is the file, the function and the line that raised."""
    folded, own = parts(_FAILED)
    assert (folded.is_own, len(folded.frames)) == (False, 2)
    [frame] = own.frames
    assert (frame.place, frame.line, frame.name) == ("jobs/shards.py", 89, "read_shard")
    assert frame.code == ("    raise UpstreamError(path)",)


def test_traceback_of_libraries_alone_shows_its_last_frame() -> None:
    """Else nothing would be seen."""
    found = parts(_FAILED.replace("/app/jobs/", "/usr/lib/python3.11/"))
    assert [part.is_own for part in found] == [False, True]
    assert found[-1].frames[0].line == 89


def test_real_traceback_with_a_cause_keeps_the_sentence_between() -> None:
    """A cause is told apart from what it led to."""
    try:
        try:
            raise KeyError("inner")  # noqa: TRY301
        except KeyError as error:
            raise ValueError("outer") from error
    except ValueError:
        text = traceback.format_exc()
    found = parts(text)
    assert sum(len(part.frames) for part in found) == 2
    assert any("direct cause" in part.text for part in found)


def test_text_that_is_no_traceback_has_no_frames() -> None:
    """Whatever stands there is shown by its message alone."""
    assert parts("anything\nelse") == []
    assert parts("") == []
