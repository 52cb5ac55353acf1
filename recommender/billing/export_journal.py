"""Collect a legal entity's bookings of a period (verb); `billing.journal` writes them down."""

import datetime as dt
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from recommender import tables
from recommender.billing.journal import BANK, SALES, Entry, Journal, write_journal
from recommender.billing.ledger import Account, Posting
from recommender.billing.vendor import LegalEntity
from recommender.errors import InvalidInputError
from recommender.uplift.days import local_day


def export_journal(
    entity: LegalEntity,
    first_on: dt.date,
    last_on: dt.date,
    *,
    database: sa.Engine,
    rates: Mapping[str, Decimal],
) -> Journal:
    """Return what was invoiced and paid within a period, both days included.

    Raises:
        InvalidInputError: `missing-rate`, or `bad-period`, the last day lies before the first.
    """
    if last_on < first_on:
        raise InvalidInputError("The period ends before it begins", code="bad-period")
    with database.connect() as connection:
        entries = [
            *_documents(connection, entity, first_on, last_on),
            *_payments(connection, entity, first_on, last_on),
        ]
    return write_journal(
        entries, siren=entity.siren, currency=entity.currency, through=last_on, rates=rates
    )


def _documents(
    connection: sa.Connection, entity: LegalEntity, first_on: dt.date, last_on: dt.date
) -> Iterator[Entry]:
    invoices, details = tables.invoices, tables.invoice_details
    query = (
        sa.select(
            details, invoices.c.kind, invoices.c.month, invoices.c.currency, invoices.c.issued_at
        )
        .select_from(details.join(invoices, details.c.number == invoices.c.number))
        .where(
            details.c.entity_id == entity.entity_id,
            details.c.issued_on.between(first_on, last_on),
        )
    )
    for row in connection.execute(query).all():
        what = "Avoir" if row.kind == "credit_note" else "Facture"
        yield Entry(
            journal=SALES,
            number=row.number,
            on=row.issued_on,
            shop_id=row.shop_id,
            buyer_name=row.buyer_name,
            piece=row.number,
            piece_on=row.issued_on,
            text=f"{what} {row.number} {row.month}",
            currency=row.currency,
            postings=_postings(connection, row.shop_id, row.number),
            validated_on=local_day(row.issued_at, entity.timezone),
        )


def _payments(
    connection: sa.Connection, entity: LegalEntity, first_on: dt.date, last_on: dt.date
) -> Iterator[Entry]:
    payments, details = tables.payments, tables.invoice_details
    query = (
        sa.select(payments, details.c.buyer_name, details.c.issued_on)
        .select_from(payments.join(details, details.c.number == payments.c.number))
        .where(
            details.c.entity_id == entity.entity_id,
            payments.c.paid_on.between(first_on, last_on),
        )
    )
    for row in connection.execute(query).all():
        yield Entry(
            journal=BANK,
            number=row.entry_number,
            on=row.paid_on,
            shop_id=row.shop_id,
            buyer_name=row.buyer_name,
            piece=row.number,
            piece_on=row.issued_on,
            text=f"Virement {row.transaction_id}",
            currency=row.currency,
            postings=_postings(connection, row.shop_id, f"payment:{row.transaction_id}"),
            validated_on=local_day(row.recorded_at, entity.timezone),
        )


def _postings(connection: sa.Connection, shop_id: str, transaction_id: str) -> tuple[Posting, ...]:
    rows: Any = tables.postings.c
    found = connection.execute(
        sa.select(rows.account, rows.amount_minor)
        .where(rows.shop_id == shop_id, rows.transaction_id == transaction_id)
        .order_by(rows.account)
    )
    return tuple(Posting(Account(row.account), row.amount_minor) for row in found)
