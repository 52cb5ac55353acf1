from collections import defaultdict
from itertools import groupby, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planted import basket, interactions_of, views
from recommender.training.interactions import Kind
from recommender.training.sequences import baskets_of, sequences_of

HOUR = 3_600


def told(interactions, sequences):
    """Each sequence as text: items of a step together, steps apart."""
    names = interactions.item_ids[sequences.items].astype(str)
    bounds = pairwise(sequences.starts.tolist())
    rows = [list(zip(sequences.place, names, strict=True))[low:high] for low, high in bounds]
    return [
        " ".join("".join(name for _, name in step) for _, step in groupby(own, lambda row: row[0]))
        for own in rows
    ]


def test_sessions_and_rows_of_orders_stand_by_the_time_they_ended():
    interactions = interactions_of(
        basket("o1", "v", "a", "b")
        + views("v", "c", at=60)
        + views("w", "e", at=90)
        + views("v", "d", at=120)
        + basket("o2", "v", "f", at=HOUR)
    )
    sequences = sequences_of(interactions)
    # w's session of one view ended before v's second view, and v's orders end last.
    assert told(interactions, sequences) == ["e", "c d", "ab f"]
    assert sequences.number.tolist() == [0, 1, 1, 2, 2, 2]
    assert sequences.place.tolist() == [0, 0, 1, 0, 0, 1]
    assert sequences.share.tolist() == pytest.approx([1, 1, 1, 2**-0.5, 2**-0.5, 1])
    assert len(sequences) == 3


def test_baskets_stand_alone_and_views_are_none():
    interactions = interactions_of(
        basket("o1", "v", "a", "b") + views("v", "c", at=60) + basket("o2", "v", "a", at=HOUR)
    )
    assert told(interactions, baskets_of(interactions)) == ["ab", "a"]


def test_steps_of_one_second_are_not_mixed():
    first, second = basket("o1", "v", "a", "c"), basket("o2", "v", "b", "d")
    mixed = [line for pair in zip(first, second, strict=True) for line in pair]
    interactions = interactions_of(mixed)
    assert told(interactions, sequences_of(interactions)) == ["ac bd"]


def test_without_orders_there_are_no_baskets():
    baskets = baskets_of(interactions_of(views("v", "a", "b")))
    assert (len(baskets), baskets.items.tolist(), baskets.starts.tolist()) == (0, [], [0])


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["v", "w", ""]),
        st.lists(st.sampled_from("abcde"), min_size=1, max_size=3, unique=True),
        st.booleans(),
    ),
    min_size=1,
    max_size=25,
)


@given(EVENTS)
def test_every_interaction_is_laid_out_once_and_in_its_order(events):
    lines = []
    for number, (visitor, items, is_order) in enumerate(events):
        at = 1_000 * number
        lines += (
            basket(f"o{number}", visitor, *items, at=at)
            if is_order
            else views(visitor or f"-{number}", items[0], at=at)
        )
    interactions = interactions_of(lines)
    sequences = sequences_of(interactions)
    slow = defaultdict(list)
    for sequence, step, item in zip(
        interactions.sequence, interactions.step, interactions.item, strict=True
    ):
        slow[sequence].append((step, int(item)))
    ended = sorted(slow, key=lambda sequence: np.flatnonzero(interactions.sequence == sequence)[-1])
    assert sequences.items.tolist() == [item for one in ended for _, item in slow[one]]
    sizes = [len(slow[one]) for one in ended]
    assert np.diff(sequences.starts).tolist() == sizes
    assert sequences.number.tolist() == np.repeat(np.arange(len(ended)), sizes).tolist()
    step_sizes = [
        len(list(group)) for one in ended for _, group in groupby(slow[one], lambda row: row[0])
    ]
    assert sequences.share.tolist() == pytest.approx(
        (1 / np.sqrt(np.repeat(step_sizes, step_sizes))).tolist()
    )
    assert len(baskets_of(interactions).items) == np.count_nonzero(interactions.kind == Kind.ORDER)
