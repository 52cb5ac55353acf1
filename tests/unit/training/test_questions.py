import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from recommender.training.board import Scored
from recommender.training.evaluation import CUTOFF, Probe, judge, top_list
from recommender.training.questions import KEPT_PER_SOURCE, Questions
from recommender.training.source import Query

N_ITEMS = 200
# Multiples of 1/4: sums and products are exact, and many scores are equal.
GRID = [0.0, 0.25, 0.5, 0.75, 1.0]


@st.composite
def asked(draw, n_most):
    """Scored candidates of some probes, and the probes."""
    scored, probes = [], []
    for _ in range(draw(st.integers(1, 4))):
        n = draw(st.integers(0, n_most))
        seed = draw(st.integers(0, 2**32 - 1))
        items = np.random.default_rng(seed).permutation(N_ITEMS)[:n].astype(np.int32)
        parts = draw(hnp.arrays(np.float32, (2, n), elements=st.sampled_from(GRID)))
        scored.append(Scored(items, parts))
        targets = draw(st.lists(st.integers(0, N_ITEMS - 1), min_size=1, max_size=25, unique=True))
        probes.append(Probe(Query.of([]), np.array(targets, np.int32)))
    return scored, probes


def judged(scored, probes, weights, discounts, tail):
    """Judge the lists themselves."""
    lists = np.stack(
        [top_list(own.items, (weights @ own.parts) * discounts[own.items]) for own in scored]
    )
    metrics = judge(lists, probes, tail, N_ITEMS).metrics
    return metrics["ndcg@20"], metrics["tail_share@20"]


TAIL = np.random.default_rng(1).random(N_ITEMS) < 0.5
DISCOUNTS = np.float32(0.5) ** np.random.default_rng(2).integers(0, 3, N_ITEMS).astype(np.float32)


@settings(max_examples=150)
@given(asked(KEPT_PER_SOURCE), st.sampled_from(GRID), st.sampled_from(GRID))
def test_many_questions_at_once_are_judged_as_their_lists_are(asked, left, right):
    scored, probes = asked
    weights = np.array([left, right], np.float32)
    questions = Questions.of(scored, probes)
    plain = np.ones(N_ITEMS, np.float32)
    expected, _ = judged(scored, probes, weights, plain, TAIL)
    assert questions.ndcg(weights) == pytest.approx(expected)
    assert questions.ndcg_and_tail(weights, DISCOUNTS, TAIL) == pytest.approx(
        judged(scored, probes, weights, DISCOUNTS, TAIL)
    )


@given(asked(N_ITEMS), st.integers(0, 1))
def test_what_is_cut_never_reaches_the_list_of_a_single_source(asked, source):
    scored, probes = asked
    weights = np.eye(2, dtype=np.float32)[source]
    expected, _ = judged(scored, probes, weights, np.ones(N_ITEMS, np.float32), TAIL)
    assert Questions.of(scored, probes).ndcg(weights) == pytest.approx(expected)


def test_the_best_of_each_source_are_kept():
    rng = np.random.default_rng(3)
    parts = rng.random((2, N_ITEMS)).astype(np.float32)
    probe = Probe(Query.of([]), np.array([0], np.int32))
    questions = Questions.of([Scored(np.arange(N_ITEMS, dtype=np.int32), parts)], [probe])
    best = np.argsort(-parts, axis=1)[:, :KEPT_PER_SOURCE]
    assert set(questions.items.tolist()) == set(best.ravel().tolist())


def test_a_question_without_candidates_is_a_miss():
    nothing = Scored(np.zeros(0, np.int32), np.zeros((1, 0), np.float32))
    hit = Scored(np.array([7], np.int32), np.ones((1, 1), np.float32))
    probe = Probe(Query.of([]), np.array([7], np.int32))
    questions = Questions.of([nothing, hit], [probe, probe])
    assert questions.ndcg(np.ones(1, np.float32)) == 1 / 2


def test_a_source_that_is_silent_puts_nothing_on_a_list():
    parts = np.zeros((1, CUTOFF), np.float32)
    own = Scored(np.arange(CUTOFF, dtype=np.int32), parts)
    questions = Questions.of([own], [Probe(Query.of([]), np.array([0], np.int32))])
    everywhere = np.ones(CUTOFF, bool)
    found = questions.ndcg_and_tail(np.ones(1, np.float32), np.ones(CUTOFF, np.float32), everywhere)
    assert found == (0, 0)
