"""A shop's secret keys (verb): several at once, so that one can be replaced without a pause.

Only hashes are stored. People tell keys apart by their first characters.
"""

import datetime as dt
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from recommender import tables
from recommender.errors import InvalidInputError, NotFoundError
from recommender.shops.acting import all_shops
from recommender.shops.audit import record_audit
from recommender.shops.keys import key_hash, key_hint, secret_key

MAX_KEYS = 10
USE_NOTED_EVERY = dt.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class SecretKey:
    """What may be shown of a key.

    Attributes:
        hint: Its first characters.
        last_used_at: Exact to an hour.
    """

    hint: str
    created_at: dt.datetime
    last_used_at: dt.datetime | None
    revoked_at: dt.datetime | None


def add_secret_key(
    shop_id: str,
    *,
    database: sa.Engine,
    now: dt.datetime,
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> str:
    """Add a secret key and return it, this once; the earlier ones stay valid until revoked.

    Raises:
        NotFoundError: There is no such shop.
        InvalidInputError: Code `too-many-keys`.
    """
    key = secret_key(random(32))
    with database.begin() as connection:
        insert_secret_key(connection, shop_id, key, now)
        if len(_active(connection, shop_id)) > MAX_KEYS:
            raise InvalidInputError(
                f"A shop has at most {MAX_KEYS} valid keys; revoke one first", code="too-many-keys"
            )
    return key


def insert_secret_key(connection: sa.Connection, shop_id: str, key: str, now: dt.datetime) -> None:
    """Store what is kept of a new key.

    Raises:
        NotFoundError: There is no such shop.
    """
    values = {"key_hash": key_hash(key), "hint": key_hint(key), "created_at": now}
    known = sa.select(tables.shops.c.shop_id).where(tables.shops.c.shop_id == shop_id)
    if connection.execute(known).first() is None:
        raise NotFoundError(f"There is no shop {shop_id}", code="unknown-shop")
    connection.execute(tables.secret_keys.insert().values(shop_id=shop_id, **values))
    record_audit(connection, "key.created", shop_id=shop_id, subject=key_hint(key))


def list_secret_keys(shop_id: str, *, database: sa.Engine) -> list[SecretKey]:
    """Return a shop's keys, oldest first, the revoked ones too."""
    rows = tables.secret_keys.c
    query = (
        sa.select(rows.hint, rows.created_at, rows.last_used_at, rows.revoked_at)
        .where(rows.shop_id == shop_id)
        .order_by(rows.created_at, rows.hint)
    )
    with database.connect() as connection:
        return [SecretKey(**row._mapping) for row in connection.execute(query)]


def revoke_secret_key(shop_id: str, hint: str, *, database: sa.Engine, now: dt.datetime) -> None:
    """Make a key invalid, from the next request on.

    Args:
        shop_id: Whose key it is.
        hint: Its first characters, as listed.
        database: Control data.
        now: Becomes `revoked_at`.

    Raises:
        NotFoundError: Code `unknown-secret-key`: the shop has no valid key that begins so.
        InvalidInputError: Code `last-key`: the shop would be left without one.
    """
    rows = tables.secret_keys
    with database.begin() as connection:
        mine = rows.c.shop_id == shop_id
        gone = connection.execute(
            rows.update()
            .where(mine, rows.c.hint == hint, rows.c.revoked_at.is_(None))
            .values(revoked_at=now)
        ).rowcount
        if not gone:
            raise NotFoundError(f"There is no valid key {hint[:20]!r}", code="unknown-secret-key")
        if not _active(connection, shop_id):
            raise InvalidInputError(
                "This is the shop's last valid key; add its successor first", code="last-key"
            )
        record_audit(connection, "key.revoked", shop_id=shop_id, subject=hint)


def holder_of(key: str, *, database: sa.Engine) -> str | None:
    """Return the id of the shop that holds this valid key, None when nobody does.

    The index finds a hash, not the key: how long that takes tells nothing about any key.
    """
    rows, wanted = tables.secret_keys.c, key_hash(key)
    query = sa.select(rows.shop_id, rows.key_hash).where(
        rows.key_hash == wanted, rows.revoked_at.is_(None)
    )
    with all_shops(), database.connect() as connection:
        row = connection.execute(query).first()
    if row is None or not hmac.compare_digest(row.key_hash, wanted):
        return None
    return str(row.shop_id)


def note_use(shop_id: str, key: str, *, database: sa.Engine, now: dt.datetime) -> None:
    """Remember that a key was used, at most once an hour."""
    rows = tables.secret_keys
    mine = sa.and_(rows.c.shop_id == shop_id, rows.c.key_hash == key_hash(key))
    with database.connect() as connection:
        last = connection.execute(sa.select(rows.c.last_used_at).where(mine)).scalar_one_or_none()
    if last is None or now - last >= USE_NOTED_EVERY:
        with database.begin() as connection:
            connection.execute(rows.update().where(mine).values(last_used_at=now))


def _active(connection: sa.Connection, shop_id: str) -> list[str]:
    rows = tables.secret_keys.c
    query = sa.select(rows.hint).where(rows.shop_id == shop_id, rows.revoked_at.is_(None))
    return list(connection.scalars(query))
