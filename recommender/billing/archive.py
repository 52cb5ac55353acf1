"""Read what was settled (verb); nothing here ever changes it."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from recommender import tables
from recommender.billing.bill_lines import whole_steps
from recommender.billing.evidence import Billed
from recommender.billing.months import parse_month
from recommender.billing.terms import Term
from recommender.errors import NotFoundError


@dataclass(frozen=True, slots=True)
class Settlement:
    """A closed month of one contract version.

    Attributes:
        amount_minor: What was due; negative is a credit.
        statement: The statement's body.
        invoice_number: Of the invoice or credit note; empty when nothing was due.
        is_new: Whether this call closed the month.
    """

    shop_id: str
    month: str
    contract_version: int
    amount_minor: int
    currency: str
    statement: dict[str, Any]
    statement_sha256: str
    closed_at: dt.datetime
    invoice_number: str = ""
    is_new: bool = False

    def summary(self) -> dict[str, Any]:
        """Return what a list of settlements says of this one, ready for JSON."""
        return {
            "month": self.month,
            "contract_version": self.contract_version,
            "amount_minor": self.amount_minor,
            "currency": self.currency,
            "invoice": self.invoice_number or None,
            "sha256": self.statement_sha256,
        }


def read_settlements(connection: sa.Connection, shop_id: str) -> list[Settlement]:
    """Return all closed months of a shop, newest first."""
    rows = tables.statements.c
    query = _query(rows.shop_id == shop_id)
    newest_first = query.order_by(rows.month.desc(), rows.contract_version.desc())
    return [_settlement(row) for row in connection.execute(newest_first)]


def read_settlement(
    connection: sa.Connection, shop_id: str, month: str, contract_version: int
) -> Settlement | None:
    """Return one closed month, None while it is open."""
    rows = tables.statements.c
    row = connection.execute(
        _query(
            sa.and_(
                rows.shop_id == shop_id,
                rows.month == month,
                rows.contract_version == contract_version,
            )
        )
    ).first()
    return None if row is None else _settlement(row)


def _query(condition: sa.ColumnElement[bool]) -> "sa.Select[Any]":
    return sa.select(tables.statements).where(condition)


def _settlement(row: "sa.Row[Any]") -> Settlement:
    return Settlement(
        shop_id=row.shop_id,
        month=row.month,
        contract_version=row.contract_version,
        amount_minor=row.amount_minor,
        currency=row.currency,
        statement=row.body,
        statement_sha256=row.body_sha256,
        closed_at=row.closed_at,
        invoice_number=row.invoice_number,
    )


def read_billed(
    connection: sa.Connection, shop_id: str, contract_version: int
) -> tuple[Billed, ...]:
    """Return the success fees that a contract version's statements charged, oldest first."""
    rows = tables.statements.c
    found = connection.execute(
        sa.select(rows.month, rows.success_minor)
        .where(rows.shop_id == shop_id, rows.contract_version == contract_version)
        .order_by(rows.month)
    )
    return tuple(Billed(parse_month(row.month), row.success_minor) for row in found)


def newest_month(connection: sa.Connection, shop_id: str) -> str:
    """Return the newest closed month of a shop under any contract version; empty before one."""
    rows = tables.statements.c
    query = sa.select(sa.func.max(rows.month)).where(rows.shop_id == shop_id)
    return connection.scalar(query) or ""


def carried_into(connection: sa.Connection, term: Term) -> int:
    """Return the success fee that the version before left open in its last statement.

    Below 0 it is what was billed and is no longer due; 0 where no version came before.
    """
    if term.before is None:
        return 0
    rows = tables.statements.c
    body = connection.scalar(
        sa.select(rows.body)
        .where(rows.shop_id == term.before.shop_id, rows.contract_version == term.before.version)
        .order_by(rows.month.desc())
        .limit(1)
    )
    if body is None:
        return 0
    return whole_steps(int(body["bill"]["left_minor"]), term.contract.currency)


def read_invoice_numbers(
    connection: sa.Connection, shop_id: str, contract_version: int
) -> tuple[str, ...]:
    """Return the numbers of the invoices under a contract version, oldest first."""
    rows = tables.invoices.c
    found = connection.execute(
        sa.select(rows.number)
        .where(
            rows.shop_id == shop_id,
            rows.contract_version == contract_version,
            rows.amount_minor > 0,
        )
        .order_by(rows.month)
    )
    return tuple(found.scalars())


def read_invoice_pdf(shop_id: str, number: str, *, database: sa.Engine) -> bytes:
    """Return the PDF exactly as it was issued.

    Raises:
        NotFoundError: The shop has no such invoice.
    """
    rows = tables.invoices.c
    with database.connect() as connection:
        pdf: bytes | None = connection.execute(
            sa.select(rows.pdf).where(rows.shop_id == shop_id, rows.number == number)
        ).scalar_one_or_none()
    if pdf is None:
        raise NotFoundError(f"There is no invoice {number}", code="unknown-invoice")
    return bytes(pdf)
