"""How much each source counts: learned per shop by a small deterministic search. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recommender.training.evaluation import CUTOFF, Probe
from recommender.training.popularity import POPULAR
from recommender.training.scoring import SOURCE_NAMES, ModelArrays, Scored

WEIGHT_STEPS = (0.1, 0.3, 1.0, 3.0)
"""Weights tried for a source that joins, relative to the sum of those already chosen."""

BETA_STEPS = (0.0, 0.05, 0.1, 0.2, 0.3)
"""Popularity discounts tried; the bound keeps a shop with thin data from showing only its tail."""

GAIN_MIN = 0.002
"""Share of NDCG a change must bring, so that chance alone does not move the blend."""

PROBES_MIN = 30
"""Below this many probes the search would fit noise: the blend stays as it starts."""

FLOOR = 1e-4
"""Weight that recent popularity always keeps, so that no slate stays short."""


@dataclass(frozen=True, slots=True)
class Blend:
    """What turns the sources' parts into one score.

    Attributes:
        weights: Weight by source name; a source that does not help has 0.
        beta: Exponent of the popularity discount at tail dial 0.
    """

    weights: Mapping[str, float] = field(
        default_factory=lambda: dict.fromkeys(SOURCE_NAMES, 1.0) | {"popular": 0.1}
    )
    beta: float = 0.0

    def vector(self) -> NDArray[np.float32]:
        """Return the weights in the order of `scoring.SOURCES`."""
        return np.asarray([self.weights.get(name, 0.0) for name in SOURCE_NAMES], np.float32)


def log_popularity(model: ModelArrays) -> NDArray[np.float32]:
    """Return log(1 + total popularity) by vocabulary row; what the discount is measured in."""
    logs: NDArray[np.float32] = np.log1p(model[POPULAR.name]["total"])
    return logs


def blended(
    scored: Scored, weights: NDArray[np.float32], log_popular: NDArray[np.float32], beta: float
) -> NDArray[np.float32]:
    """Return the score of each candidate: Σ weight × part, times popularity^(−beta).

    Source: Christoffel, Paudel et al. 2015 (RecSys), RP3β, for the discount by popularity^β.

    Args:
        log_popular: See `log_popularity`.
    """
    score: NDArray[np.float32] = weights @ scored.parts
    if beta > 0:
        score = score * np.exp(-beta * log_popular[scored.items])
    return score


def learn_blend(
    scored: Sequence[Scored], probes: Sequence[Probe], log_popular: NDArray[np.float32]
) -> Blend:
    """Choose weights and discount that put the most targets on top of the probes' lists.

    Forward selection starts from the best single source and adds the source and weight that gain
    most until nothing gains; then each weight is doubled, halved or dropped while that gains.

    Args:
        scored: Candidates of each probe, scored by arrays that have not seen the probes.
    """
    if len(probes) < PROBES_MIN:
        return Blend()
    judge = _Judge(scored, probes, log_popular)
    weights = _refined(judge, _selected(judge))
    if judge.ndcg(weights) == 0:
        return Blend()
    beta = max(BETA_STEPS, key=lambda step: (round(judge.ndcg(weights, step), 4), step))
    weights = weights / weights.sum()
    weights[SOURCE_NAMES.index("popular")] += FLOOR
    return Blend(dict(zip(SOURCE_NAMES, map(float, weights), strict=True)), beta)


def _selected(judge: "_Judge") -> NDArray[np.float32]:
    singles = np.eye(len(SOURCE_NAMES), dtype=np.float32)
    best = max(singles, key=judge.ndcg)
    while True:
        better = max(_joined(best), key=judge.ndcg, default=best)
        if judge.ndcg(better) <= judge.ndcg(best) * (1 + GAIN_MIN):
            return best
        best = better


def _joined(weights: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    for source in np.flatnonzero(weights == 0):
        for step in WEIGHT_STEPS:
            joined = weights.copy()
            joined[source] = step * weights.sum()
            yield joined


def _refined(judge: "_Judge", weights: NDArray[np.float32]) -> NDArray[np.float32]:
    for source in np.flatnonzero(weights):
        for factor in (0.0, 0.5, 2.0):
            changed = weights.copy()
            changed[source] *= factor
            if changed.any() and judge.ndcg(changed) > judge.ndcg(weights) * (1 + GAIN_MIN):
                weights = changed
    return weights


class _Judge:
    """Mean NDCG of a blend; what does not change between two blends is prepared once."""

    def __init__(
        self,
        scored: Sequence[Scored],
        probes: Sequence[Probe],
        log_popular: NDArray[np.float32],
    ) -> None:
        self._discount = 1.0 / np.log2(np.arange(2, CUTOFF + 2))
        ideal = np.cumsum(self._discount)
        self._questions = []
        for one, probe in zip(scored, probes, strict=True):
            self._questions.append(
                (
                    one.parts,
                    log_popular[one.items],
                    np.isin(one.items, probe.targets),
                    ideal[min(len(probe.targets), CUTOFF) - 1],
                )
            )
        self._known: dict[tuple[bytes, float], float] = {}

    def ndcg(self, weights: NDArray[np.float32], beta: float = 0.0) -> float:
        key = (weights.tobytes(), beta)
        if key not in self._known:
            values = [self._one(weights, beta, *question) for question in self._questions]
            self._known[key] = float(np.mean(values))
        return self._known[key]

    def _one(
        self,
        weights: NDArray[np.float32],
        beta: float,
        parts: NDArray[np.float32],
        log_popular: NDArray[np.float32],
        is_target: NDArray[np.bool_],
        ideal: float,
    ) -> float:
        score = weights @ parts
        if beta > 0:
            score = score * np.exp(-beta * log_popular)
        n = min(CUTOFF, len(score))
        best = np.argpartition(-score, n - 1)[:n] if n < len(score) else np.arange(n)
        best = best[np.argsort(-score[best], kind="stable")]
        hits = is_target[best] & (score[best] > 0)
        return float(hits @ self._discount[:n]) / ideal
