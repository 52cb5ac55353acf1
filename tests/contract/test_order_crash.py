"""A process that dies right after an order is stored: nothing of it is lost, nothing doubled."""

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import sqlalchemy as sa

from recommender import tables
from recommender.adapters.redis_state import RedisState
from recommender.events.send_orders import send_waiting_orders
from recommender.records import Shop

TAKES_AN_ORDER = """
    import datetime as dt, sys
    from pathlib import Path
    from recommender.adapters.database import open_database
    from recommender.adapters.redis_state import RedisState
    from recommender.crash_points import arm_crash_point
    from recommender.events.orders import parse_order
    from recommender.events.record_order import record_facts
    from recommender.shops.directory import ShopDirectory

    database_url, redis_url, shop_id, home, point = sys.argv[1:]
    arm_crash_point(point, Path(home))
    database = open_database(database_url)
    shop = ShopDirectory(database).by_id(shop_id)
    body = {"order_id": "A-1", "placed_at": "2026-03-02T09:00:00Z", "currency": "EUR",
            "net_minor": 650, "items": [{"item_id": "mug"}]}
    fact = parse_order(body, shop=shop, received_at=dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC))
    record_facts([fact], database=database, stream=RedisState(redis_url))
"""


def test_an_order_stored_before_the_crash_reaches_the_stream_after_it(
    tmp_path: Path, database: sa.Engine, database_url: str, redis_url: str, shop: Shop
) -> None:
    def take(point: str) -> int:
        arguments = [database_url, redis_url, shop.shop_id, str(tmp_path), point]
        program = [sys.executable, "-c", textwrap.dedent(TAKES_AN_ORDER), *arguments]
        return subprocess.run(program, check=False, timeout=120).returncode

    assert take("order-recorded") == -signal.SIGKILL
    state = RedisState(redis_url)
    assert state.pending() == 0
    # The shop sends it again, because it got no answer; then the scheduler finds what waits.
    assert take("") == 0
    assert send_waiting_orders(database=database, stream=state) == 1
    events = [event for entry in state.read(0, 100) for event in entry.events]
    assert [event.order_id for event in events] == ["A-1"]
    with database.connect() as connection:
        assert connection.execute(sa.select(tables.orders.c.net_minor)).scalars().all() == [650]
