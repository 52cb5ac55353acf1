"""Amounts, shares and results in plain English. Pure."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from recommender.billing.pricing import Reason
from recommender.records import Contract, Stratum
from recommender.shops.money import format_minor
from recommender.uplift.estimate import Estimate

_NO_BREAK = "\u00a0"
NO_COMPARISON = (
    "Too few visitors have bought yet, with or without recommendations, to compare the two groups."
)
REASONS = {
    Reason.DUE: "The fee so far, less what was billed before.",
    Reason.CAPPED: "Limited by the contract's cap; the rest is carried to later months.",
    Reason.NOT_PROVEN: (
        "Nothing is due: it is not proven yet that the recommendations raise revenue."
    ),
    Reason.NOTHING_NEW: "Nothing is due: the fee so far was billed before.",
    Reason.CREDIT_TO_COME: (
        "Nothing is due: more was billed than is due by now. The difference is given back at the "
        "yearly settlement, unless later months make up for it."
    ),
    Reason.CREDIT: "Yearly settlement: the fee so far is lower than what was billed.",
    Reason.FROZEN: (
        "Nothing is billed: the split of visitors between the groups is off, and until that is "
        "explained no comparison can be trusted."
    ),
}


def amount(minor: int, currency: str) -> str:
    """Write money with thousands separated: 6120050 EUR → "61,200.50 EUR"."""
    return f"{Decimal(format_minor(minor, currency)):,f} {currency}"


def percent(share: Fraction | Decimal | float, digits: int = 1) -> str:
    """Write a share as a percentage: 0.0234 → "2.3 %", which no line break parts."""
    return f"{float(share) * 100:.{digits}f}{_NO_BREAK}%"


def day(date: dt.date) -> str:
    """Write a date: "1 March 2027"."""
    return f"{date.day} {date:%B %Y}"


def period(first: dt.date, last: dt.date) -> str:
    """Write days of one month: "1–31 March 2027"."""
    return f"{first.day}–{day(last)}"


def holdout(strata: Sequence[Stratum]) -> str:
    """Write the share of visitors without recommendations now: "10 %"."""
    held_ppm = 1_000_000 - strata[-1].treatment_share_ppm
    return f"{Decimal(held_ppm) / 10_000:.10g}{_NO_BREAK}%"


def result_sentence(
    estimate: Estimate | None, contract: Contract, strata: Sequence[Stratum]
) -> str:
    """Say what the comparison shows, in one sentence that holds at every look."""
    if estimate is None or estimate.relative_uplift is None:
        return NO_COMPARISON
    interval = estimate.relative_interval(estimate.sequence)
    if interval is None:
        return NO_COMPARISON
    low, high = interval
    since = f"Since {day(contract.starts_on)} your visitors with recommendations spent"
    without = f"than the {holdout(strata)} without"
    best = f"(best estimate {float(estimate.relative_uplift) * 100:+.1f}{_NO_BREAK}%)"
    if low > 0:
        return f"{since} between {percent(low)} and {percent(high)} more {without} {best}."
    if high < 0:
        return f"{since} between {percent(-high)} and {percent(-low)} less {without} {best}."
    return (
        f"{since} between {percent(-low)} less and {percent(high)} more {without} {best}: "
        "no difference is proven yet."
    )
