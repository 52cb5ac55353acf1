"""The proof's vectorised twin comes to what the real estimate and the real bill come to."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pytest

from money_world import contract
from proof.markets import MONTHS, Market
from proof.trials import Looks, Plan, simulate
from proof.twin import CAP_MONTH_BPS, CREDITED, RATE_BPS, Z, bills, estimates
from recommender.billing.evidence import Billed, Evidence
from recommender.billing.months import Month
from recommender.billing.pricing import price
from recommender.records import Arm, DailySum, Stratum
from recommender.uplift.estimate import estimate

CUMULATED = ("buyers", "spent", "squares", "products")
PLANS = [
    Plan(3_000, effect=0.0),
    Plan(6_000, effect=0.4),
    Plan(20_000, effect=0.15, holdout=0.3),
    Plan(2_000, effect=1.5),
]


def market() -> Market:
    random = np.random.default_rng(7)
    baskets = np.round(random.gamma(1, 6_000, (400, MONTHS)))
    comes_back = random.random((400, MONTHS)) < 0.15
    comes_back[:, 0] = True
    before = np.where(random.random(400) < 0.5, np.round(random.gamma(1, 9_000, 400)), 0)
    return Market("made up", (baskets * comes_back).cumsum(1), before, share=0.04)


def month_of(number: int) -> Month:
    return Month(2027 + number // 12, number % 12 + 1)


def daily_sums(looks: Looks) -> list[DailySum]:
    """The first trial's looks as monthly growth, on the last day of each month."""
    rows = []
    for stratum in range(2):
        for place, arm in enumerate((Arm.TREATMENT, Arm.CONTROL)):
            grown = {
                name: np.diff(getattr(looks, name)[0, stratum, place], prepend=0)
                for name in (*CUMULATED, "visitors", "before", "before_squares")
            }
            rows += [
                DailySum(
                    day=month_of(month).last_day,
                    stratum=stratum + 1,
                    arm=arm,
                    visitors=int(grown["visitors"][month]),
                    orders=int(grown["buyers"][month]),
                    converted=int(grown["buyers"][month]),
                    revenue_minor=int(grown["spent"][month]),
                    revenue_squares=int(grown["squares"][month]),
                    covariate_minor=int(grown["before"][month]),
                    covariate_squares=int(grown["before_squares"][month]),
                    covariate_products=int(grown["products"][month]),
                )
                for month in range(MONTHS)
                if grown["visitors"][month] or grown["buyers"][month] or grown["spent"][month]
            ]
    return rows


@pytest.fixture(scope="module", params=range(len(PLANS)))
def looks(request: pytest.FixtureRequest) -> Looks:
    return simulate(market(), PLANS[request.param], 3, np.random.default_rng(request.param))


def test_estimates_agree_at_every_look(looks: Looks) -> None:
    found, sums = estimates(looks), daily_sums(looks)
    for month in range(0, MONTHS, 4):
        so_far = [row for row in sums if row.day <= month_of(month).last_day]
        real = estimate(so_far, alpha=Decimal("0.05"), n_star=looks.plan.n_star)
        assert real is not None
        assert found.total[0, month] == pytest.approx(float(real.incremental_minor), rel=1e-9)
        margin = float(real.margin_minor(real.sequence))
        assert found.error[0, month] * found.sequence[0, month] == pytest.approx(margin, rel=1e-9)
        assert found.error[0, month] * Z == pytest.approx(
            float(real.margin_minor(real.fixed)), rel=1e-9
        )
        kept = float(real.variance_kept_share)
        assert found.kept_share[0, month] == pytest.approx(kept, rel=1e-9)


@pytest.mark.parametrize("policy", CREDITED)
def test_bills_agree_in_every_month(looks: Looks, policy: str) -> None:
    sums = daily_sums(looks)
    terms = contract(
        policy=policy,
        rate_bps=RATE_BPS,
        cap_month_bps=CAP_MONTH_BPS,
        n_star=looks.plan.n_star,
    )
    strata = tuple(
        Stratum("shop_1", number + 1, "salt", round(share * 1_000_000), dt.datetime(2027, 1, 1))
        for number, share in enumerate(looks.plan.shares)
    )
    billed: list[Billed] = []
    for month in range(MONTHS):
        through = month_of(month).last_day
        bill = price(
            Evidence(
                shop_id="shop_1",
                timezone="UTC",
                through=through,
                contract=terms,
                strata=strata,
                sums=tuple(row for row in sums if row.day <= through),
                billed=tuple(billed),
                last_click_minor=0,
            )
        )
        billed.append(Billed(month_of(month), bill.success_minor))
    due = bills(looks, estimates(looks), policy)[0]
    real = np.array([entry.amount_minor for entry in billed], float)
    # A total whose rounding differs in the last digit may move one minor unit between months.
    assert np.abs(due - real).max() <= 1
    assert np.abs(due.cumsum() - real.cumsum()).max() <= 1
