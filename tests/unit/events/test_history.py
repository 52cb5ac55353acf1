from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.errors import InvalidInputError
from recommender.events.history import (
    LINE,
    count_fates,
    count_repeated,
    is_order_lines,
    rejected_rows,
    sort_out,
)
from recommender.events.row_faults import MOST_NAMED, NO_TIME, RowFault

FIRST_YEAR = [
    "Invoice", "StockCode", "Description", "Quantity", "InvoiceDate", "Price", "Customer ID",
    "Country",
]  # fmt: skip
SECOND_YEAR = [
    "InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID",
    "Country",
]  # fmt: skip
AT = "2010-12-01 08:26:00"


def texts(rows: list[tuple[Any, ...]], names: list[str] = SECOND_YEAR) -> Any:
    columns = list(zip(*rows, strict=True)) if rows else [[]] * len(names)
    return pa.table({n: pa.array(c, pa.string()) for n, c in zip(names, columns, strict=True)})


def row(
    invoice: str = "536365",
    code: str = "85123A",
    quantity: str = "6",
    price: str = "2.55",
    customer: str = "17850.0",
    at: str = AT,
) -> tuple[str, ...]:
    return (invoice, code, "A  HOLDER ", quantity, at, price, customer, "United Kingdom")


def sorted_out(*tables: Any, currency: str = "GBP") -> Any:
    named = [(f"{number}.csv", table) for number, table in enumerate(tables)]
    return sort_out(named, currency=currency, timezone="Europe/London")


def fate(**changes: str) -> tuple[str, str]:
    (line,) = sorted_out(texts([row(**changes)])).to_pylist()
    return line["fate"], line["reason"]


def test_a_line_is_read_exactly() -> None:
    (line,) = sorted_out(texts([row()])).to_pylist()
    assert line.pop("placed_at").isoformat() == "2010-12-01T08:26:00+00:00"
    assert line == {
        "order_id": "536365",
        "item_id": "85123A",
        "title": "A HOLDER",
        "quantity": 6,
        "price_minor": 255,
        "customer": "17850",
        "fate": "kept",
        "reason": "known-customer",
    }


def test_both_years_columns_and_types_mean_the_same() -> None:
    typed = pa.table(
        {
            "Invoice": ["536365"],
            "StockCode": ["85123A"],
            "Description": ["A HOLDER"],
            "Quantity": pa.array([6], pa.int64()),
            "InvoiceDate": [AT],
            "Price": pa.array([2.55], pa.float64()),
            "Customer ID": pa.array([17850], pa.int64()),
            "Country": ["United Kingdom"],
        }
    )
    assert sorted_out(typed).equals(sorted_out(texts([row()])))
    floats = typed.set_column(6, "Customer ID", pa.array([17850.0]))
    assert sorted_out(floats).equals(sorted_out(typed))


def test_plain_names_are_columns_too() -> None:
    plain = pa.table(
        {
            "order_id": ["1"],
            "item_id": ["S"],
            "quantity": ["1"],
            "placed_at": ["2010-12-01T08:26:00Z"],
            "price": ["2.00"],
        }
    )
    (line,) = sorted_out(plain).to_pylist()
    # "S" is a sample in one shop's book-keeping, and an ordinary id elsewhere.
    assert (line["fate"], line["reason"]) == ("kept", "unknown-customer")
    assert (line["title"], line["customer"]) == ("", "")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("kept", "known-customer")),
        ({"customer": ""}, ("kept", "unknown-customer")),
        ({"invoice": "C536379", "quantity": "-1"}, ("returned", "goods")),
        ({"invoice": "C536379", "quantity": "-1", "customer": ""}, ("returned", "goods")),
        ({"invoice": "C536379", "code": "D", "quantity": "-1"}, ("returned", "discount")),
        ({"code": "D"}, ("not_goods", "discount")),
        ({"code": "D", "quantity": "-1", "price": "0.001"}, ("not_goods", "discount")),
        ({"code": "POST"}, ("not_goods", "postage")),
        ({"code": "DOT"}, ("not_goods", "postage")),
        ({"code": "C2"}, ("not_goods", "postage")),
        ({"code": "m"}, ("not_goods", "manual")),
        ({"code": "ADJUST2"}, ("not_goods", "manual")),
        ({"code": "S", "quantity": "-1"}, ("not_goods", "sample")),
        ({"code": "BANK CHARGES"}, ("not_goods", "fee")),
        ({"code": "B", "invoice": "A506401", "price": "-53594.36"}, ("not_goods", "bad-debt")),
        ({"code": "TEST001"}, ("not_goods", "test")),
        ({"code": "gift_0001_30"}, ("not_goods", "gift-voucher")),
        ({"code": "DOTCOM1"}, ("kept", "known-customer")),
        ({"quantity": "-9", "price": "0.0"}, ("not_goods", "stock-movement")),
        ({"price": "0"}, ("not_goods", "zero-price")),
        ({"quantity": "0"}, ("rejected", "zero-quantity")),
        ({"price": "-1.00"}, ("rejected", "negative-price")),
        ({"price": "0.001"}, ("rejected", "price-below-minor-unit")),
        ({"price": "2,55"}, ("rejected", "bad-price")),
        ({"price": ""}, ("rejected", "bad-price")),
        ({"price": "1e3"}, ("rejected", "bad-price")),
        ({"price": "99999999999"}, ("rejected", "bad-price")),
        ({"quantity": "1.5"}, ("rejected", "bad-quantity")),
        ({"quantity": "99999999999"}, ("rejected", "bad-quantity")),
        ({"quantity": ""}, ("rejected", "bad-quantity")),
        ({"quantity": "6.0"}, ("kept", "known-customer")),
        ({"at": "12/1/2010 8:26"}, ("rejected", "bad-time")),
        ({"invoice": ""}, ("rejected", "bad-order-id")),
        ({"invoice": "x" * 121}, ("rejected", "bad-order-id")),
        ({"code": " "}, ("rejected", "bad-item-id")),
        ({"code": "x" * 101}, ("rejected", "bad-item-id")),
    ],
)
def test_every_line_has_a_fate_and_a_reason(
    changes: dict[str, str], expected: tuple[str, str]
) -> None:
    assert fate(**changes) == expected


def test_an_invoice_in_two_files_counts_once_from_the_first() -> None:
    first = texts([row("1"), row("1", "B2"), row("2")], FIRST_YEAR)
    second = texts([row("2", price="9.99"), row("3"), row("1")])
    lines = sorted_out(first, second)
    assert [(line["order_id"], line["fate"]) for line in lines.to_pylist()] == [
        ("1", "kept"),
        ("1", "kept"),
        ("2", "kept"),
        ("2", "rejected"),
        ("3", "kept"),
        ("1", "rejected"),
    ]
    assert count_fates(lines) == {
        "kept": {"known-customer": 4},
        "returned": {},
        "not_goods": {},
        "rejected": {"invoice-in-earlier-file": 2},
    }


def test_rejected_rows_are_named_the_first_of_each_kind() -> None:
    tables = [
        texts([row("1"), row("1", at="22/11/2026"), row("1", quantity="a few"), row("1", "S")]),
        texts([row("1"), *[row(str(number), quantity="") for number in range(2, 30)]]),
    ]
    files = [(f"{number}.csv", table) for number, table in enumerate(tables)]
    named = rejected_rows(files, sorted_out(*tables))
    bad_quantity, bad_time = named[:-1], named[-1]
    assert bad_time == RowFault("0.csv", 2, "bad-time", f"'22/11/2026' is {NO_TIME}")
    assert bad_quantity[0] == RowFault("0.csv", 3, "bad-quantity", "'a few' is no whole number")
    assert [(one.file, one.row) for one in bad_quantity[1:]] == [
        ("1.csv", row) for row in range(2, MOST_NAMED + 1)
    ]


def test_a_price_keeps_all_decimals_of_its_currency() -> None:
    lines = sorted_out(texts([row(price="2.555")]), currency="KWD")
    assert lines["price_minor"].to_pylist() == [2555]
    lines = sorted_out(texts([row(price="255")]), currency="JPY")
    assert lines["price_minor"].to_pylist() == [255]


def test_exact_repetitions_are_kept_and_counted() -> None:
    lines = sorted_out(texts([row(), row(), row(quantity="1"), row("2"), row("2", "X1")]))
    assert count_fates(lines)["kept"] == {"known-customer": 5}
    assert count_repeated(lines) == 1


def test_columns_that_are_no_order_lines_are_named() -> None:
    with pytest.raises(InvalidInputError, match=r"0\.csv.*quantity, placed_at, price") as caught:
        sorted_out(pa.table({"InvoiceNo": ["1"], "StockCode": ["2"]}))
    assert caught.value.code == "missing-columns"


def test_order_lines_are_known_by_their_columns() -> None:
    assert is_order_lines(FIRST_YEAR)
    assert is_order_lines(SECOND_YEAR)
    assert not is_order_lines(["id", "title", "price"])


CELL = st.one_of(st.sampled_from(["1", "-2", "0", "", "2.55", "C1", "D", "POST", AT]), st.text())


@given(st.lists(st.tuples(*[CELL] * 8), max_size=8), st.lists(st.tuples(*[CELL] * 8), max_size=8))
def test_no_line_is_dropped_whatever_it_holds(
    first: list[tuple[str, ...]], second: list[tuple[str, ...]]
) -> None:
    clean = [[tuple(c.encode(errors="ignore").decode() for c in r) for r in rows]
             for rows in (first, second)]  # fmt: skip
    lines = sorted_out(texts(clean[0], FIRST_YEAR), texts(clean[1]))
    assert lines.schema == LINE
    counts = count_fates(lines)
    assert sum(sum(part.values()) for part in counts.values()) == len(first) + len(second)
    assert all(line["reason"] for line in lines.to_pylist())
    kept = [line for line in lines.to_pylist() if line["fate"] == "kept"]
    assert all(line["quantity"] > 0 and line["price_minor"] > 0 for line in kept)
