"""Events in numbers, and the book-keeping that tells whether any was lost or doubled."""

import datetime as dt
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence

import uuid_utils

from processes import wait_until
from recommender.adapters.event_log import DeltaEventLog
from recommender.adapters.redis_state import RedisState
from recommender.errors import UnavailableError
from recommender.events.visits import visits_of
from recommender.records import Event, EventItem, EventType, Source

NOON = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)


def make_event(shop_id: str = "shop_a", *, at: dt.datetime = NOON, **changes: object) -> Event:
    """An event with an id of its own; `changes` are fields of `Event`."""
    fields: dict[str, object] = {
        "shop_id": shop_id,
        "event_id": str(uuid_utils.uuid7()),
        "type": EventType.VIEW_ITEM,
        "visitor": "ab" * 16,
        "occurred_at": at,
        "received_at": at,
        "day": at.date(),
        "source": Source.BROWSER,
        "items": (EventItem("item-1", 2, 1999),),
        "page": "/p/item-1",
    }
    return Event(**(fields | changes))  # type: ignore[arg-type]


def stored_ids(event_log: DeltaEventLog, shop_id: str = "shop_a") -> Counter[str]:
    """Every event id of a shop with the number of rows `events` shows for it."""
    column = event_log.events(shop_id).select("event_id").to_pyarrow().column("event_id")
    return Counter(column.to_pylist())


class Load:
    """Clients that send batches and, like the widget, send again until they got an answer.

    Attributes:
        acknowledged: Ids whose sending was confirmed at least once.
    """

    def __init__(self, redis_url: str, *, clients: int = 4, batch: int = 3) -> None:
        self.acknowledged: set[str] = set()
        self.failures = 0
        self._state = RedisState(redis_url)
        self._batch = batch
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send) for _ in range(clients)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive(), "a client never got its answer"

    def wait_for(self, acknowledged: int, *, seconds: float = 30) -> None:
        """Return when that many events were acknowledged."""
        wait_until(lambda: len(self.acknowledged) >= acknowledged, seconds=seconds)

    def _send(self) -> None:
        while not self._stop.is_set():
            self._deliver([make_event() for _ in range(self._batch)])
            # Leaves the processor to the processes that are under test.
            self._stop.wait(0.003)

    def _deliver(self, events: Sequence[Event]) -> None:
        deadline = time.monotonic() + 25
        while time.monotonic() < deadline:
            try:
                self._state.accept(events, visits_of(events))
            except UnavailableError:
                self.failures += 1
                time.sleep(random.uniform(0.005, 0.05))
            else:
                self.acknowledged.update(event.event_id for event in events)
                return
