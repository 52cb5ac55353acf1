"""Slates a second beside a Flask application that does nothing, under the same load.

Both run under the service's own gunicorn settings on this machine, at the same time, and are asked
in turns. A visitor's first slate of the day writes an exposure; most visitors have had theirs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from recommender.adapters.web_server import THREADS
from recommender.bench import requests, world
from recommender.bench.audience import Audience
from recommender.bench.load import Load
from recommender.bench.rounds import Round, interleave, summary
from recommender.bench.training_process import TrainingProcess
from recommender.bench.web_process import NOOP, SERVICE, WebProcess, web_process
from recommender.bootstrap import Services
from recommender.records import Shop

REQUIRED_RATIO = 0.7
LIMIT_MB = 250.0

_MOST_PER_SECOND = 6_000
"""Requests a second for which a round's list is long enough."""


@dataclass(frozen=True, slots=True)
class ServePlan:
    """How `bench serve` measures.

    Attributes:
        seconds: Length of a round, for each side.
        n_events: Events that the model learns from.
        n_visitors: Visitors who come back.
        first_time_share: Share of requests by a visitor who has seen no slate today.
    """

    rounds: int = 5
    seconds: float = 5.0
    n_items: int = 100_000
    n_events: int = 300_000
    n_visitors: int = 2_000
    first_time_share: float = 0.02
    connections: int = 32

    @property
    def n_requests(self) -> int:
        """Return the length of a round's list of requests."""
        return math.ceil(self.seconds * _MOST_PER_SECOND)

    @property
    def n_new(self) -> int:
        """Return how many of them are of a visitor who has seen no slate today."""
        return int(self.n_requests * self.first_time_share)


def bench_serve(plan: ServePlan, *, tell: world.Tell) -> dict[str, Any]:
    """Measure; see `rounds.summary` for the figures.

    Raises:
        UnavailableError: A part does not start, or the shop does not answer as it should.
    """
    with world.temporary_services() as services:
        tell(f"Making a shop with {plan.n_items:,} items")
        shop = world.make_shop(services, plan.n_items)
        tell(f"Learning from {plan.n_events:,} events")
        world.write_events(services, shop, plan.n_events, plan.n_items)
        TrainingProcess(services.settings, shop.shop_id).finish()
        tell("Starting the web servers")
        with (
            web_process(services.settings, SERVICE) as ours,
            web_process(world.beside(services.settings), NOOP) as noop,
        ):
            return _measure(plan, services, shop, ours, noop, tell)


def _measure(
    plan: ServePlan,
    services: Services,
    shop: Shop,
    ours: WebProcess,
    noop: WebProcess,
    tell: world.Tell,
) -> dict[str, Any]:
    audience = Audience(
        services,
        shop,
        n_items=plan.n_items,
        n_regular=plan.n_visitors,
        n_new=plan.n_new * plan.rounds,
        connections=plan.connections,
    )
    tell("Showing the shop's visitors around")
    audience.arrive(ours)
    written = services.state.pending()
    rounds = interleave(
        lambda number: _load(plan, audience, ours, number),
        lambda number: _load(plan, audience, noop, number, slates=False),
        plan.rounds,
        tell=tell,
    )
    written = services.state.pending() - written
    return {
        **summary(rounds),
        **_shares(rounds, written),
        "required_ratio": REQUIRED_RATIO,
        "worker_private_mb": [round(size, 1) for size in ours.private_mb()],
        "worker_private_mb_limit": LIMIT_MB,
        "items": plan.n_items,
        "slate_items": requests.SLATE_ITEMS,
        "path_items": requests.PATH_ITEMS,
        "workers": services.settings.web_workers,
        "threads": THREADS,
        "connections": plan.connections,
    }


def _load(
    plan: ServePlan, audience: Audience, web: WebProcess, number: int, *, slates: bool = True
) -> Load:
    """Return a round's load; both sides are asked the same."""
    regular = audience.regular
    asked = [regular[place % len(regular)] for place in range(plan.n_requests)]
    new = audience.new[number * plan.n_new : (number + 1) * plan.n_new]
    # Spread evenly, so that their share is the same however far a side comes.
    for turn, request in enumerate(new):
        asked[turn * plan.n_requests // plan.n_new] = request
    return audience.load(web, asked, seconds=plan.seconds, slates=slates)


def _shares(rounds: Sequence[Round], exposures: int) -> dict[str, float]:
    """Return which shares of our answers wrote an exposure, and came from a fallback."""
    answered = sum(one.ours.answered for one in rounds) or 1
    of_the_models = sum(one.ours.noted for one in rounds)
    return {
        "first_time_share": round(exposures / answered, 4),
        "fallback_share": round(1 - of_the_models / answered, 4),
    }
