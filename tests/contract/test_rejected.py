"""Rejected events: kept one by one, and stored after a fix, once."""

import contextlib
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis
import sqlalchemy as sa
from event_load import NOON, make_event, stored_ids

from recommender import tables
from recommender.adapters.event_codec import decode_events, encode_events
from recommender.adapters.event_log import DeltaEventLog
from recommender.adapters.redis_state import RedisState
from recommender.errors import UnavailableError
from recommender.events import replay as replaying
from recommender.events.accounting import account
from recommender.events.ingest import WRITER, ingest_once
from recommender.events.replay import read_rejected, replay
from recommender.records import Event, Shop


def put(redis_url: str, events: list[Event], **damage: object) -> None:
    """Put an entry into the stream whose second event has other fields than it should."""
    body = orjson.loads(encode_events(events))
    body["events"][1] |= damage
    with contextlib.closing(redis.Redis.from_url(redis_url)) as client:
        client.xadd("events", {"e": orjson.dumps(body)})


@pytest.fixture
def ingest(state: RedisState, event_log: DeltaEventLog, database: sa.Engine) -> Any:
    def run() -> None:
        while ingest_once(
            state,
            event_log,
            database=database,
            writer=WRITER,
            now=lambda: NOON,
            limit=1000,
            block_ms=0,
        ).entries:
            pass

    return run


def repaired(raw: bytes) -> tuple[Event, ...]:
    """The codec of a release that knows what `stratum` "zero" means."""
    return decode_events(raw.replace(b'"stratum":"zero"', b'"stratum":0'))


@pytest.fixture
def events(shop: Shop, redis_url: str, ingest: Any) -> list[Event]:
    """Three events of one entry, the second unreadable; all ingested."""
    made = [make_event(shop.shop_id) for _ in range(3)]
    put(redis_url, made, stratum="zero")
    ingest()
    return made


def test_the_good_events_of_an_entry_are_stored_and_the_bad_one_is_kept(
    shop: Shop,
    state: RedisState,
    event_log: DeltaEventLog,
    database: sa.Engine,
    events: list[Event],
) -> None:
    good = {events[0].event_id: 1, events[2].event_id: 1}
    assert stored_ids(event_log, shop.shop_id) == good
    (rejected,) = read_rejected(shop.shop_id, database=database)
    assert rejected.code == "damaged-event"
    (kept,) = orjson.loads(rejected.payload)["events"]
    assert (kept["event_id"], kept["stratum"]) == (events[1].event_id, "zero")
    found = account(shop.shop_id, stream=state, event_log=event_log, database=database)
    assert (found.stored, found.rejected, found.pending) == (2, {"damaged-event": 1}, 0)
    assert found.acknowledged == 3


def test_a_resend_is_rejected_once(
    shop: Shop, redis_url: str, database: sa.Engine, events: list[Event], ingest: Any
) -> None:
    put(redis_url, events, stratum="zero")
    ingest()
    assert len(read_rejected(shop.shop_id, database=database)) == 1


def run_replay(shop: Shop, event_log: DeltaEventLog, database: sa.Engine, decode: Any) -> Any:
    return replay(shop.shop_id, decode=decode, event_log=event_log, database=database, now=NOON)


def test_what_cannot_be_stored_yet_stays(
    shop: Shop, event_log: DeltaEventLog, database: sa.Engine, events: list[Event]
) -> None:
    report = run_replay(shop, event_log, database, decode_events)
    assert (report.events, report.replayed, len(report.still_rejected)) == (0, 0, 1)
    assert len(read_rejected(shop.shop_id, database=database)) == 1


def test_after_a_fix_they_are_stored_once_with_the_same_ids(
    shop: Shop, event_log: DeltaEventLog, database: sa.Engine, events: list[Event]
) -> None:
    report = run_replay(shop, event_log, database, repaired)
    assert (report.events, report.replayed, report.still_rejected) == (1, 1, {})
    everything = dict.fromkeys((event.event_id for event in events), 1)
    assert stored_ids(event_log, shop.shop_id) == everything
    assert read_rejected(shop.shop_id, database=database) == []
    (done,) = read_rejected(shop.shop_id, database=database, waiting=False)
    assert done.replayed_at == NOON
    assert run_replay(shop, event_log, database, repaired).events == 0


def test_a_replay_that_ended_between_its_steps_is_finished_by_the_next(
    shop: Shop,
    event_log: DeltaEventLog,
    database: sa.Engine,
    events: list[Event],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def dies(*_: object) -> None:
        raise UnavailableError("the power is gone")

    with monkeypatch.context() as patched:
        patched.setattr(replaying, "_mark", dies)
        with pytest.raises(UnavailableError):
            run_replay(shop, event_log, database, repaired)
    assert run_replay(shop, event_log, database, repaired).replayed == 1
    assert stored_ids(event_log, shop.shop_id)[events[1].event_id] == 1


def test_another_shops_events_are_not_replayed(
    shop: Shop, event_log: DeltaEventLog, database: sa.Engine
) -> None:
    foreign = encode_events([make_event("shop_other")]).decode()
    with database.begin() as connection:
        connection.execute(
            tables.rejections.insert().values(
                rejection_id="r",
                shop_id=shop.shop_id,
                code="damaged-event",
                detail="",
                payload=foreign,
                received_at=NOON,
            )
        )
    assert run_replay(shop, event_log, database, decode_events).replayed == 0


def test_what_waits_is_pending_until_it_is_stored(
    shop: Shop,
    state: RedisState,
    event_log: DeltaEventLog,
    database: sa.Engine,
    ingest: Any,
    tmp_path: Path,
) -> None:
    sent = [make_event(shop.shop_id) for _ in range(4)]
    state.accept(sent[:3], {})
    state.accept(sent[2:], {})
    state.accept([make_event("shop_other")], {})
    before = account(shop.shop_id, stream=state, event_log=event_log, database=database)
    assert (before.stored, before.copies, before.pending) == (0, 0, 4)
    ingest()
    after = account(shop.shop_id, stream=state, event_log=event_log, database=database)
    assert (after.stored, after.copies, after.pending) == (4, 1, 0)
