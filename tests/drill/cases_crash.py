"""Cases 01-04, 11, 12, 19, 26: processes that die."""

import contextlib
import time

from drill.case import Drill, NotExecutedError, Outcome, case
from drill.faults import kill
from drill.load import Load
from drill.servers import RedisServer, postgres, wait_for
from drill.service import Service
from recommender.crash_points import CRASH_POINTS

BACK_SECONDS = 60.0


def revived(service: Service, load: Load, outcome: Outcome, since: float) -> None:
    """Wait for an acknowledged request that began after `since`."""
    with contextlib.suppress(TimeoutError):
        wait_for(lambda: load.tally.recovery_seconds(since) < float("inf"), seconds=BACK_SECONDS)
    seconds = load.tally.recovery_seconds(since)
    outcome.check(seconds < BACK_SECONDS, f"nothing acknowledged {BACK_SECONDS:.0f} s after")
    outcome.recovered(min(seconds, BACK_SECONDS))


@case("01", short=True)
def kill_redis(drill: Drill) -> Outcome:
    outcome = Outcome("kill -9 of the Redis server at random moments under load, started again")
    server = RedisServer(drill.folder / "redis-01")
    server.start()
    with drill.service("serve", "ingest", redis_url=server.url) as service:
        journal = drill.journal(service)
        with drill.load(service, journal, clients=6) as load:
            for _ in range(drill.choose(4, 60)):
                load.wait_for(drill.draw.randrange(20, 120))
                server.kill()
                killed_at = time.monotonic()
                server.start()
                revived(service, load, outcome, killed_at)
                outcome.rounds += 1
        drill.close_books(outcome, service, journal)
    server.stop()
    return outcome


@case("02", short=True)
def kill_web(drill: Drill) -> Outcome:
    outcome = Outcome("kill -9 of a web worker, now and then of its parent, under load")
    with drill.service() as service:
        journal = drill.journal(service)
        with drill.load(service, journal) as load:
            for number in range(drill.choose(3, 40)):
                load.wait_for(drill.draw.randrange(10, 60))
                wait_for(lambda: len(service.pids("gunicorn")) >= 2)
                parent, *workers = service.pids("gunicorn")
                kill(parent if number % 10 == 2 else drill.draw.choice(workers))
                revived(service, load, outcome, time.monotonic())
                outcome.rounds += 1
        drill.close_books(outcome, service, journal)
    return outcome


@case("03")
def kill_ingester(drill: Drill) -> Outcome:
    outcome = Outcome("kill -9 of the ingester at random moments, up to 1.5 s into its work")
    server = RedisServer(drill.folder / "redis-03")
    server.start()
    with drill.service("serve", redis_url=server.url) as service:
        journal = drill.journal(service)
        with drill.load(service, journal, clients=2):
            for _ in range(drill.choose(2, 40)):
                logged = len(service.log())
                service.start("ingest")
                time.sleep(drill.draw.uniform(1.5, 4.0))
                service.kill("ingest")
                outcome.rounds += 1
                assert len(service.log()) >= logged
        service.start("ingest")
        drill.close_books(outcome, service, journal)
    server.stop()
    return outcome


@case("04", short=True)
def crash_points(drill: Drill) -> Outcome:
    outcome = Outcome("kill -9 of the process at a named crash point under load, started again")
    # Those of months, days and compaction belong to cases 88 and 92.
    points = [name for name in CRASH_POINTS if name.startswith(("ingest-", "order-", "spool-"))]
    if not drill.long:
        points = drill.draw.sample(points, 2)
    reached = [
        name
        for name in points
        if (_crash_spool if name.startswith("spool-") else _crash_at)(drill, outcome, name)
    ]
    outcome.notes.append(f"reached: {', '.join(reached)}")
    missed = sorted(set(points) - set(reached))
    outcome.check(not missed, f"never reached: {', '.join(missed)}")
    return outcome


def _crash_at(drill: Drill, outcome: Outcome, name: str) -> bool:
    with drill.service("", n_shops=2) as service:
        service.start("up", RECOMMENDER_CRASH_AT=f"{name}:{drill.draw.randrange(1, 3)}")
        service.wait_ready()
        marker = service.home / "run" / f"crashed-at-{name}"
        journal = drill.journal(service)
        with drill.load(service, journal, clients=2, orders_every=3):
            if name == "ingest-rejected":
                with contextlib.closing(service.redis()) as client:
                    for _ in range(3):
                        client.xadd("events", {"e": b"no entry of ours"})
            with contextlib.suppress(TimeoutError):
                wait_for(marker.exists, seconds=20)
        drill.close_books(outcome, service, journal)
        outcome.rounds += marker.exists()
        return marker.exists()


def _crash_spool(drill: Drill, outcome: Outcome, name: str) -> bool:
    server = RedisServer(drill.folder / f"redis-{name}")
    server.start()
    with drill.service("", n_shops=2, redis_url=server.url) as service:
        service.start("up", RECOMMENDER_CRASH_AT=name)
        service.wait_ready()
        marker = service.home / "run" / f"crashed-at-{name}"
        journal = drill.journal(service)
        with drill.load(service, journal, clients=2) as load:
            load.wait_for(30)
            server.kill()
            load.wait_for(60)
            server.start()
            load.wait_for(30)
            with contextlib.suppress(TimeoutError):
                wait_for(marker.exists, seconds=20)
        drill.close_books(outcome, service, journal)
        outcome.rounds += marker.exists()
    server.stop()
    return marker.exists()


@case("11")
def kill_in_commit(drill: Drill) -> Outcome:
    outcome = Outcome("kill -9 of web workers while SQLite commits orders; integrity_check after")
    with drill.service() as service:
        journal = drill.journal(service)
        with drill.load(service, journal, clients=4, orders_every=1) as load:
            for _ in range(drill.choose(2, 15)):
                time.sleep(drill.draw.uniform(0.05, 0.4))
                wait_for(lambda: len(service.pids("gunicorn")) >= 2)
                kill(drill.draw.choice(service.pids("gunicorn")[1:]))
                outcome.rounds += 1
                wait_for(service.is_ready)
        drill.close_books(outcome, service, journal)
        answer = [row[0] for row in service.rows("PRAGMA integrity_check")]
        outcome.check(answer == ["ok"], f"integrity_check says {answer}")
        outcome.notes.append(f"integrity_check {answer[0]}; {load.tally.statuses['201']} orders")
    return outcome


@case("12")
def restart_postgres(drill: Drill) -> Outcome:
    outcome = Outcome(
        "PostgreSQL restarted (fast, immediate) and single backends ended by kill -9, under load, "
        "with an external Redis"
    )
    try:
        database = postgres(drill.folder / "pg-12")
        server = external_redis(drill, "redis-12")
    except FileNotFoundError as error:
        raise NotExecutedError(str(error)) from error
    with (
        database as cluster,
        drill.service(redis_url=server.url, database_url=cluster.url) as service,
    ):
        journal = drill.journal(service)
        with drill.load(service, journal, orders_every=2) as load:
            for number in range(drill.choose(3, 12)):
                load.wait_for(30)
                since = time.monotonic()
                if number % 3 == 2 and cluster.backends():
                    kill(drill.draw.choice(cluster.backends()))
                else:
                    cluster.restart(("fast", "immediate")[number % 3 % 2])
                revived(service, load, outcome, since)
                outcome.rounds += 1
        drill.close_books(outcome, service, journal)
    server.stop()
    return outcome


def external_redis(drill: Drill, name: str, **options: str) -> RedisServer:
    """Start the machine's own redis-server, else the embedded one by address."""
    import shutil

    server = RedisServer(drill.folder / name, shutil.which("redis-server"), **options)
    server.start()
    return server


@case("19")
def rewrite_and_kill(drill: Drill) -> Outcome:
    outcome = Outcome("BGREWRITEAOF under load and kill -9 of the server while it rewrites")
    server = RedisServer(drill.folder / "redis-19")
    server.start()
    with drill.service("serve", redis_url=server.url) as service:
        journal = drill.journal(service)
        with drill.load(service, journal, clients=6) as load:
            for _ in range(drill.choose(2, 15)):
                load.wait_for(60)
                with contextlib.closing(service.redis()) as client:
                    client.bgrewriteaof()
                time.sleep(drill.draw.uniform(0, 0.05))
                server.kill()
                killed_at = time.monotonic()
                server.start()
                revived(service, load, outcome, killed_at)
                outcome.rounds += 1
        # Nothing was ingested so far: all of it has to have survived in the stream.
        service.start("ingest")
        drill.close_books(outcome, service, journal)
    server.stop()
    return outcome


@case("26")
def reader_dies(drill: Drill) -> Outcome:
    outcome = Outcome("kill -9 of one of two ingesters after it has read; the other goes on")
    server = RedisServer(drill.folder / "redis-26")
    server.start()
    with drill.service("serve", redis_url=server.url) as service:
        journal = drill.journal(service)
        with drill.load(service, journal, clients=2):
            for _ in range(drill.choose(1, 4)):
                service.start("ingest", RECOMMENDER_CRASH_AT="ingest-read:2")
                marker = service.home / "run" / "crashed-at-ingest-read"
                wait_for(marker.exists)
                service.processes.pop("ingest").wait()
                marker.unlink()
                outcome.rounds += 1
        service.start("ingest")
        drill.close_books(outcome, service, journal)
    server.stop()
    return outcome


@case("supervisor")
def kill_supervisor(drill: Drill) -> Outcome:
    outcome = Outcome("kill -9 of `up` itself under load: no child outlives it; started again")
    with drill.service() as service:
        journal = drill.journal(service)
        with drill.load(service, journal) as load:
            for _ in range(drill.choose(1, 15)):
                load.wait_for(40)
                service.kill("up")
                killed_at = time.monotonic()
                service.start()
                revived(service, load, outcome, killed_at)
                outcome.rounds += 1
        drill.close_books(outcome, service, journal)
    return outcome
