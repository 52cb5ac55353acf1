import datetime as dt
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from recommender.adapters.event_rows import check_rows
from recommender.events.columns import EVENT_SCHEMA
from recommender.events.history import LINE, sort_out
from recommender.events.history_log import order_rows, pseudonyms
from recommender.events.history_orders import HistoricItem, collect_items, collect_statements
from recommender.events.identity import customer_pseudonym, pseudonym
from recommender.events.orders import order_event
from recommender.records import EventItem, OrderFact, OrderKind, Source

NAMES = ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice",
         "CustomerID"]  # fmt: skip


def lines(*rows: tuple[str, ...]) -> Any:
    table = pa.table(
        {n: pa.array(c, pa.string()) for n, c in zip(NAMES, zip(*rows, strict=True), strict=True)}
    )
    return sort_out([("f", table)], currency="GBP", timezone="Europe/London")


BASKET = lines(
    ("2", "B1", "BAG", "1", "2010-07-02 10:00", "4.00", "7"),
    ("1", "A1", "MUG", "2", "2010-07-01 10:00", "2.50", "7"),
    ("1", "B1", "BAG", "1", "2010-07-01 10:00", "3.00", "7"),
    ("1", "A1", "MUG", "4", "2010-07-01 10:01", "2.50", "7"),
    ("1", "A1", "MUG", "1", "2010-07-01 10:01", "2.25", "7"),
    ("1", "POST", "POSTAGE", "1", "2010-07-01 10:01", "18.00", "7"),
    ("C3", "A1", "MUG", "-2", "2010-07-03 10:00", "2.50", "7"),
    ("C3", "D", "Discount", "-1", "2010-07-03 10:00", "1.00", "7"),
    ("4", "A1", "Mug, red", "1", "2010-07-04 10:00", "2.00", ""),
)


def test_an_invoice_is_one_statement_of_its_goods() -> None:
    statements = collect_statements(BASKET, "GBP").drop_columns("body_hash").to_pylist()
    assert [(s["kind"], s["fact_id"], s["net_minor"], s["customer"]) for s in statements] == [
        # (2 + 4) × 2.50 + 1 × 2.25 + 1 × 3.00 = 20.25; the postage is not goods
        ("order", "1", 2025, "7"),
        ("order", "2", 400, "7"),
        # 2 × 2.50 back, and 1.00 of discount
        ("refund", "C3", 600, "7"),
        ("order", "4", 200, ""),
    ]
    assert statements[0]["placed_at"] == dt.datetime(2010, 7, 1, 9, 0, tzinfo=dt.UTC)
    assert statements[0]["items"] == [
        {"item_id": "A1", "quantity": 6, "price_minor": 250},
        {"item_id": "B1", "quantity": 1, "price_minor": 300},
        {"item_id": "A1", "quantity": 1, "price_minor": 225},
    ]


def test_an_invoice_with_sales_and_returns_makes_two_statements() -> None:
    mixed = lines(
        ("9", "A1", "MUG", "3", "2010-07-01 10:00", "1.00", "7"),
        ("9", "B1", "BAG", "-1", "2010-07-01 10:00", "2.00", "7"),
    )
    statements = collect_statements(mixed, "GBP").to_pylist()
    assert {(s["kind"], s["fact_id"], s["net_minor"]) for s in statements} == {
        ("order", "9", 300),
        ("refund", "9", 200),
    }


def test_without_goods_there_is_no_statement() -> None:
    postage = lines(("9", "POST", "POSTAGE", "1", "2010-07-01 10:00", "1.00", "7"))
    assert collect_statements(postage, "GBP").num_rows == 0
    assert collect_items(postage) == []


def test_the_hash_of_a_statement_depends_on_what_it_says_only() -> None:
    def hash_of(*rows: tuple[str, ...], currency: str = "GBP") -> str:
        (digest,) = collect_statements(lines(*rows), currency)["body_hash"].to_pylist()
        return str(digest)

    told = ("1", "A1", "MUG", "2", "2010-07-01 10:00", "2.50", "7")
    other_words = ("1", "A1", "MUG RED", "2", "2010-07-01 10:00", "2.5", "7.0")
    assert hash_of(told) == hash_of(other_words)
    variants = {
        hash_of((*told[:3], "3", *told[4:])),
        hash_of((*told[:5], "2.51", "7")),
        hash_of((*told[:6], "8")),
        hash_of((*told[:4], "2010-07-01 10:01", *told[5:])),
        hash_of(("2", *told[1:])),
        hash_of(told, currency="EUR"),
    }
    assert len(variants - {hash_of(told)}) == 6


def test_items_have_their_usual_title_and_latest_price() -> None:
    assert collect_items(BASKET) == [
        HistoricItem("A1", "MUG", 200),
        HistoricItem("B1", "BAG", 400),
    ]
    unnamed = lines(("1", "A1", "", "1", "2010-07-01 10:00", "1.00", "7"))
    assert collect_items(unnamed) == [HistoricItem("A1", "A1", 100)]


def test_order_events_are_those_of_the_live_api() -> None:
    key = b"k" * 32
    statements = collect_statements(BASKET, "GBP").slice(0, 1)
    visitor = pseudonyms(key, statements["customer"], of_customers=True)
    rows = order_rows("shop", statements.append_column("visitor", visitor))
    check_rows(rows)
    placed_at = dt.datetime(2010, 7, 1, 9, 0, tzinfo=dt.UTC)
    items = (EventItem("A1", 6, 250), EventItem("B1", 1, 300), EventItem("A1", 1, 225))
    fact = OrderFact("shop", OrderKind.ORDER, "1", "1", 2025, "GBP", placed_at, placed_at,
                     customer_pseudonym(key, "7"), "hash", items)  # fmt: skip
    live = order_event(fact, Source.IMPORT)
    (row,) = rows.to_pylist()
    row["items"] = tuple(EventItem(**item) for item in row["items"])
    assert row == {name: getattr(live, name) for name in EVENT_SCHEMA.names}


def test_pseudonyms_of_a_column() -> None:
    key = b"k" * 32
    ids = pa.chunked_array([pa.array(["a", ""]), pa.array(["b", "a"])])
    assert pseudonyms(key, ids).to_pylist() == [
        pseudonym(key, "a"), "", pseudonym(key, "b"), pseudonym(key, "a"),
    ]  # fmt: skip


QUANTITY = st.integers(-5, 5).map(str)
PRICE = st.integers(0, 300).map(lambda pence: f"{pence / 100:.2f}")
ROW = st.tuples(
    st.sampled_from(["1", "2", "3"]),
    st.sampled_from(["A1", "B1", "POST"]),
    st.just("X"),
    QUANTITY,
    st.sampled_from(["2010-07-01 10:00", "2010-07-02 10:00"]),
    PRICE,
    st.just("7"),
)


@given(st.lists(ROW, min_size=1, max_size=12))
def test_statements_hold_all_money_of_their_lines(rows: list[tuple[str, ...]]) -> None:
    table = lines(*rows)
    statements = collect_statements(table, "GBP").to_pylist()
    for kind, fate, sign in (("order", "kept", 1), ("refund", "returned", -1)):
        told = sum(s["net_minor"] for s in statements if s["kind"] == kind)
        counted = [line for line in table.to_pylist() if line["fate"] == fate]
        assert told == sum(sign * line["quantity"] * line["price_minor"] for line in counted)
    for statement in statements:
        parts = (item["quantity"] * item["price_minor"] for item in statement["items"])
        assert statement["net_minor"] == sum(parts)
    assert len({(s["kind"], s["fact_id"]) for s in statements}) == len(statements)
    assert table.schema == LINE
