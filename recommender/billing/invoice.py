"""Statement → invoice document. Pure; number and rendering come from elsewhere.

A document never changes once it is numbered. A credit note is a document of its own, with negative
amounts here and in the books, and the numbers of the invoices it corrects.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from recommender.billing import wording
from recommender.billing.evidence import Evidence, write_evidence
from recommender.billing.pricing import Reason, price
from recommender.billing.statement import canonical_json, sha256
from recommender.billing.vendor import Buyer, LegalEntity, Vat, vat_for
from recommender.errors import InconsistentError, InvalidInputError
from recommender.records import Shop
from recommender.shops.money import billing_step


class InvoiceKind(StrEnum):
    """What a document asks for."""

    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"


@dataclass(frozen=True, slots=True)
class Reference:
    """An earlier document that a credit note corrects."""

    number: str
    issued_on: dt.date


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a document; amounts as they count, so what is taken off is negative."""

    text: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class InvoiceDocument:
    """Everything that is on an invoice; amounts of a credit note are negative.

    Attributes:
        due_on: Last day to pay.
        service_from: First day of the billed month that the contract governs.
        lines: Add up to `net_minor`.
        references: Invoices a credit note corrects.
        sentence: What was measured, in the buyer's language.
        explanation: Why the amount is what it is.
        statement: The statement's body.
        statement_json: Its canonical bytes, attached.
        evidence_csv: The evidence, attached.
        xml: The same invoice for machines, attached; see `billing.einvoice`.
    """

    number: str
    kind: InvoiceKind
    issued_on: dt.date
    due_on: dt.date
    seller: LegalEntity
    buyer: Buyer
    service_from: dt.date
    service_through: dt.date
    currency: str
    lines: tuple[Line, ...]
    net_minor: int
    vat: Vat
    vat_minor: int
    references: tuple[Reference, ...]
    sentence: str
    explanation: str
    statement: dict[str, Any]
    statement_json: bytes
    evidence_csv: bytes
    xml: bytes = b""

    @property
    def gross_minor(self) -> int:
        """Return the amount to pay."""
        return self.net_minor + self.vat_minor

    @property
    def sign(self) -> int:
        """Return what turns the amounts into those printed: a credit note states positive ones."""
        return 1 if self.kind is InvoiceKind.INVOICE else -1

    @property
    def statement_sha256(self) -> str:
        """Return the hash that ties the page to the attached statement."""
        return sha256(self.statement_json)

    @property
    def vat_note(self) -> str:
        """Return the words the law wants where no VAT is charged; empty where it is."""
        if self.vat.category == "S":
            return ""
        language = self.buyer.language
        french = "-FR" if self.seller.country == "FR" else ""
        law = wording.phrase(f"{self.vat.category}-law{french}", language)
        return wording.phrase(self.vat.category, language, law=law)

    @property
    def terms(self) -> tuple[str, str, str]:
        """Return interest on late payment, recovery charge, and that there is no discount."""
        seller, language = self.seller, self.buyer.language
        charge = wording.amount(seller.recovery_minor, seller.currency, language)
        return (
            wording.phrase("late", language, rate=wording.rate(seller.late_rate_bps, language)),
            wording.phrase("recovery", language, amount=charge),
            wording.phrase("no-discount", language),
        )


def draft_invoice(
    shop: Shop,
    evidence: Evidence,
    statement: dict[str, Any],
    *,
    seller: LegalEntity,
    buyer: Buyer,
    number: str,
    references: tuple[Reference, ...],
    issued_on: dt.date,
) -> InvoiceDocument:
    """Write the invoice, or the credit note, of a statement whose due amount is not 0.

    Args:
        issued_on: In the seller's time zone.

    Raises:
        InconsistentError: `unbalanced`, the statement's lines do not add up to its amount.
        InvalidInputError: `vat-territory` or `vat-currency`, the VAT cannot be stated.
    """
    net_minor, contract = statement["bill"]["due_minor"], evidence.contract
    vat = vat_for(buyer.country, seller, contract.vat_case)
    _check_currency(vat, contract.currency, seller)
    language = buyer.language
    lines = invoice_lines(statement, language)
    if sum(line.amount_minor for line in lines) != net_minor:
        raise InconsistentError("The invoice's lines do not add up", code="unbalanced")
    estimate = price(evidence).target.estimate
    return InvoiceDocument(
        number=number,
        kind=InvoiceKind.INVOICE if net_minor > 0 else InvoiceKind.CREDIT_NOTE,
        issued_on=issued_on,
        due_on=issued_on + dt.timedelta(days=seller.payment_days),
        seller=seller,
        buyer=buyer,
        service_from=max(evidence.month.first_day, contract.starts_on),
        service_through=evidence.through,
        currency=contract.currency,
        lines=lines,
        net_minor=net_minor,
        vat=vat,
        vat_minor=vat_amount(net_minor, vat.rate_bps, contract.currency),
        references=references if net_minor < 0 else (),
        sentence=wording.result_sentence(estimate, contract, evidence.strata, language),
        explanation=wording.explanation(Reason(statement["bill"]["reason"]), language),
        statement=statement,
        statement_json=canonical_json(statement),
        evidence_csv=write_evidence(evidence),
    )


def _check_currency(vat: Vat, currency: str, seller: LegalEntity) -> None:
    """Stop where the law wants an amount that needs an exchange rate (directive, article 230)."""
    if vat.rate_bps and currency != seller.currency:
        raise InvalidInputError(
            f"VAT has to be stated in {seller.currency} too, and the bill is in {currency}: no "
            "exchange rate is known here",
            code="vat-currency",
        )


def invoice_lines(statement: Mapping[str, Any], language: str) -> tuple[Line, ...]:
    """Return the statement's lines in words."""
    currency = statement["currency"]
    since = wording.day(dt.date.fromisoformat(statement["contract"]["starts_on"]), language)

    def text(line: Mapping[str, Any]) -> str:
        kind = line["kind"]
        if kind == "success_tier":
            rate = wording.rate(line["rate_bps"], language)
            tier = wording.amount(line["from_minor"], currency, language)
            key = "success_tier_above" if line["from_minor"] else "success_tier"
            return wording.phrase(key, language, rate=rate, day=since, tier=tier)
        if kind == "not_billed":
            return wording.first_phrase((f"not_billed_{line['reason']}", "not_billed"), language)
        if kind == "licence":
            days, of_days = str(line["days"]), str(line["of_days"])
            return wording.phrase(kind, language, days=days, of_days=of_days)
        if kind == "minimum":
            least = wording.amount(line["minimum_minor"], currency, language)
            return wording.phrase(kind, language, amount=least)
        return wording.phrase(kind, language)

    return tuple(Line(text(line), line["amount_minor"]) for line in statement["bill"]["lines"])


def vat_amount(net_minor: int, rate_bps: int, currency: str) -> int:
    """Return the VAT in minor units, half of what an invoice can state rounded away from 0."""
    step = billing_step(currency)
    size = (abs(net_minor) * rate_bps + 5_000 * step) // (10_000 * step) * step
    return size if net_minor >= 0 else -size
