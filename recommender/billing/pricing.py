"""Evidence → what is due. Pure; the same facts in any order give the same bill.

Policies, each a value of incremental revenue that the rate is taken of:
`gated_midpoint`: nothing until the confidence sequence excluded 0 at a month's end; from then on
the midpoint of estimate and lower bound (the bound never below 0). Settled yearly.
`fair_value`: the same gate, then the estimate itself. Settled yearly.
`proven_minimum`: the lower bound; what was billed is never given back, later months make up for it.

Rounding, always in the shop's favour: the incremental revenue is rounded down and the margin of
its interval up to whole minor units (the only place where a statistic becomes money), and the fee
of each tier is rounded down; caps and fixed fees too. Where a currency has three decimals, fees are
rounded down to two: an invoice of EN 16931 has no more.
"""

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from recommender.billing.bill_lines import (
    BillLine,
    fee,
    fee_tiers,
    fixed_lines,
    success_lines,
    whole_steps,
)
from recommender.billing.evidence import FIRST_SCHEMA, Billed, Evidence
from recommender.billing.months import Month, month_of, months_between
from recommender.records import Arm, Contract, DailySum, Phase
from recommender.uplift.estimate import Estimate, estimate
from recommender.uplift.integrity import SplitCheck, check_split

MIN_BUYERS = 30
"""Buyers each arm needs before anything is due: with fewer, means are far from normal and an
interval promises more than it can hold."""


class Reason(StrEnum):
    """Why the success fee is what it is."""

    DUE = "due"
    CAPPED = "capped"
    """The rest is carried to later months."""
    NOT_PROVEN = "not-proven"
    NOTHING_NEW = "nothing-new"
    CREDIT_TO_COME = "credit-to-come"
    """More was billed than is due by now; it is given back at the yearly settlement."""
    HELD = "held"
    """More was billed than is proven by now; later months make up for it."""
    CREDIT = "credit"
    FROZEN = "frozen"
    """The split of visitors is off on the days that count: nothing is billed until that is
    explained."""


@dataclass(frozen=True, slots=True)
class Target:
    """What the shop owes since the contract began, before caps.

    Attributes:
        estimate: None while an arm is empty.
        gate_open: Whether at some month's end the confidence sequence excluded 0.
        value_minor: Incremental revenue that the policy takes the rate of.
        target_minor: The fee by the contract's policy, what the version before left open included.
        best_estimate_minor: The fee if the estimate were taken as it is.
        proven_minimum_minor: The fee on the lower bound alone.
    """

    estimate: Estimate | None
    gate_open: bool
    value_minor: int
    target_minor: int
    best_estimate_minor: int
    proven_minimum_minor: int


@dataclass(frozen=True, slots=True)
class Bill:
    """One month's price with its reasons.

    Attributes:
        split: Visitors against agreed shares, by stratum, on the days that count.
        last_click_minor: The fee if last-click attribution decided.
        billed_before_minor: Sum of the earlier success fees.
        cap_minor: Most this month's success fee may be.
        success_minor: Success fee of this month; negative is a credit, only where a year settles.
        lines: What the amount due consists of.
    """

    target: Target
    split: tuple[SplitCheck, ...]
    last_click_minor: int
    billed_before_minor: int
    cap_minor: int
    success_minor: int
    reason: Reason
    lines: tuple[BillLine, ...] = ()

    @property
    def due_minor(self) -> int:
        """Return what is to pay for this month, fixed fees included; negative is a credit."""
        return sum(line.amount_minor for line in self.lines)

    @property
    def billed_minor(self) -> int:
        """Return the sum of all success fees, this one included."""
        return self.billed_before_minor + self.success_minor

    @property
    def left_minor(self) -> int:
        """Return what is carried to later months; negative is a credit to come."""
        return self.target.target_minor - self.billed_minor


def price(evidence: Evidence) -> Bill:
    """Price the month of the evidence: cumulative target less what was billed before."""
    contract, month = evidence.contract, evidence.month
    sums = billable_sums(evidence)
    target = cumulative_target(
        contract,
        sums,
        through=evidence.through,
        carried_minor=evidence.carried_minor,
        # The first release took each arm's own variance, however small the arm.
        cautious=evidence.schema != FIRST_SCHEMA,
    )
    split = tuple(check_split(sums, evidence.strata))
    cap_minor = _cap(contract, sums, evidence.billed, month)
    before_minor = sum(billed.amount_minor for billed in evidence.billed)
    success_minor, reason = _due(
        target,
        target.target_minor - before_minor,
        cap_minor,
        frozen=any(check.mismatch for check in split),
        over_billed=_over_billed(evidence),
    )
    return Bill(
        target=target,
        split=split,
        last_click_minor=fee(contract, evidence.last_click_minor),
        billed_before_minor=before_minor,
        cap_minor=cap_minor,
        success_minor=success_minor,
        reason=reason,
        lines=(
            *success_lines(
                fee_tiers(contract, target.value_minor),
                carried_minor=evidence.carried_minor,
                before_minor=before_minor,
                success_minor=success_minor,
                reason=reason.value,
            ),
            *fixed_lines(contract, month, success_minor=success_minor),
        ),
    )


def billable_sums(evidence: Evidence) -> list[DailySum]:
    """Return the sums that prove anything: in an A/A stretch nobody was shown anything."""
    silent = {stratum.stratum for stratum in evidence.strata if stratum.phase == Phase.A_A}
    return [row for row in evidence.sums if row.stratum not in silent]


def cumulative_target(
    contract: Contract,
    sums: Sequence[DailySum],
    *,
    through: dt.date,
    carried_minor: int = 0,
    cautious: bool = True,
) -> Target:
    """Return the fee since the contract began, before caps and before what was billed.

    Args:
        sums: Daily sums of the contract; rows after `through` do not count.
        carried_minor: What the contract's version before left open; below 0 when it was overpaid.
        cautious: As of `uplift.estimate.estimate`.
    """
    looks = [
        _look(contract, sums, min(month.last_day, through), cautious=cautious)
        for month in months_between(month_of(contract.starts_on), month_of(through))
    ]
    gate_open = any(look.is_proven for look in looks)
    last = looks[-1]
    value_minor = max(0, _value(contract.policy, last)) if gate_open else 0
    return Target(
        estimate=last.estimate,
        gate_open=gate_open,
        value_minor=value_minor,
        target_minor=carried_minor + fee(contract, value_minor),
        best_estimate_minor=fee(contract, last.total_minor),
        proven_minimum_minor=fee(contract, last.lower_minor),
    )


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


def _value(policy: str, look: _Look) -> int:
    if policy == "proven_minimum":
        return look.lower_minor
    if policy == "fair_value":
        return look.total_minor
    return (look.total_minor + look.lower_minor) // 2


def _look(
    contract: Contract, sums: Sequence[DailySum], through: dt.date, *, cautious: bool
) -> _Look:
    result = estimate(
        (row for row in sums if row.day <= through),
        alpha=Decimal(contract.alpha_ppm) / 1_000_000,
        n_star=contract.n_star,
        cautious=cautious,
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
    """Return the most this month's success fee may be; what is above it is carried."""
    year = _contract_month(contract, month) // 12
    treated = [(month_of(row.day), row.revenue_minor) for row in sums if row.arm is Arm.TREATMENT]
    of_month = sum(minor for at, minor in treated if at == month)
    caps = [max(0, of_month) * contract.cap_month_bps // 10_000]
    billed_minor = sum(
        entry.amount_minor
        for entry in billed
        if _contract_month(contract, entry.month) // 12 == year
    )
    if contract.cap_year_minor:
        caps.append(contract.cap_year_minor - billed_minor)
    if contract.cap_year_bps:
        of_year = sum(
            minor
            for at, minor in treated
            if at <= month and _contract_month(contract, at) // 12 == year
        )
        caps.append(max(0, of_year) * contract.cap_year_bps // 10_000 - billed_minor)
    return max(0, whole_steps(min(caps), contract.currency))


def _contract_month(contract: Contract, month: Month) -> int:
    """Return 0 for the month the contract starts in; its year ends with month 11."""
    return month.index - month_of(contract.starts_on).index


def _over_billed(evidence: Evidence) -> Reason:
    """Return what becomes of an amount that was billed and is no longer due."""
    contract, month = evidence.contract, evidence.month
    if contract.policy == "proven_minimum" and evidence.schema != FIRST_SCHEMA:
        return Reason.HELD
    is_last = evidence.ends_on is not None and month == month_of(evidence.ends_on)
    settles = is_last or _contract_month(contract, month) % 12 == 11
    return Reason.CREDIT if settles else Reason.CREDIT_TO_COME


def _due(
    target: Target, open_minor: int, cap_minor: int, *, frozen: bool, over_billed: Reason
) -> tuple[int, Reason]:
    if frozen:
        return 0, Reason.FROZEN
    if open_minor < 0:
        return (open_minor if over_billed is Reason.CREDIT else 0), over_billed
    if open_minor == 0:
        return 0, Reason.NOTHING_NEW if target.gate_open else Reason.NOT_PROVEN
    if open_minor > cap_minor:
        return cap_minor, Reason.CAPPED
    return open_minor, Reason.DUE
