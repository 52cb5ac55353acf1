import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from planted import basket, interactions_of, lines_of, views
from recommender.training.interactions import (
    ANONYMOUS,
    DAY_SECONDS,
    Kind,
    actor_item_matrix,
    index_chunks,
    index_lines,
)


def sequences(interactions) -> list[list[str]]:
    """Items of each sequence, as sets of text would hide the order."""
    found: dict[int, list[str]] = {}
    for item, sequence in zip(interactions.item, interactions.sequence, strict=True):
        found.setdefault(int(sequence), []).append(interactions.item_ids[item].decode())
    return sorted(found.values())


def test_vocabulary_is_sorted_and_rows_point_into_it():
    interactions = interactions_of(views("v", "zebra", "apfel", "äpfel", "apfel"))
    assert interactions.item_ids.tolist() == [b"apfel", b"zebra", "äpfel".encode()]
    assert interactions.item.tolist() == [1, 0, 2, 0]
    assert interactions.n_items == 3


def test_times_are_unix_seconds():
    at = dt.datetime(1970, 1, 2, 0, 0, 7, 900_000, tzinfo=dt.UTC)
    lines = lines_of(views("v", "a")).set_column(
        5, "occurred_at", pa.array([at], pa.timestamp("us", "UTC"))
    )
    assert index_lines(lines).at_seconds.tolist() == [86_407]


def test_without_a_session_thirty_minutes_of_rest_end_a_visit():
    half_hour = 30 * 60
    interactions = interactions_of(
        views("v", "a") + views("v", "b", at=half_hour) + views("v", "c", at=2 * half_hour + 1)
    )
    assert sequences(interactions) == [["a", "b"], ["c"]]


def test_two_visitors_never_share_a_sequence_even_under_one_session_name():
    interactions = interactions_of(
        views("v", "a", session="7") + views("w", "b", session="7") + views("x", "c")
    )
    assert sequences(interactions) == [["a"], ["b"], ["c"]]


def test_a_told_session_outlasts_a_rest():
    interactions = interactions_of(
        views("v", "a", session="7") + views("v", "b", at=9_000, session="7")
    )
    assert sequences(interactions) == [["a", "b"]]


def test_orders_of_one_customer_are_one_sequence_and_apart_from_views():
    interactions = interactions_of(
        basket("o1", "v", "a", "b")
        + views("v", "c", at=60)
        + basket("o2", "v", "d", at=9 * DAY_SECONDS)
    )
    assert sequences(interactions) == [["a", "b", "d"], ["c"]]


def test_anonymous_baskets_stand_alone_and_have_no_visitor():
    interactions = interactions_of(basket("o1", "", "a", "b") + basket("o2", "", "c", at=5))
    assert sequences(interactions) == [["a", "b"], ["c"]]
    assert set(interactions.visitor.tolist()) == {ANONYMOUS}


def test_an_actor_is_a_visitor_or_an_anonymous_sequence():
    interactions = interactions_of(
        views("v", "a") + basket("o1", "", "a", "b", at=60) + views("v", "c", at=9_000)
    )
    first, second, third, fourth = interactions.actors()
    assert first == fourth != second == third
    matrix = actor_item_matrix(interactions, (1.0, 1.0, 1.0)).toarray()
    assert matrix[[first, second]].tolist() == [[1.0, 0.0, 1.0], [1.0, 1.0, 0.0]]


def test_a_day_counts_half_after_its_half_life():
    lines = views("v", "a") + views("v", "a", "b", at=10 * DAY_SECONDS)
    matrix = actor_item_matrix(interactions_of(lines), (1.0, 1.0, 1.0), half_life_days=10)
    # a: 1/2 ten days before the newest interaction (a minute less than that: b came last), and 1.
    assert matrix.toarray() == pytest.approx(np.array([[1.5, 1.0]]), abs=1e-4)


def test_of_one_day_the_heaviest_kind_counts_and_days_add_up():
    lines = [*views("v", "a", "b"), ("s", Kind.CART, "v", "", "a", 300)]
    lines += basket("o", "v", "a", at=600) + views("v", "a", at=DAY_SECONDS)
    matrix = actor_item_matrix(interactions_of(lines), (1.0, 3.0, 5.0))
    # a: 5 on the first day (view 1, cart 3, order 5), 1 on the second; b: one view.
    assert matrix.toarray().tolist() == [[6.0, 1.0]]


def test_before_is_strict_and_keeps_the_vocabulary():
    interactions = interactions_of(views("v", "a", "b", "c"))
    earlier = interactions.before(int(interactions.at_seconds[1]))
    assert earlier.item.tolist() == [0]
    assert earlier.n_items == 3


@pytest.mark.parametrize("n", [1, 400])
def test_numbers_do_not_depend_on_how_the_engine_cut_the_column(n):
    lines = lines_of([line for number in range(n) for line in views(f"v{number}", "a", "b")])
    pieces = pa.concat_tables([lines.slice(0, n), lines.slice(n)])
    for left, right in zip(
        _columns(index_lines(lines)), _columns(index_lines(pieces)), strict=True
    ):
        assert np.array_equal(left, right)


def test_chunks_are_read_as_one_whole():
    """Visitors, sessions and orders go on from one chunk to the next; the order is that of time."""
    first = views("v", "a", "b", session="7") + basket("o1", "w", "c", at=120)
    second = views("v", "d", at=180, session="7") + basket("o2", "w", "a", at=60)
    whole = interactions_of(sorted(first + second, key=lambda line: line[5]))
    found = index_chunks(map(lines_of, (first, second)))
    assert found.item_ids.tolist() == whole.item_ids.tolist()
    assert found.visitor_ids.tolist() == whole.visitor_ids.tolist()
    for name in ("item", "visitor", "kind", "at_seconds"):
        assert getattr(found, name).tolist() == getattr(whole, name).tolist()
    assert sequences(found) == sequences(whole) == [["a", "b", "d"], ["a", "c"]]


def test_what_one_chunk_told_already_is_not_told_again():
    """A view of one day may lie in two chunks, and so may an order: told by shop and browser."""
    first = views("v", "a", "b") + basket("o", "v", "a", at=300)
    second = views("v", "a", at=600) + basket("o", "v", "a", "b", at=700) + views("", "a", at=800)
    later = views("v", "a", at=DAY_SECONDS)
    found = index_chunks(map(lines_of, (first, second, later)))
    told = list(zip(found.kind.tolist(), found.at_seconds - found.at_seconds[0], strict=True))
    # Views of a and b (a minute apart), the order of a, b of the same order, a stranger, next day.
    assert told == [
        (Kind.VIEW, 0),
        (Kind.VIEW, 60),
        (Kind.ORDER, 300),
        (Kind.ORDER, 700),
        (Kind.VIEW, 800),
        (Kind.VIEW, DAY_SECONDS),
    ]
    assert found.step[2] == found.step[3]


def _columns(interactions):
    return (interactions.item, interactions.visitor, interactions.step, interactions.sequence)
