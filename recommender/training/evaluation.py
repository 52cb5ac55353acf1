"""Offline evaluation: one global time split, all items ranked, accuracy beside the tail. Pure.

A probe asks what a shopper took next, or what else went into a basket, knowing only what came
before. Where a slate hides what the visitor has met, so do list and targets of its probes.
Nothing is sampled: every item of the shop can be on the list.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from recommender.training.board import top_places
from recommender.training.interactions import DAY_SECONDS, Interactions, Kind
from recommender.training.popularity import popularity
from recommender.training.source import Query

CUTOFF = 20
"""Length of a list that is judged; the @20 of every metric."""

PATH_MEETINGS = 600
"""Newest meetings of a path that are looked at, when measuring and when serving."""

HEAD_SHARE = 0.2
BASKET_PROBE_ITEMS = 5


@dataclass(frozen=True, slots=True)
class Probe:
    """One question of the evaluation.

    Attributes:
        targets: Distinct items that really came, at least one, int32.
        hides_path: Whether the items of the query are kept off the list; none is a target then.
    """

    query: Query
    targets: NDArray[np.int32]
    hides_path: bool = True

    @property
    def hidden(self) -> NDArray[np.int32]:
        """Return the items that the list may not hold."""
        return self.query.items if self.hides_path else self.query.items[:0]


def without_repeats(probes: Sequence[Probe]) -> list[Probe]:
    """Return the probes with all items of the path hidden; one that has no other target goes."""
    hiding = (
        replace(probe, targets=np.setdiff1d(probe.targets, probe.query.items), hides_path=True)
        for probe in probes
    )
    return [probe for probe in hiding if len(probe.targets)]


def path_query(
    interactions: Interactions,
    rows: NDArray[np.int64],
    at_seconds: int,
    kind_weights: Sequence[float],
) -> Query:
    """Return the query of the newest `PATH_MEETINGS` of some rows.

    Args:
        rows: Rows of one actor, newest first.
        at_seconds: When the question is asked.
    """
    rows = rows[:PATH_MEETINGS]
    steps = interactions.step[rows]
    ages_days = np.maximum(at_seconds - interactions.at_seconds[rows], 0) / DAY_SECONDS
    return Query(
        interactions.item[rows],
        np.asarray(kind_weights, np.float32)[interactions.kind[rows]],
        np.cumsum(np.diff(steps, prepend=steps[:1]) != 0).astype(np.int32),
        ages_days.astype(np.float32),
    )


def cut_at(interactions: Interactions, test_share: float) -> int:
    """Return the instant that leaves the newest `test_share` of interactions behind it."""
    return int(interactions.at_seconds[int(len(interactions) * (1.0 - test_share))])


def path_probes(
    interactions: Interactions,
    *,
    since_seconds: int,
    limit: int,
    kind_weights: Sequence[float] = (1.0, 1.0, 1.0),
) -> list[Probe]:
    """Return what shoppers with a path took next, for steps from an instant on.

    Repeats count: `without_repeats` makes the other task of them.

    Args:
        limit: Most probes; beyond it they are taken evenly over time.
    """
    actor = interactions.actors()
    order = np.lexsort((np.arange(len(actor)), actor))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    start_of = np.searchsorted(actor[order], actor)
    first_rows = np.unique(interactions.step, return_index=True)[1]
    newer = np.sort(first_rows[interactions.at_seconds[first_rows] >= since_seconds])
    asked = newer[place[newer] > start_of[newer]]
    return [
        _path_probe(
            interactions, order[start_of[row] :], int(place[row] - start_of[row]), kind_weights
        )
        for row in _evenly(asked, limit)
    ]


def _path_probe(
    interactions: Interactions,
    own: NDArray[np.int64],
    place: int,
    kind_weights: Sequence[float],
) -> Probe:
    """Make the probe of the step at `place` of one actor's rows `own`."""
    step = interactions.step[own[place]]
    at_seconds = int(interactions.at_seconds[own[place]])
    before = own[max(0, place - PATH_MEETINGS) : place][::-1]
    after = own[place : place + 1_000]
    taken = interactions.item[after[interactions.step[after] == step]]
    query = path_query(interactions, before, at_seconds, kind_weights)
    return Probe(query, np.unique(taken), hides_path=False)


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
        targets = np.setdiff1d(items[n_known:], items[:n_known])
        probes.append(Probe(Query.of(items[:n_known]).at_once(), targets))
    return probes


def _evenly(rows: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    if len(rows) <= limit:
        return rows
    return rows[np.linspace(0, len(rows) - 1, limit).astype(np.int64)]


def top_list(items: NDArray[np.int32], scores: NDArray[np.float32]) -> NDArray[np.int32]:
    """Return the `CUTOFF` best items with a positive score, best first; of equals the first wins.

    Returns:
        Shape (CUTOFF,), filled up with -1.
    """
    places = np.empty(CUTOFF, np.int64)
    n = top_places(scores, 0, len(scores), places)
    top = np.full(CUTOFF, -1, np.int32)
    top[:n] = items[places[:n]]
    return top


@njit(nogil=True, cache=True)
def is_among(items: Any, targets: Any) -> Any:
    """Tell of each item whether it is one of the targets, which are few."""
    found = np.zeros(len(items), np.bool_)
    for place in range(len(items)):
        for target in targets:
            if items[place] == target:
                found[place] = True
                break
    return found


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
    lists: NDArray[np.int32],
    probes: Sequence[Probe],
    tail: NDArray[np.bool_],
    n_known: int,
    *,
    cutoff: int = CUTOFF,
) -> Judgement:
    """Judge one list per probe.

    Recall divides by min(cutoff, number of targets), so that 1 can be reached. MRR looks at the
    first target on the list. Coverage and Gini are over the items known to training, never-shown
    ones included.

    Source: Järvelin, Kekäläinen 2002 for NDCG with binary gain; Gini as in Fleder, Hosanagar 2009.

    Args:
        lists: Shape (probes, CUTOFF), -1 where a list is shorter.
        tail: Whether an item is outside the head, shape (n_items,).
        n_known: Items with at least one interaction in training.
        cutoff: Length of the lists that counts, at most CUTOFF.
    """
    if not probes:
        return Judgement(np.zeros(0), {})
    lists = lists[:, :cutoff]
    hits = np.stack(
        [is_among(row, probe.targets) for row, probe in zip(lists, probes, strict=True)]
    )
    ideal = np.minimum([len(probe.targets) for probe in probes], cutoff)
    gains = 1.0 / np.log2(np.arange(2, cutoff + 2))
    ndcg = (hits @ gains) / np.cumsum(gains)[ideal - 1]
    first = np.where(hits.any(axis=1), 1.0 / (hits.argmax(axis=1) + 1), 0.0)
    shown = lists[lists >= 0]
    targets = np.concatenate([probe.targets for probe in probes])
    metrics = {
        f"recall@{cutoff}": hits.sum(axis=1) / ideal,
        f"ndcg@{cutoff}": ndcg,
        f"mrr@{cutoff}": first,
        f"hit_rate@{cutoff}": hits.any(axis=1),
        f"tail_share@{cutoff}": tail[shown] if len(shown) else np.zeros(1),
        "target_tail_share": tail[targets],
    }
    means = {name: float(np.mean(values)) for name, values in metrics.items()}
    coverage, gini = _concentration(shown, len(tail), n_known)
    return Judgement(ndcg, means | {f"coverage@{cutoff}": coverage, f"gini@{cutoff}": gini})


def _concentration(shown: NDArray[np.int32], n_items: int, n_known: int) -> tuple[float, float]:
    counts = np.sort(np.bincount(shown, minlength=n_items))[-max(n_known, 1) :]
    ranks = np.arange(1, len(counts) + 1)
    total = max(int(counts.sum()), 1)
    gini = (2 * ranks - len(counts) - 1) @ counts / (len(counts) * total)
    return float(np.mean(counts > 0)), float(gini)


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
