import numpy as np
import pytest

from planted import interactions_of, two_groups
from recommender.training.blend import FLOOR, PROBES_MIN, Blend, blended, learn_blend
from recommender.training.evaluation import Probe, path_query
from recommender.training.fitting import learn_recipe
from recommender.training.scoring import SOURCE_NAMES, Scored

N_ITEMS = 60
LOG_POPULARITY = np.log1p(np.arange(N_ITEMS, 0, -1, dtype=np.float32))


def questions(good: str, n: int = 80) -> tuple[list[Scored], list[Probe]]:
    """Questions whose answer only the source `good` knows; the others say noise."""
    rng = np.random.default_rng(11)
    scored, probes = [], []
    for _ in range(n):
        parts = rng.random((len(SOURCE_NAMES), N_ITEMS), dtype=np.float32)
        target = int(rng.integers(N_ITEMS))
        parts[SOURCE_NAMES.index(good)] *= 0.5
        parts[SOURCE_NAMES.index(good), target] = 1.0
        scored.append(Scored(np.arange(N_ITEMS, dtype=np.int32), parts))
        probes.append(Probe(path_query([]), np.array([target], np.int32), 0))
    return scored, probes


@pytest.mark.parametrize("good", ["follows", "similar", "history"])
def test_only_the_source_that_helps_gets_weight(good):
    weights = learn_blend(*questions(good), LOG_POPULARITY).weights
    assert weights[good] == pytest.approx(1)
    others = {name: weight for name, weight in weights.items() if name not in (good, "popular")}
    assert set(others.values()) == {0.0}
    assert weights["popular"] == pytest.approx(FLOOR), "popularity stays as the floor"


def test_two_sources_that_complete_each_other_both_get_weight():
    (left, left_probes), (right, right_probes) = questions("follows"), questions("similar")
    weights = learn_blend(left + right, left_probes + right_probes, LOG_POPULARITY).weights
    assert weights["follows"] > 0.2
    assert weights["similar"] > 0.2


def test_too_few_questions_leave_the_blend_as_it_starts():
    scored, probes = questions("similar", n=PROBES_MIN - 1)
    assert learn_blend(scored, probes, LOG_POPULARITY) == Blend()


def test_the_discount_is_learned_where_the_tail_is_wanted_and_stays_bounded():
    # All sources prefer the popular items; what is wanted is seldom popular.
    rng = np.random.default_rng(3)
    scored, probes = [], []
    for _ in range(200):
        pull = np.linspace(1.0, 0.8, N_ITEMS, dtype=np.float32)
        parts = np.tile(pull, (len(SOURCE_NAMES), 1))
        scored.append(Scored(np.arange(N_ITEMS, dtype=np.int32), parts))
        target = int(rng.integers(N_ITEMS // 4, N_ITEMS))
        probes.append(Probe(path_query([]), np.array([target], np.int32), 0))
    assert learn_blend(scored, probes, LOG_POPULARITY).beta == 0.3


def test_the_blend_is_the_weighted_sum_times_the_discount():
    parts = np.array([[1.0, 0.5], [0.0, 1.0], [0, 0], [0, 0], [0, 0]], np.float32)
    scored = Scored(np.array([4, 7], np.int32), parts)
    log_popularity = np.zeros(9, np.float32)
    log_popularity[7] = np.log(100)
    weights = np.array([2, 3, 0, 0, 0], np.float32)
    # Item 4: 2·1; item 7: (2·0.5 + 3·1) / 100^0.5.
    assert blended(scored, weights, log_popularity, 0.5) == pytest.approx([2.0, 0.4])


def test_weights_follow_names_not_places():
    vector = Blend({"similar": 2.0, "an older source": 9.0}).vector()
    assert dict(zip(SOURCE_NAMES, vector.tolist(), strict=True)) == {
        **dict.fromkeys(SOURCE_NAMES, 0.0),
        "similar": 2.0,
    }


def test_a_recipe_is_learned_alike_every_time():
    interactions = interactions_of(two_groups())
    assert learn_recipe(interactions, seed=4) == learn_recipe(interactions, seed=4)


def test_questions_that_nothing_answers_leave_the_blend_as_it_starts():
    scored, probes = questions("similar", n=PROBES_MIN)
    silent = [Scored(one.items, np.zeros_like(one.parts)) for one in scored]
    assert learn_blend(silent, probes, LOG_POPULARITY) == Blend()
