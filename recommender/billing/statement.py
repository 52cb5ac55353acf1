"""A month's statement: what was measured, what it costs and why, as plain data. Pure.

Whole numbers and texts only: money in minor units, shares in parts per million, sums of squares as
text because they outgrow 64 bits. Canonical JSON of it is hashed, and the hash is on the invoice.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict
from decimal import Decimal
from fractions import Fraction
from typing import Any

from recommender.billing.evidence import (
    FIRST_SCHEMA,
    FIRST_TERMS,
    LATER_TERMS,
    Billed,
    Evidence,
    LedgerEnd,
    SealedRevision,
    write_evidence,
)
from recommender.billing.months import parse_month
from recommender.billing.pricing import Bill
from recommender.billing.wording import REASONS, result_sentence
from recommender.records import Arm, Contract, DailySum, RateTier, Shop, Stratum
from recommender.shops.exclusions import rules_as_json, rules_from_json
from recommender.uplift.estimate import Estimate, Interval
from recommender.uplift.freezing import FrozenDay
from recommender.uplift.integrity import removed_p
from recommender.uplift.removed import Removed
from recommender.uplift.revenue import Excluded

ASSUMPTIONS = (
    "A visitor is in the group of the first exposure since the contract began, for good.",
    "An exposure is recorded in both groups at the moment recommendations would be shown.",
    "Revenue is what the shop's server reported, without tax and shipping, less refunds.",
    "The contract's order cap limits what one order counts, in both groups.",
    "An order counts when it was placed at or after the visitor's first exposure.",
    "On the days listed as frozen nobody and nothing counts, in neither group.",
    "Programs, staff and tests are taken out of both groups, by rules stated before the day.",
    "Stretches in which nobody was shown anything (A/A) are never billed.",
    "Groups are compared within each stratum, by an asymptotic confidence sequence.",
    "What visitors spent before their first exposure is allowed for (CUPED), θ from both groups.",
    "A group's variance is at least that of both together: small groups may miss large baskets.",
    "The sequence (arXiv 2103.06476) is valid at every look, for a growing number of visitors.",
    "All four fees are success fees since the contract began, at the contract's rates.",
    "Last click, shown for comparison only: items ordered within 7 days of a click on them.",
)


_HUGE_SUMS = ("revenue_squares", "covariate_squares", "covariate_products")
_ADDED_PARTS = {"frozen_days", "carried_minor"}
_ADDED_SUMS = {"covariate_minor", "covariate_squares", "covariate_products"}
_ADDED_TO_BILL = {"value_minor", "success_minor", "lines"}
_ADDED_TO_ESTIMATE = {"theta_ppm", "variance_kept_ppm"}


def build_statement(
    shop: Shop,
    evidence: Evidence,
    bill: Bill,
    *,
    excluded: Mapping[str, Excluded],
    closed_at: dt.datetime,
    shown: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the statement's body; `figures` of it follows from the evidence alone.

    Args:
        shown: What stands beside the bill and is not billed; see `billing.shown`.
    """
    return {
        "schema": evidence.schema,
        "shop": {"shop_id": shop.shop_id, "name": shop.name, "country": shop.country},
        **figures(evidence, bill),
        # Words may be put better one day; an old statement's figures must still be found again.
        "sentence": result_sentence(bill.target.estimate, evidence.contract, evidence.strata),
        "explanation": REASONS[bill.reason],
        "evidence_sha256": sha256(write_evidence(evidence)),
        "excluded_orders": [
            {"reason": reason, **asdict(orders)} for reason, orders in sorted(excluded.items())
        ],
        "shown": dict(shown or {}),
        "assumptions": list(ASSUMPTIONS),
        "closed_at": closed_at.isoformat(),
    }


def figures(evidence: Evidence, bill: Bill) -> dict[str, Any]:
    """Return the part of a statement that anyone can recompute from the evidence."""
    told = _facts(evidence) | _results(bill)
    return _as_first_told(told) if evidence.schema == FIRST_SCHEMA else told


def _facts(evidence: Evidence) -> dict[str, Any]:
    return {
        "month": str(evidence.month),
        "through": evidence.through.isoformat(),
        "currency": evidence.contract.currency,
        "timezone": evidence.timezone,
        "contract": _without(asdict(evidence.contract), _not_agreed(evidence.contract))
        | {
            "starts_on": evidence.contract.starts_on.isoformat(),
            "tiers": [asdict(tier) for tier in evidence.contract.tiers],
            "ends_on": None if evidence.ends_on is None else evidence.ends_on.isoformat(),
        },
        "strata": [
            asdict(stratum)
            | {"starts_at": stratum.starts_at.isoformat(), "phase": str(stratum.phase)}
            for stratum in evidence.strata
        ],
        "daily": [_daily_row(row) for row in evidence.sums],
        "frozen_days": [
            {"day": frozen.day.isoformat(), "reason": str(frozen.reason), "detail": frozen.detail}
            for frozen in evidence.frozen
        ],
        "billed": [
            {"month": str(billed.month), "amount_minor": billed.amount_minor}
            for billed in evidence.billed
        ],
        "carried_minor": evidence.carried_minor,
        "last_click_revenue_minor": evidence.last_click_minor,
        **_sealed_days(evidence),
        **_exclusions(evidence),
        **({} if evidence.ledger is None else {"ledger": asdict(evidence.ledger)}),
    }


def _results(bill: Bill) -> dict[str, Any]:
    target = bill.target
    return {
        "estimate": None if target.estimate is None else estimate_figures(target.estimate),
        "split": [
            {
                "stratum": check.stratum,
                "treatment": check.treatment,
                "control": check.control,
                "p_ppm": _ppm(check.p),
                "mismatch": check.mismatch,
            }
            for check in bill.split
        ],
        "fees": {
            "ours_minor": bill.billed_minor,
            "best_estimate_minor": target.best_estimate_minor,
            "proven_minimum_minor": target.proven_minimum_minor,
            "last_click_minor": bill.last_click_minor,
        },
        "bill": {
            "gate_open": target.gate_open,
            "value_minor": target.value_minor,
            "target_minor": target.target_minor,
            "billed_before_minor": bill.billed_before_minor,
            "cap_minor": bill.cap_minor,
            "success_minor": bill.success_minor,
            "due_minor": bill.due_minor,
            "left_minor": bill.left_minor,
            "reason": bill.reason.value,
            "lines": [
                {"kind": line.kind.value, "amount_minor": line.amount_minor} | line.parameters
                for line in bill.lines
            ],
        },
    }


def _as_first_told(told: dict[str, Any]) -> dict[str, Any]:
    """Leave out what statements of the first release did not have; they are still recomputed."""
    first = {name: part for name, part in told.items() if name not in _ADDED_PARTS}
    first["contract"] = {name: told["contract"][name] for name in FIRST_TERMS}
    first["strata"] = [_without(stratum, {"phase"}) for stratum in told["strata"]]
    first["daily"] = [_without(row, _ADDED_SUMS) for row in told["daily"]]
    first["bill"] = _without(told["bill"], _ADDED_TO_BILL)
    if told["estimate"] is not None:
        first["estimate"] = _without(told["estimate"], _ADDED_TO_ESTIMATE)
    return first


def _without(told: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name not in names}


def _daily_row(row: DailySum) -> dict[str, Any]:
    huge = {name: str(getattr(row, name)) for name in _HUGE_SUMS}
    return asdict(row) | {"day": row.day.isoformat()} | huge


def _sealed_days(evidence: Evidence) -> dict[str, Any]:
    """Return [day, revision, events, SHA-256] of each day; the first release told of none."""
    days = [
        [sealed.day.isoformat(), sealed.revision, sealed.events, sealed.sha256]
        for sealed in evidence.sealed
    ]
    return {"sealed_days": days} if days else {}


def _exclusions(evidence: Evidence) -> dict[str, Any]:
    """Return rules, what they took out, and whether it came alike from both arms."""
    if not evidence.rules:
        return {}
    reasons = sorted({one.reason for one in evidence.removed if one.arm and one.visitors})
    return {
        "exclusion_rules": [rules_as_json(told) for told in evidence.rules],
        "removed": [asdict(one) for one in evidence.removed],
        "removed_split": [
            {"reason": reason, "p_ppm": _ppm(_removed_p(reason, evidence))} for reason in reasons
        ],
    }


def _removed_p(reason: str, evidence: Evidence) -> float:
    counts = (
        (one.stratum, Arm(one.arm), one.visitors)
        for one in evidence.removed
        if one.reason == reason and one.arm
    )
    return removed_p(counts, evidence.strata)


def _not_agreed(contract: Contract) -> set[str]:
    return {name for name, value in LATER_TERMS.items() if getattr(contract, name) == value}


def evidence_of(body: Mapping[str, Any]) -> Evidence:
    """Return the evidence that a statement was made from, of this release or an earlier one."""
    ends_on = body["contract"].get("ends_on")
    return Evidence(
        shop_id=body["shop"]["shop_id"],
        timezone=body["timezone"],
        through=dt.date.fromisoformat(body["through"]),
        contract=_contract(body["contract"]),
        strata=tuple(
            Stratum(**(stratum | {"starts_at": dt.datetime.fromisoformat(stratum["starts_at"])}))
            for stratum in body["strata"]
        ),
        sums=tuple(_daily_sum(row) for row in body["daily"]),
        billed=tuple(
            Billed(parse_month(billed["month"]), billed["amount_minor"])
            for billed in body["billed"]
        ),
        last_click_minor=body["last_click_revenue_minor"],
        sealed=tuple(
            SealedRevision(dt.date.fromisoformat(day), *revision)
            for day, *revision in body.get("sealed_days", [])
        ),
        frozen=tuple(
            FrozenDay(**(frozen | {"day": dt.date.fromisoformat(frozen["day"])}))
            for frozen in body.get("frozen_days", [])
        ),
        ends_on=dt.date.fromisoformat(ends_on) if ends_on else None,
        carried_minor=body.get("carried_minor", 0),
        rules=tuple(rules_from_json(told) for told in body.get("exclusion_rules", [])),
        removed=tuple(Removed(**one) for one in body.get("removed", [])),
        ledger=LedgerEnd(**body["ledger"]) if "ledger" in body else None,
        schema=body["schema"],
    )


def _contract(terms: Mapping[str, Any]) -> Contract:
    typed = {
        "starts_on": dt.date.fromisoformat(terms["starts_on"]),
        "tiers": tuple(RateTier(**tier) for tier in terms.get("tiers", [])),
    }
    return Contract(**{**_without(terms, {"ends_on"}), **typed})


def _daily_sum(row: Mapping[str, Any]) -> DailySum:
    exact = {
        "day": dt.date.fromisoformat(row["day"]),
        "arm": Arm(row["arm"]),
        **{name: int(row[name]) for name in _HUGE_SUMS if name in row},
    }
    return DailySum(**{**row, **exact})


def estimate_figures(estimate: Estimate) -> dict[str, Any]:
    """Return an estimate with both intervals, in minor units and parts per million."""
    return {
        "visitors": estimate.visitors,
        "incremental_minor": round(estimate.incremental_minor),
        "incremental_fixed_minor": _bounds(estimate.interval_minor(estimate.fixed), 1),
        "incremental_sequence_minor": _bounds(estimate.interval_minor(estimate.sequence), 1),
        "uplift_ppm": _ppm(estimate.relative_uplift),
        "uplift_fixed_ppm": _bounds(estimate.relative_interval(estimate.fixed), 1_000_000),
        "uplift_sequence_ppm": _bounds(estimate.relative_interval(estimate.sequence), 1_000_000),
        # What covariates explain of the noise; without them θ is 0 and all of it is kept.
        "theta_ppm": _ppm(estimate.theta),
        "variance_kept_ppm": _ppm(estimate.variance_kept_share),
    }


def canonical_json(body: Mapping[str, Any]) -> bytes:
    """Write a statement so that equal bodies give equal bytes: sorted keys, no spaces, UTF-8."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sha256(data: bytes) -> str:
    """Return the SHA-256 of some bytes, 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def _bounds(interval: Interval | None, unit: int) -> list[int] | None:
    return None if interval is None else [round(bound * unit) for bound in interval]


def _ppm(share: Fraction | Decimal | float | None) -> int | None:
    return None if share is None else round(share * 1_000_000)
