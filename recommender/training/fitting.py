"""From a training set to a recipe, its measured quality and the arrays that serve. Pure.

Time decides who sees what: settings and blend are learned on the newest part of the training
period by arrays fitted before it, quality is measured on the newest part of all by arrays fitted
before that, and what serves is fitted on everything.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.training.blend import Blend, discount, learn_blend, log_popularity
from recommender.training.board import TRACE, Scored
from recommender.training.evaluation import (
    CUTOFF,
    Judgement,
    Probe,
    basket_probes,
    cut_at,
    judge,
    path_probes,
    tail_items,
    top_list,
    without_repeats,
)
from recommender.training.factors import FACTORS
from recommender.training.interactions import Interactions
from recommender.training.popularity import POPULAR, popularity
from recommender.training.scoring import (
    ALL,
    FIT_THREADS,
    SOURCES,
    ModelArrays,
    Scorer,
    default_settings,
    fit_sources,
    new_board,
)
from recommender.training.source import Settings, Source, TrainingSet
from recommender.training.tuning import choose_settings, score_alone

TEST_SHARE = 0.2
VALIDATION_SHARE = 0.2
VALIDATION_PROBES = 2_000
TEST_PROBES = 2_000
ALONE_PROBES = 500
"""Of those, the ones that the sources alone are judged on beside the blend."""

TASKS = ("path", "next", "basket")
"""What a blend is for: a visitor's path with what was met hidden, or allowed, or a cart."""

DIAL_STEPS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0)
"""Settings of the tail dial that the curve shows."""

Probes = Mapping[str, Sequence[Probe]]
"""Questions by task."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to fit and blend: all that a training chooses.

    Attributes:
        learned: What may serve a later fit as a start, see `source.TrainingSet.earlier`.
    """

    blends: Mapping[str, Blend]
    settings: Mapping[str, Settings]
    seed: int
    learned: ModelArrays = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Experience:
    """How a recipe did on events it had not seen.

    Attributes:
        metrics: By task, see `train.TrainingReport`.
        blend: The blend's judgement by task.
        popular: Recent popularity's judgement by task, on the same probes.
    """

    metrics: dict[str, Any] = field(default_factory=dict)
    blend: dict[str, Judgement] = field(default_factory=dict)
    popular: dict[str, Judgement] = field(default_factory=dict)


def fit(training_set: TrainingSet, recipe: Recipe) -> ModelArrays:
    """Fit the arrays of all sources."""
    training_set = replace(training_set, earlier=recipe.learned)
    return fit_sources(training_set, recipe.settings, seed=recipe.seed)


def probes_since(
    training_set: TrainingSet, *, since_seconds: int, limit: int, seed: int
) -> dict[str, list[Probe]]:
    """Return the questions of all tasks from an instant on."""
    interactions = training_set.interactions
    following = path_probes(
        interactions,
        since_seconds=since_seconds,
        limit=limit,
        kind_weights=training_set.kind_weights,
    )
    baskets = basket_probes(interactions, since_seconds=since_seconds, limit=limit, seed=seed)
    return {"path": without_repeats(following), "next": following, "basket": baskets}


def learn_recipe(training_set: TrainingSet, probes: Probes, *, seed: int) -> Recipe:
    """Choose settings and blends on probes that the training set does not know."""
    settings = choose_settings(training_set, probes, seed=seed)
    model = fit_sources(training_set, settings, seed=seed)
    tail = tail_items(training_set.interactions)

    def learn(own: Sequence[Probe]) -> Blend:
        return learn_blend(score_probes(model, own, training_set.n_items), own, model, tail)

    with ThreadPoolExecutor(FIT_THREADS) as pool:
        blends = dict(zip(probes, pool.map(learn, probes.values()), strict=True))
    return Recipe(blends, settings, seed, {FACTORS.name: model[FACTORS.name]})


def unlearned_recipe(seed: int) -> Recipe:
    """Return the recipe of a shop without enough events to hold some back."""
    return Recipe(
        {task: learn_blend([], [], {}, np.zeros(0, bool)) for task in TASKS},
        default_settings(),
        seed,
    )


def learn_newest(training_set: TrainingSet, *, seed: int) -> Recipe:
    """Choose settings and blends on the newest part of a training set."""
    interactions = training_set.interactions
    known = training_set
    if len(interactions):
        known = before(training_set, cut_at(interactions, VALIDATION_SHARE))
    if not len(known.interactions):
        return unlearned_recipe(seed)
    probes = probes_since(
        training_set,
        since_seconds=int(known.interactions.at_seconds[-1]) + 1,
        limit=VALIDATION_PROBES,
        seed=seed,
    )
    return learn_recipe(known, probes, seed=seed)


def before(training_set: TrainingSet, at_seconds: int) -> TrainingSet:
    """Return what was known before an instant."""
    return replace(training_set, interactions=training_set.interactions.before(at_seconds))


def score_probes(
    model: ModelArrays,
    probes: Iterable[Probe],
    n_items: int,
    weights: NDArray[np.float32] = ALL,
) -> Iterator[Scored]:
    """Score each probe's candidates, one probe at a time: all at once would fill the memory.

    Args:
        weights: See `scoring.Scorer.write`.
    """
    scorer, board = Scorer(model), new_board(n_items)
    everything = np.ones(n_items, np.bool_)
    for probe in probes:
        yield scorer.score(
            probe.query, board, allowed=everything, hidden=probe.hidden, weights=weights
        )


def evaluate(training_set: TrainingSet, recipe: Recipe) -> Experience:
    """Measure every source and the blend on the newest `TEST_SHARE` of events."""
    cut_seconds = cut_at(training_set.interactions, TEST_SHARE)
    known = before(training_set, cut_seconds)
    experience = Experience()
    if not len(known.interactions):
        return experience
    model = fit(known, recipe)
    probes = probes_since(
        training_set, since_seconds=cut_seconds, limit=TEST_PROBES, seed=recipe.seed
    )
    tasks = [task for task in recipe.blends if probes[task]]

    def measure(task: str) -> tuple[Judgement, Judgement, dict[str, Any]]:
        own = (known.interactions, model, probes[task], recipe.blends[task])
        bench = Bench(*own, alone_limit=ALONE_PROBES)
        return bench.blend(), bench.popular(), report(bench)

    with ThreadPoolExecutor(FIT_THREADS) as pool:
        for task, measured in zip(tasks, pool.map(measure, tasks), strict=True):
            experience.blend[task], experience.popular[task], experience.metrics[task] = measured
    return experience


def report(bench: "Bench") -> dict[str, Any]:
    """Return what every source, the blend and the steps of the tail dial reach."""
    return {
        "n_probes": bench.n_probes,
        "sources": {source.name: bench.source(source.name).metrics for source in SOURCES},
        "blend": bench.blend().metrics,
        "default_dial": bench.default_dial,
        "tail_dial": [{"dial": dial, **bench.blend(dial).metrics} for dial in DIAL_STEPS],
    }


class Bench:
    """Judges one model's lists on one set of probes.

    Args:
        blend: The blend to judge beside its sources.
        cutoff: Length of the lists that counts.
        alone_limit: Most probes, taken evenly, that sources are judged on; None takes all.
    """

    def __init__(
        self,
        known: Interactions,
        model: ModelArrays,
        probes: Sequence[Probe],
        blend: Blend,
        *,
        cutoff: int = CUTOFF,
        alone_limit: int | None = None,
    ) -> None:
        self.default_dial = blend.dial
        self._probes = probes
        self._asked_alone = probes[:: -(-len(probes) // (alone_limit or len(probes)))]
        self._model = model
        self._n_items = known.n_items
        self._tail = tail_items(known)
        self._n_known = int(np.count_nonzero(popularity(known)))
        self._cutoff = cutoff
        self._alone = np.full((len(SOURCES), len(self._asked_alone), CUTOFF), -1, np.int32)
        self._blended: list[tuple[NDArray[np.int32], NDArray[np.float32]]] = []
        weights = blend.vector()
        # A slate asks only the sources that have weight, so the blend is judged on what they find.
        for scored in score_probes(model, probes, known.n_items, weights):
            self._blended.append((scored.items, weights @ scored.parts))
        for place, scored in enumerate(score_probes(model, self._asked_alone, known.n_items)):
            for row in range(len(SOURCES)):
                self._alone[row, place] = top_list(scored.items, scored.parts[row])

    @property
    def n_probes(self) -> int:
        """Return the number of probes."""
        return len(self._probes)

    def source(self, name: str) -> Judgement:
        """Judge one source alone; one that proposes nothing ranks all items."""
        row, source = next(
            (row, source) for row, source in enumerate(SOURCES) if source.name == name
        )
        if source.proposes:
            return self._judge(self._alone[row], self._asked_alone)
        everything = np.arange(self._n_items, dtype=np.int32)
        return self._judge_alone(source, self._asked_alone, repeat(everything))

    def popular(self) -> Judgement:
        """Judge recent popularity on all probes."""
        return self._judge_alone(POPULAR, self._probes, repeat(np.zeros(0, np.int32)))

    def _judge_alone(
        self, source: Source, probes: Sequence[Probe], proposals: Iterable[NDArray[np.int32]]
    ) -> Judgement:
        alone = score_alone(source, self._model[source.name], probes, proposals, self._n_items)
        lists = [top_list(scored.items, scored.parts[0]) for scored in alone]
        return self._judge(np.stack(lists), probes)

    def blend(self, dial: float | None = None) -> Judgement:
        """Judge the blend at one setting of the tail dial, by default at its own."""
        discounts = discount(self._model, self.default_dial if dial is None else dial)
        trace = TRACE * log_popularity(self._model)
        return self._judge(
            np.stack(
                [
                    top_list(items, np.where(scores > 0, scores * discounts[items], trace[items]))
                    for items, scores in self._blended
                ]
            ),
            self._probes,
        )

    def _judge(self, lists: NDArray[np.int32], probes: Sequence[Probe]) -> Judgement:
        return judge(lists, probes, self._tail, self._n_known, cutoff=self._cutoff)
