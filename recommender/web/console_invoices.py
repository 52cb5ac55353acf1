"""Invoices and credit notes as the console lists them, with what was paid."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from recommender import tables
from recommender.billing.archive import Settlement, read_settlements
from recommender.billing.file_type import HTML_TYPE
from recommender.billing.months import parse_month
from recommender.billing.payments import Account, PaymentState, read_accounts
from recommender.errors import NotFoundError
from recommender.records import Shop
from recommender.uplift.days import local_day
from recommender.web.console_terms import money

_STATES = {
    PaymentState.OPEN: ("calm", "open"),
    PaymentState.PARTLY_PAID: ("calm", "partly paid"),
    PaymentState.PAID: ("good", "paid"),
    PaymentState.OVERPAID: ("held", "paid too much"),
    PaymentState.OVERDUE: ("bad", "overdue"),
    PaymentState.CREDIT: ("held", "in your favour"),
}
"""Kind and words of the mark, by the state of payment."""


@dataclass(frozen=True, slots=True)
class InvoiceRow:
    """A line of the page.

    Attributes:
        state: Kind and words of its mark.
        is_page: Whether it was issued as HTML, because no PDF could be drawn then.
    """

    number: str
    kind: str
    month: str
    month_key: str
    contract_version: int
    issued_on: str
    due_on: str
    net: str
    gross: str
    open: str
    state: tuple[str, str]
    has_xml: bool
    is_page: bool


def read_invoices(shop: Shop, *, database: sa.Engine, now: dt.datetime) -> list[InvoiceRow]:
    """Return a shop's invoices and credit notes, newest first."""
    details = tables.invoice_details.c
    query = sa.select(details.number, details.content_type, details.xml.is_not(None)).where(
        details.shop_id == shop.shop_id
    )
    with database.connect() as connection:
        months = {one.invoice_number: one for one in read_settlements(connection, shop.shop_id)}
        files = {number: told for number, *told in connection.execute(query)}
    today = local_day(now, shop.timezone)
    return [
        _row(account, months[account.number], files[account.number], today)
        for account in reversed(read_accounts(database=database, shop_id=shop.shop_id))
    ]


def read_invoice_xml(shop_id: str, number: str, *, database: sa.Engine) -> bytes:
    """Return an invoice's EN 16931 data exactly as it was issued.

    Raises:
        NotFoundError: The shop has no such invoice, or it was issued without.
    """
    rows = tables.invoice_details.c
    with database.connect() as connection:
        xml = connection.execute(
            sa.select(rows.xml).where(rows.shop_id == shop_id, rows.number == number)
        ).scalar_one_or_none()
    if xml is None:
        raise NotFoundError(f"There is no invoice {number} as XML", code="unknown-invoice")
    return bytes(xml)


def _row(account: Account, closed: Settlement, file: Sequence[Any], today: dt.date) -> InvoiceRow:
    currency, (content_type, has_xml) = account.currency, file
    return InvoiceRow(
        number=account.number,
        kind="Credit note" if closed.amount_minor < 0 else "Invoice",
        month=f"{parse_month(closed.month).first_day:%B %Y}",
        month_key=closed.month,
        contract_version=closed.contract_version,
        issued_on=_short(account.issued_on),
        due_on=_short(account.due_on),
        net=money(closed.amount_minor, currency),
        gross=money(account.gross_minor, currency),
        open=money(account.open_minor, currency),
        state=_STATES[account.state(today)],
        has_xml=has_xml,
        is_page=content_type == HTML_TYPE,
    )


def _short(day: dt.date) -> str:
    return f"{day.day} {day:%b %Y}"
