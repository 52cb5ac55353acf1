"""The widget's own form is read in one step, and says the same as read field by field."""

import datetime as dt
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recommender.events.parsing import ParsedBatch, parse_events
from recommender.events.plain_form import MAX_ID, MAX_ITEMS, MAX_QUANTITY, TEXT_LIMITS, read_plain
from recommender.records import Event, EventType, Rejection
from world import SHOP

NOW = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
EVENT_ID = "019cadc0-9c00-7000-8000-000000000001"  # 2026-03-02T08:16:16Z
VIEW: dict[str, Any] = {
    "type": "view_item",
    "event_id": EVENT_ID,
    "occurred_at": "2026-03-02T08:16:16.000Z",
    "items": [{"item_id": "mug", "price": "2.50"}],
    "page": "/mug",
}

_ODD = st.sampled_from(
    [None, True, 0, 7, -1, 2.5, 2**63, "", "x\0y", "é", "x" * 41, "x" * 101, "x" * 501, [], {}]
)
_IDS = st.sampled_from([EVENT_ID, EVENT_ID.upper(), EVENT_ID.replace("-", ""), "mine", "x" * 100])
_TIMES = st.sampled_from(["2026-03-02T08:16:16.000Z", 1772439376, "1772439376000", "yesterday"])
_NAMES = st.sampled_from([kind.value for kind in EventType] + ["View_Item ", "dance"])
_TEXTS = st.sampled_from(["", "a", "é", "x" * 40, "x" * 64, "x" * 100, "x" * 500])
_ITEM = st.fixed_dictionaries(
    {},
    optional={
        "item_id": st.sampled_from(["mug", "tea", "unknown", "x" * MAX_ID]) | _ODD,
        "quantity": st.sampled_from([1, 3, MAX_QUANTITY, MAX_QUANTITY + 1]) | _ODD,
        "price": st.sampled_from(["2.50", 2.5, 3, "2.555", "-1", "1e400", "9" * 30]) | _ODD,
        "item_name": st.just("Mug"),
    },
)
_EVENT = st.fixed_dictionaries(
    {"type": _NAMES | _ODD},
    optional={
        "event_id": _IDS | _ODD,
        "occurred_at": _TIMES | _ODD,
        "items": st.lists(_ITEM, max_size=3) | _ODD,
        "currency": st.sampled_from(["EUR", "USD"]) | _ODD,
        "cart_token": st.just("cart-1"),
        **{name: _TEXTS | _ODD for name in TEXT_LIMITS if name != "session"},
        "session_id": _TEXTS | _ODD,
    },
)
_BATCH = st.fixed_dictionaries(
    {"events": st.lists(st.just(VIEW) | _EVENT, min_size=1, max_size=4)},
    optional={
        "visitor_id": _TEXTS | _ODD,
        "session_id": _TEXTS | _ODD,
        "sent_at": _TIMES | _ODD,
        "occurred_at": _TIMES,
        "currency": st.sampled_from(["EUR", "USD"]),
    },
)


def parse(document: object) -> ParsedBatch:
    known = ("mug", "tea").__contains__
    return parse_events(document, shop=SHOP, received_at=NOW, knows_item=known)


def read_field_by_field(document: dict[str, Any]) -> ParsedBatch:
    """A name that nobody knows changes nothing but the way."""
    return parse({**document, "events": [{**event, "?": 0} for event in document["events"]]})


@given(_BATCH)
@example({"events": [VIEW], "visitor_id": "v", "session_id": "s", "sent_at": "yesterday"})
@example({"events": [VIEW], "visitor_id": "x" * 101})
@example({"events": [VIEW | {"visitor_id": "", "session_id": ""}], "visitor_id": "v"})
@example({"events": [VIEW | {"currency": "USD", "placement": "home", "slate_id": "s"}]})
def test_an_event_is_the_same_whichever_way_it_is_read(document: dict[str, Any]) -> None:
    assert parse(document) == read_field_by_field(document)


def test_what_the_widget_sends_is_read_in_one_step() -> None:
    plain = [
        VIEW | {"session_id": "s", "search_term": "tea", "order_id": "7"},
        VIEW | {"placement": "home", "slate_id": EVENT_ID},
    ]
    assert None not in read_plain(plain)
    first, other, last = read_plain([plain[0], VIEW | {"?": 0}, plain[1]])
    assert first is not None
    assert other is None
    assert last is not None


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"page": "a\0b"}, "bad-text"),
        ({"items": [{"item_id": "m\0g"}]}, "bad-text"),
        ({"items": [{"item_id": "mug"}] * (MAX_ITEMS + 1)}, "too-many-items"),
        ({"items": [{"item_id": "mug", "quantity": 0}]}, "bad-quantity"),
        ({"items": [{"item_id": "mug", "price": "-1"}]}, "negative-price"),
        ({"items": [{"item_id": "cup"}]}, "unknown-item"),
        ({"occurred_at": "yesterday"}, "bad-time"),
        ({"type": "purchase"}, "missing-order"),
        ({"type": "order"}, "unknown-type"),
    ],
)
def test_what_is_wrong_costs_only_its_event(changes: dict[str, object], code: str) -> None:
    faulty, sound = parse({"events": [VIEW | changes, VIEW]}).outcomes
    assert isinstance(faulty, Rejection)
    assert (faulty.code, faulty.event_id, faulty.index) == (code, EVENT_ID, 0)
    assert isinstance(sound, Event)
