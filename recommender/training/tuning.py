"""Choose each source's settings, with the same number of probes for all. Pure."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from recommender.training.board import Board, Scored
from recommender.training.evaluation import Probe
from recommender.training.questions import Questions
from recommender.training.scoring import (
    FIT_THREADS,
    SOURCES,
    ModelArrays,
    Scorer,
    default_settings,
    new_board,
    query_arrays,
)
from recommender.training.source import Arrays, Settings, Source, TrainingSet

TUNING_PROBES = 2_000
"""Probes of each task that decide between the last two trials of a source."""

TUNING_INTERACTIONS = 1_000_000
"""Newest interactions that settings are tried on: beyond it they hardly change, and cost does."""

PROBES_MIN = 100
"""With fewer the difference between two settings is chance: the first ones stay."""

ONE = np.ones(1, np.float32)

Trial = tuple[int, Settings]
"""Which of a source's fits, and the numbers of its query."""


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
    training_set = replace(training_set, interactions=newest, is_trial=True)
    # Shared by several sources; made once, before the threads want it.
    _ = training_set.sequences, training_set.baskets
    model: dict[str, Arrays] = {}
    with ThreadPoolExecutor(FIT_THREADS) as pool:
        # Those that score what others propose come last, but are the dearest to fit.
        fits = {
            source.name: pool.submit(_fits, source, training_set, seed)
            for source in sorted(SOURCES, key=lambda source: source.proposes)
        }

        def choose(source: Source) -> tuple[str, Settings, Arrays]:
            trials = fits.pop(source.name).result()
            return source.name, *_best(source, trials, training_set, judged, model)

        for proposes in (True, False):
            asked = [source for source in SOURCES if source.proposes == proposes]
            for name, settings, arrays in list(pool.map(choose, asked)):
                chosen[name], model[name] = settings, arrays
    return chosen


def _fits(source: Source, training_set: TrainingSet, seed: int) -> list[Arrays]:
    return [source.fit(training_set, trial, seed=seed) for trial in source.fit_trials]


def _best(
    source: Source,
    fits: Sequence[Arrays],
    training_set: TrainingSet,
    judged: Mapping[str, Sequence[Probe]],
    model: ModelArrays,
) -> tuple[Settings, Arrays]:
    """Choose fit and numbers of the query together: the path's decay decides which fit it suits.

    Each round drops the worse half of the trials and asks twice as many probes, the last one all.

    Source: Karnin, Koren, Somekh 2013 (ICML), sequential halving, alg. 1; ours asks the same
    probes of all trials of a round.
    """
    trials = list(product(range(len(fits)), source.query_trials))
    proposals = {task: _proposals(source, model, own, training_set) for task, own in judged.items()}

    def arrays_of(trial: Trial) -> Arrays:
        return {**fits[trial[0]], **query_arrays(source, trial[1])}

    def reached(trial: Trial, every: int) -> list[float]:
        arrays = arrays_of(trial)
        return [
            _ndcg(source, arrays, own[::every], proposals[task][::every], training_set.n_items)
            for task, own in judged.items()
        ]

    while len(trials) > 1:
        every = 2 ** (math.ceil(math.log2(len(trials))) - 1)
        order = np.argsort(-_worths([reached(trial, every) for trial in trials]), kind="stable")
        trials = [trials[place] for place in sorted(order[: (len(trials) + 1) // 2])]
    fit, query_trial = trials[0]
    return {**source.fit_trials[fit], **query_trial}, arrays_of(trials[0])


def _worths(ndcg: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """Return how good each trial is over all tasks.

    Each task is seen relative to its own best: where repeats are allowed all figures are larger.
    """
    reached = np.array(ndcg)
    worths: NDArray[np.float64] = (reached / np.maximum(reached.max(axis=0), 1e-12)).sum(axis=1)
    return worths


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
