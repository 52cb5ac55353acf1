"""A statement's body → what its page prints. Pure; texts, no markup.

One page for the closed month and for the running one ("if the month closed now"): both are bodies
as `billing.statement` builds them. Statements of earlier releases lack later fields; then the page
leaves out what they did not say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recommender.billing import wording
from recommender.billing.bill_lines import LineKind
from recommender.billing.evidence import Evidence
from recommender.billing.months import parse_month
from recommender.billing.preview import Preview
from recommender.billing.pricing import Reason
from recommender.billing.shown import shown_beside
from recommender.billing.statement import build_statement, evidence_of
from recommender.records import Shop
from recommender.web.console_annex import Annex, annex
from recommender.web.console_checks import Check, checks
from recommender.web.console_funnel import Funnel, draw_funnel
from recommender.web.console_terms import BASES, money

_STANDS = {
    Reason.DUE: ("good", "Due"),
    Reason.CAPPED: ("held", "Limited by the cap"),
    Reason.NOT_PROVEN: ("calm", "Not proven yet"),
    Reason.NOTHING_NEW: ("calm", "Nothing new is due"),
    Reason.CREDIT_TO_COME: ("held", "Credit to come"),
    Reason.HELD: ("held", "Held"),
    Reason.CREDIT: ("held", "Credit"),
    Reason.FROZEN: ("bad", "Billing is frozen"),
}
"""Kind and words of the mark beside a month, by the bill's reason."""

_LINES = {
    LineKind.SUCCESS_TIER: "Success fee so far",
    LineKind.CARRIED_IN: "Left open by the contract before",
    LineKind.BILLED_BEFORE: "Billed before",
    LineKind.NOT_BILLED: "Not billed now",
    LineKind.LICENCE: "Licence fee",
    LineKind.MINIMUM: "Missing to the minimum",
}
_NOT_BILLED = {
    Reason.CAPPED: "above the month’s or the year’s cap; carried to later months",
    Reason.FROZEN: "billing is frozen",
    Reason.CREDIT_TO_COME: "billed too much; given back at the yearly settlement",
    Reason.HELD: "billed before and not given back; later months make up for it",
}


@dataclass(frozen=True, slots=True)
class Step:
    """A line of the way from the effect to the amount; `is_total` is drawn under a rule."""

    name: str
    note: str
    amount: str
    is_total: bool = False


@dataclass(frozen=True, slots=True)
class Price:
    """One of the four ways to price the same months; `bar` is 0–100."""

    name: str
    note: str
    amount: str
    bar: float
    is_ours: bool = False


@dataclass(frozen=True, slots=True)
class StatementPage:
    """All that the page prints.

    Attributes:
        month: "March 2026"; `key` is "2026-03".
        stand: Kind and words of the mark beside the month.
        gain: Additional revenue with its interval; empty while nothing can be compared.
        due: What the month comes to, with its currency.
        steps: From the effect to the amount.
        doubt: What is wrong or missing, for those who only look at the top; empty mostly.
    """

    month: str
    key: str
    version: int
    stand: tuple[str, str]
    sentence: str
    gain: str
    explanation: str
    due: str
    is_credit: bool
    steps: list[Step]
    prices: list[Price]
    funnel: Funnel
    checks: list[Check]
    annex: Annex
    currency: str

    @property
    def doubts(self) -> list[Check]:
        """Return the checks that found something wrong."""
        return [check for check in self.checks if check.verdict in ("bad", "few")]


def preview_page(shop: Shop, seen: Preview) -> StatementPage:
    """Return the page of the running month, as if it closed now."""
    measured = seen.measured
    body = build_statement(
        shop,
        seen.evidence,
        seen.bill,
        excluded=measured.excluded,
        closed_at=measured.measured_at,
        shown=shown_beside(measured, seen.evidence.contract),
    )
    return statement_page(body, shop)


def statement_page(body: Mapping[str, Any], shop: Shop) -> StatementPage:
    """Return the page of a statement."""
    evidence = evidence_of(body)
    bill, currency = body["bill"], body["currency"]
    return StatementPage(
        month=f"{parse_month(body['month']).first_day:%B %Y}",
        key=body["month"],
        version=evidence.contract.version,
        stand=_STANDS[Reason(bill["reason"])],
        sentence=body["sentence"],
        gain=_gain(body),
        explanation=body["explanation"],
        due=wording.amount(abs(bill["due_minor"]), currency),
        is_credit=bill["due_minor"] < 0,
        steps=_steps(body, evidence),
        prices=prices(body),
        funnel=draw_funnel(evidence, _success_minor(bill), shop.declared_effect_ppm),
        checks=checks(body, evidence),
        annex=annex(body, evidence),
        currency=currency,
    )


def stand_of(body: Mapping[str, Any]) -> tuple[str, str]:
    """Return kind and words of a statement's mark; none for a body that names no reason."""
    reason = body.get("bill", {}).get("reason")
    return _STANDS[Reason(reason)] if reason else ("calm", "")


def _gain(body: Mapping[str, Any]) -> str:
    found = body["estimate"]
    if found is None or found["uplift_sequence_ppm"] is None:
        return ""
    bounds = found["incremental_sequence_minor"]
    total, low, high = (
        money(minor, body["currency"]) for minor in (found["incremental_minor"], *bounds)
    )
    return f"Additional revenue so far: {total} (between {low} and {high})."


def _success_minor(bill: Mapping[str, Any]) -> int:
    """Return the month's success fee; the first release had no other fee."""
    minor: int = bill.get("success_minor", bill["due_minor"])
    return minor


def _steps(body: Mapping[str, Any], evidence: Evidence) -> list[Step]:
    """Return the arithmetic from the effect to the amount."""
    bill, found = body["bill"], body["estimate"]

    def amount(minor: int) -> str:
        return money(minor, body["currency"])

    steps = []
    if found is not None:
        low = max(0, found["incremental_sequence_minor"][0])
        steps.append(
            Step("Best estimate", "additional revenue so far", amount(found["incremental_minor"]))
        )
        steps.append(Step("Proven minimum", "lower end of its interval, at least 0", amount(low)))
        if not bill["gate_open"]:
            note = "nothing, until the interval excludes “no difference” at a month’s end"
            steps.append(Step("Counts for the fee", note, amount(0)))
        elif "value_minor" in bill:
            note = BASES[evidence.contract.policy]
            steps.append(Step("Counts for the fee", note, amount(bill["value_minor"])))
    lines = [_line(line, evidence) for line in _bill_lines(body)]
    steps += [Step(name, note, amount(minor)) for name, note, minor in lines]
    steps.append(Step("Due for this month", "without VAT", amount(bill["due_minor"]), True))
    return steps


def _bill_lines(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the bill's lines; those of the first release: one rate, no fixed fee."""
    if "lines" in body["bill"]:
        return list(body["bill"]["lines"])
    bill, rate_bps = body["bill"], body["contract"]["rate_bps"]
    tier = {"kind": LineKind.SUCCESS_TIER, "amount_minor": bill["target_minor"]}
    left = {"kind": LineKind.NOT_BILLED, "amount_minor": -bill["left_minor"]}
    lines = [
        tier | {"rate_bps": rate_bps, "from_minor": 0},
        {"kind": LineKind.BILLED_BEFORE, "amount_minor": -bill["billed_before_minor"]},
        left | {"reason": bill["reason"]},
    ]
    return [line for line in lines if line["amount_minor"]]


def _line(line: Mapping[str, Any], evidence: Evidence) -> tuple[str, str, int]:
    """Return name, note and amount of a bill's line."""
    kind, currency = LineKind(line["kind"]), evidence.contract.currency
    name, note = _LINES[kind], ""
    if kind is LineKind.SUCCESS_TIER:
        note = f"{wording.rate(line['rate_bps'])} of it"
        if line["from_minor"] or evidence.contract.tiers:
            above = wording.amount(line["from_minor"], currency)
            within = wording.amount(line["value_minor"], currency)
            note = f"{wording.rate(line['rate_bps'])} of {within} above {above}"
    elif kind is LineKind.BILLED_BEFORE:
        note = f"{len(evidence.billed)} earlier months"
    elif kind is LineKind.NOT_BILLED:
        note = _NOT_BILLED.get(Reason(line["reason"]), "")
    elif kind is LineKind.LICENCE:
        note = f"{line['days']} of {line['of_days']} days"
    elif kind is LineKind.MINIMUM:
        note = f"{wording.amount(line['minimum_minor'], currency)} a month were agreed"
    return name, note, line["amount_minor"]


def prices(body: Mapping[str, Any]) -> list[Price]:
    """Return the four ways to price the same months."""
    fees = body["fees"]
    rows = [
        ("Our bill", "what you pay, so far", fees["ours_minor"]),
        ("Best estimate", "the middle of the interval", fees["best_estimate_minor"]),
        ("Proven minimum", "its lower end", fees["proven_minimum_minor"]),
        ("Last click", "what click attribution would charge", fees["last_click_minor"]),
    ]
    return priced(rows, body["currency"])


def priced(rows: Sequence[tuple[str, str, int]], currency: str) -> list[Price]:
    """Return prices from name, note and amount; the first one is ours."""
    largest = max(minor for _, _, minor in rows) or 1
    return [
        Price(
            name,
            note,
            money(minor, currency),
            round(100 * max(minor, 0) / largest, 1),
            is_ours=not number,
        )
        for number, (name, note, minor) in enumerate(rows)
    ]
