"""Cases 29-34, 36, 70: too many, too slow, told to stop, told to reload."""

import contextlib
import os
import signal
import statistics
import threading
import time
from collections import Counter
from pathlib import Path

from drill.case import Drill, NotExecutedError, Outcome, case
from drill.cases_crash import revived
from drill.cases_data import one_event
from drill.load import Caller, Load, make_events, post_events
from drill.nginx import proxy
from drill.servers import RedisServer, wait_for
from drill.service import Service
from drill.slow_clients import KINDS, held, slow_reader


@contextlib.contextmanager
def behind_nginx(drill: Drill, service: Service, name: str):  # type: ignore[no-untyped-def]
    try:
        started = proxy(drill.folder / name, service.settings.port)
        with started as address:
            yield address
    except FileNotFoundError as error:
        raise NotExecutedError(f"{error} (Debian: nginx-light)") from error


def probe(address: str, count: int) -> list[float]:
    """Return how long health checks took, on a connection each; infinity for none."""
    took = []
    for _ in range(count):
        caller = Caller(address, seconds=10.0)
        begin = time.monotonic()
        reply = caller.ask("GET", "/healthz")
        took.append(time.monotonic() - begin if reply.status == 200 else float("inf"))
        caller.close()
    return sorted(took)


@case("29")
def slow_clients(drill: Drill) -> Outcome:
    outcome = Outcome("sockets with half a header, half a body, nothing, from many connections")
    count = drill.choose(200, 2_000)
    service = drill.visit()
    with behind_nginx(drill, service, "nginx-29") as address:
        for name, sent in KINDS.items():
            with held(address, count, sent) as opened:
                took = probe(address, 50)
            outcome.check(took[-1] < 5, f"{name}: others were blocked or refused")
            outcome.notes.append(
                f"{name}: {len(opened)} sockets, others' health checks "
                f"{1000 * statistics.median(took):.0f} ms median, {1000 * took[-1]:.0f} ms max"
            )
            outcome.rounds += 1
        with held(service.address, 60, KINDS["headers"]):
            bare = probe(service.address, 1)[-1]
        outcome.notes.append(f"without the proxy, 60 half headers: {bare:.1f} s for one check")
    return outcome


@case("30")
def slow_readers(drill: Drill) -> Outcome:
    outcome = Outcome("readers that take one byte of the widget and stop, through the proxy")
    service = drill.visit()
    with behind_nginx(drill, service, "nginx-30") as address, contextlib.ExitStack() as stack:
        for _ in range(60):
            stack.callback(slow_reader(address, "/widget.js").close)
        took = probe(address, 20)
        outcome.check(took[-1] < 5, "others waited")
        outcome.notes.append(f"60 readers; health checks at most {1000 * took[-1]:.0f} ms")
        outcome.rounds += 1
    return outcome


@case("31")
def burst(drill: Drill) -> Outcome:
    seconds = drill.choose(8, 60)
    outcome = Outcome(f"load of 4 clients, then 60 without a pause for {seconds} s, then 4 again")
    with drill.service(n_items=60) as service:
        journal = drill.journal(service)
        with drill.load(service, journal, shoppers=2) as load:
            load.wait_for(100)
            calm = time.monotonic()
            crowd = drill.load(
                service,
                journal,
                clients=60,
                pause_seconds=0.0005,
                orders_every=0,
                seed=drill.seed + 1,
            )
            with crowd:
                time.sleep(seconds)
            ended = time.monotonic()
            load.wait_for(50)
            outcome.recovered(load.tally.recovery_seconds(ended))
        told = crowd.tally.statuses
        wrong = set(told) - {"202", "429", "503"}
        outcome.check(not wrong, f"answers other than 202, 429, 503: {dict(told)}")
        slates = [took for begin, took in load.tally.slate_seconds if calm <= begin <= ended]
        failed = sum(took == float("inf") for took in slates)
        outcome.check(not failed, f"{failed} of {len(slates)} slates failed in the burst")
        outcome.notes.append(
            f"burst {crowd.tally.acknowledged / seconds:.0f} events/s, answers {dict(told)}; "
            f"slates p99 {load.tally.slate_p99_ms(calm, ended):.0f} ms"
        )
        outcome.rounds += 1
        drill.close_books(outcome, service, journal, seconds=180)
    return outcome


@case("32")
def noisy_shop(drill: Drill) -> Outcome:
    outcome = Outcome("one shop sends as fast as 20 connections can, another shop goes on")
    with drill.service(n_shops=2) as service:
        journal = drill.journal(service)
        noisy, quiet = service.shops
        alone = _pace(drill, service, quiet, journal, 60)
        crowd = Load(
            service.address,
            journal,
            [noisy],
            seed=drill.seed,
            clients=20,
            pause_seconds=0.0005,
            orders_every=0,
        )
        with crowd:
            crowd.wait_for(200)
            beside = _pace(drill, service, quiet, journal, 60)
        outcome.check(beside[-1] < 10, "the quiet shop was refused or waited for ten seconds")
        outcome.notes.append(
            f"quiet shop's events: p99 {1000 * alone[-1]:.0f} ms alone, {1000 * beside[-1]:.0f} ms "
            f"beside {crowd.tally.acknowledged} events of the noisy one"
        )
        outcome.rounds += 1
        drill.close_books(outcome, service, journal, seconds=120)
    return outcome


def _pace(drill: Drill, service: Service, shop, journal, count: int) -> list[float]:  # type: ignore[no-untyped-def]
    caller = Caller(service.address)
    took = []
    for _ in range(count):
        begin = time.monotonic()
        reply = post_events(caller, journal, shop, make_events(drill.draw, shop, 3))
        took.append(time.monotonic() - begin if reply.status == 202 else float("inf"))
    caller.close()
    return sorted(took)


@case("33", short=True)
def reload_under_load(drill: Drill) -> Outcome:
    outcome = Outcome("SIGHUP of `up` under load: a new web server takes over the same socket")
    with drill.service(n_items=20) as service:
        journal = drill.journal(service)
        with drill.load(service, journal, shoppers=2) as load:
            for number in range(drill.choose(1, 3)):
                load.wait_for(50)
                workers = set(service.pids("gunicorn"))
                service.processes["up"].send_signal(signal.SIGHUP)
                wait_for(
                    lambda n=number: service.log().count('"reloaded"') > n,
                    seconds=120,
                    what="the reload",
                )
                outcome.check(
                    not workers & set(service.pids("gunicorn")), "a web process was not replaced"
                )
                outcome.rounds += 1
                load.wait_for(50)
        told = load.tally.statuses
        failed = {
            status: count
            for status, count in told.items()
            if status.removeprefix("slate-") not in {"200", "201", "202"}
        }
        outcome.check(not failed, f"failed requests: {failed}")
        outcome.notes.append(f"{sum(told.values())} requests, {sum(failed.values())} failed")
        drill.close_books(outcome, service, journal)
    return outcome


@case("34", short=True)
def graceful_stop(drill: Drill) -> Outcome:
    outcome = Outcome("SIGTERM of `up` under load, started again; readiness says 503 before")
    with drill.service(environ={"DRAIN_SECONDS": "2"}) as service:
        journal = drill.journal(service)
        for _ in range(drill.choose(1, 5)):
            with drill.load(service, journal, clients=4) as load:
                load.wait_for(60)
                service.processes["up"].terminate()
                told = wait_for(lambda: not service.is_ready(), seconds=20, what="503")
                causes = service.get("/readyz")
                outcome.check(
                    causes.status == 503 and "draining" in causes.json()["causes"],
                    f"/readyz does not tell of the end: {causes.status}",
                )
                outcome.check(told < 2, "readiness was late")
                status = service.processes.pop("up").wait(60)
                outcome.check(status == 0, f"`up` ended with {status}")
                down = time.monotonic()
                service.start()
                outcome.rounds += 1
                revived(service, load, outcome, down)
            wrong = set(load.tally.statuses) - {"202", "201", "200", "503", "None"}
            outcome.check(not wrong, f"answers {dict(load.tally.statuses)}")
        forced = [line for line in service.log().splitlines() if '"status": -9' in line]
        outcome.check(not forced, f"killed at the end: {forced[:2]}")
        drill.close_books(outcome, service, journal)
    return outcome


@case("36", short=True)
def thundering_retries(drill: Drill) -> Outcome:
    outcome = Outcome("Redis away and the spool full: when do many refused clients come back?")
    server = RedisServer(drill.folder / "redis-36")
    server.start()
    with drill.service("serve", redis_url=server.url, environ={"SPOOL_MB": "1"}) as service:
        journal, (shop, _) = drill.journal(service), service.shops
        server.kill()
        counted: Counter[str] = Counter()
        lock = threading.Lock()

        def refused() -> None:
            caller, told = Caller(service.address), 0
            for _ in range(1_000):
                events = [one_event(page="p" * 400) for _ in range(100)]
                reply = post_events(caller, journal, shop, events)
                if reply.status != 202:
                    told += 1
                    with lock:
                        counted[reply.headers.get("retry-after", f"none-{reply.status}")] += 1
                if told == 40:
                    break
            caller.close()

        threads = [threading.Thread(target=refused) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        unspread = [value for value in counted if not value.isdigit()]
        outcome.check(not unspread, f"no Retry-After: {unspread}")
        most = max(counted.values(), default=0) / max(1, counted.total())
        outcome.check(counted.total() >= 100, f"only {counted.total()} were refused")
        outcome.check(most < 0.5, f"{most:.0%} of clients return in one second")
        outcome.notes.append(
            f"Retry-After in seconds {dict(sorted(counted.items()))}; the widget adds full jitter "
            "from 1 s to 5 min"
        )
        outcome.rounds += 1
        server.start()
        service.start("ingest")
        drill.close_books(outcome, service, journal)
    server.stop()
    return outcome


@case("70")
def forged_forwarding(drill: Drill) -> Outcome:
    outcome = Outcome("X-Forwarded-For, -Proto, -Host, Forwarded made up by the client")
    with (
        drill.service(environ={"TRUST_PROXY_HOPS": "1"}) as service,
        behind_nginx(drill, service, "nginx-70") as address,
    ):
        caller = Caller(address)
        forged = {
            "X-Forwarded-For": "6.6.6.6",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Host": "evil.example",
            "Forwarded": "for=6.6.6.6;host=evil.example",
        }
        reply = caller.ask("GET", "/", headers=forged)
        location = reply.headers.get("location", "")
        outcome.check("evil.example" not in location, f"redirected to {location}")
        journal = drill.journal(service)
        for number in range(20):
            events = make_events(drill.draw, service.shops[0], 1)
            reply = post_events(caller, journal, service.shops[0], events)
            outcome.check(reply.status == 202, f"answer {number}: {reply.status}")
        caller.close()
        drill.close_books(outcome, service, journal)
        written = "".join(
            file.read_text(errors="replace") for file in _texts(service.home, drill.folder)
        )
        outcome.check("6.6.6.6" not in written, "the made-up address was written down")
        outcome.rounds += 1
    return outcome


def _texts(*folders: Path) -> list[Path]:
    return [
        file for folder in folders for file in folder.rglob("*.log") if os.access(file, os.R_OK)
    ]
