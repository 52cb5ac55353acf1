"""Catalogues in memory, kept fresh from the database (verb).

A few changed items are read by the request that hears of them. A whole feed takes seconds, which
all who wait behind that request would lose: it is read beside the requests, which go on with what
there was, and is shown when everything that they need of it is made.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import attrgetter

import sqlalchemy as sa

from recommender import tables
from recommender.catalog.snapshot import CatalogueSnapshot
from recommender.catalog.update_rules import read_rules
from recommender.records import Item
from recommender.shops.acting import for_shop
from recommender.telemetry import FAILED_OPEN_TOTAL, get_logger

POLL_SECONDS = 1.0
"""How often the database is asked when nobody announced a revision we lack."""
HEAL_SECONDS = 20.0
"""How often it is asked although the announced revision is known: an announcement can be lost."""
FEW_ITEMS = 50
"""Up to so many changed items are read, and aligned to a model, within a request."""
_ROWS_AT_ONCE = 2_000


@dataclass(slots=True)
class _Entry:
    first_used_at_seconds: float
    snapshot: CatalogueSnapshot = field(default_factory=CatalogueSnapshot)
    asked_at_seconds: float | None = None
    used_at_seconds: float = 0.0
    sought_revision: int = 0
    refreshing: threading.Lock = field(default_factory=threading.Lock)
    was_read: threading.Event = field(default_factory=threading.Event)


def _need_nothing(shop_id: str, catalogue: CatalogueSnapshot) -> None:
    del shop_id, catalogue


class CatalogueCache:
    """Gives every request the newest catalogue without a query per request.

    Safe to use from several threads. One thread refreshes; the others meanwhile go on with the
    snapshot they have. When the database does not answer, the last snapshot stays in use.

    Args:
        patience_seconds: So long after a shop was first asked for, requests wait for its first
            catalogue; more than a few items are then read beside them. None reads all at once.

    Attributes:
        prepare: Told of each catalogue that was read beside the requests, before they see it.
    """

    def __init__(
        self,
        database: sa.Engine,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        patience_seconds: float | None = None,
    ) -> None:
        self._database = database
        self._monotonic = monotonic
        self._patience_seconds = patience_seconds
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}
        self.prepare: Callable[[str, CatalogueSnapshot], None] = _need_nothing

    def get(self, shop_id: str, at_least_revision: int = 0) -> CatalogueSnapshot:
        """Return a shop's catalogue.

        Args:
            shop_id: The shop; an unknown one has an empty catalogue.
            at_least_revision: Revision announced through the hot state, 0 when unknown. A newer
                one than ours is fetched at once.
        """
        entry = self._entry(shop_id)
        if not self._is_due(entry, at_least_revision):
            return entry.snapshot
        is_first = entry.asked_at_seconds is None
        if entry.refreshing.acquire(blocking=is_first and self._patience_seconds is None):
            goes_on = False
            try:
                if self._is_due(entry, at_least_revision):
                    entry.sought_revision = max(entry.sought_revision, at_least_revision)
                    goes_on = self._refresh(shop_id, entry)
            finally:
                if not goes_on:
                    entry.refreshing.release()
        if is_first:
            entry.was_read.wait(self._patience_left(entry))
        return entry.snapshot

    def load(self, shop_id: str) -> CatalogueSnapshot:
        """Return a shop's catalogue, however long its first reading takes."""
        self.get(shop_id)
        entry = self._entry(shop_id)
        entry.was_read.wait()
        return entry.snapshot

    def is_reading(self, shop_id: str) -> bool:
        """Tell whether changes are known of that `get` does not show yet."""
        return self._entry(shop_id).refreshing.locked()

    def _entry(self, shop_id: str) -> _Entry:
        now = self._monotonic()
        entry = self._entries.get(shop_id)
        if entry is None:
            with self._lock:
                entry = self._entries.setdefault(shop_id, _Entry(now))
        entry.used_at_seconds = now
        return entry

    def _patience_left(self, entry: _Entry) -> float | None:
        if self._patience_seconds is None:
            return None
        waited_seconds = self._monotonic() - entry.first_used_at_seconds
        return max(self._patience_seconds - waited_seconds, 0.0)

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

    def _refresh(self, shop_id: str, entry: _Entry) -> bool:
        """Read what changed; tell whether a thread of its own goes on with that."""
        is_patient = self._patience_seconds is None
        if is_patient or entry.asked_at_seconds is not None:
            newest = self._read(shop_id, entry, None if is_patient else FEW_ITEMS)
            if newest is not None:
                self._show(entry, newest)
                return False
        reading = threading.Thread(target=self._read_beside, args=(shop_id, entry), daemon=True)
        reading.start()
        return True

    def _read_beside(self, shop_id: str, entry: _Entry) -> None:
        newest = entry.snapshot
        try:
            read = self._read(shop_id, entry)
            newest = newest if read is None else read
            self.prepare(shop_id, newest)
        except Exception:
            # Requests make for themselves what is lacking.
            FAILED_OPEN_TOTAL.labels(part="catalogue").inc()
            get_logger().exception("catalogue-not-prepared", shop_id=shop_id)
        finally:
            self._show(entry, newest)
            entry.refreshing.release()

    def _show(self, entry: _Entry, newest: CatalogueSnapshot) -> None:
        entry.snapshot = newest
        entry.asked_at_seconds = self._monotonic()
        entry.was_read.set()

    def _read(
        self, shop_id: str, entry: _Entry, at_most: int | None = None
    ) -> CatalogueSnapshot | None:
        """Return the newest catalogue, or None when more items changed than are to be read."""
        try:
            with for_shop(shop_id), self._database.connect() as connection:
                return _newest(connection, shop_id, entry.snapshot, at_most)
        except sa.exc.SQLAlchemyError:
            FAILED_OPEN_TOTAL.labels(part="catalogue").inc()
            return entry.snapshot


def _newest(
    connection: sa.Connection, shop_id: str, known: CatalogueSnapshot, at_most: int | None
) -> CatalogueSnapshot | None:
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
    changed = sa.select(tables.items).where(
        tables.items.c.shop_id == shop_id, tables.items.c.revision > known.revision
    )
    if at_most is not None:
        few = connection.execute(changed.limit(at_most + 1)).all()
        if len(few) > at_most:
            return None
        return known.with_changes(sorted(map(_read_item, few), key=_item_id), revision)
    rows = connection.execute(
        changed.order_by(tables.items.c.item_id).execution_options(yield_per=_ROWS_AT_ONCE)
    )
    return known.with_changes((_read_item(row) for row in rows), revision)


_item_id = attrgetter("item_id")


def _read_item(row: sa.Row[tuple[object, ...]]) -> Item:
    values = dict(row._mapping)
    del values["updated_at"]
    return Item(**values)
