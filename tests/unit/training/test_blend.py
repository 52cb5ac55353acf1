import numpy as np
import pytest

from recommender.training.blend import (
    DIAL_TOLERANCE,
    FLOOR,
    PROBES_MIN,
    TAIL_MARGIN,
    Blend,
    discount,
    learn_blend,
)
from recommender.training.board import Scored
from recommender.training.evaluation import Probe
from recommender.training.questions import Questions
from recommender.training.scoring import SOURCE_NAMES
from recommender.training.source import Query

N_ITEMS = 60
ROWS = np.arange(N_ITEMS, dtype=np.int32)
TOTAL = np.arange(N_ITEMS, 0, -1).astype(np.float32) ** 2
MODEL = {"popular": {"total": TOTAL}}
TAIL = ROWS >= 12


def probe(*targets, hides_path=True):
    return Probe(Query.of([]), np.array(targets, np.int32), hides_path)


def questions(good, n=80):
    """Questions whose answer only the source `good` knows; the others say noise."""
    rng = np.random.default_rng(11)
    scored, probes = [], []
    for _ in range(n):
        parts = rng.random((len(SOURCE_NAMES), N_ITEMS), dtype=np.float32)
        target = int(rng.integers(N_ITEMS))
        parts[SOURCE_NAMES.index(good)] *= 0.5
        parts[SOURCE_NAMES.index(good), target] = 1.0
        scored.append(Scored(ROWS, parts))
        probes.append(probe(target))
    return scored, probes


@pytest.mark.parametrize("good", ["follows", "sessions", "history", "repeats"])
def test_only_the_source_that_helps_gets_weight(good):
    weights = learn_blend(*questions(good), MODEL, TAIL).weights
    assert weights[good] == pytest.approx(1)
    others = {name: weight for name, weight in weights.items() if name not in (good, "popular")}
    assert set(others.values()) == {0.0}
    assert weights["popular"] == pytest.approx(FLOOR), "popularity stays as the floor"


def test_two_sources_that_complete_each_other_both_get_weight():
    (left, left_probes), (right, right_probes) = questions("follows"), questions("similar")
    weights = learn_blend(left + right, left_probes + right_probes, MODEL, TAIL).weights
    assert weights["follows"] > 0.2
    assert weights["similar"] > 0.2


@pytest.mark.parametrize("seed", range(4))
def test_a_blend_is_never_worse_than_its_best_part(seed):
    """Noisy sources of different worth; the blend is judged where it was learned."""
    rng = np.random.default_rng(seed)
    worth = rng.random(len(SOURCE_NAMES))
    scored, probes = [], []
    for _ in range(120):
        parts = rng.random((len(SOURCE_NAMES), N_ITEMS), dtype=np.float32)
        target = int(rng.integers(N_ITEMS))
        parts[:, target] += (rng.random(len(SOURCE_NAMES)) < worth) * 0.5
        scored.append(Scored(ROWS, parts))
        probes.append(probe(target))
    judged = Questions.of(scored, probes)
    best = max(judged.ndcg(one) for one in np.eye(len(SOURCE_NAMES), dtype=np.float32))
    learned = learn_blend(scored, probes, MODEL, TAIL)
    assert judged.ndcg(learned.vector()) >= best


def test_too_few_questions_leave_all_sources_equal():
    scored, probes = questions("similar", n=PROBES_MIN - 1)
    equal = {**dict.fromkeys(SOURCE_NAMES, 1.0), "popular": 0.1}
    assert learn_blend(scored, probes, MODEL, TAIL) == Blend(equal | {"repeats": 0.0})
    allowing = [probe(*one.targets, hides_path=False) for one in probes]
    assert learn_blend(scored, allowing, MODEL, TAIL) == Blend(equal)
    assert learn_blend([], [], MODEL, TAIL) == Blend(equal)


def test_questions_that_nothing_answers_leave_the_blend_as_it_starts():
    scored, probes = questions("similar", n=PROBES_MIN)
    silent = [Scored(one.items, np.zeros_like(one.parts)) for one in scored]
    assert learn_blend(silent, probes, MODEL, TAIL) == learn_blend([], probes[:1], MODEL, TAIL)


def dialled(target_score, targets, n=100):
    """One source that knows the answer; behind it popular items come a little before others."""
    rng = np.random.default_rng(3)
    scored, probes = [], []
    for _ in range(n):
        parts = np.zeros((len(SOURCE_NAMES), N_ITEMS), np.float32)
        fill = np.linspace(0.4, 0.3, N_ITEMS) * rng.uniform(0.95, 1, N_ITEMS)
        target = int(rng.choice(targets))
        fill[target] = target_score
        parts[SOURCE_NAMES.index("follows")] = fill
        scored.append(Scored(ROWS, parts))
        probes.append(probe(target))
    return scored, probes


def measured(scored, probes, blend, dial):
    judged = Questions.of(scored, probes)
    return judged.ndcg_and_tail(blend.vector(), discount(MODEL, dial), TAIL)


def test_the_dial_reaches_the_tail_share_that_shoppers_take_where_that_costs_nothing():
    # Three of four answers lie in the tail, but the lists hold the head's twelve items first.
    scored, probes = dialled(10_000.0, [*range(10), *range(20, 50)])
    blend = learn_blend(scored, probes, MODEL, TAIL)
    taken = np.mean([TAIL[one.targets[0]] for one in probes])
    ndcg, tail_share = measured(scored, probes, blend, blend.dial)
    assert ndcg == pytest.approx(measured(scored, probes, blend, 0.0)[0])
    assert tail_share >= TAIL_MARGIN * taken > measured(scored, probes, blend, 0.0)[1]
    # It goes no further than it has to.
    assert measured(scored, probes, blend, blend.dial - 1 / 40)[1] < TAIL_MARGIN * taken


def test_the_dial_gives_way_to_accuracy():
    # What is wanted is always popular, and only just ahead: any discount buries it.
    scored, probes = dialled(0.45, range(3))
    probes = [probe(*one.targets, 40 + row % 20) for row, one in enumerate(probes)]
    blend = learn_blend(scored, probes, MODEL, TAIL)
    best = max(measured(scored, probes, blend, step / 40)[0] for step in range(41))
    assert measured(scored, probes, blend, blend.dial)[0] >= best * (1 - DIAL_TOLERANCE)
    assert measured(scored, probes, blend, 1.0)[0] < best * (1 - DIAL_TOLERANCE)


def test_the_dial_stays_where_shoppers_take_the_head():
    assert learn_blend(*dialled(10_000.0, range(12)), MODEL, TAIL).dial == 0


def test_the_discount_is_a_power_of_popularity():
    total = np.zeros(9, np.float32)
    total[7] = 99
    # Item 4 was never met: 1; item 7 was met 99 times: 1 / 100^0.5.
    assert discount({"popular": {"total": total}}, 0.5)[[4, 7]] == pytest.approx([1.0, 0.1])
    assert discount(MODEL, 0.0).tolist() == [1.0] * N_ITEMS


def test_weights_follow_names_not_places():
    vector = Blend({"similar": 2.0, "an older source": 9.0}).vector()
    assert dict(zip(SOURCE_NAMES, vector.tolist(), strict=True)) == {
        **dict.fromkeys(SOURCE_NAMES, 0.0),
        "similar": 2.0,
    }
