"""The synthetic shop: as many events as asked for, always the same, with a long tail."""

import datetime as dt
import uuid
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from recommender.adapters.event_rows import check_rows
from recommender.bench import requests, synthetic
from recommender.catalog.eligibility import is_showable
from recommender.catalog.items import parse_item
from world import SHOP

ENDS_AT = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


def events(n_events: int, n_items: int = 500, seed: int = 7) -> pa.Table:
    return pa.concat_tables(synthetic.event_tables(SHOP.shop_id, n_events, n_items, ENDS_AT, seed))


@pytest.mark.parametrize("n_events", [1, 999, 20_000])
def test_events_are_as_many_as_asked_for_and_fit_the_event_log(n_events: int) -> None:
    table = events(n_events)
    check_rows(table)
    assert table.num_rows == n_events
    times = table["occurred_at"].to_pylist()
    assert times == sorted(times)
    assert ENDS_AT - dt.timedelta(days=synthetic.DAYS) <= times[0] <= times[-1] < ENDS_AT


def test_long_histories_come_in_several_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic, "_CHUNK_SESSIONS", 100)
    chunks = list(synthetic.event_tables(SHOP.shop_id, 2_000, 50, ENDS_AT, 7))
    assert len(chunks) > 1
    ids = [one for chunk in chunks for one in chunk["event_id"].to_pylist()]
    assert len(set(ids)) == 2_000


def test_equal_seeds_give_equal_events() -> None:
    assert events(3_000).equals(events(3_000))
    assert not events(3_000).equals(events(3_000, seed=8))


def test_ids_tell_their_time() -> None:
    table = events(300)
    for text, at in zip(
        table["event_id"].to_pylist(), table["occurred_at"].to_pylist(), strict=True
    ):
        assert uuid.UUID(text).variant == uuid.RFC_4122
        assert uuid.UUID(text).version == 7
        assert abs((uuid.UUID(text).int >> 80) - at.timestamp() * 1000) < 1


def test_few_items_take_most_events_and_most_items_take_some() -> None:
    table = events(50_000, n_items=2_000)
    counts = Counter(item["item_id"] for (item,) in table["items"].to_pylist())
    ranked = [count for _, count in counts.most_common()]
    # A fifth of the items has far more than a fifth of the events, and the tail is not empty.
    assert sum(ranked[:400]) > 0.5 * 50_000
    assert len(counts) > 1_500


def test_there_are_carts_and_orders_and_visitors_who_return() -> None:
    table = events(20_000)
    kinds = Counter(table["type"].to_pylist())
    assert set(kinds) == {"view_item", "add_to_cart", "order"}
    order_ids = {
        (kind == "order") == bool(order_id)
        for kind, order_id in zip(
            table["type"].to_pylist(), table["order_id"].to_pylist(), strict=True
        )
    }
    assert order_ids == {True}
    assert len(set(table["visitor"].to_pylist())) < len(set(table["session"].to_pylist()))


def test_goods_are_such_as_a_feed_would_bring() -> None:
    goods = list(synthetic.goods(SHOP.shop_id, 1_000, SHOP.currency, 7))
    assert goods == list(synthetic.goods(SHOP.shop_id, 1_000, SHOP.currency, 7))
    shown = sum(map(is_showable, goods))
    assert 900 < shown < 1_000, "some are out of stock"
    item = goods[0]
    fields = {
        "item_id": item.item_id,
        "title": item.title,
        "url": item.url,
        "image_url": item.image_url,
        "price_minor": item.price_minor,
        "category": item.category,
        "brand": item.brand,
        "available": item.available,
    }
    parsed = parse_item(fields, SHOP, 0)
    assert {name: getattr(parsed, name) for name in fields} == fields


def test_paths_lead_through_the_catalogue() -> None:
    paths = requests.visitor_paths(50, 300, 7)
    assert {len(path) for path in paths} == {requests.PATH_ITEMS + 1}
    known = {synthetic.item_id(number) for number in range(300)}
    assert {item for path in paths for item in path} <= known
    assert np.unique(paths).size > 100
