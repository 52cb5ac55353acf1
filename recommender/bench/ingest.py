"""Durable acknowledgements a second beside a Flask application that throws events away.

Afterwards the stream must hold what was acknowledged, and the ingester must bring every event of
it into the event log, once. Then both work side by side, at a fixed rate of events, and the age of
the oldest event that still waits is looked at.
"""

import contextlib
import datetime as dt
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from recommender.adapters.child_process import end_child, start_child
from recommender.adapters.web_server import THREADS
from recommender.bench import requests, world
from recommender.bench.load import Load, drive
from recommender.bench.rounds import interleave, summary
from recommender.bench.synthetic import item_id, uuid7_texts
from recommender.bench.web_process import NOOP, SERVICE, WebProcess, web_process
from recommender.bootstrap import Services
from recommender.events.ingest import MAX_ENTRIES, WRITER, ingest_once
from recommender.records import EventType, Shop

REQUIRED_RATIO = 0.7
LAG_SECONDS_LIMIT = 5.0
LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class IngestPlan:
    """How `bench ingest` measures.

    Attributes:
        n_requests: Requests a round.
        batch: Events of a request.
        beside_seconds: How long web and ingester work side by side at the end; 0 leaves it out.
        beside_events_per_second: What arrives then.
    """

    rounds: int = 5
    n_requests: int = 4_000
    batch: int = 10
    beside_seconds: float = 15.0
    beside_events_per_second: float = 5_000.0
    n_items: int = 1_000
    connections: int = 32


def bench_ingest(plan: IngestPlan, *, tell: world.Tell) -> dict[str, Any]:
    """Measure; see `rounds.summary` for the figures.

    Raises:
        UnavailableError: A part does not start.
    """
    with world.temporary_services() as services:
        tell(f"Making a shop with {plan.n_items:,} items")
        shop = world.make_shop(services, plan.n_items)
        tell("Starting the web servers")
        with (
            web_process(services.settings, SERVICE) as ours,
            web_process(world.beside(services.settings), NOOP) as noop,
        ):
            return _measure(plan, services, shop, ours, noop, tell)


def _measure(
    plan: IngestPlan,
    services: Services,
    shop: Shop,
    ours: WebProcess,
    noop: WebProcess,
    tell: world.Tell,
) -> dict[str, Any]:
    expected = {'"status":"accepted"': plan.batch}
    rounds = interleave(
        lambda number: _load(plan, services, shop, ours, number, expected),
        lambda number: _load(plan, services, shop, noop, number, {}),
        plan.rounds,
        tell=tell,
    )
    acknowledged = sum(one.ours.answered for one in rounds)
    in_stream = services.state.pending()
    tell("Bringing the events into the event log")
    seconds = _ingest_all(services)
    in_log = _count(services, shop)
    tell("Web and ingester side by side")
    beside = _beside(plan, services, shop, ours) if plan.beside_seconds else {}
    figures = summary(rounds)
    # An acknowledged event that is not there, or there twice, is the worst failure of all.
    figures["failures"] += abs(acknowledged - in_stream)
    figures["failures"] += abs(acknowledged * plan.batch - in_log) + beside.get("missing", 0)
    return {
        **figures,
        "required_ratio": REQUIRED_RATIO,
        "acknowledged": acknowledged * plan.batch,
        "in_stream": in_stream * plan.batch,
        "in_event_log": in_log,
        "ingested_per_second": round(in_log / seconds, 1) if seconds else 0.0,
        "beside": beside,
        "batch": plan.batch,
        "workers": services.settings.web_workers,
        "threads": THREADS,
        "connections": plan.connections,
    }


def _load(
    plan: IngestPlan,
    services: Services,
    shop: Shop,
    web: WebProcess,
    number: int,
    texts: dict[str, int],
) -> Load:
    return Load(
        host=web.settings.host,
        port=web.settings.port,
        requests=_requests(plan, services, shop, plan.n_requests, number),
        expected_status=202,
        expected_texts=texts,
        connections=plan.connections,
    )


def _requests(
    plan: IngestPlan, services: Services, shop: Shop, n_requests: int, number: int
) -> list[str]:
    now = services.now()
    instants = np.full(n_requests * plan.batch, int(now.timestamp() * 1000))
    ids = uuid7_texts(instants, np.random.default_rng([world.SEED, 6, number])).to_pylist()
    return [
        requests.batch_request(
            shop,
            _batch(plan, f"visitor-{place % 500}", ids[start : start + plan.batch], start, now),
        )
        for place, start in enumerate(range(0, len(ids), plan.batch))
    ]


def _batch(
    plan: IngestPlan, visitor_id: str, event_ids: list[str], start: int, now: dt.datetime
) -> dict[str, Any]:
    """Return a batch as the widget writes it."""
    told = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    events = [
        {
            "type": EventType.VIEW_ITEM.value,
            "items": [{"item_id": item_id(place % plan.n_items), "price": "19.90"}],
            "event_id": event_id,
            "occurred_at": told,
            "page": f"/goods/{place % plan.n_items}",
        }
        for place, event_id in enumerate(event_ids, start)
    ]
    session = f"session-of-{visitor_id}"
    return {"sent_at": told, "visitor_id": visitor_id, "session_id": session, "events": events}


def _ingest_all(services: Services) -> float:
    """Empty the stream in this process and return the seconds it took."""
    started = time.perf_counter()
    while services.state.pending():
        ingest_once(
            services.state,
            services.event_log,
            database=services.database,
            writer=WRITER,
            now=services.now,
            limit=MAX_ENTRIES,
            block_ms=0,
        )
    return time.perf_counter() - started


def _count(services: Services, shop: Shop) -> int:
    """Return the number of the shop's different events in the log."""
    return int(services.event_log.events(shop.shop_id).count().to_pyarrow().as_py())


def _beside(plan: IngestPlan, services: Services, shop: Shop, web: WebProcess) -> dict[str, Any]:
    """Let web and ingester work side by side, and look how far the ingester is behind."""
    per_second = plan.beside_events_per_second / plan.batch
    n_requests = round(per_second * plan.beside_seconds)
    before = _count(services, shop)
    load = Load(
        host=web.settings.host,
        port=web.settings.port,
        requests=_requests(plan, services, shop, n_requests, plan.rounds),
        expected_status=202,
        connections=plan.connections,
        per_second=per_second,
    )
    with _ingester(services), _watch_lag(services) as lags:
        outcome = drive(load)
        while services.state.pending():
            time.sleep(LOOK_SECONDS)
    return {
        "events_per_second": round(outcome.per_second * plan.batch, 1),
        "events": outcome.answered * plan.batch,
        "missing": abs(before + outcome.answered * plan.batch - _count(services, shop)),
        "lag_seconds_median": round(float(np.median(lags)), 2),
        "lag_seconds_max": round(max(lags), 2),
        "lag_seconds_limit": LAG_SECONDS_LIMIT,
        "ack_p99_ms": round(outcome.percentile_ms(99), 2),
    }


@contextlib.contextmanager
def _ingester(services: Services) -> Iterator[None]:
    argv = [sys.executable, "-m", "recommender", "ingest"]
    log_file = services.settings.home / "ingest.log"
    with log_file.open("wb") as log:
        child = start_child(argv, environ=services.settings.child_environ(), output=log)
    try:
        # It has started when nothing waits any more.
        while services.state.pending():
            time.sleep(LOOK_SECONDS)
        yield
    finally:
        end_child(child, patience_seconds=10.0)


@contextlib.contextmanager
def _watch_lag(services: Services) -> Iterator[list[float]]:
    """Note the age of the oldest waiting event, again and again."""
    lags = [0.0]
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(LOOK_SECONDS):
            lags.append(services.state.backlog().oldest_seconds)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield lags
    finally:
        stop.set()
        watcher.join()
