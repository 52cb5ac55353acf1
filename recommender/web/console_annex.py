"""The technical part of a statement: what a person needs to recompute it. Pure."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from recommender.billing.evidence import Evidence, LedgerEnd, SealedRevision
from recommender.billing.months import month_of
from recommender.experiments.assignment import assign
from recommender.records import Arm, DailySum, Stratum
from recommender.records import Phase as Purpose
from recommender.shops.exclusions import RulesVersion
from recommender.shops.money import format_minor
from recommender.uplift.freezing import FrozenDay
from recommender.uplift.views import ViewKind
from recommender.web.console_terms import terms

_PURPOSES = {
    Purpose.BY_HAND: "",
    Purpose.A_A: "nobody sees anything: tests the measurement",
    Purpose.CALIBRATION: "half held out, to prove the effect soonest",
    Purpose.RUNNING: "smallest holdout that suffices",
}
_BESIDE: dict[str, str] = {
    ViewKind.TRAILING: "Last quarter, not billed",
    ViewKind.INTENTION_TO_TREAT: "Everybody, not billed",
}
EXAMPLE_VISITOR = "0123456789abcdef"


@dataclass(frozen=True, slots=True)
class Phase:
    """A stratum with a worked example of the assignment.

    Attributes:
        share: Visitors drawn into the group with recommendations.
        shown: Visitors who see them.
    """

    number: int
    purpose: str
    share: str
    shown: str
    since: str
    salt: str
    example: str


@dataclass(frozen=True, slots=True)
class ArmCells:
    """One arm's cells in a row of the daily table."""

    visitors: str
    orders: str
    buyers: str
    revenue: str


@dataclass(frozen=True, slots=True)
class DailyRow:
    """A line of the daily table: a day of the statement's month, or an earlier month at once."""

    label: str
    phase: int
    treatment: ArmCells
    control: ArmCells
    is_month: bool = False


@dataclass(frozen=True, slots=True)
class Annex:
    """The technical view."""

    terms: list[tuple[str, str]]
    phases: list[Phase]
    rows: list[DailyRow]
    total_days: int
    frozen: tuple[FrozenDay, ...]
    rules: tuple[RulesVersion, ...]
    ledger: LedgerEnd | None
    sealed: list[SealedRevision]
    sealed_before: int
    assumptions: list[str]
    statistics: list[tuple[str, str]]
    evidence_sha256: str
    example_visitor: str = EXAMPLE_VISITOR


def annex(body: Mapping[str, Any], evidence: Evidence) -> Annex:
    """Return the technical view of a statement."""
    month = evidence.month
    sealed = [day for day in evidence.sealed if month_of(day.day) == month]
    return Annex(
        terms=terms(evidence.contract),
        phases=[phase_of(stratum) for stratum in evidence.strata],
        rows=_rows(evidence),
        total_days=len({row.day for row in evidence.sums}),
        frozen=evidence.frozen,
        rules=evidence.rules,
        ledger=evidence.ledger,
        sealed=sealed,
        sealed_before=len(evidence.sealed) - len(sealed),
        assumptions=list(body["assumptions"]),
        statistics=_statistics(body),
        evidence_sha256=body["evidence_sha256"],
    )


def phase_of(stratum: Stratum) -> Phase:
    """Return a stratum in words, with a worked example."""
    digest = hashlib.sha256((stratum.salt + EXAMPLE_VISITOR).encode()).hexdigest()[:8]
    drawn = int(digest, 16) / (1 << 32)
    arm = "with" if assign(EXAMPLE_VISITOR, stratum) is Arm.TREATMENT else "without"
    share = stratum.treatment_share_ppm / 1_000_000
    share_words = f"{stratum.treatment_share_ppm / 10_000:g}\u00a0%"
    sign = "<" if arm == "with" else "≥"
    return Phase(
        number=stratum.stratum,
        purpose=_PURPOSES[Purpose(stratum.phase)],
        share=share_words,
        shown="nobody" if stratum.phase == Purpose.A_A else share_words,
        since=f"{stratum.starts_at:%Y-%m-%d %H:%M} UTC",
        salt=stratum.salt,
        example=f"0x{digest} ÷ 2³² = {drawn:.6f} {sign} {share:g}: {arm} recommendations",
    )


def _rows(evidence: Evidence) -> list[DailyRow]:
    """Return the month's days, and earlier months summed, oldest first."""
    cells: dict[tuple[str, int, bool], dict[Arm, list[DailySum]]] = defaultdict(
        lambda: {arm: [] for arm in Arm}
    )
    for row in evidence.sums:
        is_earlier = month_of(row.day) != evidence.month
        label = str(month_of(row.day)) if is_earlier else row.day.isoformat()
        cells[label, row.stratum, is_earlier][row.arm].append(row)
    return [
        DailyRow(
            label,
            phase,
            _cells(arms[Arm.TREATMENT], evidence),
            _cells(arms[Arm.CONTROL], evidence),
            is_month,
        )
        for (label, phase, is_month), arms in sorted(cells.items())
    ]


def _cells(rows: Iterable[DailySum], evidence: Evidence) -> ArmCells:
    own = list(rows)
    minor = sum(row.revenue_minor for row in own)
    return ArmCells(
        visitors=f"{sum(row.visitors for row in own):,}",
        orders=f"{sum(row.orders for row in own):,}",
        buyers=f"{sum(row.converted for row in own):,}",
        revenue=format_minor(minor, evidence.contract.currency),
    )


def _statistics(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = body["estimate"]
    if found is None:
        return []
    rows = [("Visitors compared", f"{found['visitors']:,}")]
    rows += _intervals("Uplift", found)
    if "theta_ppm" in found:
        theta, kept = found["theta_ppm"] / 1_000_000, found["variance_kept_ppm"] / 10_000
        text = f"θ = {theta:.6f}; R² = {100 - kept:.2f}\u00a0% of the noise is explained by it"
        rows.append(("Earlier spending (CUPED)", text))
    shown = body.get("shown", {})
    beside = [("Without CUPED", shown.get("estimate_without_covariates"))]
    beside += [(_BESIDE.get(view["kind"], ""), view["estimate"]) for view in shown.get("views", [])]
    for name, estimate in beside:
        if name and estimate is not None:
            rows += _intervals(name, estimate)[:1]
    return rows


def _intervals(name: str, found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the uplift with both intervals; none while it has no bounds."""
    rows = []
    for kind, key in (("at every look", "uplift_sequence_ppm"), ("one look", "uplift_fixed_ppm")):
        if found[key] is not None:
            middle, low, high = (part / 10_000 for part in (found["uplift_ppm"], *found[key]))
            text = f"{middle:+.2f}\u00a0%, between {low:+.2f} and {high:+.2f}\u00a0%"
            rows.append((f"{name}, {kind}", text))
    return rows
