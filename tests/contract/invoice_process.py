"""Several processes that close the same shops' month at once, and are killed at it.

Usage: invoice_process.py DATABASE_URL HOME PROCESSES MOST_PASSINGS. Round after round, each process
dies at a crash point of its own or is killed from outside, until every month is closed; prints how
many were killed. What the shops' visitors did is given, and the document is its e-invoice alone, so
that all of the time goes into the transaction that closes a month.
"""

import contextlib
import datetime as dt
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from money_world import START, shop_month
from recommender import tables
from recommender.adapters.database import open_database
from recommender.billing import settle as settling
from recommender.crash_points import CRASH_POINTS, arm_crash_point
from recommender.errors import UnavailableError
from recommender.records import Shop
from recommender.shops.directory import ShopDirectory
from recommender.uplift.stored import Measurement

NOW = dt.datetime(2027, 2, 1, 9, tzinfo=dt.UTC)
POINTS = [name for name in CRASH_POINTS if name.startswith("settle-")]


def measured(*_: object, **__: object) -> Measurement:
    return Measurement(shop_month(START), {}, {}, 0, 0)


def no_days(*_: object, **__: object) -> list[Any]:
    return []


def open_shops(database: sa.Engine) -> list[Shop]:
    with database.connect() as connection:
        closed = set(connection.execute(sa.select(tables.statements.c.shop_id)).scalars())
    return [shop for shop in ShopDirectory(database).all() if shop.shop_id not in closed]


def close_all(url: str, order: random.Random) -> None:
    """Close January of every shop that is open, in an order of its own."""
    settling.collect, settling.seal_days = measured, no_days
    database = open_database(url)
    shops = open_shops(database)
    order.shuffle(shops)
    for shop in shops:
        settled = None
        while settled is None:
            # A database that many write to at once may say no; nothing was stored then.
            with contextlib.suppress(UnavailableError):
                settled = settling.settle(
                    shop,
                    "2027-01",
                    event_log=None,  # type: ignore[arg-type]
                    database=database,
                    render_invoice=lambda document: document.xml,
                    now=NOW,
                )


def start(url: str, home: Path, crash_at: str, seed: int) -> int:
    """Fork a process that closes what is open, and return its id."""
    process_id = os.fork()
    if process_id:
        return process_id
    status = 1
    try:
        arm_crash_point(crash_at, home / str(seed))
        close_all(url, random.Random(seed))
        status = 0
    finally:
        os._exit(status)


def run_round(url: str, home: Path, draw: random.Random, processes: int, passings: int) -> int:
    """Let the processes close and die together; return how many died."""
    points = draw.sample(POINTS, len(POINTS)) * processes
    running = [
        start(url, home, f"{point}:{draw.randint(2, passings)}", draw.randrange(10**9))
        for point in points[:processes]
    ]
    for process_id in draw.sample(running, processes // 3):
        # From outside, wherever it is by then.
        time.sleep(draw.uniform(0, passings / 20))
        os.kill(process_id, signal.SIGKILL)
    statuses = [os.waitpid(process_id, 0)[1] for process_id in running]
    assert set(statuses) <= {0, signal.SIGKILL}, statuses
    return statuses.count(signal.SIGKILL)


if __name__ == "__main__":
    address, folder, count, most_passings = sys.argv[1:]
    chance, killed, are_open = random.Random(20_270_201), 0, True
    while are_open:
        killed += run_round(address, Path(folder), chance, int(count), int(most_passings))
        looking = open_database(address)
        are_open = bool(open_shops(looking))
        looking.dispose()
    print(killed)
