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
    carried_into,
    newest_month,
    read_billed,
    read_settlement,
)
from recommender.billing.book import book, ledger_end
from recommender.billing.evidence import Evidence, SealedRevision
from recommender.billing.invoice import InvoiceDocument
from recommender.billing.issue import draft_document, series_of, store_details
from recommender.billing.ledger import invoice_postings
from recommender.billing.months import Month, parse_month
from recommender.billing.numbering import lock_series
from recommender.billing.parties import Parties, read_parties
from recommender.billing.pricing import price
from recommender.billing.shown import shown_beside
from recommender.billing.statement import build_statement, canonical_json, sha256
from recommender.billing.terms import Term, last_month, term_of
from recommender.crash_points import crash_point
from recommender.errors import (
    InconsistentError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
)
from recommender.events.sealing import seal_days
from recommender.ports import EventLog
from recommender.records import Contract, Shop
from recommender.shops.audit import record_audit
from recommender.shops.registry import read_contracts
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
) -> Settlement:
    """Close a month once; a second call returns what the first one stored.

    The contract that governs the month's last day prices it. A statement is always stored; an
    invoice when something is due, a credit note when the yearly settlement gives back.

    Args:
        month: `YYYY-MM`, over in the shop's time zone.
        render_invoice: Document → PDF; when it fails nothing is stored and no number is used.

    Raises:
        InvalidInputError: The month is not over, lies before the contract, or a later month was
            closed already; or an invoice is due and nobody has told to whom it goes.
        UnavailableError: Database or renderer does not answer; try again.
    """
    closing = parse_month(month)
    term = _term(shop, closing, database)
    if local_day(now, shop.timezone) <= closing.last_day:
        raise InvalidInputError(f"{closing} is not over yet", code="month-not-over")
    with database.connect() as connection:
        known = _known(connection, closing, term)
        parties = read_parties(connection, shop.shop_id)
    if known is not None:
        return known
    measured, sealed = _measure_sealed(shop, closing, term.contract, event_log, database, now)
    crash_point("settle-measured")
    with _transaction(database) as connection:
        # The series' row is also what keeps two settlements of one shop apart.
        series = series_of(parties.seller, now)
        lock_series(connection, series)
        known = _known(connection, closing, term)
        if known is not None:
            return known
        evidence = _evidence(connection, shop, closing, term, measured, sealed)
        settlement = _store_statement(connection, shop, evidence, measured, now)
        if settlement.amount_minor:
            settlement = _store_invoice(
                connection, shop, evidence, settlement, series, parties, render=render_invoice
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


def _term(shop: Shop, month: Month, database: sa.Engine) -> Term:
    try:
        return term_of(read_contracts(shop.shop_id, database=database), month.last_day)
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


def _known(connection: sa.Connection, month: Month, term: Term) -> Settlement | None:
    """Return the month if it is closed; make sure that it is the next one if it is not."""
    contract, before = term.contract, term.before
    known = read_settlement(connection, contract.shop_id, str(month), contract.version)
    if known is not None:
        return known
    newest = newest_month(connection, contract.shop_id)
    if newest > str(month):
        raise InvalidInputError(
            f"{newest} is closed already, and its statement covers {month}",
            code="month-out-of-order",
        )
    ending = last_month(before.starts_on, contract.starts_on) if before else None
    if ending is not None and newest < str(ending):
        raise InvalidInputError(
            f"Close {ending} first: the contract version before ends with it",
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
    except sa.exc.IntegrityError as error:
        # Under another series' lock: the year ended, or the seller was told, in between.
        raise UnavailableError(
            "The month is being closed elsewhere; ask again", code="being-settled"
        ) from error


def _evidence(
    connection: sa.Connection,
    shop: Shop,
    month: Month,
    term: Term,
    measured: Measurement,
    sealed: tuple[SealedRevision, ...],
) -> Evidence:
    used = {row.stratum for row in measured.sums} | {one.stratum for one in measured.removed}
    strata = tuple(stratum for stratum in shop.strata if stratum.stratum in used)
    return Evidence(
        shop_id=shop.shop_id,
        timezone=shop.timezone,
        through=month.last_day,
        contract=term.contract,
        strata=strata or shop.strata,
        sums=tuple(measured.sums),
        billed=read_billed(connection, shop.shop_id, term.contract.version),
        last_click_minor=measured.last_click_minor,
        sealed=sealed,
        frozen=measured.frozen,
        ends_on=term.ends_on,
        carried_minor=carried_into(connection, term),
        rules=measured.rules,
        removed=measured.removed,
        ledger=ledger_end(connection),
    )


def _store_statement(
    connection: sa.Connection,
    shop: Shop,
    evidence: Evidence,
    measured: Measurement,
    now: dt.datetime,
) -> Settlement:
    bill = price(evidence)
    body = build_statement(
        shop,
        evidence,
        bill,
        excluded=measured.excluded,
        shown=shown_beside(measured, evidence.contract),
        closed_at=now,
    )
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
            success_minor=bill.success_minor,
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
    parties: Parties,
    *,
    render: RenderInvoice,
) -> Settlement:
    document = draft_document(
        connection,
        shop,
        evidence,
        settlement.statement,
        parties=parties,
        series=series,
        now=settlement.closed_at,
    )
    crash_point("settle-numbered")
    pdf = render(document)
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
            pdf=pdf,
            issued_at=settlement.closed_at,
        )
    )
    store_details(connection, shop.shop_id, document, pdf)
    book(
        connection,
        shop.shop_id,
        document.number,
        invoice_postings(document),
        kind=document.kind.value,
        currency=document.currency,
        reference=document.statement_sha256,
        now=settlement.closed_at,
    )
    _issue(connection, settlement, document.number)
    crash_point("settle-posted")
    return replace(settlement, invoice_number=document.number)


def _issue(connection: sa.Connection, settlement: Settlement, number: str) -> None:
    """Give the statement its invoice, once and for ever: by one conditional update."""
    rows = tables.statements
    issued = connection.execute(
        rows.update()
        .where(
            rows.c.shop_id == settlement.shop_id,
            rows.c.month == settlement.month,
            rows.c.contract_version == settlement.contract_version,
            rows.c.invoice_number == "",
        )
        .values(invoice_number=number)
    )
    if issued.rowcount != 1:
        raise InconsistentError(f"{settlement.month} has an invoice", code="already-issued")
