"""An ingester as a process of its own, that can be told where to die.

Usage: ingester_process.py REDIS_URL LAKE DATABASE_URL [STEP COUNT]

At the COUNT-th passing of STEP (`before-append`, `after-append`, `after-trim`) the process kills
itself, as a power cut would.
"""

import datetime as dt
import os
import signal
import sys
import threading
from collections.abc import Sequence

from recommender.adapters.database import open_database
from recommender.adapters.event_log import DeltaEventLog
from recommender.adapters.redis_state import RedisState
from recommender.events import ingest
from recommender.records import Event


class Fuse:
    """Counts how often each step was passed, and dies at the chosen one."""

    def __init__(self, step: str = "", count: str = "1") -> None:
        self._step, self._left = step, int(count)

    def passes(self, step: str) -> None:
        if step == self._step:
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)


class FusedLog(DeltaEventLog):
    fuse = Fuse()

    def append(self, events: Sequence[Event], writer: str, position: int) -> None:
        self.fuse.passes("before-append")
        super().append(events, writer, position)
        self.fuse.passes("after-append")


class FusedState(RedisState):
    fuse = Fuse()

    def trim(self, through: int) -> None:
        super().trim(through)
        self.fuse.passes("after-trim")


def main(redis_url: str, lake: str, database_url: str, *fuse: str) -> None:
    FusedLog.fuse = FusedState.fuse = Fuse(*fuse)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    ingest.LINGER_SECONDS = 0.02  # many commits in a short test
    ingest.BLOCK_MS = 100
    ingest.MAX_PAUSE_SECONDS = 0.2
    event_log = FusedLog(lake)
    event_log.recover()
    ingest.run(
        FusedState(redis_url),
        event_log,
        database=open_database(database_url),
        now=lambda: dt.datetime.now(dt.UTC),
        stop=stop,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
