"""Durable acknowledgements a second beside a Flask application that throws events away.

Afterwards the stream must hold what was acknowledged, and the ingester must bring every event of
it into the event log, once.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from recommender.adapters.web_server import THREADS
from recommender.bench import requests, world
from recommender.bench.load import Load
from recommender.bench.rounds import interleave, summary
from recommender.bench.synthetic import item_id, uuid7_texts
from recommender.bench.web_process import NOOP, SERVICE, WebProcess, web_process
from recommender.bootstrap import Services
from recommender.events.ingest import WRITER, ingest_once
from recommender.records import Shop


@dataclass(frozen=True, slots=True)
class IngestPlan:
    """How `bench ingest` measures.

    Attributes:
        n_requests: Requests a round, one event each.
    """

    rounds: int = 5
    n_requests: int = 4_000
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
    rounds = interleave(
        lambda number: _load(plan, services, shop, ours, number, {'"status":"accepted"': 1}),
        lambda number: _load(plan, services, shop, noop, number, {}),
        plan.rounds,
        tell=tell,
    )
    acknowledged = sum(one.ours.answered for one in rounds)
    in_stream = services.state.pending()
    tell("Bringing the events into the event log")
    in_log = _ingest(services, shop)
    figures = summary(rounds)
    # An acknowledged event that is not there, or there twice, is the worst failure of all.
    figures["failures"] += abs(acknowledged - in_stream) + abs(acknowledged - in_log)
    return {
        **figures,
        "acknowledged": acknowledged,
        "in_stream": in_stream,
        "in_event_log": in_log,
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
    instants = np.full(plan.n_requests, int(services.now().timestamp() * 1000))
    ids = uuid7_texts(instants, np.random.default_rng([world.SEED, 6, number])).to_pylist()
    sent = [
        requests.events_request(
            shop, f"visitor-{place % 500}", [item_id(place % plan.n_items)], [event_id]
        )
        for place, event_id in enumerate(ids)
    ]
    return Load(
        host=web.settings.host,
        port=web.settings.port,
        requests=sent,
        expected_status=202,
        expected_texts=texts,
        connections=plan.connections,
    )


def _ingest(services: Services, shop: Shop) -> int:
    """Empty the stream and return the number of the shop's different events in the log."""
    while services.state.pending():
        ingest_once(
            services.state,
            services.event_log,
            database=services.database,
            writer=WRITER,
            now=services.now,
            limit=10_000,
            block_ms=0,
        )
    return int(services.event_log.events(shop.shop_id).count().to_pyarrow().as_py())
