"""Recompute an invoice from nothing but its PDF. Pure.

Knows no database and no shop: what it says holds for whoever has the file.
"""

import io
import json
import re
from dataclasses import dataclass
from typing import Any

import pypdf

from recommender.billing.evidence import Evidence, read_evidence
from recommender.billing.invoice import vat_amount
from recommender.billing.pricing import price
from recommender.billing.statement import canonical_json, figures, sha256
from recommender.billing.vendor import VENDOR, vat_for
from recommender.billing.wording import amount
from recommender.errors import InvalidInputError

EVIDENCE_NAME = "evidence.csv"
STATEMENT_NAME = "statement.json"
PROVES = (
    "The amount follows from the attached daily sums and contract terms by the published formula, "
    "and neither attachment was changed after the page was printed."
)
DOES_NOT_PROVE = (
    "That the daily sums are what happened in the shop: compare visitors, orders and revenue with "
    "the shop's own records."
)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was compared."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What the file shows.

    Attributes:
        due_minor: Amount without VAT, recomputed from the evidence.
    """

    month: str
    due_minor: int
    currency: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Return whether every comparison agreed."""
        return all(check.passed for check in self.checks)


def verify_invoice(pdf: bytes) -> Verification:
    """Recompute the invoice in a PDF and compare every figure.

    Raises:
        InvalidInputError: It is no PDF, or carries no evidence that can be read.
    """
    text, attachments = _open(pdf)
    missing = [name for name in (EVIDENCE_NAME, STATEMENT_NAME) if name not in attachments]
    if missing:
        raise InvalidInputError(
            f"The PDF carries no {' and no '.join(missing)}: it is no invoice of this service, or "
            "a program removed its attachments",
            code="no-evidence",
        )
    evidence = read_evidence(attachments[EVIDENCE_NAME])
    statement = _statement(attachments[STATEMENT_NAME])
    recomputed = figures(evidence, price(evidence))
    checks = (
        _check_evidence(attachments[EVIDENCE_NAME], statement),
        _check_statement(statement, text),
        _check_figures(recomputed, statement),
        _check_amounts(recomputed, evidence, statement, text),
    )
    return Verification(
        month=recomputed["month"],
        due_minor=recomputed["bill"]["due_minor"],
        currency=evidence.contract.currency,
        checks=checks,
    )


def _open(pdf: bytes) -> tuple[str, dict[str, bytes]]:
    """Return the printed text without white space, and the attachments."""
    try:
        reader = pypdf.PdfReader(io.BytesIO(pdf))
        text = "".join(page.extract_text() for page in reader.pages)
        attachments = {name: contents[0] for name, contents in reader.attachments.items()}
    except (pypdf.errors.PyPdfError, ValueError, LookupError, TypeError) as error:
        raise InvalidInputError(f"This is not a readable PDF: {error}", code="bad-pdf") from error
    return re.sub(r"\s", "", text), attachments


def _statement(data: bytes) -> dict[str, Any]:
    try:
        statement = json.loads(data)
    except ValueError as error:
        raise InvalidInputError(
            f"The statement cannot be read: {error}", code="bad-evidence"
        ) from error
    if not isinstance(statement, dict) or not isinstance(statement.get("shop"), dict):
        raise InvalidInputError("The statement is not one of this service", code="bad-evidence")
    return statement


def _check_evidence(evidence_csv: bytes, statement: dict[str, Any]) -> Check:
    digest = sha256(evidence_csv)
    return Check(
        "evidence",
        digest == statement.get("evidence_sha256"),
        f"SHA-256 of {EVIDENCE_NAME} is {digest}; the statement names "
        f"{statement.get('evidence_sha256')}",
    )


def _check_statement(statement: dict[str, Any], text: str) -> Check:
    digest = sha256(canonical_json(statement))
    return Check(
        "statement",
        digest in text,
        f"SHA-256 of {STATEMENT_NAME} is {digest}; it must be printed on the invoice",
    )


def _check_figures(recomputed: dict[str, Any], statement: dict[str, Any]) -> Check:
    differing = [name for name, value in recomputed.items() if statement.get(name) != value]
    return Check(
        "figures",
        not differing,
        f"differs from the evidence: {', '.join(differing)}"
        if differing
        else "all figures of the statement follow from the evidence",
    )


def _check_amounts(
    recomputed: dict[str, Any], evidence: Evidence, statement: dict[str, Any], text: str
) -> Check:
    net_minor = recomputed["bill"]["due_minor"]
    vat_minor = vat_amount(
        net_minor, vat_for(str(statement["shop"].get("country")), VENDOR).rate_bps
    )
    currency = evidence.contract.currency
    wanted = [amount(minor, currency) for minor in (net_minor, vat_minor, net_minor + vat_minor)]
    absent = [words for words in wanted if not _is_printed(words, text)]
    return Check(
        "amounts",
        not absent,
        f"net {wanted[0]}, VAT {wanted[1]}, total {wanted[2]}"
        + (f"; not printed on the invoice: {', '.join(absent)}" if absent else ""),
    )


def _is_printed(words: str, text: str) -> bool:
    number = re.escape(words.replace(" ", ""))
    return re.search(rf"(?<![0-9.,-]){number}", text) is not None
