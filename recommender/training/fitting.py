"""From interactions to a recipe, its measured quality and the arrays that serve. Pure.

Time decides who sees what: the blend is learned on the newest part of the training period by
arrays fitted before it, quality is measured on the newest part of all by arrays fitted before
that, and what serves is fitted on everything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.training.blend import Blend, blended, learn_blend, log_popularity
from recommender.training.evaluation import (
    Judgement,
    Probe,
    basket_probes,
    cut_at,
    judge,
    path_probes,
    tail_items,
    top_list,
)
from recommender.training.interactions import Interactions
from recommender.training.popularity import POPULAR, popularity
from recommender.training.scoring import (
    SOURCE_NAMES,
    ModelArrays,
    Scored,
    fit_sources,
    score_query,
)

TEST_SHARE = 0.2
VALIDATION_SHARE = 0.2
VALIDATION_PROBES = 1_000
TEST_PROBES = 2_000
TASKS = ("path", "basket")
"""What a blend is for: a visitor's path, or the contents of a cart."""

TAIL_BETA = 0.5
"""Exponent that the tail dial adds when it is turned to 1."""

DIAL_STEPS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to fit and blend: all that a training chooses."""

    blends: Mapping[str, Blend]
    seed: int


@dataclass(frozen=True, slots=True)
class Experience:
    """How a recipe did on events it had not seen.

    Attributes:
        metrics: By task, see `train.TrainingReport`.
        blend: The blend's judgement by task.
        popular: Recent popularity's judgement by task, on the same probes.
    """

    metrics: dict[str, Any]
    blend: Mapping[str, Judgement]
    popular: Mapping[str, Judgement]


def fit(interactions: Interactions, recipe: Recipe) -> ModelArrays:
    """Fit the arrays of all sources."""
    return fit_sources(interactions, seed=recipe.seed)


def probes_of(
    task: str, interactions: Interactions, *, since_seconds: int, limit: int, seed: int
) -> list[Probe]:
    """Return the questions of one task from an instant on."""
    if task == "path":
        return path_probes(interactions, since_seconds=since_seconds, limit=limit)
    return basket_probes(interactions, since_seconds=since_seconds, limit=limit, seed=seed)


def score_probes(model: ModelArrays, probes: Sequence[Probe], n_items: int) -> list[Scored]:
    """Score each probe's candidates; the items of its own path are none."""
    return [score_query(model, probe.query, n_items) for probe in probes]


def learn_recipe(interactions: Interactions, *, seed: int) -> Recipe:
    """Choose the blends on the newest part of the training period."""
    seen = interactions.before(cut_at(interactions, TEST_SHARE))
    known = seen.before(cut_at(seen, VALIDATION_SHARE)) if len(seen) else seen
    if not len(known):
        return Recipe(dict.fromkeys(TASKS, Blend()), seed)
    model = fit_sources(known, seed=seed)
    blends = {}
    for task in TASKS:
        probes = probes_of(
            task,
            seen,
            since_seconds=int(known.at_seconds[-1]) + 1,
            limit=VALIDATION_PROBES,
            seed=seed,
        )
        scored = score_probes(model, probes, seen.n_items)
        blends[task] = learn_blend(scored, probes, log_popularity(model))
    return Recipe(blends, seed)


def evaluate(interactions: Interactions, recipe: Recipe) -> Experience:
    """Measure every source and the blend on the newest `TEST_SHARE` of events."""
    cut_seconds = cut_at(interactions, TEST_SHARE)
    train = interactions.before(cut_seconds)
    metrics: dict[str, Any] = {}
    blends: dict[str, Judgement] = {}
    populars: dict[str, Judgement] = {}
    if not len(train):
        return Experience(metrics, blends, populars)
    model = fit(train, recipe)
    for task, blend in recipe.blends.items():
        probes = probes_of(
            task, interactions, since_seconds=cut_seconds, limit=TEST_PROBES, seed=recipe.seed
        )
        if not probes:
            continue
        bench = Bench(train, model, probes)
        sources = {name: bench.source(name) for name in SOURCE_NAMES}
        blends[task], populars[task] = bench.blend(blend), sources[POPULAR.name]
        metrics[task] = {
            "n_probes": len(probes),
            "sources": {name: judgement.metrics for name, judgement in sources.items()},
            "blend": blends[task].metrics,
            "tail_dial": [_dial_step(bench, blend, dial) for dial in DIAL_STEPS],
        }
    return Experience(metrics, blends, populars)


def _dial_step(bench: "Bench", blend: Blend, dial: float) -> dict[str, float]:
    metrics = bench.blend(blend, dial).metrics
    shown = ("ndcg@20", "tail_share@20", "coverage@20", "gini@20")
    return {"dial": dial} | {name: metrics[name] for name in shown}


class Bench:
    """Judges one model's lists on one set of probes."""

    def __init__(self, train: Interactions, model: ModelArrays, probes: Sequence[Probe]) -> None:
        self._probes = probes
        self._scored = score_probes(model, probes, train.n_items)
        self._tail = tail_items(train)
        self._n_known = int(np.count_nonzero(popularity(train)))
        self._log_popularity = log_popularity(model)

    def source(self, name: str) -> Judgement:
        """Judge one source alone."""
        row = SOURCE_NAMES.index(name)
        return self._judge([scored.parts[row] for scored in self._scored])

    def blend(self, blend: Blend, dial: float = 0.0) -> Judgement:
        """Judge a blend at one setting of the tail dial."""
        weights, beta = blend.vector(), blend.beta + TAIL_BETA * dial
        return self._judge(
            [blended(scored, weights, self._log_popularity, beta) for scored in self._scored]
        )

    def _judge(self, scores: Sequence[NDArray[np.float32]]) -> Judgement:
        lists = [
            top_list(scored.items, given)
            for scored, given in zip(self._scored, scores, strict=True)
        ]
        return judge(np.stack(lists), self._probes, self._tail, self._n_known)
