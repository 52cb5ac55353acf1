"""What is shed first, and what never."""

import itertools

from recommender.events.shedding import is_shed
from recommender.records import EventType


def shed(full_share: float) -> set[EventType]:
    return {kind for kind in EventType if is_shed(kind, full_share)}


def test_nothing_is_shed_while_there_is_room() -> None:
    assert shed(0.0) == shed(0.59) == set()


def test_what_is_least_worth_goes_first() -> None:
    least = {EventType.RENDERED, EventType.IMPRESSION, EventType.PAGE_VIEW, EventType.VIEW_LIST}
    assert shed(0.6) == least


def test_what_links_money_to_a_visitor_is_taken_to_the_end() -> None:
    assert {EventType.PURCHASE, EventType.LINK}.isdisjoint(shed(1.0))
    assert {EventType.VIEW_ITEM, EventType.ADD_TO_CART} <= shed(0.85)


def test_a_fuller_stream_never_takes_more() -> None:
    steps = [shed(share / 100) for share in range(101)]
    assert all(less <= more for less, more in itertools.pairwise(steps))
