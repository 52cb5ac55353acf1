"""Evidence → what is due. Pure; the same facts in any order give the same bill.

Rounding, always in the shop's favour: the incremental revenue is rounded down and the margin of
its interval up to whole minor units (the only place where a statistic becomes money), and the fee
is rounded down.
"""

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from recommender.billing.evidence import Billed, Evidence
from recommender.billing.months import Month, month_of, months_between
from recommender.records import Arm, Contract, DailySum
from recommender.uplift.estimate import Estimate, estimate
from recommender.uplift.integrity import SplitCheck, check_split

MIN_BUYERS = 30
"""Buyers each arm needs before anything is due: with fewer, means are far from normal and an
interval promises more than it can hold."""


class Reason(StrEnum):
    """Why the amount due is what it is."""

    DUE = "due"
    CAPPED = "capped"
    """The rest is carried to later months."""
    NOT_PROVEN = "not-proven"
    NOTHING_NEW = "nothing-new"
    CREDIT_TO_COME = "credit-to-come"
    """More was billed than is due by now; it is given back at the yearly settlement."""
    CREDIT = "credit"
    FROZEN = "frozen"
    """The split of visitors is off: nothing is billed until that is explained."""


@dataclass(frozen=True, slots=True)
class Target:
    """What the shop owes since the contract began, before caps.

    Attributes:
        estimate: None while an arm is empty.
        gate_open: Whether at some month's end the confidence sequence excluded 0.
        target_minor: The fee by the contract's policy.
        best_estimate_minor: The fee if the estimate were taken as it is.
        proven_minimum_minor: The fee on the lower bound alone.
    """

    estimate: Estimate | None
    gate_open: bool
    target_minor: int
    best_estimate_minor: int
    proven_minimum_minor: int


@dataclass(frozen=True, slots=True)
class Bill:
    """One month's price with its reasons.

    Attributes:
        split: Visitors against agreed shares, by stratum.
        last_click_minor: The fee if last-click attribution decided.
        billed_before_minor: Sum of the earlier statements.
        cap_minor: Most this month may cost.
        due_minor: To pay for this month; negative is a credit, only at the yearly settlement.
    """

    target: Target
    split: tuple[SplitCheck, ...]
    last_click_minor: int
    billed_before_minor: int
    cap_minor: int
    due_minor: int
    reason: Reason

    @property
    def billed_minor(self) -> int:
        """Return the sum of all statements, this one included."""
        return self.billed_before_minor + self.due_minor

    @property
    def left_minor(self) -> int:
        """Return what is carried to later months; negative is a credit to come."""
        return self.target.target_minor - self.billed_minor


def price(evidence: Evidence) -> Bill:
    """Price the month of the evidence: cumulative target less what was billed before."""
    contract, month = evidence.contract, evidence.month
    target = cumulative_target(contract, evidence.sums, through=evidence.through)
    split = tuple(check_split(evidence.sums, evidence.strata))
    cap_minor = _cap(contract, evidence.sums, evidence.billed, month)
    before_minor = sum(billed.amount_minor for billed in evidence.billed)
    due_minor, reason = _due(
        target,
        target.target_minor - before_minor,
        cap_minor,
        frozen=any(check.mismatch for check in split),
        settles=_contract_month(contract, month) % 12 == 11,
    )
    return Bill(
        target=target,
        split=split,
        last_click_minor=fee(contract, evidence.last_click_minor),
        billed_before_minor=before_minor,
        cap_minor=cap_minor,
        due_minor=due_minor,
        reason=reason,
    )


def cumulative_target(contract: Contract, sums: Sequence[DailySum], *, through: dt.date) -> Target:
    """Return the fee since the contract began, before caps and before what was billed.

    `gated_midpoint`: nothing until the confidence sequence excluded 0 at a month's end; from then
    on the rate times the midpoint of estimate and lower bound (the bound never below 0).
    `proven_minimum`: the rate times the lower bound.

    Args:
        sums: Daily sums of the contract; rows after `through` do not count.
    """
    looks = [
        _look(contract, sums, min(month.last_day, through))
        for month in months_between(month_of(contract.starts_on), month_of(through))
    ]
    gate_open = any(look.is_proven for look in looks)
    last = looks[-1]
    if not gate_open:
        value_minor = 0
    elif contract.policy == "proven_minimum":
        value_minor = last.lower_minor
    else:
        value_minor = (last.total_minor + last.lower_minor) // 2
    return Target(
        estimate=last.estimate,
        gate_open=gate_open,
        target_minor=fee(contract, value_minor),
        best_estimate_minor=fee(contract, last.total_minor),
        proven_minimum_minor=fee(contract, last.lower_minor),
    )


def fee(contract: Contract, value_minor: int) -> int:
    """Return the vendor's share of an incremental revenue, rounded down, never negative."""
    return max(0, value_minor) * contract.rate_bps // 10_000


@dataclass(frozen=True, slots=True)
class _Look:
    """What a month's end showed, in whole minor units."""

    estimate: Estimate | None
    total_minor: int = 0
    lower_minor: int = 0
    """Lower bound of the confidence sequence, never below 0; 0 while buyers are too few."""

    @property
    def is_proven(self) -> bool:
        return self.lower_minor > 0


def _look(contract: Contract, sums: Sequence[DailySum], through: dt.date) -> _Look:
    result = estimate(
        (row for row in sums if row.day <= through),
        alpha=Decimal(contract.alpha_ppm) / 1_000_000,
        n_star=contract.n_star,
    )
    if result is None:
        return _Look(None)
    total_minor = math.floor(result.incremental_minor)
    margin_minor = math.ceil(result.margin_minor(result.sequence))
    enough = result.fewest_buyers >= MIN_BUYERS
    return _Look(result, total_minor, max(0, total_minor - margin_minor) if enough else 0)


def _cap(
    contract: Contract, sums: Sequence[DailySum], billed: Sequence[Billed], month: Month
) -> int:
    """Return the most this month may cost."""
    treated_minor = sum(
        row.revenue_minor for row in sums if row.arm is Arm.TREATMENT and month_of(row.day) == month
    )
    cap_minor = max(0, treated_minor) * contract.cap_month_bps // 10_000
    if not contract.cap_year_minor:
        return cap_minor
    year = _contract_month(contract, month) // 12
    billed_minor = sum(
        entry.amount_minor
        for entry in billed
        if _contract_month(contract, entry.month) // 12 == year
    )
    return max(0, min(cap_minor, contract.cap_year_minor - billed_minor))


def _contract_month(contract: Contract, month: Month) -> int:
    """Return 0 for the month the contract starts in; its year ends with month 11."""
    return month.index - month_of(contract.starts_on).index


def _due(
    target: Target, open_minor: int, cap_minor: int, *, frozen: bool, settles: bool
) -> tuple[int, Reason]:
    if frozen:
        return 0, Reason.FROZEN
    if open_minor < 0:
        return (open_minor, Reason.CREDIT) if settles else (0, Reason.CREDIT_TO_COME)
    if open_minor == 0:
        return 0, Reason.NOTHING_NEW if target.gate_open else Reason.NOT_PROVEN
    if open_minor > cap_minor:
        return cap_minor, Reason.CAPPED
    return open_minor, Reason.DUE
