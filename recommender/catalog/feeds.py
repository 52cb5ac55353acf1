"""Merchant feeds (verb): taken at once, read in the background, reported row by row.

A feed waits in the control database, so it outlives every process. Whoever takes one marks it; one
whose reader died is taken again, which is harmless: reading a feed twice changes nothing.
"""

import datetime as dt
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

import sqlalchemy as sa

from recommender import tables
from recommender.errors import InvalidInputError, NotFoundError, RecommenderError
from recommender.ports import HotState
from recommender.records import Shop
from recommender.shops.acting import for_shop

MAX_WAITING = 3
MAX_ATTEMPTS = 3
ABANDONED_AFTER = dt.timedelta(minutes=30)
"""Longer than fetching and reading the largest feed takes."""

Fetch = Callable[[str, BinaryIO], None]
"""Write what is at an address to a file; raises what the feed's report shall say."""


@dataclass(frozen=True, slots=True)
class Feed:
    """Where a feed stands.

    Attributes:
        state: `waiting`, `running`, `done` or `failed`.
        report: Of one that is done: what `load_rows` returns; of one that failed: code, detail.
    """

    feed_id: str
    state: str
    report: dict[str, Any]
    created_at: dt.datetime
    finished_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class _Taken:
    shop_id: str
    feed_id: str
    url: str
    body: bytes | None
    attempts: int


def submit_feed(
    shop_id: str,
    feed_id: str,
    *,
    database: sa.Engine,
    now: dt.datetime,
    body: bytes | None = None,
    url: str = "",
) -> None:
    """Let a feed wait for its reader.

    Args:
        shop_id: Whose it is.
        feed_id: New id.
        database: Control data.
        now: Becomes `created_at`.
        body: The feed itself, or None with a `url`.
        url: Where it will be fetched.

    Raises:
        InvalidInputError: Code `too-many-feeds`: some wait already.
    """
    rows = tables.feeds
    with database.begin() as connection:
        connection.execute(
            rows.insert().values(
                shop_id=shop_id,
                feed_id=feed_id,
                state="waiting",
                url=url,
                body=body,
                report={},
                created_at=now,
            )
        )
        waiting = sa.select(sa.func.count()).where(
            rows.c.shop_id == shop_id, rows.c.state == "waiting"
        )
        if connection.execute(waiting).scalar_one() > MAX_WAITING:
            raise InvalidInputError(
                f"{MAX_WAITING} feeds wait already; send the next when one is done",
                code="too-many-feeds",
            )


def read_feed_state(shop_id: str, feed_id: str, *, database: sa.Engine) -> Feed:
    """Return where a feed stands.

    Raises:
        NotFoundError: Code `unknown-feed`.
    """
    rows = tables.feeds.c
    query = sa.select(
        rows.feed_id, rows.state, rows.report, rows.created_at, rows.finished_at
    ).where(rows.shop_id == shop_id, rows.feed_id == feed_id)
    with database.connect() as connection:
        row = connection.execute(query).first()
    if row is None:
        raise NotFoundError(f"There is no feed {feed_id[:60]}", code="unknown-feed")
    return Feed(**row._mapping)


def take_feed(
    *,
    database: sa.Engine,
    hot_state: HotState,
    shop_by_id: Callable[[str], Shop],
    fetch: Fetch,
    now: Callable[[], dt.datetime],
) -> str | None:
    """Read the oldest waiting feed of all shops into its shop's catalogue.

    Returns:
        Its id; None when none waits.
    """
    taken = _take(database, now())
    if taken is None:
        return None
    with for_shop(taken.shop_id):
        state = "done"
        try:
            report = _load(taken, shop_by_id(taken.shop_id), database, hot_state, fetch, now())
        except RecommenderError as error:
            state, report = "failed", {"code": error.code, "detail": str(error)}
        _finish(taken, state, report, database, now())
    return taken.feed_id


def _take(database: sa.Engine, now: dt.datetime) -> _Taken | None:
    rows = tables.feeds
    abandoned = sa.and_(rows.c.state == "running", rows.c.started_at < now - ABANDONED_AFTER)
    ready = sa.and_(sa.or_(rows.c.state == "waiting", abandoned), rows.c.attempts < MAX_ATTEMPTS)
    oldest = sa.select(rows.c.shop_id, rows.c.feed_id, rows.c.attempts).where(ready)
    with database.begin() as connection:
        connection.execute(
            rows.update()
            .where(abandoned, rows.c.attempts >= MAX_ATTEMPTS)
            .values(
                state="failed",
                report={
                    "code": "feed-unreadable",
                    "detail": "Reading this feed never came to an end",
                },
                body=None,
                finished_at=now,
            )
        )
        found = connection.execute(oldest.order_by(rows.c.created_at).limit(1)).first()
    if found is None:
        return None
    with database.begin() as connection:
        # Of two that found it, only the one that still sees the old count gets it.
        row = connection.execute(
            rows.update()
            .where(
                rows.c.shop_id == found.shop_id,
                rows.c.feed_id == found.feed_id,
                rows.c.attempts == found.attempts,
                ready,
            )
            .values(state="running", attempts=rows.c.attempts + 1, started_at=now)
            .returning(rows.c.shop_id, rows.c.feed_id, rows.c.url, rows.c.body, rows.c.attempts)
        ).first()
    return None if row is None else _Taken(**row._mapping)


def _load(
    taken: _Taken,
    shop: Shop,
    database: sa.Engine,
    hot_state: HotState,
    fetch: Fetch,
    now: dt.datetime,
) -> dict[str, Any]:
    # Web workers only take feeds, and save the libraries that read them.
    from recommender.catalog.feed_files import read_packed_feed
    from recommender.catalog.load_items import load_rows

    with tempfile.TemporaryFile() as packed:
        if taken.body is None:
            fetch(taken.url, packed)
        else:
            packed.write(taken.body)
        packed.seek(0)
        rows = read_packed_feed(packed)
    return load_rows(rows, shop=shop, database=database, hot_state=hot_state, now=now)


def _finish(
    taken: _Taken, state: str, report: dict[str, Any], database: sa.Engine, now: dt.datetime
) -> None:
    rows = tables.feeds
    with database.begin() as connection:
        connection.execute(
            rows.update()
            .where(
                rows.c.shop_id == taken.shop_id,
                rows.c.feed_id == taken.feed_id,
                rows.c.attempts == taken.attempts,
            )
            .values(state=state, report=report, body=None, finished_at=now)
        )
