"""Co-occurrence: what follows what, and what is bought together. Pure."""

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recommender.training.interactions import Interactions, Kind
from recommender.training.neighbours import NeighbourSource, products

REACH = 5
"""Steps within a sequence that still count as following."""

SHRINKAGE = 10.0
"""Added to each item's occurrences: a pair seen once or twice among rare items is no rule yet."""


def follow_weights(interactions: Interactions) -> Iterator[sp.csr_matrix]:
    """Yield how strongly each item (row) is followed by each other item (column).

    The weight of a pair is Σ 1/d over its meetings at a distance of d steps, d ≤ `REACH`, where
    a step of s items counts 1/log2(1 + s), divided by √((n_i + σ)(n_j + σ)), σ = `SHRINKAGE`.

    Source: Ludewig, Jannach 2018 (UMUAI 28), sequential rules, eq. 3, with reciprocal
    decay; the shrunk cosine in place of the plain count is ours.
    """
    steps, sequence = _step_matrix(interactions)
    later = _distances(sequence) @ steps
    norm = _shrunk_norm(steps)
    yield from products(sp.diags(norm) @ steps.T.tocsr(), (later @ sp.diags(norm)).tocsr())


def _step_matrix(interactions: Interactions) -> tuple[sp.csr_matrix, NDArray[np.int32]]:
    """Return steps × items in order of sequence and time, and the sequence of each step."""
    first = np.unique(interactions.step, return_index=True)[1]
    order = first[np.lexsort((first, interactions.sequence[first]))]
    place = np.zeros(int(interactions.step.max(initial=0)) + 1, np.int32)
    place[interactions.step[order]] = np.arange(len(order), dtype=np.int32)
    rows = place[interactions.step]
    size = np.bincount(rows, minlength=len(order))
    values = (1.0 / np.log2(1.0 + size))[rows].astype(np.float32)
    shape = (len(order), interactions.n_items)
    return sp.csr_matrix((values, (rows, interactions.item)), shape=shape), (
        interactions.sequence[order]
    )


def _distances(sequence: NDArray[np.int32]) -> sp.csr_matrix:
    """Return steps × steps: 1/d where the column comes d steps after the row."""
    n_steps = len(sequence)
    rows, columns, values = [], [], []
    for distance in range(1, min(REACH, n_steps - 1) + 1):
        row = np.flatnonzero(sequence[distance:] == sequence[:-distance])
        rows.append(row)
        columns.append(row + distance)
        values.append(np.full(len(row), 1.0 / distance, np.float32))
    where = (np.concatenate(rows), np.concatenate(columns)) if rows else ([], [])
    data = np.concatenate(values) if values else np.zeros(0, np.float32)
    return sp.csr_matrix((data, where), shape=(n_steps, n_steps), dtype=np.float32)


def basket_weights(interactions: Interactions) -> Iterator[sp.csr_matrix]:
    """Yield how strongly each two items are bought together.

    The shrunk cosine of the items' basket vectors, where a basket of s items counts 1/log2(s).
    """
    orders = interactions.rows(interactions.kind == Kind.ORDER)
    baskets = _step_matrix(orders)[0]
    size = np.diff(baskets.indptr)
    baskets.data[:] = 1.0
    shared = sp.diags((1.0 / np.log2(np.maximum(size, 2))).astype(np.float32)) @ baskets
    norm = _shrunk_norm(shared)
    yield from products(sp.diags(norm) @ baskets.T.tocsr(), (shared @ sp.diags(norm)).tocsr())


def _shrunk_norm(occurrences: sp.csr_matrix) -> NDArray[np.float32]:
    totals = np.asarray(occurrences.sum(axis=0)).ravel()
    return (1.0 / np.sqrt(totals + SHRINKAGE)).astype(np.float32)


FOLLOWS = NeighbourSource("follows", "viewed", follow_weights)
BOUGHT_TOGETHER = NeighbourSource("bought_together", "bought_together", basket_weights)
