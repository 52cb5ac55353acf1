"""Choose each source's settings, with the same number of probes for all. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recommender.training.board import Board, Scored
from recommender.training.evaluation import Probe
from recommender.training.questions import Questions
from recommender.training.scoring import (
    SOURCES,
    ModelArrays,
    Scorer,
    default_settings,
    new_board,
    query_arrays,
)
from recommender.training.source import Arrays, Settings, Source, TrainingSet

TUNING_PROBES = 500
"""Probes of each task that judge a setting."""

TUNING_INTERACTIONS = 400_000
"""Newest interactions that settings are tried on: beyond it they hardly change, and cost does."""

PROBES_MIN = 100
"""With fewer the difference between two settings is chance: the first ones stay."""

ONE = np.ones(1, np.float32)


def choose_settings(
    training_set: TrainingSet, probes: Mapping[str, Sequence[Probe]], *, seed: int
) -> dict[str, Settings]:
    """Return the settings of each source that do best alone, by NDCG@20 over all tasks.

    Args:
        probes: By task, none of them known to the training set.
    """
    judged = {task: own[:: -(-len(own) // TUNING_PROBES) or 1] for task, own in probes.items()}
    judged = {task: own for task, own in judged.items() if len(own) >= PROBES_MIN}
    chosen: dict[str, Settings] = dict(default_settings())
    if not judged:
        return chosen
    newest = training_set.interactions.rows(slice(-TUNING_INTERACTIONS, None))
    training_set = replace(training_set, interactions=newest)
    model: dict[str, Arrays] = {}
    for source in SOURCES:
        trials = [
            {**fit_trial, **query_trial}
            for fit_trial in source.fit_trials
            for query_trial in source.query_trials
        ]
        if len(trials) == 1:
            chosen[source.name] = trials[0]
            continue
        chosen[source.name], model[source.name] = _best(source, training_set, judged, model, seed)
    return chosen


def _best(
    source: Source,
    training_set: TrainingSet,
    judged: Mapping[str, Sequence[Probe]],
    model: ModelArrays,
    seed: int,
) -> tuple[Settings, Arrays]:
    proposals = {task: _proposals(source, model, own, training_set) for task, own in judged.items()}
    trials: list[tuple[Settings, Arrays]] = []
    reached: list[list[float]] = []
    for fit_trial in source.fit_trials:
        fitted = source.fit(training_set, fit_trial, seed=seed)
        for query_trial in source.query_trials:
            arrays = fitted | query_arrays(source, query_trial)
            trials.append(({**fit_trial, **query_trial}, arrays))
            reached.append(
                [
                    _ndcg(source, arrays, own, proposals[task], training_set.n_items)
                    for task, own in judged.items()
                ]
            )
    ndcg = np.array(reached)
    # Each task relative to its own best: where repeats are allowed all figures are larger.
    return trials[int((ndcg / np.maximum(ndcg.max(axis=0), 1e-12)).sum(axis=1).argmax())]


def _proposals(
    source: Source, model: ModelArrays, probes: Sequence[Probe], training_set: TrainingSet
) -> list[NDArray[np.int32]]:
    """Return what other sources propose, for a source that proposes nothing itself."""
    if source.proposes:
        return [np.zeros(0, np.int32)] * len(probes)
    scorer, board = Scorer(model), new_board(training_set.n_items)
    everything = np.ones(training_set.n_items, np.bool_)
    return [
        scorer.score(probe.query, board, allowed=everything, hidden=probe.hidden).items
        for probe in probes
    ]


def _ndcg(
    source: Source,
    arrays: Arrays,
    probes: Sequence[Probe],
    proposals: Sequence[NDArray[np.int32]],
    n_items: int,
) -> float:
    scored = score_alone(source, arrays, probes, proposals, n_items)
    return Questions.of(scored, probes).ndcg(ONE)


def score_alone(
    source: Source,
    arrays: Arrays,
    probes: Sequence[Probe],
    proposals: Iterable[NDArray[np.int32]],
    n_items: int,
) -> Iterator[Scored]:
    """Score each probe by one source, which may also score what others propose.

    Args:
        proposals: For each probe; may go on for ever.
    """
    board = Board(1, n_items)
    everything = np.ones(n_items, np.bool_)
    for probe, proposed in zip(probes, proposals, strict=False):
        board.touch(proposed)
        source.score(arrays, probe.query, board, 0)
        yield board.take(everything, probe.hidden)
