"""Redis killed, frozen or full: what was acknowledged is in the event log afterwards, once."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis
import sqlalchemy as sa
from event_load import NOON, make_event, stored_ids

from processes import wait_until
from recommender.adapters.child_process import end_child, start_child
from recommender.adapters.embedded_server import EmbeddedServer, configure_server, wait_until_ready
from recommender.adapters.event_log import DeltaEventLog
from recommender.adapters.spool import Spool
from recommender.adapters.spooling_state import SpoolingState
from recommender.errors import UnavailableError
from recommender.events.ingest import WRITER, ingest_once
from recommender.events.visits import visits_of
from recommender.records import Event, EventType
from world import Clock, visitor_state

if TYPE_CHECKING:
    import subprocess

VISITOR = "ab" * 16


class OwnServer:
    """A Valkey that a test may kill and freeze."""

    def __init__(self, folder: Path) -> None:
        self.server: EmbeddedServer = configure_server(folder)
        self._log = folder / "log"
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as output:
            self.child: subprocess.Popen[bytes] = start_child(self.server.argv, output=output)
        wait_until_ready(self.server.url, self.child)

    def kill(self) -> None:
        self.child.kill()
        self.child.wait()

    def freeze(self) -> None:
        self.child.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.child.send_signal(signal.SIGCONT)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OwnServer]:
    own = OwnServer(tmp_path / "redis")
    yield own
    own.thaw()
    end_child(own.child, patience_seconds=5)


class Seconds:
    """A clock in seconds that only moves when told."""

    at = 100.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def spooling(server: OwnServer, tmp_path: Path, seconds: Seconds) -> SpoolingState:
    spool = Spool(tmp_path / "spool", limit_bytes=1 << 20)
    return SpoolingState(server.server.url, spool, monotonic=seconds)


@pytest.fixture
def control(tmp_path: Path) -> Iterator[sa.Engine]:
    from recommender.adapters.database import migrate, open_database

    engine = open_database(f"sqlite:///{tmp_path / 'control.db'}")
    migrate(engine)
    yield engine
    engine.dispose()


def look_and_bring_back(state: SpoolingState) -> bool:
    """As a web worker's upkeep: what a busy disk is too late with comes the next time."""
    state.look()
    with contextlib.suppress(UnavailableError):
        state.bring_back()
        return True
    return False


def accept(state: SpoolingState, event: Event) -> Event:
    state.accept([event], visits_of([event]))
    return event


def ingest(state: SpoolingState, event_log: DeltaEventLog, control: sa.Engine) -> None:
    while state.pending():
        ingest_once(
            state,
            event_log,
            database=control,
            writer=WRITER,
            now=Clock(NOON),
            limit=1_000,
            block_ms=0,
        )


def test_a_killed_server_costs_nothing(
    server: OwnServer, spooling: SpoolingState, event_log: DeltaEventLog, control: sa.Engine
) -> None:
    sent = [accept(spooling, make_event())]
    server.kill()
    sent += [accept(spooling, make_event()) for _ in range(5)]
    assert spooling.spool.size_bytes() > 0
    server.start()
    spooling.look()
    assert spooling.bring_back() == 5
    sent.append(accept(spooling, make_event()))
    ingest(spooling, event_log, control)
    assert stored_ids(event_log) == {event.event_id: 1 for event in sent}
    assert spooling.spool.size_bytes() == 0


def test_an_event_whose_reply_was_lost_is_stored_once(
    server: OwnServer, spooling: SpoolingState, event_log: DeltaEventLog, control: sa.Engine
) -> None:
    spooling.look()
    accept(spooling, warm := make_event())
    server.freeze()
    late = accept(spooling, make_event())
    server.thaw()
    spooling.look()
    assert spooling.bring_back() == 1
    in_stream = [event for entry in spooling.read(0, 100) for event in entry.events]
    assert in_stream.count(late) == 2, "the server did take it, and so did the spool"
    ingest(spooling, event_log, control)
    assert stored_ids(event_log) == {warm.event_id: 1, late.event_id: 1}


def test_a_replay_that_was_cut_short_doubles_nothing(
    server: OwnServer, spooling: SpoolingState, event_log: DeltaEventLog, control: sa.Engine
) -> None:
    server.kill()
    sent = [accept(spooling, make_event()) for _ in range(3)]
    server.start()
    spooling.look()
    taken: list[bytes] = []

    def die_after_storing(entries: "object") -> None:
        spooling._restore(entries)  # type: ignore[arg-type]
        taken.extend(entries)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        spooling.spool.drain(die_after_storing)
    assert len(taken) == 3
    ingest(spooling, event_log, control)
    assert spooling.bring_back() == 3
    ingest(spooling, event_log, control)
    assert stored_ids(event_log) == {event.event_id: 1 for event in sent}


def test_nobody_waits_for_a_frozen_server_twice(
    server: OwnServer, spooling: SpoolingState, seconds: Seconds, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept(spooling, make_event())
    server.freeze()
    for _ in range(2):
        with pytest.raises(UnavailableError):
            visitor_state(spooling, "shop_a", VISITOR, "home")
    asked: list[object] = []

    def answer_at_once(*call: object) -> list[object]:
        asked.append(call)
        return []

    monkeypatch.setattr("recommender.adapters.redis_exchange._ask_on", answer_at_once)
    with pytest.raises(UnavailableError, match="a moment ago"):
        visitor_state(spooling, "shop_a", VISITOR, "home")
    accept(spooling, make_event())
    assert asked == []
    # A second later one writer asks again.
    seconds.at += 1.1
    accept(spooling, make_event())
    assert len(asked) == 1


def test_the_server_s_return_is_noticed(server: OwnServer, spooling: SpoolingState) -> None:
    server.kill()
    event = accept(spooling, make_event())
    accept(spooling, make_event())
    spooling.look()
    assert spooling.bring_back() == 0
    server.start()
    spooling.look()
    spooling.bring_back()
    state = visitor_state(spooling, "shop_a", event.visitor, "home")
    assert state.recent.item_ids == ("item-1",), "the path of the outage is known"


def test_exposures_are_kept_once_a_visitor_while_the_server_is_away(
    server: OwnServer, spooling: SpoolingState
) -> None:
    server.kill()
    for placement in ("home", "home", "cart", "home"):
        exposure = make_event(
            type=EventType.EXPOSURE, visitor=VISITOR, placement=placement, items=()
        )
        spooling.record_exposure(exposure)
    server.start()
    spooling.look()
    spooling.bring_back()
    stored = [event.placement for entry in spooling.read(0, 10) for event in entry.events]
    assert sorted(stored) == ["cart", "home"]


def test_a_server_without_memory_refuses_and_the_spool_takes(
    server: OwnServer, spooling: SpoolingState
) -> None:
    accept(spooling, make_event())
    with contextlib.closing(redis.Redis.from_url(server.server.url)) as other:
        other.config_set("maxmemory", 1)
        refused = accept(spooling, make_event())
        assert spooling.pending() == 1
        assert visitor_state(spooling, "shop_a", VISITOR, "home").recent.item_ids, "reads go on"
        spooling.look()
        assert spooling.full_share == 1.0
        assert spooling.bring_back() == 0
        other.config_set("maxmemory", 1 << 30)
        spooling.look()
        assert spooling.full_share < 0.1
        assert spooling.bring_back() == 1
    assert spooling.read(0, 10)[-1].events == (refused,)


def test_what_visitors_take_is_not_the_stream_s_fault(
    server: OwnServer, spooling: SpoolingState
) -> None:
    with contextlib.closing(redis.Redis.from_url(server.server.url)) as other:
        for number in range(40):
            other.set(f"visitor-{number}", b"x" * 100_000)
        used = other.info("memory")["used_memory"]
        other.config_set("maxmemory", used + 1_000_000)
        spooling.look()
        assert spooling.full_share < 0.05
        filler = make_event(page="x" * 400)
        for _ in range(800):
            spooling.accept([filler] * 2, {})
        spooling.look()
        assert spooling.full_share > 0.6


def test_a_full_spool_is_told_and_nothing_is_acknowledged(
    server: OwnServer, tmp_path: Path
) -> None:
    state = SpoolingState(server.server.url, Spool(tmp_path / "small", limit_bytes=2_000))
    server.kill()
    taken: list[Event] = []

    def fill() -> None:
        while len(taken) < 100:
            taken.append(accept(state, make_event()))

    with pytest.raises(UnavailableError) as caught:
        fill()
    assert caught.value.code == "spool-full"
    state.look()
    assert state.full_share > 0.6
    server.start()
    state.look()
    assert state.bring_back() == len(taken)


def test_a_server_that_is_not_durable_gets_nothing_and_neither_does_the_spool(
    server: OwnServer, spooling: SpoolingState
) -> None:
    with contextlib.closing(redis.Redis.from_url(server.server.url)) as other:
        other.config_set("appendfsync", "everysec")
    with pytest.raises(UnavailableError) as caught:
        accept(spooling, make_event())
    assert caught.value.code == "redis-not-durable"
    assert spooling.spool.size_bytes() == 0


def test_clients_that_write_through_a_kill_lose_and_double_nothing(
    server: OwnServer, tmp_path: Path, event_log: DeltaEventLog, control: sa.Engine
) -> None:
    state = SpoolingState(server.server.url, Spool(tmp_path / "spool", limit_bytes=1 << 24))
    acknowledged: list[str] = []
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            acknowledged.append(accept(state, make_event()).event_id)

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for _ in range(3):
        before = len(acknowledged)
        while len(acknowledged) < before + 50:
            stop.wait(0.01)
        server.kill()
        before = len(acknowledged)
        while len(acknowledged) < before + 50:
            stop.wait(0.01)
        server.start()
        look_and_bring_back(state)
    stop.set()
    for writer in writers:
        writer.join()
    wait_until(lambda: look_and_bring_back(state) and not state.spool.size_bytes())
    ingest(state, event_log, control)
    assert stored_ids(event_log) == dict.fromkeys(acknowledged, 1)
