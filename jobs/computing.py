"""
What jobs compute in processes of their own.

Only those processes load the numeric libraries, and they load nothing that runs a job: the
functions are here, and each imports what it needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from jobs.channel.columns import ChannelColumns
    from jobs.channel.platform_day import PlatformDay
    from jobs.json_text import JsonText
    from jobs.notifications.event import Event
    from jobs.store import StoredProfile
    from jobs.store.platform_days import Readings

    Answers = dict[str, Any]


def load_libraries() -> None:
    """Import what reading a source and `analysed` need, in a process that is not called yet."""
    import jobs.analysis.channel_analysis
    import jobs.channel.frames
    import jobs.json_text
    import jobs.notifications.rules
    import jobs.recommendations.advice
    import jobs.sources.discover  # noqa: F401 -- for their being imported


def analysed(
    columns: ChannelColumns, now: datetime
) -> tuple[str, JsonText, list[Event], Answers | None]:
    """
    Return the fingerprint of the data, its analysis, the news in it, and answers.

    Answers are for a channel of which nothing can be asked, and say so.
    """
    from jobs.analysis import analyze
    from jobs.channel.frames import as_data
    from jobs.json_text import JsonText, to_json
    from jobs.notifications.rules import events
    from jobs.recommendations import nothing_asked

    analysis = analyze(as_data(columns))
    document = JsonText(to_json(analysis.model_dump(mode="json")))
    answers = None
    if not columns.items:
        answers = {"subjects": nothing_asked(analysis.platform).answers, "similar": None}
    return analysis.fingerprint, document, events(analysis, now), answers


def advised(
    columns: ChannelColumns, document: JsonText
) -> tuple[list[dict[str, Any]], Answers, tuple[str, bytes] | None]:
    """Return what to do next, an answer for every subject examined, and a profile to compare."""
    from dataclasses import asdict

    from jobs.analysis import ChannelAnalysis
    from jobs.channel.frames import as_data
    from jobs.recommendations import advise
    from jobs.recommendations.similar import pack, profile_of

    data = as_data(columns)
    found = advise(data, ChannelAnalysis.model_validate_json(document))
    profile = profile_of(data)
    return (
        [asdict(each) for each in found.recommendations],
        {"subjects": found.answers, "similar": None},
        None if profile is None else pack(profile),
    )


def nearest(stored: Sequence[StoredProfile]) -> dict[str, dict[str, Any]]:
    """Return for each channel the most similar ones."""
    from jobs.recommendations.similar import comparison, unpack

    titles = {one.channel_id: one.title for one in stored}
    found = comparison.nearest({one.channel_id: unpack(one.packed) for one in stored})
    return {
        channel_id: {
            "compared": len(found),
            "nearest": [{**each, "title": titles[each["channel_id"]]} for each in own],
        }
        for channel_id, own in found.items()
    }


def platform_days(read: Readings) -> tuple[date, tuple[PlatformDay, ...]] | None:
    """Return the days on which most counters were late, or caught up; see `of_counters`."""
    from jobs.analysis.platform_days import of_counters

    return of_counters(read)
