"""
From questions to advice: only what chance cannot explain becomes a recommendation.

Every question is answered by a permutation test, and the answers are corrected (Holm) for the
number of all questions asked, so that a channel in which nothing matters gets advice in at most
one of twenty cases. Of each subject (weekday, hour, pause, length) the clearest answer is kept.
These are comparisons of what was published, not experiments: they cannot tell cause from habit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypedDict

import numpy as np

from jobs.analysis.bootstrap import DRAWS, expanded_percentile
from jobs.analysis.randomness import generator
from jobs.analysis.wording import counted, noun, times
from jobs.recommendations.permutation import holm, permutation_p
from jobs.recommendations.questions import FEWEST_ITEMS, rounds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from jobs.analysis import ChannelAnalysis
    from jobs.channel_data import ChannelData
    from jobs.recommendations.questions import Question
    from jobs.recommendations.sample import Sample
    from jobs.records import Platform

LEVEL = 0.95
SIGNIFICANT = 0.05
SMALLEST_EFFECT = 1.1
"""A difference below a tenth may be real, and still is not worth changing habits for."""

ENOUGH_FOR_STRONG = 10
"""With fewer items on either side, or a partial list, no evidence is called strong."""

SAME_ITEMS = 0.8

Strength = Literal["strong evidence", "moderate evidence", "weak evidence"]
_STRENGTHS: tuple[tuple[float, Strength], ...] = (
    (0.005, "strong evidence"),
    (0.02, "moderate evidence"),
    (SIGNIFICANT, "weak evidence"),
)


class Evidence(TypedDict):
    """
    What a recommendation rests on; *sentence* tells it in words.

    *effect* is the ratio of the members' typical views (geometric mean, each item against its
    like-age peers) to the others', *low* and *high* its bootstrap interval at *level*; *p* comes
    from the permutation test, *p_adjusted* after Holm's correction for *questions* questions.
    *partial* says that the source lists only a part of the channel's items.
    """

    effect: float
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
    """One finding (*title*), what to do about it (*advice*), and how sure that is."""

    key: str
    title: str
    advice: str
    strength: Strength
    evidence: Evidence


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
        """Mean score of the members less that of the others."""
        score, belongs = self.sample.score, self.question.belongs
        return float(score[belongs].mean() - score[~belongs].mean())


def findings(data: ChannelData) -> list[Finding]:
    """Ask everything that *data* has enough items for; answers in the order of questions."""
    asked = rounds(data)
    if not asked:
        return []
    rng = generator(data.fingerprint, "recommendations.permutation")
    p = np.concatenate(
        [
            permutation_p(
                each.sample.score,
                each.sample.stratum,
                np.column_stack([question.belongs for question in each.questions]),
                rng,
            )
            for each in asked
        ]
    )
    adjusted = holm(p)
    pairs = [(each.sample, question) for each in asked for question in each.questions]
    return [
        Finding(question, of, float(p[i]), float(adjusted[i]), len(pairs))
        for i, (of, question) in enumerate(pairs)
    ]


def recommend(data: ChannelData, analysis: ChannelAnalysis) -> list[Recommendation]:
    """
    Return what the channel should do, the surest first; no evidence, no advice.

    An empty list is a normal result: `why_none` says it in words. CPU-bound, a few milliseconds
    when nothing stands out, up to about a second for 500 items when something does. Same data,
    same advice.
    """
    sure = [finding for finding in findings(data) if finding.p_adjusted <= SIGNIFICANT]
    # Of two sides of one coin, what to do reads better than what to leave.
    sure.sort(key=lambda finding: (finding.p_adjusted, finding.p, -finding.log_effect))
    partial = analysis.coverage.present and analysis.coverage.partial
    told: list[Finding] = []
    advice = []
    for finding in sure:
        if any(_same_story(finding, earlier) for earlier in told):
            continue
        evidence = _evidence(finding, data, partial=partial)
        if evidence["low"] < 1 < evidence["high"] or _negligible(evidence["effect"]):
            continue
        told.append(finding)
        advice.append(_recommendation(finding, evidence, data.channel.platform))
    return advice


def why_none(analysis: ChannelAnalysis) -> str:
    """Return in a sentence why a channel got no recommendation."""
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
        f"{lead}: publish days, hours, pauses and lengths of {compared} were tested against "
        "each other, and no difference was larger than chance explains."
    )


def _same_story(finding: Finding, earlier: Finding) -> bool:
    """Say whether both speak of one subject, or split nearly the same items in the same way."""
    if finding.question.subject == earlier.question.subject:
        return True
    if finding.sample is not earlier.sample:
        return False
    one, other = finding.question.belongs, earlier.question.belongs
    alike = max(_overlap(one, other), _overlap(~one, other))
    return alike > SAME_ITEMS


def _overlap(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return int(np.count_nonzero(one & other)) / max(int(np.count_nonzero(one | other)), 1)


def _negligible(effect: float) -> bool:
    return 1 / SMALLEST_EFFECT < effect < SMALLEST_EFFECT


def _evidence(finding: Finding, data: ChannelData, *, partial: bool) -> Evidence:
    belongs, effect = finding.question.belongs, float(np.exp(finding.log_effect))
    low, high = _interval(finding, data.fingerprint)
    members = int(np.count_nonzero(belongs))
    others = belongs.size - members
    sentence = (
        f"{times(effect)} ({LEVEL:.0%} interval {times(low)} to {times(high)}), "
        f"{counted(members, noun(data.channel.platform))} against {others:,}; "
        f"p = {_p(finding.p_adjusted)} by permutation test, "
        f"corrected for {counted(finding.asked, 'question')}."
    )
    if partial:
        sentence += " The source lists only a part of the channel."
    return Evidence(
        effect=effect,
        low=low,
        high=high,
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


def _recommendation(finding: Finding, evidence: Evidence, platform: Platform) -> Recommendation:
    question, effect = finding.question, evidence["effect"]
    better = effect > 1
    size = f"{times(effect)} the views of" if better else f"{1 - effect:.0%} fewer views than"
    things = f"{noun(platform)}s".capitalize()
    return Recommendation(
        key=question.key,
        title=f"{things} {question.members} reach {size} others of their age",
        advice=question.do if better else question.avoid,
        strength=_strength(evidence),
        evidence=evidence,
    )


def _strength(evidence: Evidence) -> Strength:
    word = next(word for limit, word in _STRENGTHS if evidence["p_adjusted"] <= limit)
    few = min(evidence["members"], evidence["others"]) < ENOUGH_FOR_STRONG
    if word == "strong evidence" and (few or evidence["partial"]):
        return "moderate evidence"
    return word


def _interval(finding: Finding, fingerprint: str) -> tuple[float, float]:
    score, belongs = finding.sample.score, finding.question.belongs
    rng = generator(fingerprint, f"recommendations.effect.{finding.question.key}")
    drawn = _means(score[belongs], rng) - _means(score[~belongs], rng)
    smaller = min(np.count_nonzero(belongs), np.count_nonzero(~belongs))
    low, high = np.exp(expanded_percentile(drawn, int(smaller), LEVEL))
    return float(low), float(high)


def _means(values: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    means: NDArray[np.float64] = rng.choice(values, size=(DRAWS, values.size)).mean(axis=1)
    return means


def _p(p: float) -> str:
    return f"{p:.1g}" if p < 0.001 else f"{p:.3f}"  # noqa: PLR2004 - three decimals hold the rest


def _lower(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]
