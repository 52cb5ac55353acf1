"""Shops in every state a statement can show: daily sums and closed months, put into the tables."""

import contextlib
import datetime as dt
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import sqlalchemy as sa
from werkzeug.serving import make_server

from money_world import CONTRACT
from recommender import tables
from recommender.billing.archive import read_billed
from recommender.billing.evidence import Evidence, LedgerEnd, SealedRevision
from recommender.billing.months import Month, month_of, months_between
from recommender.billing.pricing import price
from recommender.billing.shown import shown_beside
from recommender.billing.statement import build_statement, canonical_json, sha256
from recommender.bootstrap import Services
from recommender.records import Arm, Contract, DailySum, Shop
from recommender.shops.exclusions import RulesVersion, before_any, content_sha256
from recommender.shops.registry import add_contract
from recommender.uplift.behaviour import Behaviour
from recommender.uplift.estimate import total_strata
from recommender.uplift.metrics import Moments, Pair
from recommender.uplift.removed import Removed
from recommender.uplift.revenue import Excluded
from recommender.uplift.stored import Measurement, store_measurement
from recommender.uplift.views import TRAILING_DAYS, View, ViewKind
from recommender.web.app import create_app


@dataclass(frozen=True)
class Life:
    """How a shop lived: visitors a day, their conversion, and what recommendations changed.

    Attributes:
        uplift: Effect on conversion by month of the contract; the last one goes on.
        treated_share: Visitors with recommendations; what the stratum says is not asked.
    """

    visitors_a_day: int = 400
    conversion: float = 0.05
    uplift: Sequence[float] = (0.3,)
    treated_share: float = 0.5
    terms: dict[str, Any] = field(default_factory=dict)


def daily_sums(life: Life, first: dt.date, last: dt.date, seed: int = 7) -> list[DailySum]:
    """Return days on which every buyer bought once, on the day of the first exposure."""
    rng = np.random.default_rng(seed)
    start, sums = month_of(first), []
    for number in range((last - first).days + 1):
        day = first + dt.timedelta(days=number)
        month = min(month_of(day).index - start.index, len(life.uplift) - 1)
        treated = int(rng.binomial(life.visitors_a_day, life.treated_share))
        for arm, visitors in (
            (Arm.CONTROL, life.visitors_a_day - treated),
            (Arm.TREATMENT, treated),
        ):
            rate = life.conversion * (1 + life.uplift[month] * (arm is Arm.TREATMENT))
            baskets = np.round(rng.gamma(2, 2_500, rng.binomial(visitors, rate))).astype(int)
            sums.append(
                DailySum(
                    day=day,
                    stratum=1,
                    arm=arm,
                    visitors=visitors,
                    orders=len(baskets),
                    converted=len(baskets),
                    revenue_minor=int(baskets.sum()),
                    revenue_squares=int((baskets**2).sum()),
                )
            )
    return sums


def open_contract(shop: Shop, life: Life, starts_on: dt.date, database: sa.Engine) -> Contract:
    terms = replace(CONTRACT, shop_id=shop.shop_id, starts_on=starts_on, n_star=20_000)
    return add_contract(replace(terms, **life.terms), database=database)


def live(
    shop: Shop, life: Life, *, starts_on: dt.date, through: dt.date, database: sa.Engine
) -> Contract:
    """Give a shop a contract, measured days through `through`, and its closed months."""
    terms = open_contract(shop, life, starts_on, database)
    sums = daily_sums(life, starts_on, through)
    for month in months_between(month_of(starts_on), month_of(through)):
        if month.last_day <= through:
            close(shop, terms, month, sums, database)
    now = dt.datetime.combine(through, dt.time(4), tzinfo=dt.UTC) + dt.timedelta(days=1)
    with database.begin() as connection:
        store_measurement(connection, shop.shop_id, measurement(sums), now)
    return terms


def measurement(sums: list[DailySum]) -> Measurement:
    behaviour = {}
    for arm in Arm:
        own = [row for row in sums if row.arm is arm]
        visitors = sum(row.visitors for row in own)
        orders = sum(row.orders for row in own)
        behaviour[arm] = Behaviour(
            visitors=visitors,
            visits=visitors,
            pages=visitors * (4 if arm is Arm.TREATMENT else 3),
            orders=orders,
            converted=sum(row.converted for row in own),
            revenue_minor=sum(row.revenue_minor for row in own),
            units=orders,
            tail_units=orders // (3 if arm is Arm.TREATMENT else 4),
        )
    return Measurement(
        sums=sums,
        behaviour=behaviour,
        excluded={"no-visitor": Excluded(12, 84_300)},
        last_click_minor=sum(row.revenue_minor for row in sums if row.arm is Arm.TREATMENT) // 8,
        in_both_arms=3,
        views=tuple(_views(sums)),
        moments=tuple(_moments(sums)),
        on_several_browsers=40,
        removed=(
            Removed("program", 1, "control", 31, 2, 9_900),
            Removed("program", 1, "treatment", 27, 1, 5_000),
            Removed("staff", 0, "", 0, 1, 2_500),
            Removed("staff", 1, "treatment", 3, 4, 31_000),
        ),
        rules=(before_any().told, STATED),
    )


STATED = RulesVersion(
    1,
    dt.date(2026, 2, 11),
    dt.datetime(2026, 2, 10, 9, tzinfo=dt.UTC),
    content_sha256(["k"], ["tag:team"]),
)


def _views(sums: list[DailySum]) -> Iterator[View]:
    """Return cuts that are the same visitors again, or some of them."""

    def cut(kind: ViewKind, name: str, rows: list[DailySum]) -> View:
        return View(kind, name, tuple(total_strata(rows)))

    yield cut(ViewKind.TRAILING, "", sums[-2 * TRAILING_DAYS :])
    yield cut(ViewKind.INTENTION_TO_TREAT, "", sums)
    yield cut(
        ViewKind.UNTRIGGERED,
        "",
        [replace(row, revenue_minor=1_000, revenue_squares=1_000_000) for row in sums],
    )
    for number, placement in enumerate(("home", "product", "cart")):
        yield cut(ViewKind.PLACEMENT, placement, sums[2 * number :: 6] + sums[2 * number + 1 :: 6])
    for month in sorted({month_of(row.day) for row in sums}):
        yield cut(ViewKind.MONTH, str(month), [row for row in sums if month_of(row.day) == month])


def _moments(sums: list[DailySum]) -> Iterator[Moments]:
    for arm in Arm:
        own = [row for row in sums if row.arm is arm]
        n, orders = sum(row.visitors for row in own), sum(row.orders for row in own)
        revenue = sum(row.revenue_minor for row in own)
        squares = sum(row.revenue_squares for row in own)
        pages = 4 if arm is Arm.TREATMENT else 3
        yield Moments(
            stratum=1,
            arm=arm,
            visitors=n,
            converted=orders,
            basket=Pair(revenue, orders, squares, orders, revenue),
            pages=Pair(pages * n, n, (pages**2 + 2) * n, n, pages * n),
            tail=Pair(revenue // 4, revenue, squares // 9, squares, squares // 4),
        )


def close(
    shop: Shop, terms: Contract, month: Month, sums: list[DailySum], database: sa.Engine
) -> None:
    """Store a month's statement, and its invoice when something is due."""
    until = [row for row in sums if row.day <= month.last_day]
    closed_at = dt.datetime.combine(month.last_day, dt.time(6), tzinfo=dt.UTC)
    closed_at += dt.timedelta(days=3)
    measured = measurement(until)
    with database.begin() as connection:
        evidence = Evidence(
            shop_id=shop.shop_id,
            timezone=shop.timezone,
            through=month.last_day,
            contract=terms,
            strata=shop.strata,
            sums=tuple(until),
            billed=read_billed(connection, shop.shop_id, terms.version),
            last_click_minor=measured.last_click_minor,
            sealed=tuple(
                SealedRevision(day, 1, 5_000, f"{number:064x}")
                for number, day in enumerate(sorted({row.day for row in until}))
            ),
            rules=measured.rules,
            removed=measured.removed,
            ledger=LedgerEnd(month.index % 100, "e" * 64),
        )
        body = build_statement(
            shop,
            evidence,
            price(evidence),
            excluded=measured.excluded,
            closed_at=closed_at,
            shown=shown_beside(measured, terms),
        )
        _store(connection, shop, terms, body, closed_at)


def _store(
    connection: sa.Connection,
    shop: Shop,
    terms: Contract,
    body: dict[str, Any],
    closed_at: dt.datetime,
) -> None:
    due_minor = body["bill"]["due_minor"]
    digest = sha256(canonical_json(body))
    of_month = {
        "shop_id": shop.shop_id,
        "month": body["month"],
        "contract_version": terms.version,
        "amount_minor": due_minor,
        "currency": shop.currency,
    }
    number = f"{closed_at:%Y}-{shop.shop_id[-4:]}-{body['month'][-2:]}" if due_minor else ""
    connection.execute(
        tables.statements.insert().values(
            **of_month,
            success_minor=body["bill"]["success_minor"],
            body=body,
            body_sha256=digest,
            closed_at=closed_at,
            invoice_number=number,
        )
    )
    if not number:
        return
    connection.execute(
        tables.invoices.insert().values(
            **of_month,
            number=number,
            kind="invoice" if due_minor > 0 else "credit_note",
            statement_sha256=digest,
            pdf=b"%PDF",
            issued_at=closed_at,
        )
    )
    issued_on = closed_at.date()
    connection.execute(
        tables.invoice_details.insert().values(
            shop_id=shop.shop_id,
            number=number,
            entity_id="demo",
            buyer_name=shop.name,
            language="en",
            issued_on=issued_on,
            due_on=issued_on + dt.timedelta(days=30),
            vat_minor=due_minor // 5,
            late_rate_bps=1_200,
            recovery_minor=4_000,
            recovery_currency="EUR",
            content_type="application/pdf",
            xml=b"<xml/>",
        )
    )


@contextlib.contextmanager
def served_console(services: Services) -> Iterator[str]:
    """Serve the application to a browser; yields the console's address."""
    server = make_server("127.0.0.1", 0, create_app(services), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/console"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


STARTS_ON = dt.date(2026, 1, 5)
THROUGH = dt.date(2026, 4, 15)
NOW = dt.datetime(2026, 4, 16, 9, tzinfo=dt.UTC)
LIVES = {
    "due": Life(visitors_a_day=600, uplift=(0.5,)),
    "capped": Life(
        visitors_a_day=300,
        uplift=(0.6,),
        terms={"cap_month_bps": 200, "licence_month_minor": 4_900},
    ),
    "not-proven": Life(visitors_a_day=60, uplift=(0.0,)),
    "too-few": Life(visitors_a_day=2),
    "frozen": Life(treated_share=0.42),
}
"""Named after what March 2026, the last closed month, shows."""
CREDIT = Life(visitors_a_day=400, uplift=(0.7, 0.6, -0.2, -0.3, -0.3))
CREDIT_STARTS_ON = dt.date(2025, 4, 1)
"""Its year ends with March 2026, and what was billed at first is given back."""


def live_as(name: str, shop: Shop, database: sa.Engine) -> Contract | None:
    """Give a shop the life of that name; "empty" is a shop nobody has measured yet."""
    if name == "empty":
        return None
    if name == "credit":
        return live(shop, CREDIT, starts_on=CREDIT_STARTS_ON, through=THROUGH, database=database)
    return live(shop, LIVES[name], starts_on=STARTS_ON, through=THROUGH, database=database)
