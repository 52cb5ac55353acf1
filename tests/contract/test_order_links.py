"""Orders find their visitors, and agree with the shop's list or are told apart from it by name."""

import datetime as dt
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from recommender import tables
from recommender.adapters.event_log import DeltaEventLog
from recommender.adapters.redis_state import RedisState
from recommender.catalog.load_items import store_items_of_history
from recommender.events.identity import derived_event_id, pseudonym
from recommender.events.link_keys import email_sha256
from recommender.events.link_orders import find_links, read_link_report, report_links
from recommender.events.load_history import load_orders
from recommender.events.order_links import LinkedBy
from recommender.events.orders import parse_order, parse_refund
from recommender.events.parsing import parse_events
from recommender.events.reconcile import reconcile, record_missing
from recommender.events.reconciliations import read_reconciliations
from recommender.events.record_order import record_facts
from recommender.records import Event, EventType, OrderFact, Shop

NOW = dt.datetime(2026, 3, 20, 12, tzinfo=dt.UTC)
NO_STATE = RedisState("")
Tell = Callable[..., OrderFact]


@pytest.fixture
def tell(database: sa.Engine, shop: Shop) -> Tell:
    """The shop's server states an order or a refund."""

    def run(order_id: str, day: int = 10, net_minor: int = 500, **more: object) -> OrderFact:
        at = f"2026-03-{day:02}T12:00:00Z"
        body = {"order_id": order_id, "currency": "EUR", "net_minor": net_minor, **more}
        if "refund_id" in more:
            fact = parse_refund(body | {"refunded_at": at}, shop=shop, received_at=NOW)
        else:
            fact = parse_order(body | {"placed_at": at}, shop=shop, received_at=NOW)
        record_facts([fact], database=database, stream=NO_STATE)
        return fact

    return run


@pytest.fixture
def browse(event_log: DeltaEventLog, shop: Shop) -> Callable[..., tuple[Event, ...]]:
    """A browser tells something; its events reach the log."""
    told = 0

    def run(visitor: str, day: int, **fields: object) -> tuple[Event, ...]:
        nonlocal told
        told += 1
        at = dt.datetime(2026, 3, day, 11, tzinfo=dt.UTC)
        body = {"event_id": derived_event_id(at, str(told)), "type": "begin_checkout",
                "visitor_id": visitor, "occurred_at": at.isoformat(), **fields}  # fmt: skip
        batch = parse_events([body], shop=shop, received_at=at, knows_item=lambda _: True)
        event_log.append(batch.events, "browser", told)
        return batch.events

    return run


def linked(event_log: DeltaEventLog, database: sa.Engine, shop: Shop) -> dict[str, tuple[str, str]]:
    links = find_links(
        shop.shop_id,
        events=event_log.events(shop.shop_id),
        database=database,
        starts_at=NOW - dt.timedelta(days=30),
        ends_at=NOW,
    )
    return {order_id: (link.visitor, link.how.value) for order_id, link in links.items()}


def test_each_key_finds_the_visitor_whoever_spoke_first(
    tell: Tell, browse: Any, event_log: DeltaEventLog, database: sa.Engine, shop: Shop
) -> None:
    browse("v-cart", 9, cart_token="c1?key=x")
    tell("by-cart", cart_token="c1")
    tell("by-checkout", checkout_id="k1")
    browse("v-checkout", 11, checkout_id="k1")
    browse("v-mail", 9, email_sha256=email_sha256("Ann@example.com"))
    tell("by-mail", email="ann@example.com ")
    tell("by-purchase", order_number="#77")
    browse("v-purchase", 10, type="purchase", order_id="77")
    tell("by-itself", visitor_id="v-self")
    tell("no-key")
    tell("not-seen", cart_token="nobody-told")
    tell("early", day=1, cart_token="c9")
    visitor = partial(pseudonym, shop.visitor_key)
    assert linked(event_log, database, shop) == {
        "by-cart": (visitor("v-cart"), "cart"),
        "by-checkout": (visitor("v-checkout"), "checkout"),
        "by-mail": (visitor("v-mail"), "email"),
        "by-purchase": (visitor("v-purchase"), "purchase"),
        "by-itself": (visitor("v-self"), "stated"),
        "no-key": ("", "no-key"),
        "not-seen": ("", "key-not-seen"),
        "early": ("", "before-events"),
    }


def test_the_cart_is_believed_before_the_checkout_and_that_before_the_address(
    tell: Tell, browse: Any, event_log: DeltaEventLog, database: sa.Engine, shop: Shop
) -> None:
    address = email_sha256("ann@example.com")
    browse("mail", 9, email_sha256=address)
    browse("checkout", 9, checkout_id="k")
    browse("cart", 9, cart_token="c")
    tell("all", cart_token="c", checkout_id="k", email="ann@example.com")
    tell("two", checkout_id="k", email="ann@example.com")
    found = linked(event_log, database, shop)
    assert (found["all"][1], found["two"][1]) == ("cart", "checkout")


def test_an_address_means_the_browser_last_seen_before_the_order(
    tell: Tell, browse: Any, event_log: DeltaEventLog, database: sa.Engine, shop: Shop
) -> None:
    address = email_sha256("ann@example.com")
    for visitor, day in (("old", 3), ("new", 9), ("later", 14)):
        browse(visitor, day, email_sha256=address)
    tell("A", day=10, email="ann@example.com")
    assert linked(event_log, database, shop)["A"][0] == pseudonym(shop.visitor_key, "new")


def test_a_link_event_holds_hashes_only_and_repeats_within_a_day_are_one(
    browse: Any, shop: Shop
) -> None:
    address = email_sha256("ann@example.com")
    first = browse("v", 9, cart_token="secret-token", email_sha256=address)
    again = browse("v", 9, cart_token="secret-token", email_sha256=address)
    links = [event for event in first if event.type is EventType.LINK]
    assert {event.event_id for event in links} <= {event.event_id for event in again}
    assert [event.order_id.split(":")[0] for event in links] == ["cart", "email"]
    assert "secret-token" not in repr(links)
    assert address not in repr(links)
    assert browse("", 9, cart_token="secret-token")[0].type is EventType.PAGE_VIEW
    assert len(browse("", 9, cart_token="secret-token")) == 1, "without consent no link"


def test_the_report_counts_every_order_and_names_the_unlinked(
    tell: Tell, browse: Any, event_log: DeltaEventLog, database: sa.Engine, shop: Shop
) -> None:
    browse("v", 9, cart_token="c")
    tell("A", cart_token="c", net_minor=100)
    tell("B", order_number="#12", net_minor=200)
    for order_id in ("C", "D"):
        tell(order_id, visitor_id="v", net_minor=50)
    report = report_links(shop.shop_id, event_log=event_log, database=database, now=NOW)
    assert report.orders == {"cart": 1, "no-key": 1, "stated": 2}
    assert report.net_minor == {"cart": 100, "no-key": 200, "stated": 100}
    assert report.unlinked_share == 1 / 4
    assert [(name, why) for name, _, why in report.examples] == [("#12", LinkedBy.NO_KEY)]
    assert read_link_report(shop.shop_id, database=database) == report


def test_an_imported_order_is_taken_over_when_the_server_tells_of_it(
    tmp_path: Path, tell: Tell, event_log: DeltaEventLog, database: sa.Engine, shop: Shop
) -> None:
    path = tmp_path / "old.csv"
    path.write_text(
        "order_id,item_id,quantity,placed_at,price,customer_id\n"
        "A,mug,1,2026-03-10 13:00:00,4.80,7\n"
        "1001,mug,1,2026-03-10 13:00:00,4.80,7\n"
    )

    def import_file() -> dict[str, Any]:
        store = partial(store_items_of_history, shop=shop, database=database,
                        hot_state=NO_STATE, now=NOW)  # fmt: skip
        return load_orders([path], shop=shop, database=database, event_log=event_log,
                           store_items=store, now=NOW)  # fmt: skip

    import_file()
    fact = tell("A", visitor_id="v1")
    tell("556677", order_number="#1001", visitor_id="v1")
    with database.connect() as connection:
        rows = connection.execute(sa.select(tables.orders).order_by(tables.orders.c.order_id)).all()
        waiting = connection.execute(sa.select(tables.order_outbox)).all()
        conflicts = connection.execute(sa.select(tables.order_conflicts)).all()
    assert [(row.order_id, row.net_minor, row.visitor) for row in rows] == [
        ("556677", 500, fact.visitor),
        ("A", 500, fact.visitor),
    ]
    assert waiting == [], "training knows both orders from the file"
    assert conflicts == []


def write_list(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(["Order number,Created at,Net,Refunded,Status", *rows]) + "\n")
    return path


@pytest.fixture
def compare(database: sa.Engine, shop: Shop) -> Callable[..., Any]:
    def run(path: Path, **more: Any) -> Any:
        return reconcile([path], shop=shop, database=database, now=NOW, **more)

    return run


def test_differences_are_found_by_name(
    tmp_path: Path, tell: Tell, compare: Any, database: sa.Engine, shop: Shop
) -> None:
    tell("same")
    tell("amount", net_minor=700)
    tell("date", day=11)
    tell("556", order_number="#12")
    tell("only-here")
    tell("refunded", net_minor=900)
    tell("refunded", day=12, refund_id="R1", net_minor=100)
    tell("outside", day=2)
    path = write_list(
        tmp_path / "march.csv",
        "same,2026-03-10 09:00,5.00,0,paid",
        "amount,2026-03-10 09:00,6.50,0,paid",
        "date,2026-03-10 09:00,5.00,0,paid",
        "12,2026-03-10 09:00,5.00,0,paid",
        "refunded,2026-03-10 09:00,9.00,4.00,paid",
        "only-there,2026-03-12 09:00,8.00,0,paid",
        "broken,2026-03-12 09:00,eight,0,paid",
    )
    outcome = compare(path)
    assert [(one.kind.value, one.order_id, one.here, one.there) for one in outcome.differences] == [
        ("missing-here", "only-there", "", "800"),
        ("missing-there", "only-here", "500", ""),
        ("other-amount", "amount", "700", "650"),
        ("other-date", "date", "2026-03-11", "2026-03-10"),
        ("refund-missing-here", "refunded", "100", "400"),
    ]
    assert (outcome.orders_there, outcome.orders_here) == (6, 6)
    assert outcome.rejected == {"bad-amount": 1}
    (stored,) = read_reconciliations(shop.shop_id, database=database)
    assert stored["report"]["differences"]["missing-here"] == 1
    assert (stored["starts_on"], stored["ends_on"]) == (dt.date(2026, 3, 10), dt.date(2026, 3, 12))


def test_comparing_changes_nothing_and_recording_takes_in_only_what_is_missing(
    tmp_path: Path, tell: Tell, compare: Any, database: sa.Engine, shop: Shop
) -> None:
    tell("amount", net_minor=700)
    path = write_list(
        tmp_path / "l.csv",
        "amount,2026-03-10 13:00,6.50,0,paid",
        "new,2026-03-10 13:00,8.00,0,paid",
    )

    def ledger() -> dict[str, int]:
        with database.connect() as connection:
            found = connection.execute(sa.select(tables.orders)).all()
        return {row.order_id: row.net_minor for row in found}

    outcome = compare(path)
    assert ledger() == {"amount": 700}
    take = partial(record_missing, outcome, shop=shop, database=database, stream=NO_STATE, now=NOW)
    assert (take(), take()) == (1, 0)
    assert ledger() == {"amount": 700, "new": 800}
    assert [one.kind.value for one in compare(path).differences] == ["other-amount"]
    tell("new", net_minor=810)
    assert ledger()["new"] == 810, "the server's word counts over a file's"


def test_a_cancelled_order_agrees_and_a_month_can_be_asked_for(
    tmp_path: Path, tell: Tell, compare: Any
) -> None:
    tell("gone")
    tell("gone", day=11, status="cancelled", cancelled_at="2026-03-11T09:00:00Z")
    path = write_list(
        tmp_path / "l.csv",
        "gone,2026-03-10 13:00,5.00,0,cancelled",
        "april,2026-04-10 13:00,5.00,0,paid",
    )
    outcome = compare(path, month="2026-03")
    assert outcome.differences == []
    assert (outcome.starts_on, outcome.ends_on) == (dt.date(2026, 3, 1), dt.date(2026, 3, 31))


def test_order_lines_can_be_compared_too(tmp_path: Path, tell: Tell, compare: Any) -> None:
    tell("1", net_minor=500)
    path = tmp_path / "lines.csv"
    path.write_text(
        "order_id,item_id,quantity,placed_at,price\n"
        "1,mug,2,2026-03-10 13:00:00,2.00\n"
        "1,tea,1,2026-03-10 13:00:00,1.00\n"
        "C9,mug,-1,2026-03-10 15:00:00,2.00\n"
    )
    (one,) = compare(path).differences
    assert (one.kind.value, one.order_id, one.there) == ("refund-missing-here", "C9", "200")
