"""An ingester as a process of its own, that can be told where to die.

Usage: ingester_process.py REDIS_URL LAKE DATABASE_URL [CRASH_AT]
"""

import datetime as dt
import signal
import sys
import threading
from pathlib import Path

from recommender.adapters.database import open_database
from recommender.adapters.event_log import DeltaEventLog
from recommender.adapters.redis_state import RedisState
from recommender.crash_points import arm_crash_point
from recommender.events import ingest


def main(redis_url: str, lake: str, database_url: str, crash_at: str = "") -> None:
    arm_crash_point(crash_at, Path(lake).parent)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    ingest.LINGER_SECONDS = 0.02  # many commits in a short test
    ingest.BLOCK_MS = 100
    ingest.MAX_PAUSE_SECONDS = 0.2
    ingest.CLAIM_SECONDS = 1.0
    ingest.STANDBY_SECONDS = 0.1
    event_log = DeltaEventLog(lake)
    event_log.recover()
    ingest.run(
        RedisState(redis_url),
        event_log,
        database=open_database(database_url),
        now=lambda: dt.datetime.now(dt.UTC),
        stop=stop,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
