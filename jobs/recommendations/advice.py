"""
Turn questions into advice: only what chance cannot explain becomes a recommendation.

Each question is answered by a test, and the p-values are corrected (Holm) for the number of
questions asked, so a channel where nothing matters gets advice in at most one of twenty cases.
“Is any old item rising?” counts as one of these questions, however many items there are. For each
subject (weekday, hour, rate, pause, format, length, topic) the clearest answer is kept. The tests
compare what was published; they are not experiments and cannot tell cause from habit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from jobs.analysis.student import t_quantile
from jobs.analysis.wording import noun, times
from jobs.recommendations.permutation import holm, permutation_p, with_memory
from jobs.recommendations.questions import FEWEST, FEWEST_ITEMS, rounds
from jobs.recommendations.rising import LEVEL, RECENT_DAYS, Pace, paces
from jobs.recommendations.strength import NO_EVIDENCE, SIGNIFICANT, chance, strength_of
from jobs.recommendations.weeks import FEWEST_WEEKS
from runner.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from jobs.analysis import ChannelAnalysis
    from jobs.channel.data import ChannelData
    from jobs.channel.records import Platform
    from jobs.recommendations.questions import Question, Round, Subject
    from jobs.recommendations.sample import Sample
    from jobs.recommendations.strength import Strength

SMALLEST_EFFECT = 1.1
"""A difference below a tenth may be real but is not worth changing habits for."""

KEPT = 0.55
"""
The share of a difference, as a logarithm, that a channel's next items keep.

Habits and audiences change, and what stands out most was also lucky; see docs/recommendations.md.
"""

FADED = 0.5
"""A difference must be at least this share of itself among the newer half of the items."""

FADED_LATELY = 0.25
"""… and this share among the newest quarter, which is noisier."""

_FEWEST_LATELY = 3

ENOUGH_FOR_STRONG = 10
"""With fewer items on either side, or with a partial list, evidence is never called strong."""

SAME_ITEMS = 0.8

MOST_RISING = 5
FEWEST_PER_DAY = 10.0
"""A rising item is only reported if it gains at least this many views a day."""

SUBJECTS: dict[Subject, str] = {
    "weekday": "on which weekday to publish",
    "hour": "at which hour to publish",
    "rate": "how often to publish",
    "pause": "how long to pause between two",
    "format": "which formats do better",
    "length": "which lengths do better",
    "topic": "which topics do better",
}
RISING = "which old items are rising"
_ONLY_SUCCESSES = "the source lists items only while they do well"


class Evidence(TypedDict):
    """
    What a recommendation rests on; *sentence* puts it in words.

    *measured* is the ratio of the members' typical views (geometric mean, each item against peers
    of similar age) to the others'; *effect* is what the next items can be expected to keep of it
    (`KEPT`). *low* and *high* are the ends of the interval at *level* of what was measured, the
    nearer one faded likewise. *p* comes from the permutation test, *p_adjusted* from Holm's
    correction for *questions* questions. *partial* means that the source lists only some of the
    channel's items.
    """

    effect: float
    measured: float
    low: float
    high: float
    level: float
    members: int
    others: int
    p: float
    p_adjusted: float
    questions: int
    partial: bool
    test: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One finding (*title*), what to do about it (*advice*), and the strength of its evidence."""

    key: str
    title: str
    advice: str
    strength: Strength
    evidence: Evidence


class Answer(TypedDict):
    """
    The result for one subject: its strength in words, or “no evidence” or “not asked”.

    *questions* is the number of questions, *items* the number of items tested (of whole weeks for
    the publishing rate). *evidence* is that of the clearest question, None if none was asked.
    """

    subject: str
    about: str
    strength: str
    questions: int
    items: int
    sentence: str
    evidence: Evidence | None


@dataclass(frozen=True, slots=True)
class Advice:
    """The *recommendations*, the strongest first, and an answer for each subject."""

    recommendations: list[Recommendation]
    answers: list[Answer]


@dataclass(frozen=True, slots=True)
class Finding:
    """One question with its answer, significant or not."""

    question: Question
    sample: Sample
    p: float
    p_adjusted: float
    asked: int

    @property
    def log_effect(self) -> float:
        """The members' mean score minus the others'."""
        score, belongs = self.sample.score, self.question.belongs
        return float(score[belongs].mean() - score[~belongs].mean())

    @property
    def lasts(self) -> bool:
        """Whether the newest items show it, too: advice is about the next ones."""
        n = self.sample.score.size
        return self._among(n // 2) >= FADED and self._among(3 * n // 4) >= FADED_LATELY

    def _among(self, first: int) -> float:
        """Return the share of the difference that items from *first* on show; -inf: too few."""
        score, belongs = self.sample.score[first:], self.question.belongs[first:]
        members = int(np.count_nonzero(belongs))
        if min(members, belongs.size - members) < _FEWEST_LATELY or self.log_effect == 0:
            return float("-inf")
        lately = float(score[belongs].mean() - score[~belongs].mean())
        return lately / self.log_effect


@dataclass(frozen=True, slots=True)
class Rise:
    """One old item's pace with its corrected p-value, significant or not."""

    pace: Pace
    p_adjusted: float


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything tested on a channel, in the order of the questions."""

    splits: list[Finding]
    rises: list[Rise]


def findings(data: ChannelData) -> Findings:
    """Test everything that *data* has enough items and days for."""
    asked, tested = rounds(data), paces(data)
    answered = [_answers(each) for each in asked]
    among_items = holm(np.array([pace.p for pace in tested]))
    p = np.concatenate([*answered, among_items.min(keepdims=True) if tested else among_items])
    adjusted = holm(p)
    pairs = [(each.sample, question) for each in asked for question in each.questions]
    # “Does any item rise?” is corrected for the channel's questions, “which one?” for its items.
    p_of_any = adjusted[-1] if tested else 1.0
    return Findings(
        [
            Finding(question, of, float(p[i]), float(adjusted[i]), p.size)
            for i, (of, question) in enumerate(pairs)
        ],
        [
            Rise(pace, float(max(own, p_of_any)))
            for pace, own in zip(tested, among_items, strict=True)
        ],
    )


def _answers(asked: Round) -> NDArray[np.float64]:
    """Return the p-value of each question of one round, before the correction for their number."""
    score, stratum = asked.sample.score, asked.sample.stratum
    members = np.column_stack([question.belongs for question in asked.questions])
    return with_memory(permutation_p(score, stratum, members), score, stratum, members)


def recommend(data: ChannelData, analysis: ChannelAnalysis) -> list[Recommendation]:
    """
    Return what the channel should do, the strongest evidence first; no evidence, no advice.

    An empty list is a normal result: `why_none` puts the reason in words.
    """
    return advise(data, analysis).recommendations


def advise(data: ChannelData, analysis: ChannelAnalysis) -> Advice:
    """
    Return what the channel should do, and an answer for every subject tested.

    CPU-bound: about a hundred milliseconds for `NEWEST` items when something stands out. Without
    items it returns `nothing_asked`. Same data, same advice.
    """
    if data.items.is_empty():
        return nothing_asked(data.channel.platform)
    found = findings(data)
    partial = analysis.coverage.present and analysis.coverage.partial
    platform = data.channel.platform
    advised: list[tuple[Finding, Evidence]] = []
    # If two findings mirror each other, prefer the one that says what to do.
    for finding in sorted(found.splits, key=lambda one: (one.p_adjusted, one.p, -one.log_effect)):
        if finding.p_adjusted > SIGNIFICANT:
            break
        evidence = _evidence(finding, platform, partial=partial)
        if not finding.lasts:
            continue
        if _worth_advising(evidence) and not any(_same_finding(finding, one) for one, _ in advised):
            advised.append((finding, evidence))
    rising = _rising(found.rises)
    return Advice(
        [_recommendation(finding, evidence, platform) for finding, evidence in advised]
        + [_point_at(rise, len(found.rises), platform) for rise in rising],
        [
            *(
                _not_asked(subject, about, _ONLY_SUCCESSES)
                if data.channel.successes_only
                else _answer(subject, found.splits, advised, platform, partial=partial)
                for subject, about in SUBJECTS.items()
            ),
            _answer_rising(found.rises, rising, platform),
        ],
    )


def nothing_asked(platform: Platform) -> Advice:
    """Return the result for a channel without items: no advice, and what each subject needs."""
    return Advice(
        [],
        [
            *(_answer(subject, [], [], platform, partial=False) for subject in SUBJECTS),
            _answer_rising([], [], platform),
        ],
    )


def why_none(analysis: ChannelAnalysis) -> str:
    """Return a sentence saying why a channel got no recommendation."""
    if analysis.coverage.present and analysis.coverage.successes_only:
        return f"Nothing could be tested: {_ONLY_SUCCESSES}, and those that do not are missing."
    lead = "No recommendation has enough evidence yet"
    if not analysis.items.present:
        return f"{lead}: {_lower(analysis.items.reason)}"
    compared = counted(analysis.items.compared, noun(analysis.platform))
    if analysis.items.compared < FEWEST_ITEMS:
        return (
            f"{lead}: {compared} can be compared with others of like age, and {FEWEST_ITEMS} "
            "are needed before anything can be told from chance."
        )
    return (
        f"{lead}: publish days, hours, pace, formats, lengths and topics of {compared} were "
        "tested against each other, and no difference was larger than chance explains."
    )


def _same_finding(finding: Finding, earlier: Finding) -> bool:
    """Return whether both share a subject, or split nearly the same items in the same way."""
    if finding.question.subject == earlier.question.subject:
        return True
    if finding.sample is not earlier.sample:
        return False
    one, other = finding.question.belongs, earlier.question.belongs
    alike = max(_overlap(one, other), _overlap(~one, other))
    return alike > SAME_ITEMS


def _overlap(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return int(np.count_nonzero(one & other)) / max(int(np.count_nonzero(one | other)), 1)


def _worth_advising(evidence: Evidence) -> bool:
    if evidence["low"] < 1 < evidence["high"]:
        return False
    return not 1 / SMALLEST_EFFECT < evidence["effect"] < SMALLEST_EFFECT


def _evidence(finding: Finding, platform: Platform, *, partial: bool) -> Evidence:
    belongs, measured = finding.question.belongs, float(np.exp(finding.log_effect))
    effect = measured**KEPT
    low, high = _interval(finding.sample.score, belongs)
    members = int(np.count_nonzero(belongs))
    others = belongs.size - members
    sentence = (
        f"So far {times(measured)} "
        f"({LEVEL:.0%} interval {times(low)} to {times(high)}), "
        f"{counted(members, finding.question.units or noun(platform))} against {others:,}; "
        f"p = {chance(finding.p_adjusted)} by permutation test, "
        f"corrected for {counted(finding.asked, 'question')}."
    )
    if finding.question.note:
        sentence += f" {finding.question.note}"
    if partial:
        sentence += " The source lists only a part of the channel."
    return Evidence(
        effect=effect,
        measured=measured,
        # From a difference that fades to one that lasts.
        low=min(low, low**KEPT),
        high=max(high, high**KEPT),
        level=LEVEL,
        members=members,
        others=others,
        p=finding.p,
        p_adjusted=finding.p_adjusted,
        questions=finding.asked,
        partial=partial,
        test="two-sided permutation test among items of like age, Holm-corrected",
        sentence=sentence,
    )


def _answer(
    subject: Subject,
    splits: Sequence[Finding],
    advised: Sequence[tuple[Finding, Evidence]],
    platform: Platform,
    *,
    partial: bool,
) -> Answer:
    about, own = SUBJECTS[subject], [one for one in splits if one.question.subject == subject]
    if not own:
        return _not_asked(
            subject,
            about,
            f"this needs {FEWEST_WEEKS} whole weeks with {noun(platform)}s of like age to compare "
            f"with, {FEWEST} of them with clearly more than the others"
            if subject == "rate"
            else f"this needs {FEWEST_ITEMS} comparable {noun(platform)}s, {FEWEST} of them on "
            "either side",
        )
    reported = next((one for one, _ in advised if one.question.subject == subject), None)
    clearest = reported or min(own, key=lambda one: (one.p_adjusted, one.p))
    evidence = _evidence(clearest, platform, partial=partial)
    strength = _strength(evidence) if reported else NO_EVIDENCE
    lead = strength.capitalize() if reported else "No evidence that could be acted on; the clearest"
    return Answer(
        subject=subject,
        about=about,
        strength=strength,
        questions=len(own),
        items=int(clearest.sample.score.size),
        sentence=f"{lead}: {noun(platform)}s {clearest.question.members}, {evidence['sentence']}",
        evidence=evidence,
    )


def _not_asked(subject: str, about: str, why: str) -> Answer:
    return Answer(
        subject=subject,
        about=about,
        strength="not asked",
        questions=0,
        items=0,
        sentence=f"Not asked: {why}.",
        evidence=None,
    )


def _rising(rises: Sequence[Rise]) -> list[Rise]:
    """Return up to `MOST_RISING` significant rises, the surest first, then the largest."""
    sure = [
        rise
        for rise in rises
        if rise.p_adjusted <= SIGNIFICANT
        and rise.pace.ratio >= SMALLEST_EFFECT
        and rise.pace.low > 1
        and rise.pace.per_day >= FEWEST_PER_DAY
    ]
    return sorted(sure, key=lambda rise: (rise.p_adjusted, -rise.pace.ratio))[:MOST_RISING]


def _point_at(rise: Rise, tested: int, platform: Platform) -> Recommendation:
    pace, evidence = rise.pace, _evidence_of_rise(rise, tested, platform)
    return Recommendation(
        key=f"rising:{pace.item_id}",
        title=f"“{pace.title}” gathers {times(pace.ratio)} the views a day of its earlier pace",
        advice=f"Point at “{pace.title}” while it rises: link to it, pin it, continue it.",
        strength=_strength(evidence),
        evidence=evidence,
    )


def _evidence_of_rise(rise: Rise, tested: int, platform: Platform) -> Evidence:
    pace = rise.pace
    return Evidence(
        effect=pace.ratio,
        measured=pace.ratio,
        low=pace.low,
        high=pace.high,
        level=LEVEL,
        members=pace.recent,
        others=pace.earlier,
        p=pace.p,
        p_adjusted=rise.p_adjusted,
        questions=tested,
        partial=False,
        test="one-sided t-test of log daily gains, corrected for serial correlation, and by Holm",
        sentence=(
            f"{times(pace.ratio)} ({LEVEL:.0%} interval {times(pace.low)} to {times(pace.high)}), "
            f"{counted(pace.recent, 'day')} of the last {RECENT_DAYS} against {pace.earlier:,} "
            f"before; p = {chance(rise.p_adjusted)} by t-test on daily gains, corrected for "
            f"{counted(tested, noun(platform))}."
        ),
    )


def _answer_rising(rises: Sequence[Rise], rising: Sequence[Rise], platform: Platform) -> Answer:
    if not rises:
        return _not_asked(
            "rising",
            RISING,
            f"this needs {noun(platform)}s older than a month that were read daily for three weeks",
        )
    clearest = rising[0] if rising else min(rises, key=lambda rise: rise.p_adjusted)
    evidence = _evidence_of_rise(clearest, len(rises), platform)
    strength = _strength(evidence) if rising else NO_EVIDENCE
    lead = strength.capitalize() if rising else "No evidence that could be acted on; the clearest"
    return Answer(
        subject="rising",
        about=RISING,
        strength=strength,
        questions=len(rises),
        items=len(rises),
        sentence=f"{lead}: “{clearest.pace.title}”, {evidence['sentence']}",
        evidence=evidence,
    )


def _recommendation(finding: Finding, evidence: Evidence, platform: Platform) -> Recommendation:
    question, effect = finding.question, evidence["effect"]
    better = effect > 1
    size = f"{times(effect)} the views of" if better else f"{1 - effect:.0%} fewer views than"
    things = f"{noun(platform)}s".capitalize()
    return Recommendation(
        key=question.key,
        title=f"{things} {question.members} should reach {size} others of their age",
        advice=question.do if better else question.avoid,
        strength=_strength(evidence),
        evidence=evidence,
    )


def _strength(evidence: Evidence) -> Strength:
    word = strength_of(evidence["p_adjusted"])
    if word is None:
        raise ValueError(f"no strength of evidence goes with p = {evidence['p_adjusted']}")
    few = min(evidence["members"], evidence["others"]) < ENOUGH_FOR_STRONG
    if word == "strong evidence" and (few or evidence["partial"]):
        return "moderate evidence"
    return word


def _interval(score: NDArray[np.float64], belongs: NDArray[np.bool_]) -> tuple[float, float]:
    """
    Return Welch's interval of the difference of means, as a ratio.

    Scores are clipped at three robust standard deviations, so their means are nearly normal.
    Source: B. L. Welch, "The Generalization of Student's Problem when Several Different
    Population Variances are Involved" (1947).
    """
    one, other = score[belongs], score[~belongs]
    shares = np.array([one.var(ddof=1) / one.size, other.var(ddof=1) / other.size])
    difference, variance = float(one.mean() - other.mean()), float(shares.sum())
    if variance == 0:
        return float(np.exp(difference)), float(np.exp(difference))
    freedom = variance**2 / float((shares**2 / [one.size - 1, other.size - 1]).sum())
    reach = t_quantile(freedom, (1 + LEVEL) / 2) * variance**0.5
    return float(np.exp(difference - reach)), float(np.exp(difference + reach))


def _lower(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]
