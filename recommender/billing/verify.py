"""Recompute an invoice from nothing but its file. Pure.

Knows no database and no shop: what it says holds for whoever has the file.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from recommender.billing.differences import (
    evidence_differences,
    figure_differences,
    sentence,
)
from recommender.billing.einvoice import EINVOICE_NAME
from recommender.billing.evidence import FIRST_SCHEMA, Evidence, LedgerEnd, read_evidence
from recommender.billing.invoice import vat_amount
from recommender.billing.invoice_file import InvoiceFile, open_invoice
from recommender.billing.pricing import price
from recommender.billing.rule_faults import rule_faults
from recommender.billing.statement import canonical_json, figures, sha256
from recommender.billing.vendor import VENDOR, vat_for
from recommender.billing.verify_einvoice import check_einvoice
from recommender.billing.wording import amount
from recommender.errors import InvalidInputError, RecommenderError

EVIDENCE_NAME = "evidence.csv"
STATEMENT_NAME = "statement.json"
PROVES = (
    "The amount follows from the attached daily sums and contract terms by the published formula; "
    "page, e-invoice and statement say the same; and no attachment was changed after the page was "
    "printed."
)
DOES_NOT_PROVE = (
    "That the daily sums are what happened in the shop: compare visitors, orders and revenue with "
    "the shop's own records. Nor that what was taken out of both arms was staff, tests or "
    "programs: the file holds counts of it, and the hash of the lists that the console shows. Nor "
    "that the vendor's books still hold the transaction named: there, `recommender ledger verify` "
    "with this file tells. Nor who made the file: it carries no signature, so compare its number "
    "and hashes with what the vendor's console shows."
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
        ledger: The vendor's books before it; None in what earlier releases issued.
    """

    month: str
    due_minor: int
    currency: str
    checks: tuple[Check, ...]
    ledger: LedgerEnd | None = None

    @property
    def passed(self) -> bool:
        """Return whether every comparison agreed."""
        return all(check.passed for check in self.checks)


def verify_invoice(data: bytes) -> Verification:
    """Recompute the invoice in a PDF (or the HTML issued in its place) and compare every figure.

    Raises:
        InvalidInputError: It is no such file (`bad-pdf`), carries no evidence (`no-evidence`), or
            evidence that cannot be read (`bad-evidence`; names what was changed).
    """
    file = open_invoice(data)
    missing = [name for name in (EVIDENCE_NAME, STATEMENT_NAME) if name not in file.attachments]
    if missing:
        raise _removed(missing)
    statement = _statement(file.attachments[STATEMENT_NAME])
    if statement.get("schema") != FIRST_SCHEMA and EINVOICE_NAME not in file.attachments:
        raise _removed([EINVOICE_NAME])
    first = (_check_evidence(file, statement), _check_statement(file, statement))
    evidence, recomputed, faults = _recompute(file.attachments[EVIDENCE_NAME], first[0])
    return Verification(
        month=recomputed["month"],
        due_minor=recomputed["bill"]["due_minor"],
        currency=evidence.contract.currency,
        checks=(
            *first,
            _check_figures(recomputed, statement),
            *_check_rules(evidence, faults),
            *_check_ledger(file, evidence),
            *_check_document(file, evidence, recomputed, statement),
        ),
        ledger=evidence.ledger,
    )


def read_ledger_end(data: bytes) -> LedgerEnd:
    """Return what an issued invoice says of the vendor's books before it.

    Raises:
        InvalidInputError: As of `verify_invoice`; or the invoice was issued before they did
            (`no-ledger-end`), or does not verify (`bad-evidence`).
    """
    verified = verify_invoice(data)
    if not verified.passed:
        raise InvalidInputError("The invoice does not verify", code="bad-evidence")
    if verified.ledger is None:
        raise InvalidInputError(
            "The invoice is of a release that did not print the books' end", code="no-ledger-end"
        )
    return verified.ledger


def _removed(names: list[str]) -> InvalidInputError:
    return InvalidInputError(
        f"The file carries no {' and no '.join(names)}: it is no invoice of this service, or "
        "a program removed its attachments",
        code="no-evidence",
    )


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


def _recompute(evidence_csv: bytes, check: Check) -> tuple[Evidence, dict[str, Any], list[str]]:
    """Return the evidence, the figures that follow from it, and faults of its exclusions."""
    try:
        evidence = read_evidence(evidence_csv)
        faults = list(rule_faults(evidence)) if evidence.rules else []
        return evidence, figures(evidence, price(evidence)), faults
    except (RecommenderError, ValueError, LookupError, TypeError, ArithmeticError) as error:
        raise InvalidInputError(
            f"Nothing can be recomputed: {error}. {check.detail}", code="bad-evidence"
        ) from error


def _check_evidence(file: InvoiceFile, statement: dict[str, Any]) -> Check:
    evidence_csv = file.attachments[EVIDENCE_NAME]
    digest, told = sha256(evidence_csv), statement.get("evidence_sha256")
    detail = f"SHA-256 of {EVIDENCE_NAME} is {digest}; the statement names {told}"
    if digest != told:
        named = sentence(evidence_differences(evidence_csv, statement))
        detail += f". Changed: {named or 'the hash alone'}"
    return Check("evidence", digest == told, detail)


def _check_statement(file: InvoiceFile, statement: dict[str, Any]) -> Check:
    digest = sha256(canonical_json(statement))
    return Check(
        "statement",
        file.prints(digest),
        f"SHA-256 of {STATEMENT_NAME} is {digest}; it must be printed on the invoice",
    )


def _check_figures(recomputed: dict[str, Any], statement: dict[str, Any]) -> Check:
    named = sentence(figure_differences(statement, recomputed))
    return Check(
        "figures", not named, named or "all figures of the statement follow from the evidence"
    )


def _check_rules(evidence: Evidence, faults: Sequence[str]) -> Iterator[Check]:
    """Check that who was taken out was so by rules stated before the days they govern."""
    if not evidence.rules:
        return
    versions = ", ".join(str(told.version) for told in evidence.rules)
    people = sum(one.visitors for one in evidence.removed)
    orders = sum(one.orders for one in evidence.removed)
    held = (
        f"{people} visitors and {orders} orders taken out by version {versions} of the exclusions, "
        "each stated before the first day it governs"
    )
    yield Check("exclusions", not faults, "; ".join(faults) or held)


def _check_ledger(file: InvoiceFile, evidence: Evidence) -> Iterator[Check]:
    if evidence.ledger is not None:
        sequence, digest = evidence.ledger.sequence, evidence.ledger.entry_hash
        yield Check(
            "ledger",
            file.prints(digest),
            f"transaction {sequence} of the vendor's books was {digest} when this was issued; it "
            "must be printed on the invoice",
        )


def _check_document(
    file: InvoiceFile, evidence: Evidence, recomputed: dict[str, Any], statement: dict[str, Any]
) -> Iterator[Check]:
    if EINVOICE_NAME not in file.attachments:
        yield _check_first_amounts(file, evidence, recomputed, statement)
        return
    for name, faults, held in check_einvoice(file, evidence, recomputed["bill"]["due_minor"]):
        yield Check(name, not faults, "; ".join(faults) or held)


def _check_first_amounts(
    file: InvoiceFile, evidence: Evidence, recomputed: dict[str, Any], statement: dict[str, Any]
) -> Check:
    """Check a page of the first release, which had one seller and no e-invoice."""
    net_minor = recomputed["bill"]["due_minor"]
    country = str(statement["shop"].get("country"))
    currency = evidence.contract.currency
    vat_minor = vat_amount(net_minor, vat_for(country, VENDOR).rate_bps, currency)
    wanted = [amount(minor, currency) for minor in (net_minor, vat_minor, net_minor + vat_minor)]
    absent = [words for words in wanted if not _is_printed(words, file.text)]
    return Check(
        "amounts",
        not absent,
        f"net {wanted[0]}, VAT {wanted[1]}, total {wanted[2]}"
        + (f"; not printed on the invoice: {', '.join(absent)}" if absent else ""),
    )


def _is_printed(words: str, text: str) -> bool:
    number = re.escape(words.replace(" ", ""))
    return re.search(rf"(?<![0-9.,-]){number}", text) is not None
