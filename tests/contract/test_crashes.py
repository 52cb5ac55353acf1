"""Processes killed under load: what was acknowledged is in the log, once.

Clients behave like the widget: they send a batch again, with the same ids, until they get an
answer. So at the end every event they sent is acknowledged, and must be stored exactly once.
"""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest
import redis
from event_load import Load, make_event, stored_ids, wait_until

from recommender.adapters.child_process import end_child, start_child
from recommender.adapters.database import migrate, open_database
from recommender.adapters.embedded_server import configure_server, wait_until_ready
from recommender.adapters.event_codec import encode_events
from recommender.adapters.event_log import DeltaEventLog
from recommender.adapters.redis_state import RedisState
from recommender.adapters.redis_stream import position_of
from recommender.events.ingest import writer_in

INGESTER = Path(__file__).with_name("ingester_process.py")


class Machine:
    """A Valkey, a lake and a database in one folder, and the processes on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lake = str(folder / "lake")
        self.database_url = f"sqlite:///{folder}/control.db"
        self.event_log = DeltaEventLog(self.lake)
        self._server = configure_server(folder / "redis")
        self._log = (folder / "output.log").open("ab")
        self.redis_url = self._server.url
        self.state = RedisState(self.redis_url)
        self._children: list[subprocess.Popen[bytes]] = []

    def start_valkey(self) -> "subprocess.Popen[bytes]":
        child = self._start(*self._server.argv)
        wait_until_ready(self.redis_url, child)
        return child

    def start_ingester(self, crash_at: str = "") -> "subprocess.Popen[bytes]":
        places = (self.redis_url, self.lake, self.database_url)
        return self._start(sys.executable, str(INGESTER), *places, crash_at)

    def committed(self) -> int:
        """Return the position that was committed for this run of the server."""
        return self.event_log.committed_position(writer_in(self.state.epoch()))

    def _start(self, *argv: str) -> "subprocess.Popen[bytes]":
        self._children.append(start_child(argv, output=self._log))
        return self._children[-1]

    def drain(self) -> None:
        """Return once an ingester has put everything into the log."""
        wait_until(lambda: self.state.pending() == 0)

    def close(self) -> None:
        for child in reversed(self._children):
            end_child(child, patience_seconds=10)
        self._log.close()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    built = Machine(tmp_path)
    database = open_database(built.database_url)
    migrate(database)
    database.dispose()
    with contextlib.closing(built):
        yield built


def kill(child: "subprocess.Popen[bytes]") -> None:
    child.kill()
    assert child.wait(60) == -signal.SIGKILL


def test_valkey_killed_under_load_loses_and_doubles_nothing(machine: Machine) -> None:
    valkey = machine.start_valkey()
    machine.start_ingester()
    chance = random.Random(1)
    with Load(machine.redis_url) as load:
        for round_number in range(1, 7):
            load.wait_for(round_number * 150 + chance.randrange(100))
            kill(valkey)
            valkey = machine.start_valkey()
        load.wait_for(1_200)
    assert load.failures, "no client was ever refused: the kills came too late"
    machine.drain()
    stored = stored_ids(machine.event_log)
    assert load.acknowledged <= stored.keys()
    assert set(stored.values()) == {1}
    # Everybody sent until answered, so nothing else may be there either.
    assert stored.keys() == load.acknowledged


def test_valkey_killed_keeps_what_nobody_has_ingested_yet(machine: Machine) -> None:
    valkey = machine.start_valkey()
    with Load(machine.redis_url) as load:
        load.wait_for(400)
        kill(valkey)
        valkey = machine.start_valkey()
        load.wait_for(800)
    kill(valkey)
    machine.start_valkey()
    machine.start_ingester()
    machine.drain()
    stored = stored_ids(machine.event_log)
    assert stored.keys() == load.acknowledged
    assert set(stored.values()) == {1}


def test_an_ingester_killed_at_random_loses_and_doubles_nothing(machine: Machine) -> None:
    machine.start_valkey()
    chance = random.Random(2)
    with Load(machine.redis_url, clients=1, batch=2) as load:
        for _ in range(4):
            before = machine.committed()
            ingester = machine.start_ingester()
            wait_until(lambda before=before: machine.committed() > before)
            # Not a wait for something: the moment of the kill is the random variable.
            with contextlib.suppress(subprocess.TimeoutExpired):
                ingester.wait(chance.uniform(0, 0.3))
            kill(ingester)
    machine.start_ingester()
    machine.drain()
    stored = stored_ids(machine.event_log)
    assert stored.keys() == load.acknowledged
    assert sum(machine.event_log.rows_by_shop().values()) == sum(stored.values())


@pytest.mark.parametrize(
    "step", ["ingest-read", "ingest-committed", "ingest-synced", "ingest-trimmed"]
)
def test_an_ingester_killed_at_a_step_loses_and_doubles_nothing(
    machine: Machine, step: str
) -> None:
    machine.start_valkey()
    with Load(machine.redis_url, clients=1) as load:
        ingester = machine.start_ingester(f"{step}:3")
        assert ingester.wait(30) == -signal.SIGKILL
    # No client sent anything twice here, so even the stored rows are all different.
    assert not load.failures
    machine.start_ingester()
    machine.drain()
    assert stored_ids(machine.event_log).keys() == load.acknowledged
    assert machine.event_log.rows_by_shop() == {"shop_a": len(load.acknowledged)}


def test_a_commit_torn_by_a_power_cut_comes_again_from_the_stream(machine: Machine) -> None:
    machine.start_valkey()
    with Load(machine.redis_url, clients=1) as load:
        assert machine.start_ingester("ingest-committed:3").wait(30) == -signal.SIGKILL
    # What a power cut leaves of a file that was written and not yet synced.
    files = Path(machine.lake).glob("events/shop_id=*/*/*.parquet")
    os.truncate(max(files, key=lambda file: file.stat().st_mtime_ns), 0)
    machine.start_ingester()
    machine.drain()
    assert stored_ids(machine.event_log).keys() == load.acknowledged
    assert machine.event_log.rows_by_shop() == {"shop_a": len(load.acknowledged)}


def test_two_ingesters_take_turns(machine: Machine) -> None:
    machine.start_valkey()
    ingesters = [machine.start_ingester(), machine.start_ingester()]
    with Load(machine.redis_url, clients=2) as load:
        load.wait_for(600)
    machine.drain()
    assert [ingester.poll() for ingester in ingesters] == [None, None]
    assert stored_ids(machine.event_log).keys() == load.acknowledged
    again = machine.event_log.rows_by_shop()["shop_a"] - len(load.acknowledged)
    # Only a client that got no answer in time makes another row: it sends its three events again.
    assert 0 <= again <= 3 * load.failures, (again, load.failures)


def test_a_killed_ingesters_work_is_taken_over(machine: Machine) -> None:
    machine.start_valkey()
    ingesters = {child.pid: child for child in (machine.start_ingester(), machine.start_ingester())}
    with Load(machine.redis_url, clients=1) as load:
        for _ in range(3):
            before = machine.committed()
            wait_until(lambda before=before: machine.committed() > before)
            kill(ingesters.pop(reading_one(machine, ingesters)))
            fresh = machine.start_ingester()
            ingesters[fresh.pid] = fresh
    machine.drain()
    assert stored_ids(machine.event_log).keys() == load.acknowledged
    assert machine.event_log.rows_by_shop() == {"shop_a": len(load.acknowledged)}


def reading_one(machine: Machine, ingesters: Collection[int]) -> int:
    """Process id of the ingester that works."""
    found: list[int] = []

    def look() -> bool:
        with contextlib.closing(redis.Redis.from_url(machine.redis_url)) as client:
            owner = client.get("events:reader")
        found[:] = [int(owner.decode().split(":")[1])] if owner else []
        return bool(found) and found[0] in ingesters

    wait_until(look)
    return found[0]


def test_a_standby_reads_nothing_while_another_works(machine: Machine) -> None:
    machine.start_valkey()
    other, third = "elsewhere:1:1", "elsewhere:2:1"
    assert machine.state.claim(other, 10) == other
    assert machine.state.claim(other, 10) == other
    machine.start_ingester()
    event = make_event()
    machine.state.accept([event], {})
    assert machine.state.claim(third, 10) == other
    machine.state.release(third)
    assert machine.state.claim(third, 10) == other
    assert machine.state.pending() == 1
    machine.state.release(other)
    machine.drain()
    assert stored_ids(machine.event_log) == {event.event_id: 1}


@pytest.mark.parametrize("left", ["nothing", "a copy of before"])
def test_a_server_whose_ids_are_lower_than_what_was_read_loses_nothing(
    machine: Machine, left: str
) -> None:
    valkey = machine.start_valkey()
    early = make_event()
    machine.state.accept([early], {})
    folder, copy = machine.folder / "redis", machine.folder / "copy"
    if left != "nothing":
        kill(valkey)
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("*.sock"))
        valkey = machine.start_valkey()
    ingester = machine.start_ingester()
    machine.state.accept([make_event()], {})
    machine.drain()
    before = machine.committed()
    ingester.terminate()
    assert ingester.wait(30) == 0
    kill(valkey)
    shutil.rmtree(folder / "appendonlydir")
    if left != "nothing":
        shutil.copytree(copy / "appendonlydir", folder / "appendonlydir")
    machine.start_valkey()
    late = [make_event() for _ in range(3)]
    with contextlib.closing(redis.Redis.from_url(machine.redis_url)) as client:
        newest = client.xinfo_stream("events")["last-generated-id"] if left != "nothing" else b"0-0"
        milliseconds = int(newest.split(b"-")[0])
        for number, event in enumerate(late, start=1):
            entry_id = f"{milliseconds}-{100 + number}"
            assert position_of(entry_id) < before
            client.xadd("events", {"e": encode_events([event])}, id=entry_id)
    machine.start_ingester()
    machine.drain()
    stored = stored_ids(machine.event_log)
    assert set(stored.values()) == {1}
    assert {early.event_id, *(event.event_id for event in late)} <= stored.keys()
    assert len(stored) == 5


def test_a_resend_long_after_is_stored_once(machine: Machine) -> None:
    machine.start_valkey()
    batch = [make_event() for _ in range(5)]
    machine.state.accept(batch, {})
    machine.start_ingester()
    machine.drain()
    machine.state.accept(batch, {})
    machine.state.accept(batch[2:], {})
    machine.drain()
    machine.event_log.compact()
    machine.state.accept(batch[:1], {})
    machine.drain()
    expected = dict.fromkeys((event.event_id for event in batch), 1)
    assert stored_ids(machine.event_log) == expected


def test_an_ingester_told_to_stop_leaves_nothing_half_done(machine: Machine) -> None:
    machine.start_valkey()
    ingester = machine.start_ingester()
    with Load(machine.redis_url, clients=1) as load:
        wait_until(lambda: machine.committed() > 0)
        ingester.terminate()
        assert ingester.wait(30) == 0
    machine.start_ingester()
    machine.drain()
    assert stored_ids(machine.event_log).keys() == load.acknowledged


def test_a_cut_end_of_the_append_only_file_costs_only_what_was_cut(machine: Machine) -> None:
    valkey = machine.start_valkey()
    events = [make_event() for _ in range(20)]
    for event in events:
        machine.state.accept([event], {})
    kill(valkey)
    (newest,) = (machine.folder / "redis" / "appendonlydir").glob("*.incr.aof")
    content = newest.read_bytes()
    newest.write_bytes(content[: content.rindex(b"XADD") + 40])
    machine.start_valkey()
    assert "truncat" in (machine.folder / "output.log").read_text().lower()
    kept = [event for entry in machine.state.read(0, 100) for event in entry.events]
    assert kept == events[:-1]


def test_an_entry_of_another_release_is_rejected_and_holds_up_nobody(machine: Machine) -> None:
    import sqlalchemy as sa

    from recommender import tables

    machine.start_valkey()
    with contextlib.closing(redis.Redis.from_url(machine.redis_url)) as client:
        client.xadd("events", {"e": b'{"v":2,"events":[{"shop_id":"shop_a"}]}'})
    good = make_event()
    machine.state.accept([good], {})
    machine.start_ingester()
    machine.drain()
    assert stored_ids(machine.event_log) == {good.event_id: 1}
    database = open_database(machine.database_url)
    with database.connect() as connection:
        rows = connection.execute(sa.select(tables.rejections)).all()
    database.dispose()
    # This database has no shop of that name; the bytes are kept all the same.
    assert [(row.shop_id, row.code) for row in rows] == [(None, "damaged-entry")]
    assert "shop_a" in rows[0].payload
