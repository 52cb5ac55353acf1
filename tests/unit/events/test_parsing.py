"""Bad input gets a clear reason and costs its neighbours nothing."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_vocabulary import EVENT_ID, NOW, SHOP, parse_one

from recommender.errors import InvalidInputError
from recommender.events.parsing import MAX_BATCH, parse_events
from recommender.records import Event, Rejection

GOOD = {"type": "view_item", "event_id": EVENT_ID, "items": [{"item_id": "mug"}]}


def test_one_bad_event_leaves_its_neighbours_alone() -> None:
    batch = parse_events(
        [GOOD, {"type": "view_item", "items": [{"item_id": "gone"}]}, GOOD | {"type": "page_view"}],
        shop=SHOP,
        received_at=NOW,
        knows_item=lambda item_id: item_id == "mug",
    )
    assert [isinstance(outcome, Event) for outcome in batch.outcomes] == [True, False, True]
    assert batch.outcomes[1].index == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"type": "teleport"}, "unknown-type"),
        ({"type": 3}, "missing-type"),
        ({"event_id": 5}, "bad-id"),
        ({"occurred_at": "yesterday"}, "bad-time"),
        ({"occurred_at": 1e400}, "bad-time"),
        ({"visitor_id": ["v"]}, "wrong-type"),
        ({"visitor_id": "v" * 101}, "bad-text"),
        ({"session_id": "a\x00b"}, "bad-text"),
        ({"page": "\ud800"}, "bad-text"),
        ({"items": "mug"}, "wrong-type"),
        ({"items": ["mug"]}, "wrong-type"),
        ({"items": [{}]}, "missing-item"),
        ({"items": []}, "missing-item"),
        ({"items": [{"item_id": "unicorn"}]}, "unknown-item"),
        ({"items": [{"item_id": "mug", "price": -1}]}, "negative-price"),
        ({"items": [{"item_id": "mug", "price": "cheap"}]}, "bad-price"),
        ({"items": [{"item_id": "mug", "price": True}]}, "wrong-type"),
        ({"items": [{"item_id": "mug", "quantity": 0}]}, "bad-quantity"),
        ({"items": [{"item_id": "mug", "quantity": "2"}]}, "wrong-type"),
        ({"items": [{"item_id": "mug"}] * 201}, "too-many-items"),
        ({"type": "purchase"}, "missing-order"),
    ],
)
def test_every_fault_has_its_code(change: dict[str, object], code: str) -> None:
    outcome = parse_one(GOOD | change)
    assert isinstance(outcome, Rejection)
    assert outcome.code == code
    assert outcome.detail


@pytest.mark.parametrize("document", [3, "text", None, {}, {"events": "x"}])
def test_what_is_no_batch_is_refused_whole(document: object) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_one(document)
    assert caught.value.code == "not-a-batch"


@pytest.mark.parametrize("size", [0, MAX_BATCH + 1])
def test_batch_size_is_bounded(size: int) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_events([GOOD] * size, shop=SHOP, received_at=NOW, knows_item=lambda _: True)
    assert caught.value.code == "batch-size"


def test_a_price_the_browser_computed_does_not_cost_the_event() -> None:
    event = parse_one(GOOD | {"items": [{"item_id": "mug", "price": 2.3333}]})
    assert isinstance(event, Event)
    assert event.items[0].price_minor is None


def test_a_price_in_another_currency_is_no_price_of_this_shop() -> None:
    event = parse_one(GOOD | {"currency": "USD", "items": [{"item_id": "mug", "price": 2}]})
    assert isinstance(event, Event)
    assert event.items[0].price_minor is None


@pytest.mark.parametrize(
    ("told", "stored"),
    [
        ("2026-03-02T08:30:00Z", dt.datetime(2026, 3, 2, 8, 30, tzinfo=dt.UTC)),
        ("2026-03-02T09:30:00+01:00", dt.datetime(2026, 3, 2, 8, 30, tzinfo=dt.UTC)),
        (1772440200, dt.datetime(2026, 3, 2, 8, 30, tzinfo=dt.UTC)),
        (1772440200000, dt.datetime(2026, 3, 2, 8, 30, tzinfo=dt.UTC)),
        (1772440200000000, dt.datetime(2026, 3, 2, 8, 30, tzinfo=dt.UTC)),
        ("2031-01-01T00:00:00Z", NOW),
        ("2026-03-02T09:30:00Z", NOW),
        ("1999-01-01T00:00:00Z", NOW - dt.timedelta(days=7)),
    ],
)
def test_the_senders_clock_is_read_and_clamped(told: object, stored: dt.datetime) -> None:
    event = parse_one(GOOD | {"occurred_at": told})
    assert isinstance(event, Event)
    assert event.occurred_at == stored


def copy_of_2(occurred_at: str | None, received_at: dt.datetime) -> Event:
    told = {} if occurred_at is None else {"occurred_at": occurred_at}
    (event,) = parse_events(
        GOOD | {"event_id": "2"} | told,
        shop=SHOP,
        received_at=received_at,
        knows_item=lambda _: True,
    ).events
    return event


@pytest.mark.parametrize(
    "copies",
    [
        [(None, NOW), (None, NOW.replace(hour=23, minute=59))],
        [(None, NOW), ("2026-03-02T01:00:00Z", NOW), ("2026-03-02T23:00:00Z", NOW)],
        [(None, NOW), ("2031-01-01T00:00:00Z", NOW), ("0001-01-01T00:00:00+05:00", NOW)],
        [("2026-03-02T23:59:59Z", NOW), ("2026-03-02T23:59:59Z", NOW + dt.timedelta(days=6))],
    ],
    ids=["untimed", "other-time", "absurd-time", "resent-after-midnight"],
)
def test_an_id_that_is_no_uuid_is_one_event_of_its_day(
    copies: list[tuple[str | None, dt.datetime]],
) -> None:
    events = [copy_of_2(*one) for one in copies]
    # Copies are removed within a partition.
    assert len({(event.event_id, event.day) for event in events}) == 1
    assert copy_of_2(None, NOW + dt.timedelta(days=30)).event_id != events[0].event_id


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner),
    max_leaves=12,
)
field_names = st.sampled_from(
    ["type", "event", "name", "event_id", "items", "occurred_at", "visitor_id", "properties"]
)


@given(st.dictionaries(field_names, json_values, min_size=1))
def test_any_json_object_is_either_an_event_or_a_reason(element: dict[str, object]) -> None:
    batch = parse_events([element], shop=SHOP, received_at=NOW, knows_item=lambda _: True)
    outcome = batch.outcomes[0]
    assert isinstance(outcome, Event) or (outcome.code and outcome.detail)
