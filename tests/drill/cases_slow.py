"""Cases 20-28, 35, 37: what is slow, away, or answers wrongly."""

import contextlib
import time

import redis

from drill.case import Drill, NotExecutedError, Outcome, case
from drill.faults import FaultProxy, Weather, frozen
from drill.load import Load
from drill.servers import RedisServer, postgres, wait_for

BALLAST = 12


def shoppers_told(outcome: Outcome, load: Load, since: float, until: float, what: str) -> None:
    """Note how shoppers fared between two moments."""
    asked = [took for begin, took in load.tally.slate_seconds if since <= begin <= until]
    failed = sum(took == float("inf") for took in asked)
    outcome.check(asked, f"{what}: no slate was asked for")
    outcome.check(not failed, f"{what}: {failed} of {len(asked)} slates failed")
    p99 = load.tally.slate_p99_ms(since, until)
    outcome.notes.append(f"{what}: {len(asked)} slates, p99 {p99:.0f} ms")


@case("20", short=True)
def freeze_redis(drill: Drill) -> Outcome:
    outcome = Outcome("SIGSTOP of Redis for 0.8 s and 5 s (long: 60 s) under load")
    with drill.service(n_items=60) as service:
        (server,) = service.pids("valkey-server") or service.pids("redis-server")
        journal = drill.journal(service)
        with drill.load(service, journal, shoppers=2) as load:
            for seconds in (0.8, 5.0, 60.0) if drill.long else (0.8, 3.0):
                load.wait_for(50)
                since = time.monotonic()
                with frozen(server):
                    time.sleep(seconds)
                ended = time.monotonic()
                load.wait_for(50)
                outcome.recovered(load.tally.recovery_seconds(ended))
                shoppers_told(outcome, load, since, ended, f"frozen {seconds} s")
                outcome.rounds += 1
        drill.close_books(outcome, service, journal)
    return outcome


@case("21")
def debug_sleep(drill: Drill) -> Outcome:
    outcome = Outcome("DEBUG SLEEP of 0.8 s to 3 s on the Redis server under load")
    server = RedisServer(drill.folder / "redis-21", enable_debug_command="local")
    server.start()
    with drill.service("serve", "ingest", n_items=60, redis_url=server.url) as service:
        journal = drill.journal(service)
        with drill.load(service, journal, shoppers=2) as load:
            for seconds in (0.8, 1.5, 3.0):
                load.wait_for(50)
                since = time.monotonic()
                with contextlib.closing(service.redis()) as client:
                    client.execute_command("DEBUG", "SLEEP", str(seconds))
                ended = time.monotonic()
                load.wait_for(50)
                outcome.recovered(load.tally.recovery_seconds(ended))
                shoppers_told(outcome, load, since, ended, f"busy {seconds} s")
                outcome.rounds += 1
        drill.close_books(outcome, service, journal)
    server.stop()
    return outcome


@case("22", short=True)
def lose_replies(drill: Drill) -> Outcome:
    outcome = Outcome(
        "a proxy before Redis takes replies away, cuts connections after N bytes, closes one "
        "half, delays"
    )
    server = RedisServer(drill.folder / "redis-22")
    server.start()
    with (
        FaultProxy(str(server.folder / "r.sock")) as proxy,
        drill.service("serve", "ingest", redis_url=proxy.url) as service,
    ):
        journal = drill.journal(service)
        with drill.load(service, journal, patience_seconds=30) as load:
            for _ in range(drill.choose(1, 6)):
                for weather in _storm(drill):
                    load.wait_for(30)
                    proxy.weather = weather
                    time.sleep(1.2)
                    proxy.weather = Weather()
                    proxy.cut()
                    ended = time.monotonic()
                    load.wait_for(20)
                    outcome.recovered(load.tally.recovery_seconds(ended))
                    outcome.rounds += 1
        drill.close_books(outcome, service, journal)
    server.stop()
    return outcome


def _storm(drill: Drill) -> list[Weather]:
    return [
        Weather(drop_replies=True),
        Weather(cut_after=drill.draw.randrange(1, 3_000)),
        Weather(half_close=True),
        Weather(delay_seconds=0.3),
        Weather(refuse=True),
    ]


@case("23", short=True)
def redis_away(drill: Drill) -> Outcome:
    seconds = drill.choose(5, 60)
    outcome = Outcome(
        f"Redis ended for {seconds} s under load of shoppers and pages (ten minutes of the "
        "catalogue shortened)"
    )
    server = RedisServer(drill.folder / "redis-23")
    server.start()
    environ = {"SLATE_BUDGET_MS": "50"}
    with drill.service(
        "serve", "ingest", n_items=60, redis_url=server.url, environ=environ
    ) as service:
        journal = drill.journal(service)
        with drill.load(service, journal, shoppers=2, pause_seconds=0.05) as load:
            load.wait_for(200)
            before = time.monotonic()
            server.stop()
            since = time.monotonic()
            acknowledged = load.tally.acknowledged
            time.sleep(seconds)
            during = load.tally.acknowledged - acknowledged
            server.start()
            ended = time.monotonic()
            wait_for(lambda: load.tally.recovery_seconds(ended) < float("inf"))
            outcome.recovered(load.tally.recovery_seconds(ended))
            begun = load.tally.slate_seconds[0][0]
            shoppers_told(outcome, load, begun, before, "before")
            shoppers_told(outcome, load, since, ended, f"away {seconds} s")
            drained = wait_for(lambda: service.pending() < 50, seconds=120, what="the backlog")
        outcome.notes.append(
            f"{during} events acknowledged while Redis was away (spool); backlog gone "
            f"{drained:.1f} s after its return"
        )
        outcome.rounds += 1
        drill.close_books(outcome, service, journal)
    server.stop()
    return outcome


@case("24")
def redis_out_of_memory(drill: Drill) -> Outcome:
    outcome = Outcome("Redis at its memory limit while nobody ingests; then a policy that evicts")
    server = RedisServer(drill.folder / "redis-24", maxmemory="12mb")
    server.start()
    with drill.service("serve", redis_url=server.url) as service:
        journal = drill.journal(service)
        with drill.load(service, journal, clients=6, batch=40, orders_every=0) as load:
            with contextlib.closing(service.redis()) as client:
                for number in range(BALLAST):
                    with contextlib.suppress(redis.RedisError):
                        client.set(f"ballast-{number}", "x" * 1_000_000)
            time.sleep(drill.choose(4, 12))
            refused = load.tally.statuses["503"]
            with contextlib.closing(service.redis()) as client:
                client.delete(*(f"ballast-{number}" for number in range(BALLAST)))
            service.start("ingest")
            ended = time.monotonic()
            wait_for(lambda: load.tally.recovery_seconds(ended) < float("inf"))
            outcome.recovered(load.tally.recovery_seconds(ended))
            outcome.rounds += 1
        drill.close_books(outcome, service, journal)
        with contextlib.closing(service.redis()) as client:
            client.config_set("maxmemory-policy", "allkeys-lru")
        wait_for(lambda: not service.is_ready(), seconds=40, what="refusal of allkeys-lru")
        with contextlib.closing(service.redis()) as client:
            client.config_set("maxmemory-policy", "noeviction")
        wait_for(service.is_ready, seconds=40)
        outcome.notes.append(f"{refused} answers 503 at the limit; allkeys-lru makes it not ready")
    server.stop()
    return outcome


@case("25", short=True)
def backlog(drill: Drill) -> Outcome:
    outcome = Outcome("ingester stopped (SIGSTOP) while the stream grows: nothing may be trimmed")
    with drill.service() as service:
        journal = drill.journal(service)
        with (
            frozen(*service.pids("recommender ingest")),
            drill.load(
                service, journal, clients=4, batch=50, orders_every=0, pause_seconds=0.001
            ) as load,
        ):
            load.wait_for(drill.choose(2_000, 10_000), seconds=120)
        outcome.rounds += 1
        drill.close_books(outcome, service, journal)
    return outcome


@case("27", short=True)
def poison(drill: Drill) -> Outcome:
    outcome = Outcome("entries that nobody can read among those of two shops")
    with drill.service() as service:
        journal = drill.journal(service)
        with (
            drill.load(service, journal, clients=2) as load,
            contextlib.closing(service.redis()) as client,
        ):
            for number in range(10):
                load.wait_for(10)
                client.xadd("events", {"e": b'{"v":99,"poison":%d}' % number})
                outcome.rounds += 1
        drill.close_books(outcome, service, journal)
        rows = service.rows("SELECT code, payload FROM rejections")
        kept = [row for row in rows if "poison" in str(row[1])]
        outcome.check(len(kept) == 10, f"{len(kept)} of 10 poison entries are kept with a reason")
        outcome.notes.append(f"{len(kept)} of 10 kept with bytes and reason")
    return outcome


@case("28", short=True)
def position_gone(drill: Drill) -> Outcome:
    outcome = Outcome("every consumer group destroyed and every key but the stream deleted")
    with drill.service() as service:
        journal = drill.journal(service)
        with (
            drill.load(service, journal, clients=2) as load,
            contextlib.closing(service.redis()) as client,
        ):
            groups = 0
            for _ in range(drill.choose(2, 5)):
                load.wait_for(100)
                for key in list(client.scan_iter()):
                    if client.type(key) != b"stream":
                        client.delete(key)
                        continue
                    for group in client.xinfo_groups(key):
                        client.xgroup_destroy(key, group["name"])
                        groups += 1
                outcome.rounds += 1
        drill.close_books(outcome, service, journal)
    outcome.notes.append(
        f"{groups} groups destroyed: the position lies in the event log (docs/decisions/0003)"
    )
    return outcome


@case("35")
def dependency_down(drill: Drill) -> Outcome:
    outcome = Outcome("PostgreSQL stopped, then Redis: live stays 200, ready says 503 and why")
    server = RedisServer(drill.folder / "redis-35")
    server.start()
    try:
        database = postgres(drill.folder / "pg-35")
    except FileNotFoundError as error:
        raise NotExecutedError(str(error)) from error
    with (
        database as cluster,
        drill.service(redis_url=server.url, database_url=cluster.url) as service,
    ):
        before = service.pids("recommender")
        for name, stop, start in (
            ("database", cluster.stop, cluster.start),
            ("stream", server.stop, server.start),
        ):
            stop()
            wait_for(lambda: service.get("/readyz").status == 503, what=f"503 without {name}")
            causes = service.get("/readyz").json()["causes"]
            outcome.check(name in causes, f"/readyz does not name {name}: {causes}")
            outcome.check(service.get("/healthz").status == 200, f"not alive without {name}")
            time.sleep(3)
            outcome.check(service.pids("recommender") == before, f"processes ended without {name}")
            start()
            outcome.recovered(wait_for(service.is_ready, what=f"readiness with {name} again"))
            outcome.rounds += 1
    server.stop()
    return outcome


@case("37", short=True)
def limiter_store_down(drill: Drill) -> Outcome:
    outcome = Outcome("Redis, where the rate limits are counted, ended: nobody gets a 500 or 429")
    server = RedisServer(drill.folder / "redis-37")
    server.start()
    with drill.service("serve", "ingest", n_items=20, redis_url=server.url) as service:
        journal = drill.journal(service)
        with drill.load(service, journal, shoppers=1) as load:
            load.wait_for(50)
            server.kill()
            time.sleep(3)
            server.start()
            load.wait_for(50)
        wrong = {
            status: count
            for status, count in load.tally.statuses.items()
            if status.removeprefix("slate-") not in {"200", "201", "202", "503"}
        }
        outcome.check(not wrong, f"answers {wrong}")
        outcome.check(not load.tally.statuses["slate-503"], "a shopper was refused")
        outcome.rounds += 1
        drill.close_books(outcome, service, journal)
    server.stop()
    return outcome
