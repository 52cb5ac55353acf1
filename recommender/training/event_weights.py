"""How much a view, a cart and an order of an item say of what comes next. Pure.

In come a shop's interactions, oldest first; out goes one weight a kind, learned by asking which
weights would have put the next step's items highest. Must not know the sources of the blend.
"""

from collections.abc import Iterator
from itertools import product

import numpy as np

from recommender.training.board import Board, Scored
from recommender.training.evaluation import Probe, cut_at, path_probes, without_repeats
from recommender.training.factors import SIMILAR
from recommender.training.interactions import Interactions, Kind
from recommender.training.neighbours import FADES
from recommender.training.questions import Questions
from recommender.training.source import Arrays, TrainingSet

KindWeights = tuple[float, float, float]
"""What one view, cart and order count."""

EQUAL: KindWeights = (1.0, 1.0, 1.0)
"""Of a shop whose events are all of one kind."""

PRIOR: KindWeights = (1.0, 3.0, 3.0)
"""Of a shop too small to learn them: a cart or an order is meant, a view may be an accident."""

CART_STEPS = (0.5, 1.0, 2.0, 3.0, 5.0, 10.0)
ORDER_STEPS = (0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0)
"""Weights tried, a view being 1. An order may say nothing: a sofa is bought once."""

NEWEST_SHARE = 0.2
PROBES_MAX = 1_000
PROBES_MIN = 100
"""Probes whose path has more than one kind; with fewer the difference would be chance."""

GAIN_MIN = 0.01
"""Share of NDCG by which weights must beat the prior."""


def learn_kind_weights(interactions: Interactions) -> KindWeights:
    """Learn the weights on the newest part of the interactions.

    Item–item lists fitted on the older part score each newer step once a kind, by the path's
    meetings of that kind alone; the weights are those of the best sum.

    Returns:
        Weights in proportion to the learned ones, so that the mean interaction counts 1.
    """
    if len(np.unique(interactions.kind)) < 2:
        return EQUAL
    older = interactions.before(cut_at(interactions, NEWEST_SHARE))
    questions = _questions(older, interactions)
    weights = PRIOR if questions is None else _best(questions, set(interactions.kind.tolist()))
    return _scaled(weights, interactions)


def _best(questions: Questions, kinds: set[int]) -> KindWeights:
    carts = CART_STEPS if Kind.CART in kinds else PRIOR[Kind.CART : Kind.CART + 1]
    orders = ORDER_STEPS if Kind.ORDER in kinds else PRIOR[Kind.ORDER : Kind.ORDER + 1]
    trials = [(PRIOR[Kind.VIEW], cart, order) for cart, order in product(carts, orders)]
    best = max(trials, key=lambda trial: _ndcg(questions, trial))
    gain = _ndcg(questions, best) / max(_ndcg(questions, PRIOR), 1e-12) - 1
    return best if gain > GAIN_MIN else PRIOR


def _ndcg(questions: Questions, weights: KindWeights) -> float:
    return questions.ndcg(np.array(weights, np.float32))


def _scaled(weights: KindWeights, interactions: Interactions) -> KindWeights:
    mean = float(np.mean(np.asarray(weights)[interactions.kind]))
    view, cart, order = (weight / mean for weight in weights)
    return view, cart, order


def _questions(older: Interactions, interactions: Interactions) -> Questions | None:
    """Return the newer steps, with one part a kind; None if too few tell the kinds apart."""
    if not len(older):
        return None
    by_kind = [_probes(older, interactions, kind) for kind in Kind]
    told = [place for place, probes in enumerate(zip(*by_kind, strict=True)) if _mixed(probes)]
    if len(told) < PROBES_MIN:
        return None
    settings = SIMILAR.fit_trials[0]
    lists = SIMILAR.fit(TrainingSet(older, kind_weights=EQUAL), settings, seed=0)
    by_place = ([probes[place] for probes in by_kind] for place in told)
    scored = list(_scored(lists, by_place, interactions.n_items))
    return Questions.of(scored, [by_kind[0][place] for place in told])


def _probes(older: Interactions, interactions: Interactions, kind: Kind) -> list[Probe]:
    """Return the steps newer than `older`, their paths weighing only the meetings of one kind."""
    weights = np.zeros(len(Kind))
    weights[kind] = 1.0
    since_seconds = int(older.at_seconds[-1]) + 1
    return without_repeats(
        path_probes(
            interactions,
            since_seconds=since_seconds,
            limit=PROBES_MAX,
            kind_weights=weights.tolist(),
        )
    )


def _mixed(probes: tuple[Probe, ...]) -> bool:
    return sum(bool(probe.query.weights.any()) for probe in probes) > 1


def _scored(lists: Arrays, probes_by_kind: Iterator[list[Probe]], n_items: int) -> Iterator[Scored]:
    """Yield the candidates of each probe; unlike a board's, parts keep their common scale."""
    board = Board(len(Kind), n_items)
    arrays = {"fade": np.asarray(FADES[0]["fade"], np.float32), **lists}
    for probes in probes_by_kind:
        for kind, probe in enumerate(probes):
            SIMILAR.score(arrays, probe.query, board, kind)
        shown = ~np.isin(board.candidates, probes[0].hidden)
        yield Scored(board.candidates[shown], board.written[:, shown])
        board.wipe()
