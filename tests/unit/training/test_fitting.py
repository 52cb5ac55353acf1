from itertools import pairwise

import numpy as np
import pytest

from planted import basket, interactions_of, two_groups
from recommender.training.blend import Blend
from recommender.training.board import Board
from recommender.training.evaluation import cut_at, judge, tail_items
from recommender.training.fitting import (
    DIAL_STEPS,
    TASKS,
    TEST_SHARE,
    VALIDATION_SHARE,
    Bench,
    before,
    evaluate,
    fit,
    learn_newest,
    probes_since,
    score_probes,
    unlearned_recipe,
)
from recommender.training.popularity import popularity
from recommender.training.ranker import Ranker
from recommender.training.scoring import SOURCE_NAMES, SOURCES, default_settings, flat_arrays
from recommender.training.source import TrainingSet


@pytest.fixture(scope="module")
def grouped():
    return TrainingSet(interactions_of(two_groups(300)))


@pytest.fixture(scope="module")
def recipe(grouped):
    return learn_newest(before(grouped, cut_at(grouped.interactions, TEST_SHARE)), seed=0)


@pytest.fixture(scope="module")
def experience(grouped, recipe):
    return evaluate(grouped, recipe)


@pytest.fixture(scope="module")
def halved(grouped, recipe):
    """A model of the older half, and what the newer half asks."""
    cut_seconds = cut_at(grouped.interactions, 0.5)
    known = before(grouped, cut_seconds)
    probes = probes_since(grouped, since_seconds=cut_seconds, limit=60, seed=0)
    return known, fit(known, recipe), probes


def test_the_tasks_ask_the_same_shoppers_with_repeats_and_without(grouped):
    probes = probes_since(grouped, since_seconds=0, limit=10_000, seed=0)
    assert tuple(probes) == TASKS
    assert {one.hides_path for one in probes["path"]} == {True}
    assert {one.hides_path for one in probes["next"]} == {False}
    assert {one.hides_path for one in probes["basket"]} == {True}
    # Every visitor orders what was looked at: as a repeat it is asked for in one task alone.
    assert len(probes["next"]) > len(probes["path"]) > 0
    for task in ("path", "basket"):
        assert all(not set(one.targets) & set(one.query.items) for one in probes[task])


def test_a_recipe_is_learned_alike_every_time(grouped, recipe):
    again = learn_newest(before(grouped, cut_at(grouped.interactions, TEST_SHARE)), seed=0)
    assert again == recipe


def test_equal_recipes_give_equal_bytes(grouped, recipe):
    first, second = (flat_arrays(fit(TrainingSet(grouped.interactions), recipe)) for _ in "12")
    assert {name: array.tobytes() for name, array in first.items()} == {
        name: array.tobytes() for name, array in second.items()
    }


def test_a_recipe_is_learned_on_the_older_part_alone(grouped, recipe):
    """What is scrambled after the cut of the test changes nothing that was learned before it."""
    cut_seconds = cut_at(grouped.interactions, TEST_SHARE)
    lines = two_groups(300)
    n_older = len(before(grouped, cut_seconds).interactions)
    rng = np.random.default_rng(0)
    newer = [line[4] for line in lines[n_older:]]
    mixed = [
        (*line[:4], item, line[5])
        for line, item in zip(lines[n_older:], rng.permutation(newer).tolist(), strict=True)
    ]
    scrambled = TrainingSet(interactions_of([*lines[:n_older], *mixed]))
    assert learn_newest(before(scrambled, cut_seconds), seed=0) == recipe


def test_a_shop_without_a_past_gets_the_recipe_that_nothing_taught():
    at_once = TrainingSet(interactions_of(basket("o", "v", "a", "b")))
    assert cut_at(at_once.interactions, VALIDATION_SHARE) == at_once.interactions.at_seconds[0]
    nothing = before(at_once, cut_at(at_once.interactions, TEST_SHARE))
    assert not len(nothing.interactions)
    plain = unlearned_recipe(seed=5)
    assert learn_newest(nothing, seed=5) == learn_newest(at_once, seed=5) == plain
    assert plain.settings == default_settings()
    assert set(plain.blends) == set(TASKS)
    assert all(blend.weights["follows"] > 0 for blend in plain.blends.values())
    assert plain.blends["next"].weights["repeats"] > 0
    assert evaluate(at_once, plain).metrics == {}
    assert fit(at_once, plain)["popular"]["total"].tolist() == [1, 1]


def test_structure_is_found_by_the_blend_in_every_task(experience):
    assert set(experience.metrics) == set(TASKS)
    for task, metrics in experience.metrics.items():
        assert set(metrics["sources"]) == set(SOURCE_NAMES)
        assert metrics["blend"] == experience.blend[task].metrics
        best = max(own["ndcg@20"] for own in metrics["sources"].values())
        # It was learned on other baskets than the few it is judged on here.
        assert metrics["blend"]["ndcg@20"] >= 0.95 * best
        assert metrics["blend"]["ndcg@20"] > metrics["sources"]["popular"]["ndcg@20"]
        assert metrics["n_probes"] == len(experience.blend[task].ndcg)


def test_the_tail_dial_trades_popularity_for_tail(experience):
    steps = experience.metrics["path"]["tail_dial"]
    assert [step["dial"] for step in steps] == list(DIAL_STEPS)
    shares = [step["tail_share@20"] for step in steps]
    assert all(later >= earlier - 0.005 for earlier, later in pairwise(shares))
    assert shares[-1] > shares[0]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("dial", [None, 0.0, 1.0])
def test_what_is_measured_is_what_is_ranked(halved, recipe, task, dial):
    """One request after the other through the ranker gives the lists that the bench judged."""
    known, model, probes = halved
    own = probes[task]
    blend = recipe.blends[task]
    lists = Ranker(model, blend, known.n_items, dial=dial).lists(own)
    tail = tail_items(known.interactions)
    n_known = int(np.count_nonzero(popularity(known.interactions)))
    expected = judge(lists, own, tail, n_known)
    found = Bench(known.interactions, model, own, blend).blend(dial)
    assert found.metrics == pytest.approx(expected.metrics)
    assert found.ndcg.tolist() == pytest.approx(expected.ndcg.tolist())


def test_sources_alone_may_be_judged_on_fewer_probes_than_the_blend(halved, recipe):
    known, model, probes = halved
    own, blend = probes["next"], recipe.blends["next"]
    all_of_them = Bench(known.interactions, model, own, blend)
    few = Bench(known.interactions, model, own, blend, alone_limit=len(own) // 2)
    assert few.blend().ndcg.tolist() == all_of_them.blend().ndcg.tolist()
    assert few.popular().ndcg.tolist() == all_of_them.source("popular").ndcg.tolist()
    assert few.source("follows").ndcg.tolist() == all_of_them.source("follows").ndcg[::2].tolist()


def test_a_list_never_holds_what_is_hidden(halved, recipe):
    known, model, probes = halved
    for task in ("path", "basket"):
        lists = Ranker(model, recipe.blends[task], known.n_items).lists(probes[task])
        for shown, probe in zip(lists, probes[task], strict=True):
            assert not set(shown.tolist()) & set(probe.query.items.tolist())
            assert len(set(shown.tolist()) - {-1}) == np.count_nonzero(shown >= 0)


def test_a_source_that_only_ranks_is_judged_on_all_items(halved):
    known, model, probes = halved
    history = next(source for source in SOURCES if not source.proposes)
    own = probes["path"][:5]
    found = Bench(known.interactions, model, own, Blend()).source(history.name)
    lists = []
    for probe in own:
        candidates = np.setdiff1d(np.arange(known.n_items, dtype=np.int32), probe.query.items)
        board = Board(1, known.n_items)
        board.touch(candidates)
        history.score(model[history.name], probe.query, board, 0)
        scores = board.written[0]
        best = candidates[np.argsort(-scores, kind="stable")]
        best = best[np.sort(-scores) < 0][:20]
        lists.append(np.pad(best, (0, 20 - len(best)), constant_values=-1))
    tail = tail_items(known.interactions)
    expected = judge(np.stack(lists), own, tail, known.n_items)
    assert found.ndcg.tolist() == pytest.approx(expected.ndcg.tolist())


def test_the_ranker_times_each_question_by_the_clock_it_is_given(halved, recipe):
    known, model, probes = halved
    ranker = Ranker(model, recipe.blends["next"], known.n_items)
    ticks = iter(np.arange(100) * 0.002)
    spent = ranker.timed(probes["next"][:7], lambda: next(ticks))
    # The clock is read before and after each question, two milliseconds apart.
    assert spent.tolist() == pytest.approx([2.0] * 7)


def test_candidates_of_all_sources_are_scored(halved):
    known, model, probes = halved
    (scored,) = score_probes(model, probes["next"][-1:], known.n_items)
    speaking = {name for name, part in zip(SOURCE_NAMES, scored.parts, strict=True) if part.any()}
    assert speaking == set(SOURCE_NAMES) - {"content"}, "of which no catalogue told"
