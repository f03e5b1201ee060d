"""
The content of a report, independent of its format, in the order in which it is read.

First what changed, why it matters and what to do; then the evidence. Every format is made of this
one document, so a page, a print and a JSON file have the same content.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from jobs.analysis.wording import clock, day, noun, number, short, times
from jobs.channel.records import Platform
from jobs.channel.words import spoken
from jobs.charts import story
from jobs.charts.answers import NO_EVIDENCE
from jobs.charts.answers import answers as draw_answers
from jobs.charts.chart import reading, table, undrawn
from jobs.charts.cohort import cohort_sentence
from jobs.charts.headline import headline
from jobs.charts.key_figures import KeyFigure, key_figures
from jobs.charts.making import made
from jobs.charts.staleness import old_words
from jobs.charts.tile import Tile, tile
from jobs.charts.what_changed import what_changed
from jobs.recommendations import why_none
from jobs.recommendations.trials import STRENGTH, trials
from runner.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date, datetime

    from jobs.analysis import ChannelAnalysis
    from jobs.analysis.items import RankedItem
    from jobs.channel.records import ChannelRecord
    from jobs.charts.chart import DrawnFrom, Table

FIRST = 3
"""So many sentences of each kind are on the first page; the others follow the first chart."""

PLATFORMS = {
    Platform.YOUTUBE: "YouTube",
    Platform.PODCAST: "Podcast",
    Platform.STREAM: "Streams",
    Platform.TIKTOK: "TikTok",
    Platform.INSTAGRAM: "Instagram",
    Platform.FACEBOOK: "Facebook",
}


class Advised(Protocol):
    """A recommendation, fresh or from the store; its evidence has a `sentence`."""

    @property
    def title(self) -> str:
        """The finding."""
        ...

    @property
    def advice(self) -> str:
        """What to do."""
        ...

    @property
    def strength(self) -> str:
        """The strength of its evidence, in words."""
        ...

    @property
    def evidence(self) -> Mapping[str, Any]:
        """Its evidence."""
        ...


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do, the finding behind it, how sure that is, and its evidence."""

    advice: str
    title: str
    strength: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Figure:
    """
    A chart with its heading, how to read it, what it shows, and the numbers behind it.

    *undrawn* says why there is no picture of it; empty if there is one.
    """

    key: str
    title: str
    reading: str
    alt: str
    table: Table | None
    spec: Mapping[str, Any]
    undrawn: str = ""


@dataclass(frozen=True, slots=True)
class TopItem:
    """One of the most viewed items, as a row of text."""

    title: str
    published: str
    length: str
    views: str
    ratio: str
    likes: str


@dataclass(frozen=True, slots=True)
class SimilarChannel:
    """A similar channel, as a row of text: what both share, how sure that is, and how similar."""

    title: str
    shared: str
    strength: str
    closer_than: str
    items: str


@dataclass(frozen=True, slots=True)
class Document:
    """
    The content of a report; its texts are plain, never markup, whatever titles contain.

    *headline* is the finding in one sentence. *link* is a web address or None. *as_of* is the last
    observation, None without any. *footnote* is what each printed page says of the data.
    *without_evidence* are the subjects without a finding. *similar* are the most similar of
    *compared* channels. *links* are the addresses of items, by their titles.
    *reach* is what is counted of items, in words, *most_viewed* the heading of their list.
    """

    title: str
    headline: str
    platform: str
    link: str | None
    generated: bool
    cautions: Sequence[story.Caution]
    covered: str
    source: str
    footnote: str
    tile: Tile
    as_of: datetime | None
    thing: str
    key_figures: Sequence[KeyFigure]
    what_changed: Sequence[str]
    why_it_matters: Sequence[str]
    advice: Sequence[Advice]
    why_none: str
    without_evidence: Sequence[str]
    figures: Sequence[Figure]
    top: Sequence[TopItem]
    similar: Sequence[SimilarChannel]
    compared: int
    notes: Sequence[str]
    not_told: Sequence[str]
    methods: Sequence[str]
    links: Mapping[str, str]
    reach: str
    most_viewed: str


def compose(
    channel: ChannelRecord,
    analysis: ChannelAnalysis,
    charts: Sequence[DrawnFrom],
    recommendations: Sequence[Advised],
    *,
    answers: Sequence[Mapping[str, Any]] = (),
    similar: Mapping[str, Any] | None = None,
    peers: Sequence[Mapping[str, Any]] = (),
    source_note: str = "",
    today: date | None = None,
) -> Document:
    """
    Write the report.

    *answers* are the outcomes of all subjects examined, *similar* the similar channels (both as
    stored), *peers* their newest days, *source_note* says where the data comes
    from, *today* is the day of the report, beside which data may be old. The same arguments give
    the same document: it depends on no clock.
    """
    platform = analysis.platform

    def say(sentences: Iterable[str]) -> list[str]:
        return [spoken(sentence, platform) for sentence in sentences]

    items, coverage, asked = analysis.items, analysis.coverage, made(draw_answers, answers)
    return Document(
        title=channel.title,
        headline=spoken(headline(analysis), platform),
        platform=PLATFORMS.get(analysis.platform, ""),
        link=_safe_link(channel.url),
        generated=channel.generated,
        cautions=[*_old(analysis, today), *story.cautions(analysis)],
        covered=spoken(story.covered(analysis), platform),
        source=source_note,
        footnote=_footnote(analysis, source_note),
        tile=tile(channel.id, channel.title),
        as_of=coverage.last_at if coverage.present else None,
        thing=noun(analysis.platform),
        key_figures=[_said(one, platform) for one in key_figures(analysis)],
        what_changed=say(_changed(analysis, peers)),
        why_it_matters=say(story.why_it_matters(analysis)),
        advice=[
            *(_advice(each, platform) for each in recommendations),
            *_to_try(analysis, full=len(recommendations) >= FIRST),
        ],
        why_none=spoken(why_none(analysis), platform),
        without_evidence=[one["about"] for one in answers if one["strength"] == NO_EVIDENCE],
        figures=[_figure(chart) for chart in ([*charts, asked] if asked else charts)],
        top=[_row(item) for item in items.top] if items.present else [],
        similar=[_similar(one) for one in (similar or {}).get("nearest", [])],
        compared=(similar or {}).get("compared", 0),
        notes=say(coverage.notes) if coverage.present else [],
        not_told=say(story.missing_reasons(analysis)),
        methods=say(story.methods(analysis)),
        links=_links(analysis),
        reach=spoken("Views", platform),
        most_viewed=spoken(f"The most viewed {noun(platform)}s", platform),
    )


def _changed(analysis: ChannelAnalysis, peers: Sequence[Mapping[str, Any]]) -> list[str]:
    """What changed, and on the first page where the channel stands among similar ones."""
    sentences = what_changed(analysis)
    if beside := cohort_sentence(analysis, peers):
        sentences.insert(min(FIRST - 1, len(sentences)), beside)
    return sentences


def _links(analysis: ChannelAnalysis) -> dict[str, str]:
    """Return the addresses of the items that sentences name, where a source gives them."""
    named = [*analysis.items.top, *analysis.items.standouts] if analysis.items.present else []
    known = [(one.title, one.url) for one in named]
    owner = analysis.owner
    for section in (owner.clicks, owner.held, owner.brought) if owner.present else ():
        known += [(one.title, one.url) for one in section.best[:1]] if section.present else []
    for compared in (owner.clicks, owner.held, owner.stayed) if owner.present else ():
        known += [(one.title, one.url) for one in compared.low] if compared.present else []
    if analysis.peak.present and analysis.peak.title:
        known.append((analysis.peak.title, analysis.peak.url))
    return {title: link for title, url in known if (link := _safe_link(url))}


def _said(one: KeyFigure, platform: Platform) -> KeyFigure:
    band = one.band and replace(one.band, words=spoken(one.band.words, platform))
    label, note = spoken(one.label, platform), spoken(one.note, platform)
    return replace(one, label=label, note=note, band=band)


def _footnote(analysis: ChannelAnalysis, source_note: str) -> str:
    """What each page of a print says of its data: the days' zone, gaps, source, last reading."""
    found = analysis.coverage
    parts = [f"Days are {found.clock}." if found.present else "Days are UTC."]
    if found.present and found.days_missing:
        was = "was" if found.days_missing == 1 else "were"
        where = f" around {day(found.gaps[0].first)}" if len(found.gaps) == 1 else ""
        parts.append(f"{counted(found.days_missing, 'day')}{where} {was} not read.")
    if source_note:
        parts.append(f"{source_note}.")
    if found.present:
        parts.append(f"Data until {day(found.last_at.date())}.")
    return " ".join(parts)


def _old(analysis: ChannelAnalysis, today: date | None) -> list[story.Caution]:
    words = None if today is None else old_words(analysis, today)
    return [] if words is None else [story.Caution("Old data.", words)]


def _advice(found: Advised, platform: Platform) -> Advice:
    title, sentence = (spoken(one, platform) for one in (found.title, found.evidence["sentence"]))
    return Advice(found.advice, title, found.strength, sentence)


def _to_try(analysis: ChannelAnalysis, *, full: bool) -> Iterator[Advice]:
    """Yield what an owner may try; beside a page full of tested advice, nothing."""
    for one in () if full else trials(analysis):
        advice, title, caution = (
            spoken(text, analysis.platform) for text in (one.advice, one.title, one.caution)
        )
        yield Advice(advice, title, STRENGTH, caution)


def _figure(chart: DrawnFrom) -> Figure:
    return Figure(
        key=chart.key,
        title=chart.title,
        reading=reading(chart.spec),
        alt=chart.alt,
        table=table(chart.spec),
        spec=chart.spec,
        undrawn=undrawn(chart.spec),
    )


def _row(item: RankedItem) -> TopItem:
    rate = None if item.likes is None or not item.views else 1000 * item.likes / item.views
    return TopItem(
        title=item.title,
        published="–" if item.published_at is None else day(item.published_at.date()),
        length="–" if item.duration_s is None else clock(item.duration_s),
        views=short(item.views),
        ratio="–" if item.ratio is None else times(item.ratio),
        likes="–" if rate is None else number(rate),
    )


def _similar(found: Mapping[str, Any]) -> SimilarChannel:
    return SimilarChannel(
        title=found["title"],
        shared=", ".join(found["shared"]) or "–",
        # Comparisons by an earlier version have no strength.
        strength=found.get("strength", "–"),
        closer_than=f"{found['closer_than']:.1%}",
        items=f"{found['items']:,}",
    )


def _safe_link(url: str | None) -> str | None:
    """A channel's address is foreign text: only web addresses become links."""
    return url if url and urlsplit(url).scheme in {"http", "https"} else None
