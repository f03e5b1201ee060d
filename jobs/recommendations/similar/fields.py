"""
The common fields of channels, each defined by a few seed words.

Two cooking channels need not share a word: one says “recipe”, the other “kitchen”. Seed words put
both into one field, and one step of naive Bayes adds the other words that these channels use in
that field. Source: K. Nigam, A. McCallum, S. Thrun and T. Mitchell, "Text Classification from
Labeled and Unlabeled Documents using EM" (2000), with seeds in place of labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from jobs.recommendations.similar.weighting import tf_idf

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy import sparse

SEEDS: Final = (
    (
        "music song songs album lyrics lyric audio remix feat ft single band singer rapper rap "
        "hiphop pop rock vevo records concert acoustic cover guitar piano dj mixtape soundtrack "
        "musica cancion musik musique"
    ),
    (
        "trailer teaser movie movies film films cinema actor actress director netflix marvel "
        "disney dc star wars hollywood scene clip featurette sequel superhero pelicula"
    ),
    (
        "episode season series show tonight late night host monologue "
        "talk interview celebrity celebrities guest premiere"
    ),
    (
        "comedy funny sketch parody prank pranks joke jokes humor laugh comedian standup stand-up "
        "spoof hilarious satire skit comedia humour"
    ),
    (
        "news breaking report politics political president election senate government "
        "minister white house police investigation hurricane storm attack war shooting cnn nbc "
        "abc bbc noticias nachrichten actualites press"
    ),
    (
        "sports sport football soccer basketball nba nfl mlb nhl ufc wwe boxing highlights goal "
        "goals game match league team player players coach championship espn olympics fight "
        "touchdown race racing deportes futbol"
    ),
    (
        "gaming game games gameplay minecraft playstation xbox nintendo switch ps4 pc gamer "
        "walkthrough esports fortnite pokemon zelda mario steam multiplayer mod juego juegos "
        "spiel jeu"
    ),
    (
        "makeup beauty hair skincare lipstick foundation eyeshadow palette fashion style outfit "
        "outfits haul nails cosmetics tutorial glam contour brows maquillaje maquillage"
    ),
    (
        "food recipe recipes cooking cook kitchen chef eat eating bake baking cake restaurant "
        "dinner breakfast taste tasty mukbang chocolate cheese chicken pizza receta rezept "
        "recette cocina"
    ),
    (
        "diy how tutorial hacks hack craft crafts tips build make homemade project tricks life "
        "design decor room home slime"
    ),
    (
        "vlog vlogs daily vlogger family life day morning routine mom dad baby kids couple "
        "boyfriend girlfriend husband wife storytime challenge travel q&a my we"
    ),
    (
        "tech technology review iphone apple samsung android phone google laptop computer "
        "unboxing camera gadget software app smartphone pixel hands-on specs"
    ),
    (
        "science scientist physics space nasa biology chemistry math experiment planet universe "
        "earth engineering explained research brain why facts robot moon ocean"
    ),
    (
        "education learn learning lesson history school explained lecture university ted talk "
        "crash course animation animated language book student"
    ),
    (
        "animal animals dog dogs cat cats puppy kitten pet pets zoo wildlife horse bird snake "
        "rescue shark aquarium animales"
    ),
    (
        "car cars auto automotive drive driving engine truck motorcycle bmw tesla ford vehicle "
        "supercar turbo race coche voiture"
    ),
    (
        "charity nonprofit rights justice women gay lgbt lgbtq racism community campaign donate "
        "activism awareness foundation equality"
    ),
    (
        "fitness workout gym health diet exercise yoga muscle training weight body bodybuilding "
        "healthy"
    ),
)

SHARPNESS = 3.0
SMOOTHING = 0.3
_ROUNDING = 1e-9


def field_scores(found: sparse.csr_matrix, vocabulary: Sequence[str]) -> NDArray[np.float64]:
    """
    Return how much more each channel is about each field than the average channel.

    *found* are word counts, a column per word of *vocabulary*. A score is the log-likelihood
    of the field, minus its mean over the channels. Channels without a seed word do not contribute
    to the likelihoods.
    """
    seeded = _seeded(found, vocabulary)
    scale = np.maximum(np.linalg.norm(seeded, axis=1, keepdims=True), 1e-9)
    start = _chances(SHARPNESS * seeded / scale)
    weighted = tf_idf(found, logarithmic=True)
    sure = np.where(seeded.any(axis=1), start.max(axis=1), 0)[:, None]
    occurrences = np.asarray(weighted.T @ (start * sure))
    columns = max(occurrences.shape[0], 1)
    likelihood = np.log(occurrences / (occurrences.sum(axis=0) + 1e-9) + SMOOTHING / columns)
    likelihood -= likelihood.mean(axis=1, keepdims=True)
    scores = np.asarray(weighted @ likelihood)
    centred: NDArray[np.float64] = scores - scores.mean(axis=0)
    # If no channel has a seed, only rounding errors are left; they must not count as similarity.
    return np.where(np.abs(centred) > _ROUNDING, centred, 0.0)


def _seeded(found: sparse.csr_matrix, vocabulary: Sequence[str]) -> NDArray[np.float64]:
    """Return the weight of each field's seeds in each channel; fields split their common words."""
    fields = [frozenset(seeds.split()) for seeds in SEEDS]
    seeds = np.array([[word in field for field in fields] for word in vocabulary], dtype=float)
    seeds = seeds.reshape(len(vocabulary), len(fields))
    seeds /= np.maximum(seeds.sum(axis=1, keepdims=True), 1)
    weighted = tf_idf(found, logarithmic=True, unit=False)
    return np.asarray(weighted @ seeds)


def _chances(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    chances: NDArray[np.float64] = raised / raised.sum(axis=1, keepdims=True)
    return chances
