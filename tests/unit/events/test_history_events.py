import datetime as dt
from typing import Any

import pyarrow as pa
import pytest

from recommender.adapters.event_rows import check_rows
from recommender.errors import InvalidInputError
from recommender.events.history_events import is_events, read_events
from recommender.events.identity import pseudonym
from world import SHOP

EVENT_ID = "01972E00-0000-7000-8000-00000000000A"
VIEW = {
    "event_id": EVENT_ID,
    "type": "view_item",
    "visitor_id": "v1",
    "occurred_at": "2026-02-03T23:30:00Z",
    "item_id": "mug",
}


def read(*rows: dict[str, Any]) -> Any:
    return read_events([("past.jsonl", pa.Table.from_pylist(list(rows)))], SHOP)


def rejected(**changes: Any) -> dict[str, int]:
    counts: dict[str, int] = read(VIEW | changes).rejected
    return counts


def test_an_event_becomes_a_row_of_the_log() -> None:
    past = read(VIEW | {"session": "s1", "page": "/mug", "placement": "product"})
    check_rows(past.events)
    (row,) = past.events.to_pylist()
    at = dt.datetime(2026, 2, 3, 23, 30, tzinfo=dt.UTC)
    assert row == {
        "shop_id": "shop_1",
        "event_id": EVENT_ID.lower(),
        "type": "view_item",
        "visitor": pseudonym(SHOP.visitor_key, "v1"),
        "occurred_at": at,
        "received_at": at,
        "day": dt.date(2026, 2, 3),
        "source": "import",
        "items": [{"item_id": "mug", "quantity": 1, "price_minor": None}],
        "placement": "product",
        "arm": "",
        "stratum": 0,
        "slate_id": "",
        "order_id": "",
        "search_term": "",
        "session": "s1",
        "page": "/mug",
        "bot": "",
    }
    assert (past.accepted, past.rejected, past.rows_read) == ({"view_item": 1}, {}, 1)
    assert past.facts.num_rows == 0


def test_orders_and_refunds_are_facts_about_money() -> None:
    items = [{"item_id": "mug", "quantity": 2, "price_minor": 500}]
    order = {"type": "order", "visitor_id": "v1", "occurred_at": "2026-02-04 10:00:00",
             "order_id": "o1", "net_minor": 1000, "items": items}  # fmt: skip
    refund = order | {"type": "refund", "refund_id": "r1", "net_minor": 400, "items": []}
    past = read(refund, order)
    assert past.events.num_rows == 0
    refunded, ordered = past.facts.to_pylist()
    assert ordered["placed_at"] == dt.datetime(2026, 2, 4, 9, 0, tzinfo=dt.UTC)
    assert (ordered["kind"], ordered["fact_id"], ordered["order_id"], ordered["net_minor"]) == (
        "order", "o1", "o1", 1000,
    )  # fmt: skip
    assert ordered["items"] == items
    assert ordered["visitor"] == refunded["visitor"] == pseudonym(SHOP.visitor_key, "v1")
    assert (refunded["kind"], refunded["fact_id"], refunded["order_id"], refunded["net_minor"]) == (
        "refund", "r1", "o1", 400,
    )  # fmt: skip
    assert ordered["body_hash"] != refunded["body_hash"]


def test_items_may_be_a_list_or_missing() -> None:
    two = [{"item_id": "mug"}, {"item_id": "bag"}]
    past = read(
        VIEW | {"item_id": None, "items": two, "type": "view_item_list"},
        VIEW | {"item_id": None, "items": None, "type": "page_view"},
    )
    assert [[item["item_id"] for item in row] for row in past.events["items"].to_pylist()] == [
        ["mug", "bag"],
        [],
    ]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"type": "dance"}, "unknown-type"),
        ({"occurred_at": "soon"}, "bad-time"),
        ({"event_id": "1"}, "bad-event-id"),
        ({"item_id": ""}, "missing-item"),
        ({"type": "exposure"}, "missing-arm"),
        ({"type": "exposure", "arm": "both"}, "missing-arm"),
        ({"type": "order", "net_minor": 5}, "missing-order-id"),
        ({"type": "order", "net_minor": -5, "order_id": "o"}, "negative-amount"),
        ({"type": "refund", "net_minor": 5, "order_id": "o"}, "missing-refund-id"),
    ],
)
def test_rows_that_break_a_rule_are_counted_by_reason(changes: dict[str, Any], reason: str) -> None:
    assert rejected(**changes) == {reason: 1}


def test_an_exposure_keeps_arm_and_stratum() -> None:
    past = read(VIEW | {"type": "exposure", "arm": "control", "stratum": 2, "placement": "home"})
    (row,) = past.events.to_pylist()
    assert (row["type"], row["arm"], row["stratum"]) == ("exposure", "control", 2)


def test_every_row_is_either_taken_or_counted() -> None:
    past = read(VIEW, VIEW | {"type": "dance"}, VIEW | {"occurred_at": ""}, VIEW)
    assert past.accepted == {"view_item": 2}
    assert past.rejected == {"unknown-type": 1, "bad-time": 1}
    assert past.rows_read == 4


def test_text_columns_of_a_csv_file_will_do() -> None:
    past = read({**VIEW, "stratum": "", "net_minor": ""}, {**VIEW, "stratum": "3", "net_minor": ""})
    assert past.events["stratum"].to_pylist() == [0, 3]


def test_columns_that_are_no_events_are_named() -> None:
    with pytest.raises(InvalidInputError, match=r"past.jsonl.*visitor_id"):
        read({"type": "view_item", "occurred_at": "2026-02-03T00:00:00Z"})
    with pytest.raises(InvalidInputError) as caught:
        read(VIEW | {"stratum": "one"})
    assert caught.value.code == "wrong-type"
    assert is_events(list(VIEW))
    assert not is_events(["id", "title"])
