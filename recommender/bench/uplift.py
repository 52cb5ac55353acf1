"""How long a statement takes, from event log and orders to its figures, by number of rows.

Beside it stands what DuckDB takes merely to read the same rows once. Each size is a shop of its
own, of four weeks in two arms. Statements are made from sealed days; sealing is not in the time,
for the scheduler seals each day at its end.
"""

import datetime as dt
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recommender import tables
from recommender.bench import synthetic_trial, world
from recommender.billing.preview import preview
from recommender.billing.statement import build_statement, canonical_json
from recommender.bootstrap import Services
from recommender.errors import InconsistentError
from recommender.events.sealing import seal_days
from recommender.records import Contract, Shop
from recommender.shops.registry import ShopOrder, add_contract, create_shop
from recommender.uplift.measure import measure

LIMIT_ROWS = 10_000_000
LIMIT_SECONDS = 10.0

_ORDERS_PER_CALL = 20_000
_SCAN = """
SELECT count(*), sum(hash(event_id) % 7), sum(hash(visitor) % 7), max(arm), max(stratum),
       max(type), max(epoch_us(occurred_at)), max(epoch_us(received_at)), max(bot), max(order_id)
FROM read_parquet(?)
"""


@dataclass(frozen=True, slots=True)
class UpliftPlan:
    """How `bench uplift` measures.

    Attributes:
        sizes: Numbers of exposure and order rows.
        rounds: Times that both sides are measured at each size.
    """

    sizes: Sequence[int] = (1_000_000, 3_000_000, 10_000_000)
    rounds: int = 3


def bench_uplift(plan: UpliftPlan, *, tell: world.Tell) -> dict[str, Any]:
    """Measure every size; `ours` and `limit` are seconds at the limit's size."""
    sizes = sorted(set(plan.sizes))
    with world.temporary_services() as services:
        curve = []
        for size in sizes:
            tell(f"Writing {size:,} exposures and orders")
            trial = _Trial(services, size)
            rounds = []
            for number in range(plan.rounds):
                tell(f"{size:,} rows, round {number + 1} of {plan.rounds}")
                rounds.append(trial.round(number))
            curve.append(_point(size, rounds))
    return {
        **_against_the_limit(curve),
        "limit_rows": LIMIT_ROWS,
        "limit_seconds": LIMIT_SECONDS,
        "exponent": _exponent(curve),
        "sizes": curve,
        "failures": sum(point["failures"] for point in curve),
    }


class _Trial:
    """A shop with a trial of four weeks that ended last midnight."""

    def __init__(self, services: Services, n_rows: int) -> None:
        self._services = services
        self._n_rows = n_rows
        self._first_day = services.now().date() - dt.timedelta(days=synthetic_trial.DAYS)
        self._shop = _make_shop(services, self._first_day)
        self._contract = self._agree()
        self._n_orders = self._write()
        seal_days(
            self._shop.shop_id,
            event_log=services.event_log,
            database=services.database,
            through=self._first_day + dt.timedelta(days=synthetic_trial.DAYS - 1),
            now=services.now(),
        )

    def _agree(self) -> Contract:
        terms = Contract(
            shop_id=self._shop.shop_id,
            version=1,
            starts_on=self._first_day,
            rate_bps=1_000,
            policy="gated_midpoint",
            cap_month_bps=1_000,
            cap_year_minor=0,
            order_cap_minor=0,
            alpha_ppm=50_000,
            n_star=self._n_rows,
            currency=self._shop.currency,
        )
        return add_contract(terms, database=self._services.database)

    def _write(self) -> int:
        services, shop = self._services, self._shop
        days = synthetic_trial.trial_days(
            shop.shop_id,
            self._n_rows,
            first_day=self._first_day,
            currency=shop.currency,
            seed=world.SEED,
        )
        n_orders = 0
        for position, day in enumerate(days, start=1):
            services.event_log.append_table(day.events, f"bench:{shop.shop_id}", position)
            with services.database.begin() as connection:
                for start in range(0, len(day.orders), _ORDERS_PER_CALL):
                    part = day.orders[start : start + _ORDERS_PER_CALL]
                    connection.execute(tables.orders.insert(), part)
            n_orders += len(day.orders)
        return n_orders

    def round(self, number: int) -> dict[str, Any]:
        """Measure both sides once, every second time in the other order."""
        sides: list[tuple[str, Callable[[], int]]] = [("ours", self._state), ("limit", self._scan)]
        figures: dict[str, Any] = {"failures": 0}
        for name, side in sides if number % 2 == 0 else reversed(sides):
            started = time.perf_counter()
            counted = side()
            figures[f"{name}_seconds"] = round(time.perf_counter() - started, 3)
            figures["failures"] += counted != self._n_rows
        return figures

    def _state(self) -> int:
        """Make the statement; return the rows it accounts for."""
        services, shop, now = self._services, self._shop, self._services.now()
        measure(
            shop,
            event_log=services.event_log,
            database=services.database,
            contract=self._contract,
            through=now.date(),
            now=now,
        )
        found = preview(shop, database=services.database, now=now)
        if found is None:
            raise InconsistentError("The measurement was not stored")
        excluded = found.measured.excluded
        canonical_json(
            build_statement(shop, found.evidence, found.bill, excluded=excluded, closed_at=now)
        )
        counted = sum(row.orders for row in found.evidence.sums)
        left_out = sum(orders.orders for orders in excluded.values())
        # Exposures are counted by visitor, so only orders can be compared.
        return self._n_rows - self._n_orders + counted + left_out

    def _scan(self) -> int:
        import duckdb
        from deltalake import DeltaTable

        # Files that sealing replaced still lie in the folder.
        log = DeltaTable(f"{self._services.settings.lake_url}/events")
        files = [uri for uri in log.file_uris() if f"shop_id={self._shop.shop_id}/" in uri]
        with duckdb.connect() as connection:
            row = connection.execute(_SCAN, [files]).fetchone()
        return int(row[0]) if row else 0


def _make_shop(services: Services, first_day: dt.date) -> Shop:
    order = ShopOrder(
        name="Synthetic trial",
        currency="EUR",
        country="FR",
        timezone="UTC",
        origins=[world.ORIGIN],
        treatment_share_ppm=synthetic_trial.TREATMENT_SHARE_PPM,
    )
    began_at = dt.datetime.combine(first_day, dt.time.min, tzinfo=dt.UTC)
    new = create_shop(order, database=services.database, now=began_at)
    return services.shops.by_id(new.shop_id)


def _point(size: int, rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    ours = [one["ours_seconds"] for one in rounds]
    limit = [one["limit_seconds"] for one in rounds]
    return {
        "rows": size,
        "ours": round(statistics.median(ours), 3),
        "limit": round(statistics.median(limit), 3),
        "ratio": round(statistics.median(a / b for a, b in zip(ours, limit, strict=True)), 2),
        "failures": sum(one["failures"] for one in rounds),
        "rounds": list(rounds),
    }


def _against_the_limit(curve: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return both sides' seconds at the limit's size, None when it was not measured."""
    for point in curve:
        if point["rows"] == LIMIT_ROWS:
            return {name: point[name] for name in ("ours", "limit", "ratio")}
    return {"ours": None, "limit": None, "ratio": None}


def _exponent(curve: Sequence[dict[str, Any]]) -> float | None:
    """Return b of seconds ∝ rows^b, fitted in logarithms; 1 is linear."""
    if len(curve) < 2:
        return None
    rows = np.log([point["rows"] for point in curve])
    seconds = np.log([point["ours"] for point in curve])
    return round(float(np.polyfit(rows, seconds, 1)[0]), 3)
