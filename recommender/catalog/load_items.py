"""Take a catalogue in from files, or from the orders of the past (verb)."""

import datetime as dt
import string
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from recommender import tables
from recommender.catalog.feed_files import FeedRow, read_packed_feed
from recommender.catalog.items import ignored_fields, parse_item
from recommender.catalog.update import put_items
from recommender.errors import InvalidInputError
from recommender.events.history_files import read_table, told_as_unreadable
from recommender.events.history_orders import HistoricItem
from recommender.ports import HotState
from recommender.records import Item, Rejection, Shop

_MAX_EXAMPLES = 20
_TITLE_LIMIT = 300


def is_items(names: Iterable[str]) -> bool:
    """Tell whether columns of these names are items of a catalogue."""
    plain = {name.lower().removeprefix("g:") for name in names}
    return bool(plain & {"item_id", "id"}) and bool(plain & {"title", "name"})


def load_items(
    paths: Sequence[Path],
    *,
    shop: Shop,
    database: sa.Engine,
    hot_state: HotState,
    now: dt.datetime,
) -> dict[str, Any]:
    """Import items from feeds: what `POST /v1/feeds` takes, and Parquet.

    Returns:
        `rows_read`, `accepted`, `rejected` (code → number), `examples` of rejections with the
        row's number from 1, names of `ignored` fields, and the catalogue's `revision`.

    Raises:
        InvalidInputError: A file cannot be read, or no row is an item; nothing was stored.
        UnavailableError: The database does not answer; nothing was stored.
    """
    rows = [row for path in paths for row in _read(path)]
    return load_rows(rows, shop=shop, database=database, hot_state=hot_state, now=now)


def _read(path: Path) -> list[FeedRow]:
    if path.suffix.lower() == ".parquet":
        rows: list[FeedRow] = read_table(path).to_pylist()
        return rows
    with told_as_unreadable(path), path.open("rb") as packed:
        try:
            return read_packed_feed(packed)
        except InvalidInputError as error:
            raise InvalidInputError(f"{path.name}: {error}", code=error.code) from error


def load_rows(
    rows: Sequence[FeedRow],
    *,
    shop: Shop,
    database: sa.Engine,
    hot_state: HotState,
    now: dt.datetime,
) -> dict[str, Any]:
    """Import items from rows of named fields; returns and raises as `load_items`."""
    outcomes = [
        replace(row, index=index) if isinstance(row, Rejection) else parse_item(row, shop, index)
        for index, row in enumerate(rows)
    ]
    items = [outcome for outcome in outcomes if isinstance(outcome, Item)]
    rejections = [outcome for outcome in outcomes if isinstance(outcome, Rejection)]
    if not items:
        why = f": {rejections[0].detail} (first row)" if rejections else ""
        raise InvalidInputError(f"No row is an item{why}", code="no-items")
    revision = put_items(
        items, database=database, hot_state=hot_state, shop_id=shop.shop_id, now=now
    )
    return {
        "rows_read": len(rows),
        "accepted": len(items),
        "rejected": dict(Counter(rejection.code for rejection in rejections)),
        "examples": [
            {"row": rejection.index + 1, "code": rejection.code, "detail": rejection.detail}
            for rejection in rejections[:_MAX_EXAMPLES]
        ],
        "ignored": ignored_fields(rows),
        "revision": revision,
    }


def item_of_history(known: HistoricItem, shop: Shop) -> Item:
    """Return what an order export tells of an item: not where it is, so it cannot be shown."""
    title = known.title[:_TITLE_LIMIT]
    return Item(
        shop_id=shop.shop_id,
        item_id=known.item_id,
        title=string.capwords(title) if title.isupper() else title,
        url="",
        image_url="",
        price_minor=known.price_minor,
        currency=shop.currency,
    )


def store_items_of_history(
    known: Sequence[HistoricItem],
    *,
    shop: Shop,
    database: sa.Engine,
    hot_state: HotState,
    now: dt.datetime,
    describe: Callable[[HistoricItem, Shop], Item] = item_of_history,
) -> None:
    """Add items that the catalogue lacks; what the shop itself told of an item stays.

    Args:
        known: Items that old orders speak of.
        shop: Whose items they are.
        database: Control data.
        hot_state: Told of the new revision.
        now: Becomes `updated_at`.
        describe: Makes the item.
    """
    query = sa.select(tables.items.c.item_id).where(tables.items.c.shop_id == shop.shop_id)
    with database.connect() as connection:
        present = set(connection.execute(query).scalars())
    put_items(
        [describe(item, shop) for item in known if item.item_id not in present],
        database=database,
        hot_state=hot_state,
        shop_id=shop.shop_id,
        now=now,
    )
