"""
`make similar DATA=FOLDER`: how often do the nearest channels share their main category?

Every list of videos below FOLDER/youtube_trending with tags and categories is evaluated by itself:
its channels with at least three videos, one of them tagged, are compared with each other; all
channels of the list determine which words are rare. Categories are used only for the evaluation.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.channels.plain import as_data
from benchmarks.lists import open_list
from benchmarks.rows import Row, share
from jobs.analysis.randomness import generator
from jobs.recommendations.similar import Profile, profile_of
from jobs.recommendations.similar.comparison import chance_of
from jobs.recommendations.similar.shuffled import nearest_by_chance
from jobs.recommendations.similar.vectors import counts, vectors
from jobs.recommendations.similar.weighting import tf_idf
from jobs.recommendations.strength import NO_EVIDENCE, STRENGTHS, strength_of
from jobs.recommendations.words import words
from jobs.sources import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from scipy import sparse

FEWEST_VIDEOS = 3
FEWEST_CHANNELS = 30
RANKS = (1, 3, 5)
WORDS = (*(word for _, word in STRENGTHS), NO_EVIDENCE)


def main() -> None:
    """Print the shares for each list, as a table or as JSON."""
    parser = argparse.ArgumentParser(prog="make similar")
    parser.add_argument("data", type=Path, metavar="FOLDER")
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")
    options = parser.parse_args()
    paths = sorted((options.data / "youtube_trending").glob("*.csv*"))
    found = [one for path in paths if (one := asyncio.run(_evaluate(path))) is not None]
    if not found:
        sys.exit(
            f"make similar: no list with tags and categories in {options.data}/youtube_trending"
        )
    sys.stdout.write(json.dumps(found, indent=1) + "\n" if options.json else _table(found))


async def _evaluate(path: Path) -> dict[str, Any] | None:
    """Evaluate one list; None if it is of another kind or has too few channels."""
    try:
        source = await open_list(path)
    except SourceError:
        return None
    profiles: list[Profile] = []
    categories: list[str | None] = []
    titles: list[str] = []
    for channel in source.channels():
        reading = source.read(channel.id)
        profile = profile_of(as_data(reading))
        if profile is None:
            continue
        counted = Counter(item.category for item in reading.items if item.category)
        has_category = len(reading.items) >= FEWEST_VIDEOS and profile.tags and counted
        # On a tie, the first one read.
        categories.append(counted.most_common(1)[0][0] if has_category else None)
        profiles.append(profile)
        titles.append(channel.title)
    mask = np.array([category is not None for category in categories], dtype=bool)
    if np.count_nonzero(mask) < FEWEST_CHANNELS:
        return None
    names = np.array([category for category in categories if category is not None])
    chosen = np.array(
        [_in_choosing_half(title) for title, own in zip(titles, mask, strict=True) if own]
    )
    shares = Counter(names.tolist())
    plain = _plain(profiles)[np.ix_(mask, mask)]
    ours = vectors(profiles).similarity(slice(None))[np.ix_(mask, mask)]
    by_chance = nearest_by_chance(profiles, generator(path.name, "benchmark"))
    every = np.ones_like(chosen)
    return {
        "list": path.name,
        "channels": int(mask.sum()),
        "of": len(profiles),
        "chance": sum((n / names.size) ** 2 for n in shares.values()),
        "plain tag TF-IDF": _shares(plain, names, every),
        "ours, all": _shares(ours, names, every),
        "ours, half that parameters were chosen on": _shares(ours, names, chosen),
        "ours, other half": _shares(ours, names, ~chosen),
        "five nearest by strength": _by_strength(ours, names, by_chance),
        "rows": [
            row.as_json()
            for half, asked in (("all", every), ("other half", ~chosen))
            for row in _rows((path.name, half), ours, names, asked)
        ],
    }


def _plain(profiles: list[Profile]) -> NDArray[np.float64]:
    tag_words: list[Counter[str]] = []
    for profile in profiles:
        own: Counter[str] = Counter()
        for tag, times in profile.tags.items():
            own.update(dict.fromkeys(words(tag), times))
        tag_words.append(own)
    found = tf_idf(counts(tag_words)[0], logarithmic=True)
    product: sparse.csr_matrix = found @ found.T
    similarity: NDArray[np.float64] = product.toarray()
    return similarity


def _in_choosing_half(title: str) -> bool:
    """Return whether the channel is in the half used for choosing: the same in every list."""
    return hashlib.sha256(title.encode()).digest()[0] % 2 == 0


def _shares(
    similarity: NDArray[Any], names: NDArray[np.str_], asked: NDArray[np.bool_]
) -> dict[str, float]:
    """Return the share of the 1, 3 and 5 nearest of the channels *asked* with their category."""
    alike = similarity.astype(np.float64)
    np.fill_diagonal(alike, -np.inf)
    order = np.argsort(-alike, axis=1, kind="stable")[asked]
    same = names[order] == names[asked][:, None]
    return {f"nearest {rank}": round(float(same[:, :rank].mean()), 4) for rank in RANKS}


def _rows(
    name: tuple[str, str],
    similarity: NDArray[Any],
    names: NDArray[np.str_],
    asked: NDArray[np.bool_],
) -> Iterator[Row]:
    """Yield the shares of the nearest of the channels *asked* with their category, with cases."""
    shares = _shares(similarity, names, asked)
    for rank in RANKS:
        cases = int(np.count_nonzero(asked)) * rank
        found = shares[f"nearest {rank}"]
        yield share(
            "same category", name[0], f"{name[1]}, nearest {rank}", round(found * cases), cases
        )


def _by_strength(
    similarity: NDArray[Any], names: NDArray[np.str_], by_chance: NDArray[np.float64]
) -> dict[str, str]:
    """Return the share of the five nearest with the same category, by strength of evidence."""
    alike = similarity.astype(np.float64)
    np.fill_diagonal(alike, -np.inf)
    order = np.argsort(-alike, axis=1, kind="stable")[:, : max(RANKS)]
    same: dict[str, list[bool]] = {word: [] for word in WORDS}
    for own, row, category in zip(order, alike, names, strict=True):
        for p, name in zip(chance_of(row[own], by_chance), names[own], strict=True):
            same[strength_of(p) or NO_EVIDENCE].append(bool(name == category))
    return {word: f"{np.mean(own):.1%} of {len(own)}" for word, own in same.items() if own}


def _table(found: list[dict[str, Any]]) -> str:
    lines = []
    for one in found:
        lines.append(
            f"{one['list']}: {one['channels']} channels of {one['of']}, chance {one['chance']:.1%}"
        )
        for name, shares in one.items():
            if isinstance(shares, dict):
                cells = "   ".join(
                    f"{rank} {share if isinstance(share, str) else f'{share:.1%}'}"
                    for rank, share in shares.items()
                )
                lines.append(f"  {name:<44}{cells}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
