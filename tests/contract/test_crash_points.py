"""A real process killed at every named point: what it left is finished by the next one.

After each death the same work is done again, and everything must be as if it had been done once.
The points of spool and orders are walked where these are tested.
"""

import datetime as dt
import re
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from crashing_process import work
from event_load import make_event, stored_ids

from money_world import CONTRACT
from recommender import crash_points, tables
from recommender.adapters.database import migrate, open_database
from recommender.adapters.event_codec import encode_events
from recommender.bootstrap import Services
from recommender.config import Settings
from recommender.crash_points import CRASH_POINTS, arm_crash_point, crash_point, parse_crash_point
from recommender.events.sealing import read_revisions
from recommender.records import Event, Shop
from recommender.shops.registry import add_contract
from shoppers import Shoppers, live_through
from world import Clock

PROCESS = Path(__file__).with_name("crashing_process.py")
MARCH = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
NOW = dt.datetime(2026, 4, 2, 6, tzinfo=dt.UTC)
WORK = {
    "ingest-read": "ingest",
    "ingest-rejected": "ingest",
    "ingest-committed": "ingest",
    "ingest-synced": "ingest",
    "ingest-trimmed": "ingest",
    "compact-merged": "compact",
    "compact-noted": "compact",
    "seal-rewritten": "seal",
    "seal-counted": "seal",
    "retention-noted": "drop",
    "retention-dropped": "drop",
    "replay-stored": "replay",
}
SETTLING = ["settle-measured", "settle-stated", "settle-numbered", "settle-posted"]


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """SQLite alone: what matters here is the order of steps, not the kind of server."""
    url = f"sqlite:///{tmp_path / 'control.db'}"
    engine = open_database(url)
    migrate(engine)
    engine.dispose()
    return url


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


def die_at(point: str, settings: Settings, shop: Shop, name: str) -> None:
    """Do the work in a process that dies at `point`."""
    done = subprocess.run(
        [sys.executable, str(PROCESS), name, shop.shop_id, NOW.isoformat()],
        env=replace(settings, crash_at=point).child_environ(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


def ids(events: list[Event]) -> Counter[str]:
    return Counter(event.event_id for event in events)


@pytest.mark.parametrize("point", WORK)
def test_nothing_is_lost_or_doubled(
    services: Services, settings: Settings, shop: Shop, point: str
) -> None:
    old, waiting, bad, rejected = (
        [make_event(shop.shop_id, at=MARCH + dt.timedelta(days=day)) for _ in range(3)]
        for day in (0, 29, 29, 29)
    )
    kept = [make_event(shop.shop_id, at=MARCH + dt.timedelta(days=29)) for _ in range(3)]
    services.event_log.append(old, "test", 1)
    services.event_log.append([*old[:1], *kept], "test", 2)
    reject(services, shop, rejected)
    services.state.accept(waiting, {})
    put_unreadable(services, bad)
    name = WORK[point]
    die_at(point, settings, shop, name)
    work(services, name, shop.shop_id)
    for other in ("ingest", "replay", "seal"):
        work(services, other, shop.shop_id)
    left = [] if name == "drop" else old
    assert stored_ids(services.event_log, shop.shop_id) == ids(left + kept + waiting + rejected)
    assert services.state.pending() == 0
    with services.database.connect() as connection:
        codes = connection.scalars(
            sa.select(tables.rejections.c.code).where(tables.rejections.c.replayed_at.is_(None))
        ).all()
    assert codes == ["damaged-event"] * 3
    first, *_ = read_revisions(shop.shop_id, database=services.database)
    assert (first.revision, first.events) == (1, 3)
    assert bool(first.dropped_at) == (name == "drop")


def reject(services: Services, shop: Shop, events: list[Event]) -> None:
    rows = [
        {
            "rejection_id": event.event_id,
            "shop_id": shop.shop_id,
            "code": "event-unstorable",
            "detail": "",
            "payload": encode_events([event]).decode(),
            "received_at": NOW,
        }
        for event in events
    ]
    with services.database.begin() as connection:
        connection.execute(tables.rejections.insert(), rows)


def put_unreadable(services: Services, events: list[Event]) -> None:
    import redis

    raw = encode_events(events).replace(b'"stratum":0', b'"stratum":"zero"')
    with redis.Redis.from_url(services.settings.redis_url) as client:
        client.xadd("events", {"e": raw})


@pytest.mark.parametrize("point", SETTLING)
def test_a_month_is_closed_once(
    services: Services, settings: Settings, shop: Shop, point: str
) -> None:
    shoppers = Shoppers(shop)
    days = [dt.date(2026, 3, 2), dt.date(2026, 3, 3)]
    live_through(shoppers, days, visitors_a_day=200, uplift=2.0, conversion=0.3)
    shoppers.tell(services.event_log, services.database)
    terms = replace(CONTRACT, shop_id=shop.shop_id, starts_on=days[0], n_star=2_000)
    add_contract(terms, database=services.database)
    die_at(point, settings, shop, "settle")
    assert counts(services) == {"statements": 0, "invoices": 0, "postings": 0}
    work(services, "settle", shop.shop_id)
    work(services, "settle", shop.shop_id)
    assert counts(services) == {"statements": 1, "invoices": 1, "postings": 3}
    with services.database.connect() as connection:
        number = connection.scalar(sa.select(tables.invoices.c.number))
        total = connection.scalar(sa.select(sa.func.sum(tables.postings.c.amount_minor)))
    # The number that was taken in vain was given back.
    assert (number, total) == ("2026-000001", 0)


def counts(services: Services) -> dict[str, int]:
    counted: dict[str, int] = {}
    with services.database.connect() as connection:
        for table in (tables.statements, tables.invoices, tables.postings):
            query = sa.select(sa.func.count()).select_from(table)
            counted[table.name] = connection.execute(query).scalar_one()
    return counted


def test_every_point_is_passed_somewhere_and_no_other_is() -> None:
    folder = Path(crash_points.__file__).parent
    named = {
        name
        for path in folder.rglob("*.py")
        for name in re.findall(r'(?<![.\w])crash_point\("([^"]+)"\)', path.read_text())
    }
    assert named == set(CRASH_POINTS)


@pytest.mark.parametrize("text", ["nowhere", "ingest-read:0", "ingest-read:x", "ingest-read:-1"])
def test_an_unknown_point_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_crash_point(text)


def test_the_chosen_passing_counts_and_only_once_per_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaths: list[Any] = []
    monkeypatch.setattr("os.kill", lambda *told: deaths.append(told))
    try:
        arm_crash_point("ingest-read:2", tmp_path)
        for passings in ("ingest-read", "ingest-trimmed", "ingest-read", "ingest-read"):
            crash_point(passings)
        assert len(deaths) == 1
        # The process that is started again under the same setting lives.
        arm_crash_point("ingest-read:2", tmp_path)
        for _ in range(3):
            crash_point("ingest-read")
        assert len(deaths) == 1
    finally:
        arm_crash_point("", tmp_path)
