"""The same click in every accepted language becomes the same event."""

import datetime as dt

import pytest

from recommender.events.identity import pseudonym
from recommender.events.parsing import parse_events
from recommender.records import Event, EventType, Rejection
from world import SHOP

NOW = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
EVENT_ID = "019cadc0-9c00-7000-8000-000000000001"  # 2026-03-02T08:16:16Z


def parse_one(document: object, *, known: tuple[str, ...] = ("mug", "tea")) -> Event | Rejection:
    batch = parse_events(document, shop=SHOP, received_at=NOW, knows_item=known.__contains__)
    assert len(batch.outcomes) == 1
    return batch.outcomes[0]


OWN = {
    "visitor_id": "v1",
    "events": [
        {
            "event_id": EVENT_ID,
            "type": "view_item",
            "items": [{"item_id": "mug", "price": "2.50"}],
        }
    ],
}
DATA_LAYER = {
    "event": "view_item",
    "event_id": EVENT_ID,
    "visitor_id": "v1",
    "ecommerce": {
        "currency": "EUR",
        "items": [{"item_id": "mug", "item_name": "Mug", "price": 2.5}],
    },
}
MEASUREMENT_PROTOCOL = {
    "client_id": "v1",
    "events": [
        {
            "name": "view_item",
            "params": {"event_id": EVENT_ID, "items": [{"item_id": "mug", "price": 2.5}]},
        }
    ],
}
SEGMENT = {
    "type": "track",
    "event": "Product Viewed",
    "messageId": EVENT_ID,
    "anonymousId": "v1",
    "properties": {"product_id": "mug", "price": 2.5},
}


@pytest.mark.parametrize(
    "document",
    [OWN, DATA_LAYER, MEASUREMENT_PROTOCOL, SEGMENT, {"batch": [SEGMENT]}, [DATA_LAYER]],
    ids=["own", "data layer", "measurement protocol", "segment", "segment batch", "list"],
)
def test_each_language_says_the_same(document: object) -> None:
    event = parse_one(document)
    assert isinstance(event, Event)
    assert event.type is EventType.VIEW_ITEM
    assert event.event_id == EVENT_ID
    assert event.visitor == pseudonym(SHOP.visitor_key, "v1")
    assert [(item.item_id, item.price_minor) for item in event.items] == [("mug", 250)]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Product Added", EventType.ADD_TO_CART),
        ("Product Removed", EventType.REMOVE_FROM_CART),
        ("Product Clicked", EventType.SELECT_ITEM),
    ],
)
def test_segment_product_events(name: str, kind: EventType) -> None:
    event = parse_one({"event": name, "messageId": EVENT_ID, "properties": {"sku": "tea"}})
    assert isinstance(event, Event)
    assert event.type is kind


def test_segment_order_becomes_a_purchase_that_only_links() -> None:
    event = parse_one(
        {
            "event": "Order Completed",
            "messageId": "ajs-next-17",
            "anonymousId": "v1",
            "timestamp": "2026-03-02T08:59:00Z",
            "properties": {"order_id": "A-7", "products": [{"product_id": "mug", "quantity": 2}]},
        }
    )
    assert isinstance(event, Event)
    assert event.type is EventType.PURCHASE
    assert event.order_id == "A-7"
    assert event.items[0].quantity == 2


def test_a_browser_cannot_state_an_order_or_an_exposure() -> None:
    for name in ("order", "exposure"):
        outcome = parse_one({"type": name, "event_id": EVENT_ID})
        assert isinstance(outcome, Rejection)
        assert outcome.code == "unknown-type"
