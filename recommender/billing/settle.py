"""Close a month (verb): measure, price, and store statement, invoice and postings together."""

import contextlib
import datetime as dt
import functools
from collections.abc import Callable, Iterator
from dataclasses import replace

import sqlalchemy as sa

from recommender import tables
from recommender.billing.archive import (
    Settlement,
    read_billed,
    read_invoice_numbers,
    read_settlement,
)
from recommender.billing.evidence import Evidence, SealedRevision
from recommender.billing.invoice import InvoiceDocument, draft_invoice
from recommender.billing.ledger import invoice_postings
from recommender.billing.months import Month, parse_month
from recommender.billing.numbering import lock_series, take_number
from recommender.billing.pricing import price
from recommender.billing.statement import build_statement, canonical_json, sha256
from recommender.billing.vendor import VENDOR, Vendor
from recommender.crash_points import crash_point
from recommender.errors import InvalidInputError, NotFoundError, UnavailableError
from recommender.events.sealing import seal_days
from recommender.ports import EventLog
from recommender.records import Contract, Shop
from recommender.shops.audit import record_audit
from recommender.shops.registry import current_contract
from recommender.uplift.days import local_day, window
from recommender.uplift.measure import collect
from recommender.uplift.stored import Measurement

RenderInvoice = Callable[[InvoiceDocument], bytes]
SEALING_ROUNDS = 3


def settle(
    shop: Shop,
    month: str,
    *,
    event_log: EventLog,
    database: sa.Engine,
    render_invoice: RenderInvoice,
    now: dt.datetime,
    vendor: Vendor = VENDOR,
) -> Settlement:
    """Close a month once; a second call returns what the first one stored.

    The contract that governs the month's last day prices it. A statement is always stored; an
    invoice when something is due, a credit note when the yearly settlement gives back.

    Args:
        month: `YYYY-MM`, over in the shop's time zone.
        render_invoice: Document → PDF; when it fails nothing is stored and no number is used.

    Raises:
        InvalidInputError: The month is not over, lies before the contract, or a later month was
            closed already.
        UnavailableError: Database or renderer does not answer; try again.
    """
    closing = parse_month(month)
    contract = _contract(shop, closing, database)
    if local_day(now, shop.timezone) <= closing.last_day:
        raise InvalidInputError(f"{closing} is not over yet", code="month-not-over")
    with database.connect() as connection:
        known = _known(connection, shop, closing, contract)
    if known is not None:
        return known
    measured, sealed = _measure_sealed(shop, closing, contract, event_log, database, now)
    crash_point("settle-measured")
    with _transaction(database) as connection:
        # The series' row is also what keeps two settlements of one shop apart.
        series = str(local_day(now, vendor.timezone).year)
        lock_series(connection, series)
        known = _known(connection, shop, closing, contract)
        if known is not None:
            return known
        evidence = _evidence(connection, shop, closing, contract, measured, sealed)
        settlement = _store_statement(connection, shop, evidence, measured, now)
        if settlement.amount_minor:
            settlement = _store_invoice(
                connection, shop, evidence, settlement, series, vendor=vendor, render=render_invoice
            )
        # Last of all: the chain's end stays locked from here to the commit.
        record_audit(
            connection,
            "month.settled",
            shop_id=shop.shop_id,
            subject=settlement.month,
            amount_minor=settlement.amount_minor,
            invoice=settlement.invoice_number,
        )
        return settlement


def _contract(shop: Shop, month: Month, database: sa.Engine) -> Contract:
    try:
        return current_contract(shop.shop_id, month.last_day, database=database)
    except NotFoundError as error:
        raise InvalidInputError(
            f"No contract of {shop.name} governs {month}", code="before-contract"
        ) from error


def _measure_sealed(
    shop: Shop,
    month: Month,
    contract: Contract,
    event_log: EventLog,
    database: sa.Engine,
    now: dt.datetime,
) -> tuple[Measurement, tuple[SealedRevision, ...]]:
    """Measure from sealed days alone, sealing what is not; again if one changes meanwhile."""
    span = window(contract.starts_on, month.last_day, shop.timezone)
    last = (span.end - dt.timedelta(microseconds=1)).date()
    seal = functools.partial(
        seal_days, shop.shop_id, event_log=event_log, database=database, through=last, now=now
    )
    sealed = seal()
    for _ in range(SEALING_ROUNDS):
        measured = collect(
            shop,
            event_log=event_log,
            database=database,
            contract=contract,
            through=month.last_day,
            sealed_through=last,
        )
        before, sealed = sealed, seal()
        if [(day.day, day.sha256) for day in sealed] == [(day.day, day.sha256) for day in before]:
            return measured, tuple(
                SealedRevision(day.day, day.revision, day.events, day.sha256)
                for day in sealed
                if day.day >= span.start.date()
            )
    raise UnavailableError(
        f"Events of {month} or before keep coming; try again later", code="days-changing"
    )


def _known(
    connection: sa.Connection, shop: Shop, month: Month, contract: Contract
) -> Settlement | None:
    known = read_settlement(connection, shop.shop_id, str(month), contract.version)
    if known is not None:
        return known
    billed = read_billed(connection, shop.shop_id, contract.version)
    if billed and billed[-1].month > month:
        raise InvalidInputError(
            f"{billed[-1].month} is closed already, and its statement covers {month}",
            code="month-out-of-order",
        )
    return None


@contextlib.contextmanager
def _transaction(database: sa.Engine) -> Iterator[sa.Connection]:
    try:
        with database.begin() as connection:
            yield connection
    except sa.exc.OperationalError as error:
        raise UnavailableError(
            f"The database does not answer: {error.orig}", code="database-unavailable"
        ) from error


def _evidence(
    connection: sa.Connection,
    shop: Shop,
    month: Month,
    contract: Contract,
    measured: Measurement,
    sealed: tuple[SealedRevision, ...],
) -> Evidence:
    used = {row.stratum for row in measured.sums}
    strata = tuple(stratum for stratum in shop.strata if stratum.stratum in used)
    return Evidence(
        shop_id=shop.shop_id,
        timezone=shop.timezone,
        through=month.last_day,
        contract=contract,
        strata=strata or shop.strata,
        sums=tuple(measured.sums),
        billed=read_billed(connection, shop.shop_id, contract.version),
        last_click_minor=measured.last_click_minor,
        sealed=sealed,
    )


def _store_statement(
    connection: sa.Connection,
    shop: Shop,
    evidence: Evidence,
    measured: Measurement,
    now: dt.datetime,
) -> Settlement:
    bill = price(evidence)
    body = build_statement(shop, evidence, bill, excluded=measured.excluded, closed_at=now)
    settlement = Settlement(
        shop_id=shop.shop_id,
        month=str(evidence.month),
        contract_version=evidence.contract.version,
        amount_minor=bill.due_minor,
        currency=shop.currency,
        statement=body,
        statement_sha256=sha256(canonical_json(body)),
        closed_at=now,
        is_new=True,
    )
    connection.execute(
        tables.statements.insert().values(
            shop_id=settlement.shop_id,
            month=settlement.month,
            contract_version=settlement.contract_version,
            amount_minor=settlement.amount_minor,
            currency=settlement.currency,
            body=settlement.statement,
            body_sha256=settlement.statement_sha256,
            closed_at=settlement.closed_at,
        )
    )
    crash_point("settle-stated")
    return settlement


def _store_invoice(
    connection: sa.Connection,
    shop: Shop,
    evidence: Evidence,
    settlement: Settlement,
    series: str,
    *,
    vendor: Vendor,
    render: RenderInvoice,
) -> Settlement:
    document = draft_invoice(
        shop,
        evidence,
        settlement.statement,
        vendor=vendor,
        number=take_number(connection, series),
        references=read_invoice_numbers(connection, shop.shop_id, evidence.contract.version),
        issued_at=settlement.closed_at,
    )
    crash_point("settle-numbered")
    connection.execute(
        tables.invoices.insert().values(
            number=document.number,
            shop_id=shop.shop_id,
            month=settlement.month,
            contract_version=settlement.contract_version,
            kind=document.kind.value,
            amount_minor=document.net_minor,
            currency=document.currency,
            statement_sha256=document.statement_sha256,
            pdf=render(document),
            issued_at=settlement.closed_at,
        )
    )
    postings = [
        {
            "shop_id": shop.shop_id,
            "transaction_id": document.number,
            "account": posting.account.value,
            "amount_minor": posting.amount_minor,
            "currency": document.currency,
            "posted_at": settlement.closed_at,
        }
        for posting in invoice_postings(document)
    ]
    connection.execute(tables.postings.insert(), postings)
    crash_point("settle-posted")
    return replace(settlement, invoice_number=document.number)
