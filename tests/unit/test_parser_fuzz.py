"""Whatever anybody sends, a parser gives a value or says what is wrong: it never breaks.

Most documents here are sound ones with one to three places spoiled, so that what lies behind the
first checks is met too.
"""

import contextlib
import copy
import gzip
import io
import json
import tempfile
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from platform_bodies import (
    PRESTASHOP,
    PRESTASHOP_SLIP,
    SHOPIFY,
    SHOPIFY_REFUND,
    WOOCOMMERCE,
)
from recommender.catalog.feed_files import read_feed, unpack_feed
from recommender.catalog.items import parse_item
from recommender.catalog.rule_parsing import parse_rule
from recommender.errors import InvalidInputError
from recommender.events.history import sort_out
from recommender.events.history_events import read_events
from recommender.events.history_files import read_table
from recommender.events.orders import parse_order, parse_refund
from recommender.events.parsing import parse_events
from recommender.events.platform_orders import Delivery
from recommender.events.platforms import PLATFORMS
from recommender.records import Rejection
from recommender.shops.webhooks import Platform
from recommender.web.strict_json import read_json
from world import SHOP, STARTED_AT

MANY = settings(max_examples=200, suppress_health_check=list(HealthCheck))

# Lone surrogates cannot come out of `read_json`; everything else can.
_ODD_TEXTS = """0 -0 00 1e999 NaN 12,50 1.005 1.50 -3 ² ١ 2026-03-02 2026-03-02T09:00:00Z 1772442000
9999-12-31T23:59:59-14:00 0001-01-01T00:00:00+14:00 2026-02-30 23:59:60 EUR JPY KWD XXX view_item
purchase pin include_only home ' =1+1 https://[ https://a:x/
//evil \u202e \ufeff true""".split()
texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    st.sampled_from(["", " ", "\x00", "a\x00b", "9" * 30, "a" * 5_000, *_ODD_TEXTS]),
)
numbers = st.one_of(
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0, -1, 1, 10**18, 253402300800, -62135596801, 1e308, -0.0]),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)

ITEM = {"item_id": "1", "title": "Cup", "url": "/c", "image_url": "/i", "price": "3.50 EUR"}
ITEM |= {"availability": "in stock", "category": "A > B", "brand": "B", "group_id": "g"}
ITEM_MINOR: dict[str, Any] = {"id": 1, "name": "Cup", "link": "https://a.example/c", "stock": 3}
ITEM_MINOR |= {"price_minor": 350, "cost_minor": 100, "available": True}
RULE: dict[str, Any] = {"rule_id": "r", "name": "R", "action": "boost", "factor": 2.5}
RULE |= {"match": {"brands": ["B"], "price_min_minor": 1, "margin_min": 0.1, "stock_min": 1}}
RULE |= {"placements": ["home"], "starts_at": "2026-03-02T09:00:00Z", "active": True}
PIN = {"rule_id": "p", "action": "pin", "position": 1, "match": {"item_ids": ["1"]}}
EVENT: dict[str, Any] = {"event_id": "01890a5d-ac96-774b-bcce-b302099a8057", "type": "view_item"}
EVENT |= {"visitor_id": "v", "occurred_at": "2026-03-02T08:59:59Z", "session": "s", "page": "/c"}
EVENT |= {"items": [{"item_id": "1", "quantity": 1, "price": "3.50"}], "currency": "EUR"}
GA4 = {"client_id": "v", "events": [{"name": "purchase", "params": {"transaction_id": "t"}}]}
SEGMENT = {"event": "Product Viewed", "anonymousId": "v", "properties": {"product_id": "1"}}
ORDER: dict[str, Any] = {"order_id": "A-1", "placed_at": "2026-03-02T08:00:00Z", "net_minor": 350}
ORDER |= {"currency": "EUR", "visitor_id": "v", "revision": 1, "cart_token": "c", "email": "a@b.c"}
ORDER |= {"items": [{"item_id": "1", "quantity": 2, "price_minor": 175}]}
REFUND: dict[str, Any] = {"refund_id": "R-1", "order_id": "A-1", "net_minor": 100}
REFUND |= {"refunded_at": "2026-03-02T08:30:00Z", "currency": "EUR"}
WEBHOOKS = [
    (Platform.SHOPIFY, "orders/create", SHOPIFY),
    (Platform.SHOPIFY, "orders/updated", SHOPIFY | {"refunds": [SHOPIFY_REFUND]}),
    (Platform.SHOPIFY, "refunds/create", SHOPIFY_REFUND),
    (Platform.WOOCOMMERCE, "order.updated", WOOCOMMERCE),
    (Platform.PRESTASHOP, "", PRESTASHOP),
    (Platform.PRESTASHOP, "", PRESTASHOP | {"order_slips": [PRESTASHOP_SLIP]}),
]


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a document that can be spoiled."""
    inner = document.items() if isinstance(document, dict) else enumerate(document)
    for name, value in inner:
        yield (*path, name)
        if isinstance(value, dict | list):
            yield from places(value, (*path, name))


@st.composite
def spoiled(draw: st.DrawFn, *sound: Any) -> Any:
    """A sound document with up to three places overwritten or removed, or none of its kind."""
    document = copy.deepcopy(draw(st.sampled_from(sound)))
    if draw(st.integers(0, 19)) == 0:
        return draw(values)
    for _ in range(draw(st.integers(0, 3))):
        *path, last = draw(st.sampled_from(list(places(document)) or [("x",)]))
        holder = document
        for step in path:
            holder = holder[step]
        if isinstance(holder, dict) and draw(st.booleans()) and draw(st.booleans()):
            holder.pop(last, None)
        else:
            holder[last] = draw(values)
    return document


def storable(value: object) -> bool:
    """Tell whether PostgreSQL and UTF-8 can keep all of a record."""
    if isinstance(value, Rejection):
        return True  # told to the sender as JSON, and stored nowhere
    if is_dataclass(value):
        return all(storable(getattr(value, field.name)) for field in fields(value))
    if isinstance(value, str):
        return "\x00" not in value and len(value.encode()) >= 0
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return all(map(storable, value)) if isinstance(value, tuple) else True


@MANY
@given(spoiled(ITEM, ITEM_MINOR))
def test_items(raw: object) -> None:
    assert storable(parse_item(raw, SHOP, 0))


@MANY
@given(spoiled(RULE, PIN))
def test_rules(raw: object) -> None:
    assert storable(parse_rule(raw, SHOP, 0))


@MANY
@given(spoiled(EVENT, {"events": [EVENT]}, GA4, SEGMENT, {"batch": [SEGMENT]}))
def test_events(document: object) -> None:
    with contextlib.suppress(InvalidInputError):
        batch = parse_events(
            document, shop=SHOP, received_at=STARTED_AT, knows_item=lambda item_id: len(item_id) < 9
        )
        assert batch.outcomes
        assert all(map(storable, batch.outcomes))


@MANY
@given(spoiled(ORDER), spoiled(REFUND))
def test_orders_and_refunds(order: object, refund: object) -> None:
    with contextlib.suppress(InvalidInputError):
        assert storable(parse_order(order, shop=SHOP, received_at=STARTED_AT))
    with contextlib.suppress(InvalidInputError):
        assert storable(parse_refund(refund, shop=SHOP, received_at=STARTED_AT))


@pytest.mark.parametrize("number", range(len(WEBHOOKS)))
@settings(MANY, max_examples=80)
@given(data=st.data())
def test_webhooks(number: int, data: st.DataObject) -> None:
    platform, topic, body = WEBHOOKS[number]
    with contextlib.suppress(InvalidInputError):
        document = data.draw(spoiled(body))
        facts = PLATFORMS[platform].read(document, Delivery(SHOP, topic, STARTED_AT))
        assert all(map(storable, facts))


def test_the_documents_are_sound_before_they_are_spoiled() -> None:
    """Otherwise every fuzzer would stop at the first check and find nothing."""
    for item in (ITEM, ITEM_MINOR):
        assert not isinstance(parse_item(item, SHOP, 0), Rejection)
    for rule in (RULE, PIN):
        assert not isinstance(parse_rule(rule, SHOP, 0), Rejection)
    for document in (EVENT, GA4, SEGMENT):
        batch = parse_events(document, shop=SHOP, received_at=STARTED_AT, knows_item=lambda _: True)
        assert batch.events
    assert parse_order(ORDER, shop=SHOP, received_at=STARTED_AT)
    assert parse_refund(REFUND, shop=SHOP, received_at=STARTED_AT)
    for platform, topic, body in WEBHOOKS:
        assert PLATFORMS[platform].read(body, Delivery(SHOP, topic, STARTED_AT))


@MANY
@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(max_size=100).map(lambda t: t.encode("utf-8", "surrogatepass")),
    )
)
@example(b'{"a":1,"a":2}')
@example(b"[" * 100_000)
@example(b'{"a":"\\ud800"}')
@example(b"NaN")
def test_json(data: bytes) -> None:
    with contextlib.suppress(InvalidInputError):
        read_json(data)


# -- files --------------------------------------------------------------------------------------

RSS = b"""<?xml version="1.0"?><rss xmlns:g="http://base.google.com/ns/1.0"><channel>
<item><g:id>1</g:id><title>Cup</title><link>/c</link><g:price>3 EUR</g:price></item>
</channel></rss>"""
FILES = [
    b"id,title,link,price,availability\n1,Cup,/c,3.00,in stock\n2,Tea,/t,4,out of stock\n",
    (
        b"Invoice;StockCode;Description;Quantity;InvoiceDate;Price;Customer ID\n"
        b"5;A;Cup;2;2009-12-01 07:45:00;3.5;17\nC6;A;Cup;-1;2009-12-02 07:45:00;3.5;17\n"
    ),
    b"occurred_at\tvisitor_id\ttype\titem_id\n2026-03-01T09:00:00Z\tv\tview_item\t1\n",
    b'{"id": 1, "title": "Cup", "link": "/c", "price": "3.00"}\n{"id": 2, "title": "Tea"}\n',
    RSS,
    RSS.replace(b"<rss", b"<!DOCTYPE rss [<!ENTITY a 'b'>]><rss"),
]
_ODD_BYTES = [
    b"",
    b",",
    b";",
    b"\t",
    b'"',
    b"\n",
    b"\r",
    b"\x00",
    b"\xff",
    b"\xe9",
    b"-",
    b"9" * 40,
]
_ODD_BYTES += [
    b"<",
    b">",
    b"&",
    b"&a;",
    b"<!DOCTYPE a>",
    b"]]>",
    b"<item>",
    b"</item>",
    b"{",
    b"}",
    b"NaN",
]


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """A sound file with some of its bytes overwritten, or none of its kind."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.one_of(st.binary(max_size=200), st.just(b""), json_lines))
    data = draw(st.sampled_from(FILES))
    for _ in range(draw(st.integers(0, 3))):
        at, gone = draw(st.integers(0, len(data))), draw(st.integers(0, 6))
        data = data[:at] + draw(st.sampled_from(_ODD_BYTES)) + data[at + gone :]
    return data


json_lines = st.lists(spoiled(ITEM, ITEM_MINOR), min_size=1, max_size=3).map(
    lambda rows: "\n".join(map(json.dumps, rows)).encode()
)


@MANY
@given(files(), st.booleans())
def test_feeds(data: bytes, packed: bool) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(InvalidInputError):
        path = Path(folder) / "feed"
        with path.open("wb") as target:
            unpack_feed(io.BytesIO(gzip.compress(data) if packed else data), target)
        assert path.read_bytes() == data or data[:2] == b"\x1f\x8b"
        for row in read_feed(path):
            assert storable(parse_item(row, SHOP, 0))


@MANY
@given(st.binary(max_size=300).map(lambda rest: b"\x1f\x8b\x08\x00" + rest))
def test_broken_gzip(data: bytes) -> None:
    with contextlib.suppress(InvalidInputError):
        unpack_feed(io.BytesIO(data), io.BytesIO())


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".jsonl", ".parquet", ".tsv"])
@settings(MANY, max_examples=60)
@given(data=files())
@example(data=b'null": 1, ' + b"9" * 40 + b'Cup"\n')
def test_history_files(suffix: str, data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(InvalidInputError):
        path = Path(folder) / f"history{suffix}"
        path.write_bytes(gzip.compress(data) if suffix.endswith(".gz") else data)
        table = read_table(path)
        for use in (read_orders, read_past):
            with contextlib.suppress(InvalidInputError):
                use(table)


def read_orders(table: pa.Table) -> object:
    return sort_out([("file", table)], currency="EUR", timezone="Europe/Paris")


def read_past(table: pa.Table) -> object:
    return read_events([("file", table)], SHOP)
