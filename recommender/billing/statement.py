"""A month's statement: what was measured, what it costs and why, as plain data. Pure.

Whole numbers and texts only: money in minor units, shares in parts per million, sums of squares as
text because they outgrow 64 bits. Canonical JSON of it is hashed, and the hash is on the invoice.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from decimal import Decimal
from fractions import Fraction
from typing import Any

from recommender.billing.evidence import Billed, Evidence, SealedRevision, write_evidence
from recommender.billing.months import parse_month
from recommender.billing.pricing import Bill
from recommender.billing.wording import REASONS, result_sentence
from recommender.records import Arm, Contract, DailySum, Shop, Stratum
from recommender.uplift.estimate import Estimate, Interval
from recommender.uplift.revenue import Excluded

ASSUMPTIONS = (
    "A visitor is in the group of the first exposure since the contract began, for good.",
    "An exposure is recorded in both groups at the moment recommendations would be shown.",
    "Revenue is what the shop's server reported, without tax and shipping, less refunds.",
    "The contract's order cap limits what one order counts, in both groups.",
    "An order counts when it was placed at or after the visitor's first exposure.",
    "Groups are compared within each stratum, by an asymptotic confidence sequence.",
    "The sequence (arXiv 2103.06476) is valid at every look, for a growing number of visitors.",
    "All four fees are sums since the contract began.",
    "Last click, shown for comparison only: items ordered within 7 days of a click on them.",
)


def build_statement(
    shop: Shop,
    evidence: Evidence,
    bill: Bill,
    *,
    excluded: Mapping[str, Excluded],
    closed_at: dt.datetime,
) -> dict[str, Any]:
    """Return the statement's body; `figures` of it follows from the evidence alone."""
    return {
        "schema": 1,
        "shop": {"shop_id": shop.shop_id, "name": shop.name, "country": shop.country},
        **figures(evidence, bill),
        # Words may be put better one day; an old statement's figures must still be found again.
        "sentence": result_sentence(bill.target.estimate, evidence.contract, evidence.strata),
        "explanation": REASONS[bill.reason],
        "evidence_sha256": sha256(write_evidence(evidence)),
        "excluded_orders": [
            {"reason": reason, **asdict(orders)} for reason, orders in sorted(excluded.items())
        ],
        "assumptions": list(ASSUMPTIONS),
        "closed_at": closed_at.isoformat(),
    }


def figures(evidence: Evidence, bill: Bill) -> dict[str, Any]:
    """Return the part of a statement that anyone can recompute from the evidence."""
    target = bill.target
    return {
        "month": str(evidence.month),
        "through": evidence.through.isoformat(),
        "currency": evidence.contract.currency,
        "timezone": evidence.timezone,
        "contract": asdict(evidence.contract)
        | {"starts_on": evidence.contract.starts_on.isoformat()},
        "strata": [
            asdict(stratum) | {"starts_at": stratum.starts_at.isoformat()}
            for stratum in evidence.strata
        ],
        "daily": [
            asdict(row) | {"day": row.day.isoformat(), "revenue_squares": str(row.revenue_squares)}
            for row in evidence.sums
        ],
        "billed": [
            {"month": str(billed.month), "amount_minor": billed.amount_minor}
            for billed in evidence.billed
        ],
        "last_click_revenue_minor": evidence.last_click_minor,
        **_sealed_days(evidence),
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
            "target_minor": target.target_minor,
            "billed_before_minor": bill.billed_before_minor,
            "cap_minor": bill.cap_minor,
            "due_minor": bill.due_minor,
            "left_minor": bill.left_minor,
            "reason": bill.reason.value,
        },
    }


def _sealed_days(evidence: Evidence) -> dict[str, Any]:
    """Return [day, revision, events, SHA-256] of each day; the first release told of none."""
    days = [
        [sealed.day.isoformat(), sealed.revision, sealed.events, sealed.sha256]
        for sealed in evidence.sealed
    ]
    return {"sealed_days": days} if days else {}


def evidence_of(body: Mapping[str, Any]) -> Evidence:
    """Return the evidence that a statement was made from."""
    shop_id = body["shop"]["shop_id"]
    starts_on = dt.date.fromisoformat(body["contract"]["starts_on"])
    return Evidence(
        shop_id=shop_id,
        timezone=body["timezone"],
        through=dt.date.fromisoformat(body["through"]),
        contract=Contract(**(body["contract"] | {"starts_on": starts_on})),
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
    )


def _daily_sum(row: Mapping[str, Any]) -> DailySum:
    exact = {
        "day": dt.date.fromisoformat(row["day"]),
        "arm": Arm(row["arm"]),
        "revenue_squares": int(row["revenue_squares"]),
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
