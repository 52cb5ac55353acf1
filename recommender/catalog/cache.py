"""Catalogues in memory, kept fresh from the database (verb)."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import sqlalchemy as sa

from recommender import tables
from recommender.catalog.snapshot import CatalogueSnapshot
from recommender.catalog.update_rules import read_rules
from recommender.records import Item
from recommender.shops.acting import for_shop
from recommender.telemetry import FAILED_OPEN_TOTAL

POLL_SECONDS = 1.0
"""How often the database is asked when nobody announced a revision we lack."""
HEAL_SECONDS = 20.0
"""How often it is asked although the announced revision is known: an announcement can be lost."""
_ROWS_AT_ONCE = 2_000


@dataclass(slots=True)
class _Entry:
    snapshot: CatalogueSnapshot = field(default_factory=CatalogueSnapshot)
    asked_at_seconds: float | None = None
    used_at_seconds: float = 0.0
    sought_revision: int = 0
    refreshing: threading.Lock = field(default_factory=threading.Lock)


class CatalogueCache:
    """Gives every request the newest catalogue without a query per request.

    Safe to use from several threads. One thread refreshes; the others meanwhile go on with the
    snapshot they have. When the database does not answer, the last snapshot stays in use.
    """

    def __init__(
        self, database: sa.Engine, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}

    def get(self, shop_id: str, at_least_revision: int = 0) -> CatalogueSnapshot:
        """Return a shop's catalogue.

        Args:
            shop_id: The shop; an unknown one has an empty catalogue.
            at_least_revision: Revision announced through the hot state, 0 when unknown. A newer
                one than ours is fetched at once.
        """
        with self._lock:
            entry = self._entries.setdefault(shop_id, _Entry())
        entry.used_at_seconds = self._monotonic()
        if not self._is_due(entry, at_least_revision):
            return entry.snapshot
        nothing_yet = entry.asked_at_seconds is None
        if entry.refreshing.acquire(blocking=nothing_yet):
            try:
                if self._is_due(entry, at_least_revision):
                    entry.sought_revision = max(entry.sought_revision, at_least_revision)
                    self._refresh(shop_id, entry)
            finally:
                entry.refreshing.release()
        return entry.snapshot

    def held(self) -> dict[str, tuple[int, float]]:
        """Return bytes and monotonic second of the last use of each catalogue, by shop."""
        with self._lock:
            entries = list(self._entries.items())
        return {
            shop_id: (entry.snapshot.n_bytes, entry.used_at_seconds) for shop_id, entry in entries
        }

    def forget(self, shop_id: str) -> None:
        """Let a catalogue go; requests that have it keep it."""
        with self._lock:
            self._entries.pop(shop_id, None)

    def _is_due(self, entry: _Entry, at_least_revision: int) -> bool:
        if entry.asked_at_seconds is None:
            return True
        # Each announcement is followed at once, but only once: the database may lag behind it.
        if at_least_revision > max(entry.snapshot.revision, entry.sought_revision):
            return True
        age_seconds = self._monotonic() - entry.asked_at_seconds
        known = 0 < at_least_revision <= entry.snapshot.revision
        return age_seconds >= (HEAL_SECONDS if known else POLL_SECONDS)

    def _refresh(self, shop_id: str, entry: _Entry) -> None:
        try:
            with for_shop(shop_id), self._database.connect() as connection:
                entry.snapshot = _newest(connection, shop_id, entry.snapshot)
        except sa.exc.SQLAlchemyError:
            FAILED_OPEN_TOTAL.labels(part="catalogue").inc()
        entry.asked_at_seconds = self._monotonic()


def _newest(connection: sa.Connection, shop_id: str, known: CatalogueSnapshot) -> CatalogueSnapshot:
    # The shop's revision is read before the rows: writers hold its row until they commit, so
    # every row up to this revision is visible to the later queries.
    shops = tables.shops.c
    row = connection.execute(
        sa.select(shops.catalogue_revision, shops.rules_revision).where(shops.shop_id == shop_id)
    ).first()
    revision = row.catalogue_revision if row is not None else 0
    if revision < known.revision:
        known = CatalogueSnapshot()  # an older database was restored
    if row is None or revision == known.revision:
        return known
    if row.rules_revision != known.rules_revision:
        known = known.with_rules(read_rules(connection, shop_id), row.rules_revision)
    rows = connection.execute(
        sa.select(tables.items)
        .where(tables.items.c.shop_id == shop_id, tables.items.c.revision > known.revision)
        .order_by(tables.items.c.item_id)
        .execution_options(yield_per=_ROWS_AT_ONCE)
    )
    return known.with_changes((_read_item(row) for row in rows), revision)


def _read_item(row: sa.Row[tuple[object, ...]]) -> Item:
    values = dict(row._mapping)
    del values["updated_at"]
    return Item(**values)
