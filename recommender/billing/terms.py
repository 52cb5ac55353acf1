"""Which version of a contract governs a day, and where it ends. Pure."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from recommender.billing.months import Month, month_of
from recommender.errors import NotFoundError
from recommender.records import Contract


@dataclass(frozen=True, slots=True)
class Term:
    """A contract version in its place among the others.

    Attributes:
        ends_on: Last day of the last month it is billed for; None while no version follows.
        before: The version before it; None for the first.
    """

    contract: Contract
    ends_on: dt.date | None = None
    before: Contract | None = None


def term_of(contracts: Sequence[Contract], on: dt.date) -> Term:
    """Return the version that governs a day.

    Args:
        contracts: All versions of a shop, oldest first.

    Raises:
        NotFoundError: None has started by then (`no-contract`).
    """
    started = [contract for contract in contracts if contract.starts_on <= on]
    if not started:
        raise NotFoundError(f"No contract governs {on}", code="no-contract")
    number = len(started) - 1
    later = contracts[number + 1 :]
    return Term(
        started[-1],
        ends_on=later[0].starts_on.replace(day=1) - dt.timedelta(days=1) if later else None,
        before=started[number - 1] if number else None,
    )


def last_month(starts_on: dt.date, next_starts_on: dt.date) -> Month | None:
    """Return the last month whose last day a version governs; None when there is none."""
    month = month_of(next_starts_on.replace(day=1) - dt.timedelta(days=1))
    return month if month.last_day >= starts_on else None
