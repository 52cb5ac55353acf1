"""What an amount consists of, line by line: fees by tier, what was billed, fixed fees. Pure.

Lines carry numbers, never words, so that a page or an invoice says them in its reader's language.
The lines of a bill add up to its amount, exactly. Each is a whole number of the steps in which an
invoice can state its currency.
"""

import calendar
import datetime as dt
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from recommender.billing.months import Month
from recommender.records import Contract
from recommender.shops.money import billing_step


class LineKind(StrEnum):
    """What a line is about; its parameters are listed."""

    SUCCESS_TIER = "success_tier"
    """Fee since the contract began: from_minor, value_minor (revenue within the tier), rate_bps."""
    CARRIED_IN = "carried_in"
    """What the contract's version before left open."""
    BILLED_BEFORE = "billed_before"
    """Success fees of the earlier months, taken off."""
    NOT_BILLED = "not_billed"
    """What is carried, held or to be given back later, as a correction: reason (a `Reason`)."""
    LICENCE = "licence"
    """Fixed fee: month_minor, days, of_days."""
    MINIMUM = "minimum"
    """What is missing to the agreed minimum: minimum_minor."""


@dataclass(frozen=True, slots=True)
class BillLine:
    """One line; `parameters` are whole numbers and codes."""

    kind: LineKind
    amount_minor: int
    parameters: dict[str, int | str] = field(default_factory=dict)


def fee(contract: Contract, value_minor: int) -> int:
    """Return the vendor's share of an incremental revenue, rounded down, never negative.

    Rounded to what an invoice can state, in each tier: in the shop's favour.
    """
    return sum(line.amount_minor for line in fee_tiers(contract, value_minor))


def whole_steps(minor: int, currency: str) -> int:
    """Return an amount rounded down to what an invoice can state."""
    step = billing_step(currency)
    return minor // step * step


def fee_tiers(contract: Contract, value_minor: int) -> Iterator[BillLine]:
    """Yield the fee within each tier that an incremental revenue reaches.

    Rates are marginal, as of an income tax: the fee has no jump where a tier begins.
    """
    steps = [(0, contract.rate_bps), *((tier.from_minor, tier.rate_bps) for tier in contract.tiers)]
    ends = [start for start, _ in steps[1:]]
    for (start, rate_bps), end in itertools.zip_longest(steps, ends):
        within = min(value_minor, value_minor if end is None else end) - start
        if within > 0:
            yield BillLine(
                LineKind.SUCCESS_TIER,
                whole_steps(within * rate_bps // 10_000, contract.currency),
                {"from_minor": start, "value_minor": within, "rate_bps": rate_bps},
            )


def success_lines(
    tiers: Iterator[BillLine],
    *,
    carried_minor: int,
    before_minor: int,
    success_minor: int,
    reason: str,
) -> list[BillLine]:
    """Return the lines that add up to a month's success fee."""
    lines = [
        *tiers,
        BillLine(LineKind.CARRIED_IN, carried_minor),
        BillLine(LineKind.BILLED_BEFORE, -before_minor),
    ]
    left = success_minor - sum(line.amount_minor for line in lines)
    lines.append(BillLine(LineKind.NOT_BILLED, left, {"reason": reason}))
    return [line for line in lines if line.amount_minor]


def fixed_lines(contract: Contract, month: Month, *, success_minor: int) -> list[BillLine]:
    """Return licence fee and what is missing to the minimum.

    Both by the days of the month that the contract governs, rounded down. A credit of the success
    fee is given in full; the minimum does not take it back.
    """
    days = governed_days(contract.starts_on, month)
    of_days = calendar.monthrange(month.year, month.number)[1]
    currency = contract.currency
    licence_minor = whole_steps(contract.licence_month_minor * days // of_days, currency)
    minimum_minor = whole_steps(contract.minimum_month_minor * days // of_days, currency)
    missing_minor = max(0, minimum_minor - licence_minor - max(0, success_minor))
    lines: Sequence[BillLine] = (
        BillLine(
            LineKind.LICENCE,
            licence_minor,
            {"month_minor": contract.licence_month_minor, "days": days, "of_days": of_days},
        ),
        BillLine(LineKind.MINIMUM, missing_minor, {"minimum_minor": minimum_minor}),
    )
    return [line for line in lines if line.amount_minor]


def governed_days(starts_on: dt.date, month: Month) -> int:
    """Return the days of a month from the contract's first day on."""
    return max(0, (month.last_day - max(starts_on, month.first_day)).days + 1)
