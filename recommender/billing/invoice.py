"""Statement → invoice document. Pure; number and rendering come from elsewhere.

A document never changes once it is numbered. A credit note is the same document with negative
amounts and the numbers of the invoices it corrects.
"""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from recommender.billing.evidence import Evidence, write_evidence
from recommender.billing.statement import canonical_json, sha256
from recommender.billing.vendor import Party, Vendor, vat_for
from recommender.records import Shop
from recommender.uplift.days import local_day


class InvoiceKind(StrEnum):
    """What a document asks for."""

    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"


@dataclass(frozen=True, slots=True)
class InvoiceDocument:
    """Everything that is on an invoice; amounts of a credit note are negative.

    Attributes:
        due_on: Last day to pay.
        service_from: First day of the billed month that the contract governs.
        references: Numbers of the invoices a credit note corrects.
        statement: The statement's body.
        statement_json: Its canonical bytes, attached.
        evidence_csv: The evidence, attached.
    """

    number: str
    kind: InvoiceKind
    issued_on: dt.date
    due_on: dt.date
    seller: Party
    buyer: Party
    service_from: dt.date
    service_through: dt.date
    currency: str
    net_minor: int
    vat_rate_bps: int
    vat_minor: int
    vat_note: str
    terms: str
    references: tuple[str, ...]
    statement: dict[str, Any]
    statement_json: bytes
    evidence_csv: bytes

    @property
    def gross_minor(self) -> int:
        """Return the amount to pay."""
        return self.net_minor + self.vat_minor

    @property
    def statement_sha256(self) -> str:
        """Return the hash that ties the page to the attached statement."""
        return sha256(self.statement_json)


def draft_invoice(
    shop: Shop,
    evidence: Evidence,
    statement: dict[str, Any],
    *,
    vendor: Vendor,
    number: str,
    references: tuple[str, ...],
    issued_at: dt.datetime,
) -> InvoiceDocument:
    """Write the invoice, or the credit note, of a statement whose due amount is not 0."""
    net_minor = statement["bill"]["due_minor"]
    vat = vat_for(shop.country, vendor)
    issued_on = local_day(issued_at, vendor.timezone)
    return InvoiceDocument(
        number=number,
        kind=InvoiceKind.INVOICE if net_minor > 0 else InvoiceKind.CREDIT_NOTE,
        issued_on=issued_on,
        due_on=issued_on + dt.timedelta(days=vendor.payment_days),
        seller=vendor.party,
        buyer=Party(shop.name, shop.country),
        service_from=max(evidence.month.first_day, evidence.contract.starts_on),
        service_through=evidence.through,
        currency=evidence.contract.currency,
        net_minor=net_minor,
        vat_rate_bps=vat.rate_bps,
        vat_minor=vat_amount(net_minor, vat.rate_bps),
        vat_note=vat.note,
        terms=vendor.terms,
        references=references if net_minor < 0 else (),
        statement=statement,
        statement_json=canonical_json(statement),
        evidence_csv=write_evidence(evidence),
    )


def vat_amount(net_minor: int, rate_bps: int) -> int:
    """Return the VAT in minor units, half a unit rounded away from 0."""
    size = (abs(net_minor) * rate_bps + 5_000) // 10_000
    return size if net_minor >= 0 else -size
