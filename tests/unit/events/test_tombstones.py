"""What an erasure keeps away, and what it must not touch."""

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from recommender.events.tombstones import without_erased
from recommender.records import Event, EventType, Source

NOON = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
VIEW = Event("shop_1", "id", EventType.VIEW_ITEM, "gone", NOON, NOON, NOON.date(), Source.BROWSER)
GONE = {("shop_1", "gone"): NOON}


def test_what_happened_until_the_erasure_is_kept_away() -> None:
    later = replace(VIEW, occurred_at=NOON + MINUTE, received_at=NOON + MINUTE)
    # It arrived later, out of a browser's queue, but tells of before.
    queued = replace(VIEW, occurred_at=NOON - MINUTE, received_at=NOON + MINUTE)
    assert without_erased([VIEW, queued, later], GONE) == [later]


def test_an_order_stays_without_its_visitor() -> None:
    order = replace(VIEW, type=EventType.ORDER, order_id="7")
    assert without_erased([order], GONE) == [replace(order, visitor="")]


def test_other_visitors_and_other_shops_are_untouched() -> None:
    others = [replace(VIEW, visitor="stays"), replace(VIEW, shop_id="shop_2")]
    others.append(replace(VIEW, visitor=""))
    assert without_erased(others, GONE) == others


_EVENTS = st.builds(
    lambda shop, visitor, kind, minutes: replace(
        VIEW, shop_id=shop, visitor=visitor, type=kind, occurred_at=NOON + minutes * MINUTE
    ),
    st.sampled_from(["shop_1", "shop_2"]),
    st.sampled_from(["", "gone", "stays"]),
    st.sampled_from(list(EventType)),
    st.integers(-3, 3),
)


@given(st.lists(_EVENTS))
def test_filtering_again_changes_nothing_and_order_is_kept(events: list[Event]) -> None:
    once = without_erased(events, GONE)
    assert without_erased(once, GONE) == once
    kept = [(event.shop_id, event.occurred_at, event.type) for event in once]
    rest = iter([(event.shop_id, event.occurred_at, event.type) for event in events])
    assert all(one in rest for one in kept)
    assert not [e for e in once if e.visitor == "gone" and e.shop_id == "shop_1"
                and e.occurred_at <= NOON]  # fmt: skip
