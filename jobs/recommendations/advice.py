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
    worth = [
        finding
        for finding in findings(data)
        if finding.p_adjusted <= SIGNIFICANT and abs(finding.log_effect) >= np.log(SMALLEST_EFFECT)
    ]
    worth.sort(key=lambda finding: (finding.p_adjusted, finding.p, -abs(finding.log_effect)))
    clearest = {finding.question.subject: finding for finding in reversed(worth)}
    return [
        _recommendation(finding, analysis.platform, data.fingerprint)
        for finding in worth
        if clearest[finding.question.subject] is finding
    ]


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


def _recommendation(finding: Finding, platform: Platform, fingerprint: str) -> Recommendation:
    question = finding.question
    things, effect = f"{noun(platform)}s", float(np.exp(finding.log_effect))
    low, high = _interval(finding, fingerprint)
    members = int(np.count_nonzero(question.belongs))
    others = question.belongs.size - members
    better = effect > 1
    size = f"{times(effect)} the views of" if better else f"{1 - effect:.0%} fewer views than"
    evidence = Evidence(
        effect=effect,
        low=low,
        high=high,
        level=LEVEL,
        members=members,
        others=others,
        p=finding.p,
        p_adjusted=finding.p_adjusted,
        questions=finding.asked,
        test="two-sided permutation test among items of like age, Holm-corrected",
        sentence=(
            f"{times(effect)} ({LEVEL:.0%} interval {times(low)} to {times(high)}), "
            f"{members:,} {things} against {others:,}; p = {_p(finding.p_adjusted)} by permutation "
            f"test, corrected for {counted(finding.asked, 'question')}."
        ),
    )
    return Recommendation(
        key=question.key,
        title=f"{things.capitalize()} {question.members} reach {size} others of their age",
        advice=question.do if better else question.avoid,
        strength=next(word for limit, word in _STRENGTHS if finding.p_adjusted <= limit),
        evidence=evidence,
    )


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
