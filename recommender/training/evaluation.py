"""Offline evaluation: one global time split, all items ranked, accuracy beside the tail. Pure.

A probe asks what a shopper took next, or what else went into a basket, knowing only what came
before. Items of the probe's own path are hidden from the list and from the targets, as a slate
hides them. Nothing is sampled: every item of the shop can be on the list.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.training.interactions import ANONYMOUS, Interactions, Kind
from recommender.training.popularity import popularity
from recommender.training.source import Query

CUTOFF = 20
"""Length of a list that is judged; the @20 of every metric."""

PATH_ITEMS = 20
"""Newest items of a path that are looked at, when measuring and when serving."""

PATH_DECAY = 0.85
HEAD_SHARE = 0.2
BASKET_PROBE_ITEMS = 5


@dataclass(frozen=True, slots=True)
class Probe:
    """One question of the evaluation.

    Attributes:
        targets: Items that really came, at least one, none of them in the query, int32.
    """

    query: Query
    targets: NDArray[np.int32]
    at_seconds: int


def path_query(items: Sequence[int] | NDArray[np.int32]) -> Query:
    """Return the query of a path, newest item first: weights decay by `PATH_DECAY` a place."""
    chosen = np.asarray(items[:PATH_ITEMS], np.int32)
    weights = PATH_DECAY ** np.arange(len(chosen), dtype=np.float32)
    return Query(chosen, weights.astype(np.float32))


def cut_at(interactions: Interactions, test_share: float) -> int:
    """Return the instant that leaves the newest `test_share` of interactions behind it."""
    return int(interactions.at_seconds[int(len(interactions) * (1.0 - test_share))])


def path_probes(interactions: Interactions, *, since_seconds: int, limit: int) -> list[Probe]:
    """Return what shoppers with a path took next, for steps from an instant on.

    Args:
        limit: Most probes; beyond it they are taken evenly over time.
    """
    actor = np.where(
        interactions.visitor == ANONYMOUS,
        interactions.sequence.astype(np.int64) + interactions.visitor.max(initial=0) + 1,
        interactions.visitor,
    )
    order = np.lexsort((np.arange(len(actor)), actor))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    start_of = np.searchsorted(actor[order], actor)
    first_rows = np.unique(interactions.step, return_index=True)[1]
    newer = np.sort(first_rows[interactions.at_seconds[first_rows] >= since_seconds])
    asked = newer[place[newer] > start_of[newer]]
    probes = [
        _path_probe(interactions, order[start_of[row] :], int(place[row] - start_of[row]))
        for row in _evenly(asked, limit)
    ]
    return [probe for probe in probes if len(probe.targets)]


def _path_probe(interactions: Interactions, own: NDArray[np.int64], place: int) -> Probe:
    """Make the probe of the step at `place` of one actor's rows `own`."""
    step = interactions.step[own[place]]
    before = own[:place][::-1][: 10 * PATH_ITEMS]
    path = _distinct(interactions.item[before])[:PATH_ITEMS]
    after = own[place : place + 1_000]
    taken = interactions.item[after[interactions.step[after] == step]]
    targets = np.setdiff1d(taken, path)
    return Probe(path_query(path), targets, int(interactions.at_seconds[own[place]]))


def basket_probes(
    interactions: Interactions, *, since_seconds: int, limit: int, seed: int
) -> list[Probe]:
    """Return what else went into a basket, given a few of its items drawn by `seed`."""
    rng = np.random.default_rng(seed)
    newer = interactions.rows(
        (interactions.at_seconds >= since_seconds) & (interactions.kind == Kind.ORDER)
    )
    order = np.argsort(newer.step, kind="stable")
    starts = np.flatnonzero(np.diff(newer.step[order], prepend=-1))
    baskets = np.split(order, starts[1:])
    asked = np.asarray([place for place, rows in enumerate(baskets) if len(rows) > 1], np.int64)
    probes = []
    for place in _evenly(asked, limit):
        items = rng.permutation(newer.item[baskets[place]])
        n_known = min(len(items) // 2, BASKET_PROBE_ITEMS)
        query = Query(items[:n_known], np.ones(n_known, np.float32))
        at_seconds = int(newer.at_seconds[baskets[place][0]])
        probes.append(Probe(query, np.sort(items[n_known:]), at_seconds))
    return probes


def _evenly(rows: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    if len(rows) <= limit:
        return rows
    return rows[np.linspace(0, len(rows) - 1, limit).astype(np.int64)]


def _distinct(items: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the distinct items in order of first appearance."""
    first = np.unique(items, return_index=True)[1]
    return items[np.sort(first)]


def top_list(items: NDArray[np.int32], scores: NDArray[np.float32]) -> NDArray[np.int32]:
    """Return the `CUTOFF` best items with a positive score, best first.

    Ties go to the smaller row of the vocabulary.

    Returns:
        Shape (CUTOFF,), filled up with -1.
    """
    if len(items) > CUTOFF:
        floor = np.partition(scores, -CUTOFF)[-CUTOFF]
        near = scores >= floor
        items, scores = items[near], scores[near]
    order = np.argsort(-scores, kind="stable")
    ranked = items[order][scores[order] > 0][:CUTOFF]
    return np.pad(ranked, (0, CUTOFF - len(ranked)), constant_values=-1)


@dataclass(frozen=True, slots=True)
class Judgement:
    """How good lists are, probe by probe and on the whole.

    Attributes:
        ndcg: NDCG@20 of each probe; what the gate compares in pairs.
        metrics: Means by metric name.
    """

    ndcg: NDArray[np.float64]
    metrics: dict[str, float]


def judge(
    lists: NDArray[np.int32], probes: Sequence[Probe], tail: NDArray[np.bool_], n_known: int
) -> Judgement:
    """Judge one list per probe.

    Recall divides by min(20, number of targets), so that 1 can be reached. MRR looks at the first
    target on the list. Coverage and Gini are over the items known to training, never-shown ones
    included.

    Source: Järvelin, Kekäläinen 2002 for NDCG with binary gain; Gini as in Fleder, Hosanagar 2009.

    Args:
        lists: Shape (probes, CUTOFF), -1 where a list is shorter.
        tail: Whether an item is outside the head, shape (n_items,).
        n_known: Items with at least one interaction in training.
    """
    if not probes:
        return Judgement(np.zeros(0), {})
    hits = np.stack([np.isin(row, probe.targets) for row, probe in zip(lists, probes, strict=True)])
    ideal = np.minimum([len(probe.targets) for probe in probes], CUTOFF)
    discount = 1.0 / np.log2(np.arange(2, CUTOFF + 2))
    ndcg = (hits @ discount) / np.cumsum(discount)[ideal - 1]
    first = np.where(hits.any(axis=1), 1.0 / (hits.argmax(axis=1) + 1), 0.0)
    shown = lists[lists >= 0]
    targets = np.concatenate([probe.targets for probe in probes])
    metrics = {
        "recall@20": hits.sum(axis=1) / ideal,
        "ndcg@20": ndcg,
        "mrr@20": first,
        "hit_rate@20": hits.any(axis=1),
        "tail_share@20": tail[shown] if len(shown) else np.zeros(1),
        "target_tail_share": tail[targets],
    }
    means = {name: float(np.mean(values)) for name, values in metrics.items()}
    return Judgement(ndcg, means | _concentration(shown, len(tail), n_known))


def _concentration(shown: NDArray[np.int32], n_items: int, n_known: int) -> dict[str, float]:
    counts = np.sort(np.bincount(shown, minlength=n_items))[-max(n_known, 1) :]
    ranks = np.arange(1, len(counts) + 1)
    total = max(int(counts.sum()), 1)
    gini = (2 * ranks - len(counts) - 1) @ counts / (len(counts) * total)
    return {"coverage@20": float(np.mean(counts > 0)), "gini@20": float(gini)}


def tail_items(train: Interactions) -> NDArray[np.bool_]:
    """Mark the items outside the most popular `HEAD_SHARE` of the items seen in training."""
    total = popularity(train)
    n_head = int(np.ceil(HEAD_SHARE * np.count_nonzero(total)))
    head = np.argsort(-total, kind="stable")[:n_head]
    tail = np.ones(train.n_items, bool)
    tail[head] = False
    return tail


def is_worse(ours: NDArray[Any], theirs: NDArray[Any], *, tolerance: float) -> bool:
    """Tell whether `ours` loses against `theirs` beyond tolerance and beyond chance.

    Args:
        ours: One value a probe.
        theirs: Values of the same probes.
        tolerance: Share of their mean that may be lost.
    """
    difference = ours - theirs + tolerance * np.mean(theirs)
    error = np.std(difference) / np.sqrt(len(difference))
    return bool(np.mean(difference) < -2.0 * error)
