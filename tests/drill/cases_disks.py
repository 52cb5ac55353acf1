"""Cases 05-10: files damaged, folders gone, disks full."""

import contextlib
import shutil
import subprocess
import time
from pathlib import Path

from drill.case import Drill, NotExecutedError, Outcome, case
from drill.faults import can_mount, cut_tail, fill_disk, flip_byte, small_disk
from drill.journal import Journal
from drill.servers import RedisServer, wait_for
from drill.service import Service
from recommender.adapters.embedded_server import find_server_binary


def need_root() -> None:
    if not can_mount():
        raise NotExecutedError("only root may mount a small disk")


def newest_aof(folder: Path) -> Path:
    return max((folder / "appendonlydir").glob("*.incr.aof"), key=lambda file: file.name)


@case("05", short=True)
def cut_aof(drill: Drill) -> Outcome:
    outcome = Outcome(
        "server killed, its append-only file shortened by 1 to N bytes within the last command"
    )
    server = RedisServer(drill.folder / "redis-05")
    server.start()
    with drill.service("serve", redis_url=server.url) as service:
        journal = drill.journal(service)
        for _ in range(drill.choose(2, 12)):
            with drill.load(service, journal, clients=2) as load:
                load.wait_for(40)
            with contextlib.closing(service.redis()) as client:
                client.set("sacrifice", "x" * 64)
            server.kill()
            cut_tail(newest_aof(server.folder), drill.draw.randrange(1, 80))
            server.start()
            outcome.rounds += 1
            with contextlib.closing(service.redis()) as client:
                outcome.check(client.get("sacrifice") is None, "the cut command is still there")
                client.delete("sacrifice")
        outcome.check("truncat" in server.log().lower(), "the server's log says nothing of it")
        service.start("ingest")
        drill.close_books(outcome, service, journal)
    server.stop()
    outcome.notes.append("only the cut command was gone; the server's log tells of it")
    return outcome


@case("06")
def flip_aof(drill: Drill) -> Outcome:
    outcome = Outcome("a byte flipped in the middle of the append-only file, server started again")
    server = RedisServer(drill.folder / "redis-06")
    server.start()
    with drill.service("serve", "ingest", redis_url=server.url) as service:
        journal = drill.journal(service)
        with drill.load(service, journal, clients=2) as load:
            load.wait_for(200)
        drill.close_books(outcome, service, journal)
        server.kill()
        file = newest_aof(server.folder)
        content = file.read_bytes()
        flip_byte(file, content.index(b"\r\n*", len(content) // 2) + 2)
        server.start(wait=False)
        status = server.process.wait(30) if server.process else 0
        outcome.check(status != 0, "the server started on a damaged file")
        outcome.check(service.get("/readyz").status == 503, "readiness does not tell")
        _salvage(file)
        server.start()
        wait_for(service.is_ready, what="readiness after the repair")
        with drill.load(service, journal, clients=2) as load:
            load.wait_for(100)
        outcome.rounds += 1
        outcome.books = type(outcome.books)()
        drill.close_books(outcome, service, journal)
    server.stop()
    outcome.notes.append(
        "the server refuses to start, readiness says 503; `valkey-check-aof --fix` keeps what is "
        "before the damage, and the event log has the rest (docs/operations.md)"
    )
    return outcome


def _salvage(file: Path) -> None:
    # The server's program is also its repair tool, under another name.
    tool = file.parents[1] / "valkey-check-aof"
    tool.symlink_to(find_server_binary())
    subprocess.run(
        [str(tool), "--fix", str(file)], input=b"y\n", check=True, stdout=subprocess.DEVNULL
    )


@case("07", short=True)
def wipe_redis(drill: Drill) -> Outcome:
    outcome = Outcome("everything ended, the Redis folder removed, started again on nothing")
    with drill.service() as service:
        journal = drill.journal(service)
        with drill.load(service, journal, clients=2) as load:
            load.wait_for(100)
        wait_for(lambda: service.pending() == 0, what="an empty stream")
        service.kill("up")
        shutil.rmtree(service.home / "redis")
        service.start()
        service.wait_ready()
        with drill.load(service, journal, clients=2) as load:
            load.wait_for(100)
        outcome.rounds += 1
        drill.close_books(outcome, service, journal)
    outcome.notes.append(
        "what was ingested stays, the new stream is read from its beginning; what was not yet "
        "ingested would be gone with its only copy"
    )
    return outcome


@case("08", short=True)
def disk_full_redis(drill: Drill) -> Outcome:
    outcome = Outcome("disk full under Redis (tmpfs), then room again")
    need_root()
    # So large that what the load brings alone does not fill it: then there would be no room again.
    with drill.service("", n_shops=2) as service, small_disk(service.home / "redis", "512m"):
        service.start()
        service.wait_ready()
        journal = drill.journal(service)
        _fill_and_free(drill, outcome, service, journal, service.home / "redis")
        drill.close_books(outcome, service, journal)
        service.stop()
    return outcome


@case("09")
def disk_full_database(drill: Drill) -> Outcome:
    outcome = Outcome("disk full under the event log, then under the database, then room again")
    need_root()
    lake, control = drill.folder / "lake-09", drill.folder / "control-09"
    with (
        small_disk(lake, "16m"),
        small_disk(control, "16m"),
        drill.service(
            lake_url=str(lake), database_url=f"sqlite:///{control / 'control.db'}"
        ) as service,
    ):
        ingester = service.pids("recommender ingest")
        journal = drill.journal(service)
        for folder in (lake, control):
            _fill_and_free(drill, outcome, service, journal, folder)
        drill.close_books(outcome, service, journal)
        outcome.check(service.pids("recommender ingest") == ingester, "the ingester crashed")
        service.stop()
    return outcome


@case("10")
def disk_full_spool(drill: Drill) -> Outcome:
    outcome = Outcome("Redis away and the disk of spool and logs full, then both back")
    need_root()
    server = RedisServer(drill.folder / "redis-10")
    server.start()
    spool = drill.folder / "home-10"
    with small_disk(spool, "24m"):
        service = Service(spool, redis_url=server.url, lake_url=str(drill.folder / "lake-10"))
        service.prepare(2)
        service.start()  # its output goes to the same full disk
        service.wait_ready()
        journal = Journal(drill.folder / "journal-10.jsonl")
        with drill.load(service, journal, clients=2, orders_every=0) as load:
            load.wait_for(60)
            ballast = fill_disk(spool)
            load.wait_for(60)  # a log that cannot be written fails no request
            server.kill()
            time.sleep(drill.choose(3, 10))
            refused = load.tally.statuses["503"]
            ballast.unlink()
            since = time.monotonic()
            server.start()
            wait_for(lambda: load.tally.recovery_seconds(since) < float("inf"))
            outcome.recovered(load.tally.recovery_seconds(since))
        outcome.check(refused, "no request was refused while nothing could be stored")
        outcome.notes.append(f"{refused} answers 503 while neither Redis nor spool could store")
        outcome.rounds += 1
        drill.close_books(outcome, service, journal)
        service.stop()
    server.stop()
    return outcome


def _fill_and_free(
    drill: Drill, outcome: Outcome, service: Service, journal: Journal, folder: Path
) -> None:
    with drill.load(service, journal, clients=3, batch=20) as load:
        load.wait_for(100)
        ballast = fill_disk(folder, leave_bytes=drill.draw.randrange(0, 200_000))
        time.sleep(drill.choose(5, 20))
        ballast.unlink()
        since = time.monotonic()
        with contextlib.suppress(TimeoutError):
            wait_for(lambda: load.tally.recovery_seconds(since) < float("inf"))
        outcome.check(load.tally.recovery_seconds(since) < 60, "no recovery within a minute")
        outcome.recovered(min(60.0, load.tally.recovery_seconds(since)))
    told = {status: n for status, n in load.tally.statuses.items() if status != "202"}
    outcome.notes.append(f"{folder.name.split('-')[0]} full: other answers {told}")
    outcome.rounds += 1
