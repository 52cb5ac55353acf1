"""Is what was learned good enough to serve? Pure.

Two comparisons, each in pairs on the same probes: against recent popularity, and against the
published artifact on events that neither it nor its challenger has seen.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recommender.training.alignment import rows_of
from recommender.training.artifact import Artifact
from recommender.training.blend import Blend
from recommender.training.evaluation import Judgement, Probe, is_worse, judge, tail_items
from recommender.training.fitting import (
    TEST_PROBES,
    Experience,
    Recipe,
    before,
    fit,
    probes_since,
)
from recommender.training.ranker import Ranker
from recommender.training.scoring import nested_arrays
from recommender.training.source import Query, TrainingSet

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
    training_set: TrainingSet,
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
        duel = _duel(task, training_set, recipe, published)
        if duel is not None and is_worse(duel[0].ndcg, duel[1].ndcg, tolerance=TOLERANCE):
            return Verdict(False, f"kept the old one: {_versus(*duel, 'the published artifact')}")
    return Verdict(True, f"published: {_versus(ours, floor, 'recent popularity')}")


def _versus(ours: Judgement, theirs: Judgement, name: str) -> str:
    ndcg = (np.mean(ours.ndcg), np.mean(theirs.ndcg))
    return f"NDCG@20 {ndcg[0]:.4f} against {ndcg[1]:.4f} of {name} on {len(ours.ndcg)} probes"


def _duel(
    task: str, training_set: TrainingSet, recipe: Recipe, published: Artifact
) -> tuple[Judgement, Judgement] | None:
    """Judge the new recipe and the published artifact on what came after the latter.

    The recipe is fitted again on the time that the published artifact knew, so that neither
    has seen the answers; None when too little came since.
    """
    since_seconds = int(published.meta["trained_through_seconds"]) + 1
    known = before(training_set, since_seconds)
    probes = probes_since(
        training_set, since_seconds=since_seconds, limit=TEST_PROBES, seed=recipe.seed
    )[task]
    if len(probes) < PROBES_MIN or not len(known.interactions):
        return None
    ranker = Ranker(fit(known, recipe), recipe.blends[task], training_set.n_items)
    lists = _Champion(published, task, training_set.interactions.item_ids).lists(probes)
    tail = tail_items(known.interactions)
    ours = judge(ranker.lists(probes), probes, tail, training_set.n_items)
    return ours, judge(lists, probes, tail, training_set.n_items)


class _Champion:
    """The published artifact, answering in the vocabulary of the new training."""

    def __init__(self, published: Artifact, task: str, item_ids: NDArray[np.bytes_]) -> None:
        own_ids = published.arrays["item_ids"]
        model = nested_arrays(published.arrays, len(own_ids))
        self._ranker = Ranker(model, Blend(**published.meta["blends"][task]), len(own_ids))
        self._to_own = rows_of(item_ids, own_ids)
        self._from_own = np.append(rows_of(own_ids, item_ids), np.int32(-1))

    def lists(self, probes: list[Probe]) -> NDArray[np.int32]:
        return np.stack([self._list(probe) for probe in probes])

    def _list(self, probe: Probe) -> NDArray[np.int32]:
        items = self._to_own[probe.query.items]
        known = items >= 0
        query = Query(
            items[known],
            probe.query.weights[known],
            probe.query.places[known],
            probe.query.ages_days[known],
        )
        return self._from_own[self._ranker.list(replace(probe, query=query))]
