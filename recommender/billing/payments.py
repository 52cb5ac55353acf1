"""Payments (verb): which invoice a bank transaction pays, and what is still open.

A transaction is booked once, however often its file is imported. What names no invoice of ours is
booked nowhere: it is listed until its reference is put right.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from recommender import tables
from recommender.billing.book import book
from recommender.billing.ledger import payment_postings
from recommender.billing.numbering import lock_series, take_number
from recommender.billing.transfers import Transfer, named_numbers
from recommender.records import Rejection
from recommender.shops.money import format_minor


class PaymentState(StrEnum):
    """How an issued document stands."""

    OPEN = "open"
    PARTLY_PAID = "partly-paid"
    PAID = "paid"
    OVERPAID = "overpaid"
    OVERDUE = "overdue"
    CREDIT = "credit"
    """A credit note that was neither paid out nor set off."""


@dataclass(frozen=True, slots=True)
class Account:
    """An issued document with what was paid for it; amounts of a credit note are negative.

    Attributes:
        payments: Day and amount, oldest first.
    """

    shop_id: str
    number: str
    buyer_name: str
    language: str
    currency: str
    issued_on: dt.date
    due_on: dt.date
    gross_minor: int
    late_rate_bps: int
    recovery_minor: int
    recovery_currency: str
    payments: tuple[tuple[dt.date, int], ...] = ()

    @property
    def paid_minor(self) -> int:
        """Return what came in, less what was paid back."""
        return sum(amount_minor for _, amount_minor in self.payments)

    @property
    def open_minor(self) -> int:
        """Return what is still to come in."""
        return self.gross_minor - self.paid_minor

    def state(self, on: dt.date) -> PaymentState:
        """Return how the document stands on a day."""
        if not self.open_minor:
            return PaymentState.PAID
        if self.gross_minor < 0:
            return PaymentState.CREDIT
        if self.open_minor < 0:
            return PaymentState.OVERPAID
        if on > self.due_on:
            return PaymentState.OVERDUE
        return PaymentState.PARTLY_PAID if self.paid_minor else PaymentState.OPEN


@dataclass(frozen=True, slots=True)
class PaymentReport:
    """What became of a file's transactions.

    Attributes:
        known: Booked by an earlier import.
        rejections: By place in the file, with the reason.
    """

    booked: tuple[Transfer, ...]
    known: int
    rejections: tuple[Rejection, ...]


@dataclass(frozen=True, slots=True)
class _Booked:
    amount_minor: int
    currency: str
    number: str


def record_payments(
    transfers: Sequence[Transfer], *, database: sa.Engine, now: dt.datetime
) -> PaymentReport:
    """Book the transactions that are new and name one invoice each; all of them or none."""
    with database.connect() as connection:
        targets = _targets(connection, transfers)
    booked, rejections, known = [], [], 0
    with database.begin() as connection:
        for series in sorted({_series(row, now) for row in targets.values()}):
            lock_series(connection, series)
        before = _booked_before(connection, transfers)
        for index, transfer in enumerate(transfers):
            found = _named(transfer, targets)
            if transfer.transaction_id in before:
                fault = _differs(transfer, found, before[transfer.transaction_id])
                known += not fault
                if fault:
                    rejections.append(Rejection(index, "transaction-conflict", fault))
            elif isinstance(found, str):
                rejections.append(Rejection(index, "unknown-reference", found))
            else:
                _book(connection, transfer, found, now)
                before[transfer.transaction_id] = _Booked(
                    transfer.amount_minor, transfer.currency, found.number
                )
                booked.append(transfer)
    return PaymentReport(tuple(booked), known, tuple(rejections))


def _targets(connection: sa.Connection, transfers: Iterable[Transfer]) -> dict[str, Any]:
    """Return the documents that any of the references may mean, by number."""
    numbers = {
        number
        for transfer in transfers
        for choices in named_numbers(transfer.reference)
        for number in choices
    }
    invoices, details, entities = tables.invoices, tables.invoice_details, tables.legal_entities
    query = (
        sa.select(
            invoices.c.number,
            invoices.c.shop_id,
            invoices.c.currency,
            details.c.entity_id,
            entities.c.series_prefix,
        )
        .select_from(
            invoices.join(details, details.c.number == invoices.c.number).outerjoin(
                entities, entities.c.entity_id == details.c.entity_id
            )
        )
        .where(invoices.c.number.in_(numbers))
    )
    return {row.number: row for row in connection.execute(query)}


def _named(transfer: Transfer, targets: Mapping[str, Any]) -> "Any":
    """Return the one document a transfer names, or why there is none."""
    found = {
        number
        for choices in named_numbers(transfer.reference)
        for number in [next((choice for choice in choices if choice in targets), "")]
        if number
    }
    if len(found) != 1:
        named = " and ".join(sorted(found)) or "no invoice of ours"
        return f"{transfer.reference!r} names {named}"
    row = targets[found.pop()]
    if row.currency != transfer.currency:
        return f"{row.number} is in {row.currency}, not {transfer.currency}"
    return row


def _series(row: Any, now: dt.datetime) -> str:
    """Return the bank journal's series; small letters begin no series of invoices."""
    return f"bq-{row.series_prefix or ''}{now.year}"


def _booked_before(connection: sa.Connection, transfers: Iterable[Transfer]) -> dict[str, _Booked]:
    rows = tables.payments.c
    ids = [transfer.transaction_id for transfer in transfers]
    query = sa.select(rows.transaction_id, rows.amount_minor, rows.currency, rows.number).where(
        rows.transaction_id.in_(ids)
    )
    return {identity: _Booked(*told) for identity, *told in connection.execute(query)}


def _differs(transfer: Transfer, found: Any, before: _Booked) -> str:
    """Return why this is not the transaction booked before under its id, empty where it is."""
    number = before.number if isinstance(found, str) else found.number
    if _Booked(transfer.amount_minor, transfer.currency, number) == before:
        return ""
    amount = format_minor(before.amount_minor, before.currency)
    return (
        f"{transfer.transaction_id} was booked with {amount} {before.currency} for "
        f"{before.number}; another transaction needs an id of its own"
    )


def _book(connection: sa.Connection, transfer: Transfer, row: Any, now: dt.datetime) -> None:
    connection.execute(
        tables.payments.insert().values(
            shop_id=row.shop_id,
            transaction_id=transfer.transaction_id,
            number=row.number,
            amount_minor=transfer.amount_minor,
            currency=transfer.currency,
            paid_on=transfer.paid_on,
            entry_number=take_number(connection, _series(row, now)),
            recorded_at=now,
        )
    )
    book(
        connection,
        row.shop_id,
        f"payment:{transfer.transaction_id}",
        payment_postings(transfer.amount_minor),
        kind="payment",
        currency=transfer.currency,
        reference=row.number,
        now=now,
    )


def read_accounts(*, database: sa.Engine, shop_id: str | None = None) -> list[Account]:
    """Return issued documents with their payments, oldest first.

    Args:
        shop_id: Only of this shop; None for all.
    """
    invoices, details, paid = tables.invoices, tables.invoice_details, tables.payments.c
    query = sa.select(
        details.c.shop_id,
        details.c.number,
        details.c.buyer_name,
        details.c.language,
        invoices.c.currency,
        details.c.issued_on,
        details.c.due_on,
        (invoices.c.amount_minor + details.c.vat_minor).label("gross_minor"),
        details.c.late_rate_bps,
        details.c.recovery_minor,
        details.c.recovery_currency,
    ).select_from(details.join(invoices, details.c.number == invoices.c.number))
    payments = sa.select(paid.number, paid.paid_on, paid.amount_minor)
    if shop_id is not None:
        query = query.where(details.c.shop_id == shop_id)
        payments = payments.where(paid.shop_id == shop_id)
    by_number: dict[str, list[tuple[dt.date, int]]] = {}
    with database.connect() as connection:
        for row in connection.execute(payments.order_by(paid.paid_on, paid.transaction_id)):
            by_number.setdefault(row.number, []).append((row.paid_on, row.amount_minor))
        found = connection.execute(query.order_by(details.c.issued_on, details.c.number)).all()
    return [Account(**row._mapping, payments=tuple(by_number.get(row.number, ()))) for row in found]
