"""How long training takes, what it holds, and what shoppers notice of it.

Each size is a shop of its own. Then the service answers a steady stream of requests, without and
with a training beside it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recommender.bench import world
from recommender.bench.audience import Audience
from recommender.bench.load import Outcome, drive, percentile_ms
from recommender.bench.training_process import TrainingProcess
from recommender.bench.web_process import SERVICE, WebProcess, web_process
from recommender.bootstrap import Services
from recommender.records import Shop

LIMIT_SIZE = 1_000_000
LIMIT_SECONDS = 60.0
LIMIT_MB = 2048.0
LIMIT_SLOWDOWN = 2.0
"""Largest p99 of slates during a training, as a multiple of the one without."""

_FIRST_SIZE = 5_000
_MAX_ITEMS = 100_000
_EVENTS_PER_ITEM = 10
_SLICE_SECONDS = 4.0
_VISITORS = 500


@dataclass(frozen=True, slots=True)
class TrainPlan:
    """How `bench train` measures.

    Attributes:
        sizes: Numbers of interactions.
        quiet_seconds: How long slates are asked for without a training, before and after; 0
            leaves this part out.
        per_second: Slates asked for a second, meanwhile.
    """

    sizes: Sequence[int] = (100_000, 300_000, 1_000_000)
    quiet_seconds: float = 10.0
    per_second: float = 100.0


def bench_train(plan: TrainPlan, *, tell: world.Tell) -> dict[str, Any]:
    """Measure every size, and slates beside a training of the largest size up to the limit's.

    Raises:
        UnavailableError: A part does not start, or a training fails.
    """
    sizes = sorted(set(plan.sizes))
    with world.temporary_services() as services:
        # What is compiled or read for the first time would be counted for the smallest size.
        _train(services, _FIRST_SIZE, _shop_of(services, _FIRST_SIZE, tell), tell)
        shops = {size: _shop_of(services, size, tell) for size in sizes}
        curve = [_train(services, size, shops[size], tell) for size in sizes]
        serving: dict[str, Any] = {}
        if plan.quiet_seconds:
            size = max([size for size in sizes if size <= LIMIT_SIZE], default=sizes[0])
            tell(f"Asking for slates beside a training of {size:,} interactions")
            with web_process(services.settings, SERVICE) as web:
                serving = _serve_meanwhile(plan, services, shops[size], _n_items(size), web)
    return {
        **_against_the_limit(curve),
        "exponent": _exponent(curve),
        "sizes": curve,
        "serving": serving,
        "failures": sum(serving.get("failures", {}).values()),
    }


def _n_items(n_events: int) -> int:
    return max(100, min(_MAX_ITEMS, n_events // _EVENTS_PER_ITEM))


def _shop_of(services: Services, n_events: int, tell: world.Tell) -> Shop:
    tell(f"Writing {n_events:,} interactions")
    shop = world.make_shop(services, _n_items(n_events))
    world.write_events(services, shop, n_events, _n_items(n_events))
    return shop


def _train(services: Services, size: int, shop: Shop, tell: world.Tell) -> dict[str, Any]:
    tell(f"Training on {size:,} interactions")
    training = TrainingProcess(services.settings, shop.shop_id).finish()
    return {
        "interactions": size,
        "interactions_learned": training.report["n_interactions"],
        "items": training.report["n_items"],
        "seconds": round(training.seconds, 2),
        "peak_mb": round(training.peak_mb, 1),
    }


def _against_the_limit(curve: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return time and memory at the limit's size, None when it was not measured."""
    limits = {
        "limit_interactions": LIMIT_SIZE,
        "limit": LIMIT_SECONDS,
        "peak_mb_limit": LIMIT_MB,
    }
    for point in curve:
        if point["interactions"] == LIMIT_SIZE:
            seconds = point["seconds"]
            ratio = round(seconds / LIMIT_SECONDS, 3)
            return {**limits, "ours": seconds, "ratio": ratio, "peak_mb": point["peak_mb"]}
    return {**limits, "ours": None, "ratio": None, "peak_mb": None}


def _exponent(curve: Sequence[dict[str, Any]]) -> float | None:
    """Return b of seconds ∝ interactions^b, fitted in logarithms; 1 is linear."""
    if len(curve) < 2:
        return None
    sizes = np.log([point["interactions"] for point in curve])
    seconds = np.log([point["seconds"] for point in curve])
    return round(float(np.polyfit(sizes, seconds, 1)[0]), 3)


def _serve_meanwhile(
    plan: TrainPlan, services: Services, shop: Shop, n_items: int, web: WebProcess
) -> dict[str, Any]:
    audience = Audience(services, shop, n_items=n_items, n_regular=_VISITORS, connections=8)
    audience.arrive(web)

    def ask(seconds: float) -> Outcome:
        load = audience.load(web, audience.regular, seconds=seconds, per_second=plan.per_second)
        return drive(load)

    before = ask(plan.quiet_seconds)
    training = TrainingProcess(services.settings, shop.shop_id, in_background=True)
    during = [ask(_SLICE_SECONDS)]
    while training.is_running:
        during.append(ask(_SLICE_SECONDS))
    training.finish()
    return _beside(plan, quiet=[before, ask(plan.quiet_seconds)], during=during)


def _beside(
    plan: TrainPlan, *, quiet: Sequence[Outcome], during: Sequence[Outcome]
) -> dict[str, Any]:
    without, beside = _p99_ms(quiet), _p99_ms(during)
    failures: Counter[str] = Counter()
    for outcome in (*quiet, *during):
        failures.update(outcome.failures)
    return {
        "requests_per_second": plan.per_second,
        "p99_ms": round(without, 2),
        "p99_ms_during_training": round(beside, 2),
        "ratio": round(beside / without, 2) if without else None,
        "limit": LIMIT_SLOWDOWN,
        "failures": dict(failures),
        "rounds": [
            {
                "training": outcomes is during,
                "p50_ms": round(one.percentile_ms(50), 2),
                "p99_ms": round(one.percentile_ms(99), 2),
                "answered": one.answered,
            }
            for outcomes in (quiet, during)
            for one in outcomes
        ],
    }


def _p99_ms(outcomes: Sequence[Outcome]) -> float:
    return percentile_ms([one for outcome in outcomes for one in outcome.latencies_us], 99)
