import numpy as np
import pytest

from planted import BEGAN_AT, interactions_of, sessions_of, two_groups, views
from recommender.training.evaluation import judge, path_probes, top_list
from recommender.training.fitting import before, probes_since
from recommender.training.popularity import POPULAR
from recommender.training.scoring import SOURCES, default_settings, query_arrays
from recommender.training.source import TrainingSet
from recommender.training.tuning import PROBES_MIN, choose_settings, score_alone

BEGAN = int(BEGAN_AT.timestamp())
DAY = 86_400


def ndcg_alone(source, training_set, settings, probes):
    arrays = source.fit(training_set, settings, seed=0) | query_arrays(source, settings)
    nothing = [np.zeros(0, np.int32)] * len(probes)
    alone = score_alone(source, arrays, probes, nothing, training_set.n_items)
    lists = np.stack([top_list(own.items, own.parts[0]) for own in alone])
    return judge(lists, probes, np.ones(training_set.n_items, bool), 1).metrics["ndcg@20"]


@pytest.fixture(scope="module")
def grouped():
    return TrainingSet(interactions_of(two_groups(200)))


@pytest.fixture(scope="module")
def probes(grouped):
    return probes_since(grouped, since_seconds=BEGAN + 120 * 3_600, limit=150, seed=0)


@pytest.fixture(scope="module")
def known(grouped):
    return before(grouped, BEGAN + 120 * 3_600)


@pytest.fixture(scope="module")
def chosen(known, probes):
    return choose_settings(known, probes, seed=0)


@pytest.mark.parametrize(
    "source", [one for one in SOURCES if one.proposes], ids=lambda one: one.name
)
def test_fit_and_query_are_chosen_together_and_hardly_anything_is_better(
    source, known, probes, chosen
):
    """Half the trials are dropped on few probes: the best may be lost, a bad one cannot stay."""
    judged = [own for own in probes.values() if len(own) >= PROBES_MIN]
    assert judged
    trials = [{**fit, **query} for fit in source.fit_trials for query in source.query_trials]
    reached = np.array(
        [[ndcg_alone(source, known, trial, own) for own in judged] for trial in trials]
    )
    # Tasks count alike, each by what its best trial reaches.
    shares = (reached / np.maximum(reached.max(axis=0), 1e-12)).mean(axis=1)
    assert shares[trials.index(chosen[source.name])] >= shares.max() - 0.01


def test_every_source_is_given_settings_and_always_the_same(known, probes, chosen):
    assert chosen.keys() == {source.name for source in SOURCES}
    assert choose_settings(known, probes, seed=0) == chosen


def test_too_few_questions_leave_the_first_settings(known, probes):
    few = {task: own[: PROBES_MIN - 1] for task, own in probes.items()}
    assert choose_settings(known, few, seed=0) == default_settings()
    assert choose_settings(known, {}, seed=0) == default_settings()


def test_a_shop_whose_fashions_change_forgets_quickly():
    """Every three days visitors look at fifteen other items; asked is the third such day."""
    rng = np.random.default_rng(1)
    lines = []
    for number in range(30 * 144):
        wanted = rng.choice(15, 2, replace=False)
        items = [f"s{number // 432:02d}-{item:02d}" for item in wanted]
        lines += views(f"v{number}", *items, at=600 * number)
    training_set = TrainingSet(interactions_of(sorted(lines, key=lambda line: line[5])))
    cut_seconds = BEGAN + 29 * DAY
    asked = path_probes(training_set.interactions, since_seconds=cut_seconds, limit=200)
    settings = choose_settings(before(training_set, cut_seconds), {"path": asked}, seed=0)
    half_lives = [trial["half_life_days"] for trial in POPULAR.fit_trials]
    assert settings["popular"]["half_life_days"] == min(half_lives)


def test_a_source_that_proposes_nothing_ranks_what_others_propose():
    history = next(source for source in SOURCES if not source.proposes)
    training_set = TrainingSet(sessions_of("ab", "abc", "cd", "dab", "bcd"))
    settings = default_settings()[history.name]
    arrays = history.fit(training_set, settings, seed=0) | query_arrays(history, settings)
    (one, *_) = path_probes(training_set.interactions, since_seconds=BEGAN, limit=9)
    proposed = np.array([3, 1], np.int32)
    (scored,) = score_alone(history, arrays, [one], [proposed], training_set.n_items)
    assert scored.items.tolist() == [3, 1]
