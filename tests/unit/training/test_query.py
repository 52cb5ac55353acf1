import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from recommender.training.source import FADED_MIN, Query

FADES = [(0.7, 1.0), (0.5, 0.9), (0.9, 0.99), (1.0, 0.992), (1.0, 1.0)]


@st.composite
def queries(draw):
    n = draw(st.integers(0, 120))
    # Rows far apart share the low bits that a table of few slots looks at.
    rows = st.sampled_from([number * 2**shift for number in range(40) for shift in (0, 12)])
    steps = draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    days = draw(st.lists(st.sampled_from([0.0, 0.5, 7.0]), min_size=n, max_size=n))
    return Query(
        np.array(draw(st.lists(rows, min_size=n, max_size=n)), np.int32),
        np.array(draw(st.lists(st.sampled_from([0.5, 1.0, 3.0]), min_size=n, max_size=n)), "f4"),
        np.cumsum(steps).astype(np.int32),
        np.cumsum(days).astype(np.float32),
    )


def plain_sums(query, fade):
    """Sum what the meetings of each item still count, in a dictionary."""
    sums = {}
    meetings = zip(query.items, query.weights, query.places, query.ages_days, strict=True)
    for item, weight, place, age_days in meetings:
        left = fade[0] ** int(place) * fade[1] ** float(age_days)
        assume(abs(left / FADED_MIN - 1) > 1e-4)
        if left < FADED_MIN:
            break
        sums[int(item)] = sums.get(int(item), 0.0) + float(weight) * left
    return sums


@given(query=queries(), fade=st.sampled_from(FADES), limit=st.integers(1, 50))
def test_meetings_of_an_item_add_up_and_the_heaviest_are_kept(query, fade, limit):
    sums = plain_sums(query, fade)
    path = query.faded(np.array(fade, np.float32), limit)
    found = dict(zip(path.items.tolist(), path.weights.tolist(), strict=True))
    assert len(found) == len(path.items) == min(limit, len(sums))
    assert found == pytest.approx({item: sums[item] for item in found}, rel=1e-3)
    assert path.weights.tolist() == sorted(path.weights.tolist(), reverse=True)
    left_out = [weight for item, weight in sums.items() if item not in found]
    assert max(left_out, default=0) <= min(found.values(), default=0) * 1.001


def test_a_path_fades_by_steps_and_by_days():
    query = Query(
        np.array([5, 7, 5], np.int32),
        np.array([1, 3, 1], np.float32),
        np.array([0, 1, 2], np.int32),
        np.array([0, 0, 10], np.float32),
    )
    path = query.faded(np.array([0.5, 0.9], np.float32), 9)
    # 7: 3 · ½; 5: 1 now, and ½² · 0.9^10 two steps and ten days ago.
    assert path.items.tolist() == [7, 5]
    assert path.weights.tolist() == pytest.approx([1.5, 1 + 0.25 * 0.9**10])


def test_of_equal_weights_the_newer_comes_first():
    path = Query.of([3, 1, 2]).faded(np.ones(2, np.float32), 2)
    assert path.items.tolist() == [3, 1]


def test_a_cart_is_one_step():
    path = Query.of([3, 1, 2]).at_once().faded(np.array([0.5, 1], np.float32), 9)
    assert path.weights.tolist() == [1, 1, 1]


def test_what_hardly_counts_any_more_ends_the_path():
    # ½⁹ > 0.001 > ½¹⁰.
    path = Query.of(range(50)).faded(np.array([0.5, 1], np.float32), 40)
    assert path.items.tolist() == list(range(10))


def test_nobody_has_an_empty_path():
    path = Query.of([]).faded(np.array([0.5, 1], np.float32), 9)
    assert (len(path.items), len(path.weights)) == (0, 0)
