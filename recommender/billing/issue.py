"""Draft what a month's statement asks for, and keep what the issued document says (verb).

Works inside the transaction that closes the month: whatever fails here leaves no number behind.
"""

import datetime as dt

import sqlalchemy as sa

from recommender import tables
from recommender.billing.einvoice import with_einvoice
from recommender.billing.evidence import Evidence
from recommender.billing.file_type import file_type
from recommender.billing.invoice import InvoiceDocument, Reference, draft_invoice
from recommender.billing.numbering import date_of_number, take_number
from recommender.billing.parties import Parties
from recommender.billing.vendor import LegalEntity
from recommender.records import Shop
from recommender.uplift.days import local_day


def series_of(seller: LegalEntity | None, now: dt.datetime) -> str:
    """Return the series of numbers a document issued now belongs to, such as `F2027`.

    Without a seller it is one that no document has: months without a bill wait for their turn too.
    """
    if seller is None:
        return "-"
    return f"{seller.series_prefix}{local_day(now, seller.timezone).year}"


def draft_document(
    connection: sa.Connection,
    shop: Shop,
    evidence: Evidence,
    statement: dict[str, object],
    *,
    parties: Parties,
    series: str,
    now: dt.datetime,
) -> InvoiceDocument:
    """Take the next number of a locked series and write the document of a statement.

    Raises:
        InvalidInputError: `billing-details-missing`, names what nobody has told yet.
        InconsistentError: `bad-einvoice`, the e-invoice breaks its schema.
    """
    seller, buyer = parties.complete(shop.shop_id)
    issued_on = date_of_number(connection, series, local_day(now, seller.timezone))
    document = draft_invoice(
        shop,
        evidence,
        statement,
        seller=seller,
        buyer=buyer,
        number=take_number(connection, series),
        references=_references(connection, shop.shop_id, evidence.contract.version),
        issued_on=issued_on,
    )
    return with_einvoice(document)


def _references(
    connection: sa.Connection, shop_id: str, contract_version: int
) -> tuple[Reference, ...]:
    """Return the invoices that a credit would correct: this contract's, or those before it."""
    invoices, details = tables.invoices.c, tables.invoice_details.c
    found = connection.execute(
        sa.select(invoices.number, invoices.contract_version, details.issued_on)
        .select_from(
            tables.invoices.join(tables.invoice_details, details.number == invoices.number)
        )
        .where(invoices.shop_id == shop_id, invoices.amount_minor > 0)
        .order_by(invoices.issued_at, invoices.number)
    ).all()
    own = [row for row in found if row.contract_version == contract_version]
    return tuple(Reference(row.number, row.issued_on) for row in own or found)


def store_details(
    connection: sa.Connection, shop_id: str, document: InvoiceDocument, rendered: bytes
) -> None:
    """Keep what lists, reminders and the journal need of a document just stored."""
    connection.execute(
        tables.invoice_details.insert().values(
            shop_id=shop_id,
            number=document.number,
            entity_id=document.seller.entity_id,
            buyer_name=document.buyer.name,
            language=document.buyer.language,
            issued_on=document.issued_on,
            due_on=document.due_on,
            vat_minor=document.vat_minor,
            late_rate_bps=document.seller.late_rate_bps,
            recovery_minor=document.seller.recovery_minor,
            recovery_currency=document.seller.currency,
            content_type=file_type(rendered),
            xml=document.xml,
        )
    )
