"""How much each source counts, learned per shop, and the tail dial. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recommender.training.board import Scored
from recommender.training.evaluation import Probe
from recommender.training.popularity import POPULAR
from recommender.training.questions import Questions
from recommender.training.repeats import REPEATS
from recommender.training.scoring import SOURCE_NAMES, ModelArrays

JOIN_STEPS = (0.03, 0.1, 0.3, 1.0)
"""Weights tried for a source that joins, relative to the sum of those already chosen."""

REFINE_STEPS = (0.0, 0.5, 0.75, 1.35, 2.0, 4.0)
"""Factors tried for each weight once no source joins any more."""

LATE_STEPS = (0.01, 0.03)
"""Weights at which a source may still join then."""

GAIN_MIN = 0.002
"""Share of NDCG that a joining source must bring, so that chance alone does not move the blend."""

REFINE_GAIN_MIN = 0.0005
"""Share of NDCG that a changed weight must bring."""

PROBES_MIN = 30
"""Below this many probes the search would fit noise: the blend stays as it starts."""

FLOOR = 1e-4
"""Weight that recent popularity always keeps, so that no slate stays short."""

DIALS = tuple(step / 40 for step in range(41))
"""Settings of the tail dial that are tried for the default."""

TAIL_MARGIN = 1.04
"""What shoppers took is measured on few probes, and drifts: the default aims a little above it."""

DIAL_TOLERANCE = 0.01
"""Share of NDCG that the default dial may lose against the most accurate setting."""


@dataclass(frozen=True, slots=True)
class Blend:
    """What turns the sources' parts into one score.

    Attributes:
        weights: Weight by source name; a source that does not help has 0.
        dial: Default of the tail dial: reaches the tail share of what shoppers really took, as
            far as accuracy allows.
    """

    weights: Mapping[str, float] = field(
        default_factory=lambda: dict.fromkeys(SOURCE_NAMES, 1.0) | {POPULAR.name: 0.1}
    )
    dial: float = 0.0

    def vector(self) -> NDArray[np.float32]:
        """Return the weights in the order of `scoring.SOURCES`."""
        return np.asarray([self.weights.get(name, 0.0) for name in SOURCE_NAMES], np.float32)


def discount(model: ModelArrays, dial: float) -> NDArray[np.float32]:
    """Return popularity^(−dial) by vocabulary row; what the tail dial multiplies scores with.

    Source: Christoffel, Paudel et al. 2015 (RecSys), RP3β, for the discount by popularity^β; here
    it comes after the blend, so that one number means the same for every source.
    """
    total = model[POPULAR.name]["total"]
    return ((1.0 + total) ** -dial).astype(np.float32)


def log_popularity(model: ModelArrays) -> NDArray[np.float32]:
    """Return log(1 + interactions) by vocabulary row, float32."""
    return np.log1p(model[POPULAR.name]["total"])


def learn_blend(
    scored: Iterable[Scored],
    probes: Sequence[Probe],
    model: ModelArrays,
    tail: NDArray[np.bool_],
) -> Blend:
    """Choose weights and dial that put the most targets on top of the probes' lists.

    Forward selection starts from the best single source and adds the source and weight that gain
    most until nothing gains; then each weight is changed by `REFINE_STEPS` while that gains.

    Args:
        scored: Candidates of each probe, scored by arrays that have not seen the probes.
        tail: Whether an item is outside the head, shape (n_items,).
    """
    if len(probes) < PROBES_MIN:
        return _unlearned(probes)
    questions = Questions.of(scored, probes)
    weights = _selected(questions)
    if questions.ndcg(weights) == 0:
        return _unlearned(probes)
    weights = _refined(questions, weights)
    dial = _default_dial(questions, weights, model, tail, probes)
    weights = weights / weights.sum()
    weights[SOURCE_NAMES.index(POPULAR.name)] += FLOOR
    return Blend(dict(zip(SOURCE_NAMES, map(float, weights), strict=True)), dial)


def _unlearned(probes: Sequence[Probe]) -> Blend:
    """Return equal weights; where what was met is hidden, its repetition says nothing."""
    hides = any(probe.hides_path for probe in probes)
    start = Blend()
    return Blend({**start.weights, REPEATS.name: 0.0 if hides else 1.0})


def _selected(questions: Questions) -> NDArray[np.float32]:
    singles = np.eye(len(SOURCE_NAMES), dtype=np.float32)
    best = max(singles, key=questions.ndcg)
    while True:
        better = max(_joined(best), key=questions.ndcg, default=best)
        if questions.ndcg(better) <= questions.ndcg(best) * (1 + GAIN_MIN):
            return best
        best = better


def _joined(weights: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    for source in np.flatnonzero(weights == 0):
        for step in JOIN_STEPS:
            joined = weights.copy()
            joined[source] = step * weights.sum()
            yield joined


def _refined(questions: Questions, weights: NDArray[np.float32]) -> NDArray[np.float32]:
    best = questions.ndcg(weights)
    improved = True
    while improved:
        improved = False
        for source in range(len(weights)):
            for changed in _changes(weights, source):
                # Dropping a source needs no gain: the simpler blend wins a tie.
                needed = best if changed[source] == 0 else best * (1 + REFINE_GAIN_MIN)
                if (ndcg := questions.ndcg(changed)) >= needed:
                    weights, best, improved = changed, ndcg, True
    return weights


def _changes(weights: NDArray[np.float32], source: int) -> Iterator[NDArray[np.float32]]:
    own = weights[source]
    tried = REFINE_STEPS if own else LATE_STEPS
    for step in tried:
        changed = weights.copy()
        changed[source] = step * (own or weights.sum())
        if changed.any():
            yield changed / changed.sum()


def _default_dial(
    questions: Questions,
    weights: NDArray[np.float32],
    model: ModelArrays,
    tail: NDArray[np.bool_],
    probes: Sequence[Probe],
) -> float:
    taken = tail[np.concatenate([probe.targets for probe in probes])]
    wanted = TAIL_MARGIN * float(np.mean(taken))
    measured = [
        (dial, *questions.ndcg_and_tail(weights, discount(model, dial), tail)) for dial in DIALS
    ]
    best = max(ndcg for _, ndcg, _ in measured)
    allowed = [step for step in measured if step[1] >= best * (1 - DIAL_TOLERANCE)]
    enough = [dial for dial, _, tail_share in allowed if tail_share >= wanted]
    return enough[0] if enough else max(allowed, key=lambda step: step[2])[0]
