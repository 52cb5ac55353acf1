"""The effect over time beside what was billed of it, from a statement's evidence. Pure.

The billed line stands on the scale of the uplift: the uplift that all bills so far paid for. While
the bill is prudent it runs inside the interval.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from recommender.billing import wording
from recommender.billing.bill_lines import fee
from recommender.billing.evidence import Billed, Evidence
from recommender.billing.months import Month, month_of, months_between
from recommender.billing.pricing import billable_sums
from recommender.records import Contract
from recommender.uplift.estimate import Estimate, estimate_over_time
from recommender.web.console_chart import Chart, Close, draw_chart, to_looks

MOST_LOOKS = 60
_WIDE, _NARROW = (960, 320), (400, 300)


@dataclass(frozen=True, slots=True)
class MonthEnd:
    """A line of the chart's table.

    Attributes:
        due: Billed for this month; empty in a month that is still open or had no statement.
        paid_for: Uplift that all bills so far paid for.
    """

    month: str
    estimate: str
    low: str
    high: str
    due: str
    billed: str
    paid_for: str
    is_credit: bool


@dataclass(frozen=True, slots=True)
class Funnel:
    """Charts by screen width, the same in figures, and what the key has to explain."""

    charts: Mapping[str, Chart]
    months: list[MonthEnd]
    has_bills: bool
    has_credits: bool


def draw_funnel(
    evidence: Evidence, success_minor: int, declared_effect_ppm: int | None = None
) -> Funnel:
    """Draw the band with the billed line, and tell the same by month.

    Args:
        success_minor: Success fee of the evidence's own month.
        declared_effect_ppm: True effect of a simulated shop.
    """
    contract, sums = evidence.contract, billable_sums(evidence)
    estimates = estimate_over_time(
        sums,
        alpha=Decimal(contract.alpha_ppm) / 1_000_000,
        n_star=contract.n_star,
        most=max(1, len(sums)),
    )
    bills = [*evidence.billed, Billed(evidence.month, success_minor)]
    ends = _month_ends(estimates)
    closes = _closes(ends, bills, contract)
    declared = None if declared_effect_ppm is None else declared_effect_ppm / 1_000_000
    looks = to_looks(_evenly(estimates, MOST_LOOKS))
    drawn = {
        name: draw_chart(looks, declared=declared, width=width, height=height, closes=closes)
        for name, (width, height) in (("wide", _WIDE), ("narrow", _NARROW))
    }
    return Funnel(
        charts={name: chart for name, chart in drawn.items() if chart is not None},
        months=_table(ends, bills, contract),
        has_bills=bool(closes),
        has_credits=any(close.is_credit for close in closes),
    )


def _evenly(
    estimates: Sequence[tuple[dt.date, Estimate]], most: int
) -> list[tuple[dt.date, Estimate]]:
    step = -(-len(estimates) // most) or 1
    return list(estimates[::-1][::step][::-1])


def _month_ends(
    estimates: Sequence[tuple[dt.date, Estimate]],
) -> dict[Month, tuple[dt.date, Estimate]]:
    """Return each month's last look."""
    return {month_of(day): (day, estimate) for day, estimate in estimates}


def _closes(
    ends: Mapping[Month, tuple[dt.date, Estimate]], bills: Sequence[Billed], contract: Contract
) -> list[Close]:
    """Return the ends of months from the first bill on."""
    closes, billed_minor = [], 0
    for bill in bills:
        billed_minor += bill.amount_minor
        if bill.month not in ends or not (billed_minor or bill.amount_minor):
            continue
        day, estimate = ends[bill.month]
        share = _paid_for(estimate, contract, billed_minor)
        if share is not None:
            closes.append(Close(day, share, bill.amount_minor < 0))
    return closes


def _paid_for(estimate: Estimate, contract: Contract, billed_minor: int) -> float | None:
    if estimate.baseline_minor <= 0:
        return None
    return float(value_of_fee(contract, billed_minor) / estimate.baseline_minor)


def value_of_fee(contract: Contract, fee_minor: int) -> int:
    """Return the smallest additional revenue whose fee is `fee_minor`, minor units."""
    low, high = 0, 1
    while fee(contract, high) < fee_minor:
        if not contract.rate_bps:
            return 0
        high *= 2
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if fee(contract, middle) >= fee_minor else (middle + 1, high)
    return low


def _table(
    ends: Mapping[Month, tuple[dt.date, Estimate]], bills: Sequence[Billed], contract: Contract
) -> list[MonthEnd]:
    if not ends:
        return []
    by_month = {bill.month: bill.amount_minor for bill in bills}
    rows, billed_minor = [], 0
    for month in months_between(min(ends), max(ends)):
        billed_minor += by_month.get(month, 0)
        if month in ends:
            rows.append(_row(month, ends[month][1], by_month.get(month), billed_minor, contract))
    return rows


def _row(
    month: Month, estimate: Estimate, due_minor: int | None, billed_minor: int, contract: Contract
) -> MonthEnd:
    uplift, interval = estimate.relative_uplift, estimate.relative_interval(estimate.sequence)
    low, high = ("–", "–") if interval is None else (signed(bound) for bound in interval)
    paid_for = _paid_for(estimate, contract, billed_minor)
    return MonthEnd(
        month=f"{month.first_day:%B %Y}",
        estimate="–" if uplift is None else signed(uplift),
        low=low,
        high=high,
        due="" if due_minor is None else wording.amount(due_minor, contract.currency),
        billed=wording.amount(billed_minor, contract.currency),
        paid_for="–" if not paid_for else signed(paid_for),
        is_credit=(due_minor or 0) < 0,
    )


def signed(share: object) -> str:
    """Write a change in percent with its sign: 0.023 → "+2.3 %"."""
    value = round(float(share) * 100, 1)  # type: ignore[arg-type]
    return f"{value:+.1f}\u00a0%" if value else "0.0\u00a0%"
