"""Store what a shop says of its goods (verb): one new catalogue revision per change."""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields

import sqlalchemy as sa

from recommender import tables
from recommender.errors import InvalidInputError, NotFoundError, UnavailableError
from recommender.ports import HotState
from recommender.records import Item
from recommender.telemetry import FAILED_OPEN_TOTAL

# SQLite allows 32,766 bound parameters in a statement.
_CHUNK = 10_000
_OURS = ("shop_id", "revision", "first_seen_at")
_FACTS = [field.name for field in fields(Item) if field.name not in _OURS]


def put_items(
    items: Sequence[Item],
    *,
    database: sa.Engine,
    hot_state: HotState,
    shop_id: str,
    now: dt.datetime,
    in_transaction: Callable[[sa.Connection, int], None] | None = None,
) -> int:
    """Insert or overwrite items; those that did not change keep their revision.

    Args:
        items: Items of this shop; the last one wins where an id repeats.
        database: Control data.
        hot_state: Told of the new revision. When it does not answer, the catalogue's readers
            find the change by themselves a little later.
        shop_id: The shop.
        now: Becomes `updated_at`, and of a new item `first_seen_at`.
        in_transaction: Given the revision, stores something more together with the items, or
            raises to store nothing.

    Returns:
        The revision of the shop's catalogue afterwards.

    Raises:
        InvalidInputError: An item belongs to another shop.
        NotFoundError: There is no such shop.
        UnavailableError: The database does not answer; nothing was stored.
    """
    if any(item.shop_id != shop_id for item in items):
        raise InvalidInputError("An item belongs to another shop", code="wrong-shop")
    try:
        with database.begin() as connection:
            revision, written = _write(connection, items, shop_id, now)
            if in_transaction is not None:
                in_transaction(connection, revision)
    except sa.exc.OperationalError as error:
        raise UnavailableError(
            "The control database does not answer", code="database-unavailable"
        ) from error
    if written:
        announce(hot_state, shop_id, revision)
    return revision


def _write(
    connection: sa.Connection, items: Sequence[Item], shop_id: str, now: dt.datetime
) -> tuple[int, int]:
    # The shop's row is locked before anything is read: revisions become visible in their order,
    # so a reader that saw revision n never misses a row below it.
    revision = move_revision(connection, shop_id, +1)
    rows = [
        {name: getattr(item, name) for name in _FACTS}
        | {"shop_id": shop_id, "revision": revision, "updated_at": now}
        | {"first_seen_at": first_seen_at or now}
        for item, first_seen_at in _changed(connection, items, shop_id)
    ]
    tables.upsert(connection, tables.items, rows)
    return (revision if rows else move_revision(connection, shop_id, -1)), len(rows)


def move_revision(connection: sa.Connection, shop_id: str, step: int) -> int:
    """Move the revision of a shop's catalogue and return it; the shop's row stays locked.

    Raises:
        NotFoundError: There is no such shop.
    """
    column = tables.shops.c.catalogue_revision
    revision = connection.execute(
        tables.shops.update()
        .where(tables.shops.c.shop_id == shop_id)
        .values(catalogue_revision=column + step)
        .returning(column)
    ).scalar_one_or_none()
    if revision is None:
        raise NotFoundError(f"There is no shop {shop_id}", code="unknown-shop")
    return int(revision)


def _changed(
    connection: sa.Connection, items: Sequence[Item], shop_id: str
) -> Iterator[tuple[Item, dt.datetime | None]]:
    """Yield items that differ from what is stored, and since when they are known."""
    latest = {item.item_id: item for item in items}
    known = {row.item_id: row for row in _stored(connection, list(latest), shop_id)}
    for item_id, item in latest.items():
        row = known.get(item_id)
        if row is None:
            yield item, None
        elif any(getattr(row, name) != getattr(item, name) for name in _FACTS):
            yield item, row.first_seen_at


def _stored(
    connection: sa.Connection, item_ids: Sequence[str], shop_id: str
) -> Iterator[sa.Row[tuple[object, ...]]]:
    columns = [tables.items.c[name] for name in (*_FACTS, "first_seen_at")]
    for start in range(0, len(item_ids), _CHUNK):
        yield from connection.execute(
            sa.select(*columns).where(
                tables.items.c.shop_id == shop_id,
                tables.items.c.item_id.in_(item_ids[start : start + _CHUNK]),
            )
        )


def announce(hot_state: HotState, shop_id: str, revision: int) -> None:
    """Tell every worker of a new revision; without an answer they find it a little later."""
    try:
        hot_state.announce_catalogue(shop_id, revision)
    except UnavailableError:
        FAILED_OPEN_TOTAL.labels(part="catalogue-announcement").inc()
