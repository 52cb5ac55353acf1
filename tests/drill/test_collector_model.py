"""The collector as a state machine: any order of sending, dying, coming back.

A model of a dozen lines says what must be stored. After every step nothing may be stored that was
never sent, or twice; when all is up again, everything acknowledged must be there (identities I1
and I4 of the drill).
"""

import contextlib
import datetime as dt
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import uuid_utils
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from drill.servers import RedisServer
from recommender.adapters.database import migrate
from recommender.bootstrap import Services, bootstrap
from recommender.config import Settings
from recommender.crash_points import CRASH_POINTS
from recommender.errors import UnavailableError
from recommender.events.ingest import WRITER, ingest_once
from recommender.records import Event, EventType, Source

SHOPS = ("shop_a", "shop_b")
POINTS = [name for name in CRASH_POINTS if name.startswith("ingest-") and name != "ingest-rejected"]
INGEST = (
    "import threading; from recommender.bootstrap import bootstrap; "
    "from recommender.config import Settings; from recommender.events.ingest import *; "
    "s = bootstrap(Settings.from_environ()); s.event_log.recover(); "
    "ingest_once(s.state, s.event_log, database=s.database, writer=WRITER, now=s.now, "
    "limit=1000, block_ms=1)"
)


def make_event(shop_id: str) -> Event:
    now = dt.datetime.now(dt.UTC)
    return Event(
        shop_id=shop_id,
        event_id=str(uuid_utils.uuid7()),
        type=EventType.PAGE_VIEW,
        visitor="ab" * 16,
        occurred_at=now,
        received_at=now,
        day=now.date(),
        source=Source.BROWSER,
    )


class Collector(RuleBasedStateMachine):
    """Two shops, one Redis, one ingester; the model is `sent` and `acknowledged`."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="rcm-"))
        self.server = RedisServer(self.folder / "redis")
        self.server.start()
        self.up = True
        self.environ = {
            "RECOMMENDER_HOME": str(self.folder / "home"),
            "RECOMMENDER_REDIS_URL": self.server.url,
        }
        self.services: Services = bootstrap(Settings.from_environ(self.environ))
        migrate(self.services.database)
        self.sent: dict[str, Event] = {}
        self.acknowledged: set[str] = set()

    @rule(shop=st.sampled_from(SHOPS), count=st.integers(1, 3))
    def send(self, shop: str, count: int) -> None:
        self._deliver([make_event(shop) for _ in range(count)])

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def send_again(self, data: Any) -> None:
        event = self.sent[data.draw(st.sampled_from(sorted(self.sent)))]
        self._deliver([event, event])

    def _deliver(self, events: list[Event]) -> None:
        self.sent |= {event.event_id: event for event in events}
        try:
            self.services.state.accept(events, {})
        except UnavailableError:
            return
        self.acknowledged |= {event.event_id for event in events}

    @precondition(lambda self: self.up)
    @rule()
    def kill_redis(self) -> None:
        self.server.kill()
        self.up = False

    @precondition(lambda self: not self.up)
    @rule()
    def start_redis(self) -> None:
        self.server.start()
        self.up = True

    @precondition(lambda self: self.up)
    @rule()
    def ingest(self) -> None:
        self._bring_back()
        with contextlib.suppress(UnavailableError):
            ingest_once(
                self.services.state,
                self.services.event_log,
                database=self.services.database,
                writer=WRITER,
                now=self.services.now,
                limit=1000,
                block_ms=1,
            )

    @precondition(lambda self: self.up and self.acknowledged)
    @rule(point=st.sampled_from(POINTS))
    def crash(self, point: str) -> None:
        marker = self.folder / "home" / "run" / f"crashed-at-{point}"
        marker.unlink(missing_ok=True)
        environ = dict(os.environ) | self.environ | {"RECOMMENDER_CRASH_AT": point}
        subprocess.run([sys.executable, "-c", INGEST], env=environ, check=False)

    @rule()
    def restart_web(self) -> None:
        """Another process takes the spool and the stream over."""
        self.services.database.dispose()
        self.services = bootstrap(Settings.from_environ(self.environ))

    @rule()
    def compact(self) -> None:
        self.services.event_log.compact()

    def _bring_back(self) -> None:
        with contextlib.suppress(UnavailableError):
            self.services.state.look()
            self.services.state.bring_back()

    @invariant()
    def nothing_is_doubled_or_made_up(self) -> None:
        if not hasattr(self, "sent"):
            return
        for shop in SHOPS:
            stored = self._stored(shop)
            assert set(stored.values()) <= {1}
            own = {one for one, event in self.sent.items() if event.shop_id == shop}
            assert stored.keys() <= own

    def _stored(self, shop: str) -> Counter[str]:
        table = self.services.event_log.events(shop).select("event_id").to_pyarrow()
        return Counter(table.column("event_id").to_pylist())

    def teardown(self) -> None:
        if not hasattr(self, "sent"):
            return
        try:
            if not self.up:
                self.start_redis()
            for _ in range(20):
                self.ingest()
                if not self.services.state.pending():
                    break
            stored = set().union(*(self._stored(shop) for shop in SHOPS))
            assert self.acknowledged <= stored, "an acknowledged event is lost"
            assert stored <= self.sent.keys()
        finally:
            self.services.database.dispose()
            self.server.stop()
            shutil.rmtree(self.folder, ignore_errors=True)


TestCollector = pytest.mark.slow(Collector.TestCase)
Collector.TestCase.settings = settings(
    max_examples=3,
    stateful_step_count=10,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
