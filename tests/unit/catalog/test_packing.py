import datetime as dt
from dataclasses import replace

import orjson
from hypothesis import given
from hypothesis import strategies as st

from recommender.catalog.packing import fragment, pack, packed_fragments, packed_title, unpack
from recommender.records import Item

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
MINORS = st.integers(-(2**53), 2**53)
ITEMS = st.builds(
    Item,
    shop_id=TEXTS,
    item_id=TEXTS,
    title=TEXTS,
    url=TEXTS,
    image_url=TEXTS,
    price_minor=MINORS,
    currency=TEXTS,
    category=TEXTS,
    brand=TEXTS,
    group_id=TEXTS,
    available=st.booleans(),
    revision=st.integers(0, 2**53),
    cost_minor=st.none() | MINORS,
    stock=st.none() | MINORS,
    first_seen_at=st.none() | st.datetimes(timezones=st.just(dt.UTC)),
)


@given(ITEMS)
def test_every_item_comes_back_as_it_was(item: Item) -> None:
    assert unpack(pack(item)) == item


@given(ITEMS)
def test_the_fragment_lies_ready(item: Item) -> None:
    (packed,) = packed_fragments([pack(item)])
    assert packed == fragment(item)
    assert orjson.loads(packed + b"}")["title"] == item.title


@given(ITEMS, st.text('",:\\ titleur{}[]', max_size=20))
def test_the_title_lies_ready_whatever_it_holds(item: Item, title: str) -> None:
    packed = pack(replace(item, title=title))
    assert orjson.loads(b'"%b"' % packed_title(packed)) == title
