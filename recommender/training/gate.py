"""Is what was learned good enough to serve? Pure.

Two comparisons, each in pairs on the same probes: against recent popularity, and against the
published artifact on events that neither it nor its challenger has seen.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.training.artifact import Artifact
from recommender.training.blend import Blend, blended, log_popularity
from recommender.training.evaluation import Judgement, Probe, is_worse, judge, tail_items, top_list
from recommender.training.fitting import TEST_PROBES, Bench, Experience, Recipe, fit, probes_of
from recommender.training.interactions import Interactions
from recommender.training.scoring import nested_arrays, score_query
from recommender.training.source import Query

PROBES_MIN = 100
"""Fewer probes than this cannot tell two models apart."""

TOLERANCE = 0.05
"""Share of the published artifact's NDCG@20 that may be lost: shops drift, and so do probes."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether to publish, and why, in one sentence."""

    publish: bool
    reason: str


def decide(
    interactions: Interactions,
    recipe: Recipe,
    experience: Experience,
    published: Artifact | None,
) -> Verdict:
    """Decide on the main metric, NDCG@20 of the first task with enough probes."""
    task = next(
        (name for name, own in experience.blend.items() if len(own.ndcg) >= PROBES_MIN), None
    )
    if task is None:
        return Verdict(True, "published: too few events to judge it")
    ours, floor = experience.blend[task], experience.popular[task]
    if is_worse(ours.ndcg, floor.ndcg, tolerance=0.0):
        return Verdict(False, f"kept the old one: {_versus(ours, floor, 'recent popularity')}")
    if published is not None:
        duel = _duel(task, interactions, recipe, published)
        if duel is not None and is_worse(duel[0].ndcg, duel[1].ndcg, tolerance=TOLERANCE):
            return Verdict(False, f"kept the old one: {_versus(*duel, 'the published artifact')}")
    return Verdict(True, f"published: {_versus(ours, floor, 'recent popularity')}")


def _versus(ours: Judgement, theirs: Judgement, name: str) -> str:
    ndcg = (np.mean(ours.ndcg), np.mean(theirs.ndcg))
    return f"NDCG@20 {ndcg[0]:.4f} against {ndcg[1]:.4f} of {name} on {len(ours.ndcg)} probes"


def _duel(
    task: str, interactions: Interactions, recipe: Recipe, published: Artifact
) -> tuple[Judgement, Judgement] | None:
    """Judge the new recipe and the published artifact on what came after the latter.

    The recipe is fitted again on the time that the published artifact knew, so that neither
    has seen the answers; None when too little came since.
    """
    since_seconds = int(published.meta["trained_through_seconds"]) + 1
    train = interactions.before(since_seconds)
    probes = probes_of(
        task, interactions, since_seconds=since_seconds, limit=TEST_PROBES, seed=recipe.seed
    )
    if len(probes) < PROBES_MIN or not len(train):
        return None
    ours = Bench(train, fit(train, recipe), probes).blend(recipe.blends[task])
    lists = _Champion(published, task, interactions.item_ids).lists(probes)
    return ours, judge(lists, probes, tail_items(train), interactions.n_items)


class _Champion:
    """The published artifact, answering in the vocabulary of the new training."""

    def __init__(self, published: Artifact, task: str, item_ids: NDArray[np.bytes_]) -> None:
        own_ids = published.arrays["item_ids"]
        self._n_items = len(own_ids)
        self._model = nested_arrays(published.arrays, self._n_items)
        self._log_popularity = log_popularity(self._model)
        self._blend = Blend(**published.meta["blends"][task])
        self._to_own = _rows_of(item_ids, own_ids)
        self._from_own = np.append(_rows_of(own_ids, item_ids), np.int32(-1))

    def lists(self, probes: list[Probe]) -> NDArray[np.int32]:
        return np.stack([self._list(probe.query) for probe in probes])

    def _list(self, query: Query) -> NDArray[np.int32]:
        items = self._to_own[query.items]
        known = Query(items[items >= 0], query.weights[items >= 0])
        scored = score_query(self._model, known, self._n_items)
        given = blended(scored, self._blend.vector(), self._log_popularity, self._blend.beta)
        return self._from_own[top_list(scored.items, given)]


def _rows_of(ids: NDArray[Any], vocabulary: NDArray[Any]) -> NDArray[np.int32]:
    """Return where each id stands in a sorted vocabulary, -1 where it does not."""
    place = np.minimum(np.searchsorted(vocabulary, ids), len(vocabulary) - 1)
    return np.where(vocabulary[place] == ids, place, -1).astype(np.int32)
