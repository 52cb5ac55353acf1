"""Closing months with real databases, a real event log and real PDFs."""

import contextlib
import datetime as dt
import io
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pypdf
import pytest
import sqlalchemy as sa
from event_load import make_event

from money_world import BUYER, CONTRACT, bill_to
from recommender import tables
from recommender.adapters.invoice_pdf import render_invoice
from recommender.billing import settle as settling
from recommender.billing.archive import Settlement, read_invoice_pdf, read_settlements
from recommender.billing.invoice import InvoiceDocument
from recommender.billing.numbering import lock_series, take_number
from recommender.billing.preview import preview
from recommender.billing.settle import settle
from recommender.billing.verify import verify_invoice
from recommender.errors import InvalidInputError, NotFoundError, UnavailableError
from recommender.events.order_marks import person_key
from recommender.events.sealing import read_revisions
from recommender.ports import EventLog
from recommender.records import Arm, Contract, EventType, Shop
from recommender.shops.chain import FIRST_HASH
from recommender.shops.change_exclusions import change_exclusions
from recommender.shops.directory import ShopDirectory
from recommender.shops.exclusions import ExclusionChange
from recommender.shops.registry import ShopOrder, add_contract, create_shop
from recommender.uplift.measure import measure
from shoppers import Shoppers, live_through
from world import ON_SQLITE

STARTS_ON = dt.date(2026, 3, 2)
APRIL = dt.datetime(2026, 4, 2, 6, tzinfo=dt.UTC)
MAY = dt.datetime(2026, 5, 2, 6, tzinfo=dt.UTC)

Settle = Callable[..., Settlement]


def add_terms(shop: Shop, database: sa.Engine, **terms: Any) -> Contract:
    contract = replace(CONTRACT, shop_id=shop.shop_id, starts_on=STARTS_ON, n_star=2_000)
    return add_contract(replace(contract, **terms), database=database)


@pytest.fixture
def close(shop: Shop, database: sa.Engine, event_log: EventLog) -> Settle:
    def run(month: str = "2026-03", *, now: dt.datetime = APRIL, **more: Any) -> Settlement:
        # Drawing a page takes longer than the rest: for the tests that look at it.
        arguments: dict[str, Any] = {"render_invoice": plain_pdf} | more
        return settle(shop, month, event_log=event_log, database=database, now=now, **arguments)

    return run


@pytest.fixture
def good_march(shop: Shop, database: sa.Engine, event_log: EventLog) -> Contract:
    """A month that proves a large effect."""
    shoppers = Shoppers(shop)
    days = [STARTS_ON + dt.timedelta(days=i) for i in range(2)]
    live_through(shoppers, days, visitors_a_day=200, uplift=2.0, conversion=0.3)
    shoppers.tell(event_log, database)
    return add_terms(shop, database)


def stored(database: sa.Engine) -> dict[str, int]:
    with database.connect() as connection:
        return {
            table.name: connection.execute(
                sa.select(sa.func.count()).select_from(table)
            ).scalar_one()
            for table in (tables.statements, tables.invoices, tables.postings)
        }


def plain_pdf(document: InvoiceDocument) -> bytes:
    return document.number.encode()


def test_a_proven_month_becomes_statement_invoice_and_postings(
    shop: Shop, database: sa.Engine, close: Settle, good_march: Contract
) -> None:
    settlement = close(render_invoice=render_invoice)
    assert settlement.is_new
    assert settlement.invoice_number == "2026-000001"
    assert settlement.amount_minor > 0
    assert settlement.statement["bill"]["reason"] == "due"
    with database.connect() as connection:
        posted = connection.execute(sa.select(tables.postings)).all()
        [listed] = read_settlements(connection, shop.shop_id)
    assert sum(row.amount_minor for row in posted) == 0
    by_account = {row.account: row.amount_minor for row in posted}
    assert by_account["revenue"] == -settlement.amount_minor
    assert by_account["receivable"] > settlement.amount_minor  # VAT at home
    assert listed == replace(settlement, is_new=False)


def test_closing_again_returns_what_was_stored(
    shop: Shop, database: sa.Engine, close: Settle, good_march: Contract
) -> None:
    first = close()
    pdf = read_invoice_pdf(shop.shop_id, first.invoice_number, database=database)
    again = close(now=MAY)
    assert again == replace(first, is_new=False)
    assert read_invoice_pdf(shop.shop_id, first.invoice_number, database=database) == pdf
    assert stored(database) == {"statements": 1, "invoices": 1, "postings": 3}


def test_a_statement_names_the_sealed_days_it_was_made_from(
    shop: Shop, database: sa.Engine, event_log: EventLog, close: Settle, good_march: Contract
) -> None:
    march = close().statement["sealed_days"]
    assert [day[:2] for day in march] == [["2026-03-02", 1], ["2026-03-03", 1]]
    # An event that was a day late changes the second day; the first statement stays as it is.
    late = dt.datetime(2026, 3, 3, 12, tzinfo=dt.UTC)
    event_log.append([make_event(shop.shop_id, at=late)], "late", 1)
    april = close("2026-04", now=MAY).statement["sealed_days"]
    assert april[0] == march[0]
    assert april[1][:3] == ["2026-03-03", 2, march[1][2] + 1]
    revisions = read_revisions(shop.shop_id, database=database)
    assert [revision.sha256 for revision in revisions] == [
        *(day[3] for day in march),
        april[1][3],
    ]


def test_statements_name_the_rules_what_they_removed_and_the_books_before(
    shop: Shop, database: sa.Engine, event_log: EventLog, close: Settle, good_march: Contract
) -> None:
    """A program with an order; staff is named on 10 March and orders on the 20th."""
    key, noon = shop.visitor_key, dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC)
    change_exclusions(
        shop,
        ExclusionChange(add_staff=frozenset({person_key(key, "ann@shop.example")})),
        database=database,
        now=noon,
    )
    shoppers = Shoppers(shop)
    shoppers.expose("program", noon, Arm.CONTROL)
    shoppers.event(EventType.PAGE_VIEW, "program", noon, bot="1:bot/")
    shoppers.order("of a program", 900, noon, "program")
    shoppers.order("of ann", 500, noon + dt.timedelta(days=10))
    for row, address in zip(shoppers.orders, ("", "ann@shop.example"), strict=True):
        row["email_key"] = person_key(key, address)
    shoppers.tell(event_log, database)
    march = close(render_invoice=render_invoice)
    assert march.statement["removed"] == [
        {"reason": "program", "stratum": 1, "arm": "control", "visitors": 1, "orders": 1,
         "revenue_minor": 900},
        {"reason": "staff", "stratum": 0, "arm": "", "visitors": 0, "orders": 1,
         "revenue_minor": 500},
    ]  # fmt: skip
    rules = march.statement["exclusion_rules"]
    assert [one["governs_from"] for one in rules] == [None, "2026-03-11"]
    assert march.statement["ledger"] == {"sequence": 0, "entry_hash": FIRST_HASH}
    pdf = read_invoice_pdf(shop.shop_id, march.invoice_number, database=database)
    assert verify_invoice(pdf).passed
    with database.connect() as connection:
        first = connection.scalar(sa.select(tables.ledger.c.entry_hash))
    april = close("2026-04", now=MAY).statement
    assert april["ledger"] == {"sequence": 1, "entry_hash": first}


def test_a_month_whose_events_keep_coming_is_not_closed(
    shop: Shop,
    database: sa.Engine,
    event_log: EventLog,
    close: Settle,
    good_march: Contract,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    collect = settling.collect
    positions = iter(range(1, 10))

    def collect_then_more(*arguments: Any, **named: Any) -> Any:
        measured = collect(*arguments, **named)
        at = dt.datetime(2026, 3, 3, 12, tzinfo=dt.UTC)
        event_log.append([make_event(shop.shop_id, at=at)], "late", next(positions))
        return measured

    with monkeypatch.context() as patched:
        patched.setattr(settling, "collect", collect_then_more)
        with pytest.raises(UnavailableError) as caught:
            close()
    assert caught.value.code == "days-changing"
    assert stored(database) == {"statements": 0, "invoices": 0, "postings": 0}
    assert close().is_new


def test_nothing_proven_is_a_statement_without_an_invoice(
    shop: Shop, database: sa.Engine, close: Settle
) -> None:
    add_terms(shop, database)
    settlement = close()
    assert (settlement.amount_minor, settlement.invoice_number) == (0, "")
    assert settlement.statement["explanation"].startswith("No success fee is due")
    assert stored(database) == {"statements": 1, "invoices": 0, "postings": 0}


def test_the_next_month_bills_only_what_is_new(
    shop: Shop, database: sa.Engine, event_log: EventLog, close: Settle, good_march: Contract
) -> None:
    march = close()
    shoppers = Shoppers(shop)
    days = [dt.date(2026, 4, 1) + dt.timedelta(days=i) for i in range(2)]
    live_through(shoppers, days, visitors_a_day=200, uplift=2.0, conversion=0.3, seed=2)
    shoppers.tell(event_log, database)
    april = close("2026-04", now=MAY)
    bill = april.statement["bill"]
    assert bill["billed_before_minor"] == march.amount_minor
    assert april.amount_minor == bill["target_minor"] - march.amount_minor > 0
    assert april.invoice_number == "2026-000002"


def test_refunds_after_the_close_come_off_later_and_the_year_settles_by_credit_note(
    shop: Shop, database: sa.Engine, event_log: EventLog, close: Settle, good_march: Contract
) -> None:
    march = close()
    shoppers = Shoppers(shop)
    with database.connect() as connection:
        bought = connection.execute(
            sa.select(tables.orders.c.order_id, tables.orders.c.net_minor)
        ).all()
    for order_id, net_minor in bought:
        shoppers.refund(order_id, net_minor, dt.datetime(2026, 4, 10, tzinfo=dt.UTC))
    shoppers.tell(event_log, database)
    april = close("2026-04", now=MAY)
    assert april.amount_minor == 0
    assert april.statement["bill"]["reason"] == "credit-to-come"
    last = close(
        "2027-02", now=dt.datetime(2027, 3, 2, tzinfo=dt.UTC), render_invoice=render_invoice
    )
    assert last.amount_minor == -march.amount_minor
    assert last.invoice_number == "2027-000001"
    with database.connect() as connection:
        kind = connection.execute(
            sa.select(tables.invoices.c.kind).where(tables.invoices.c.number == last.invoice_number)
        ).scalar_one()
        balance = connection.execute(
            sa.select(sa.func.sum(tables.postings.c.amount_minor)).where(
                tables.postings.c.account == "revenue"
            )
        ).scalar_one()
    assert kind == "credit_note"
    assert balance == 0
    pdf = read_invoice_pdf(shop.shop_id, last.invoice_number, database=database)
    assert verify_invoice(pdf).passed
    assert march.invoice_number in pypdf.PdfReader(io.BytesIO(pdf)).pages[0].extract_text()


@pytest.mark.parametrize(
    ("month", "now", "code"),
    [
        # Midnight in Paris is 22:00 UTC in summer.
        ("2026-03", dt.datetime(2026, 3, 31, 21, 59, tzinfo=dt.UTC), "month-not-over"),
        ("2026-04", APRIL, "month-not-over"),
        ("2026-02", APRIL, "before-contract"),
        ("March", APRIL, "bad-month"),
    ],
)
def test_a_month_that_cannot_be_closed_says_why(
    shop: Shop, database: sa.Engine, close: Settle, month: str, now: dt.datetime, code: str
) -> None:
    add_terms(shop, database)
    with pytest.raises(InvalidInputError) as caught:
        close(month, now=now)
    assert caught.value.code == code
    assert stored(database)["statements"] == 0


def test_months_are_closed_in_order(shop: Shop, database: sa.Engine, close: Settle) -> None:
    add_terms(shop, database)
    close("2026-04", now=MAY)
    with pytest.raises(InvalidInputError) as caught:
        close("2026-03", now=MAY)
    assert caught.value.code == "month-out-of-order"


def test_a_new_contract_version_begins_from_nothing_but_what_a_cap_held_back(
    shop: Shop, database: sa.Engine, event_log: EventLog, close: Settle
) -> None:
    shoppers = Shoppers(shop)
    days = [STARTS_ON + dt.timedelta(days=i) for i in range(2)]
    live_through(shoppers, days, visitors_a_day=200, uplift=2.0, conversion=0.3)
    shoppers.tell(event_log, database)
    add_terms(shop, database, cap_month_bps=50)
    add_terms(shop, database, starts_on=dt.date(2026, 4, 1))
    march = close()
    left_minor = march.statement["bill"]["left_minor"]
    assert march.statement["contract"]["ends_on"] == "2026-03-31"
    assert left_minor > 0
    april = close("2026-04", now=MAY)
    assert april.contract_version == 2
    assert april.statement["daily"] == []
    bill = april.statement["bill"]
    assert (bill["billed_before_minor"], bill["target_minor"]) == (0, left_minor)
    # Nothing was sold under the new version, so its cap of the month is 0.
    assert (bill["success_minor"], bill["reason"]) == (0, "capped")


def test_the_version_before_is_closed_first(shop: Shop, database: sa.Engine, close: Settle) -> None:
    add_terms(shop, database)
    add_terms(shop, database, starts_on=dt.date(2026, 4, 1))
    with pytest.raises(InvalidInputError) as caught:
        close("2026-04", now=MAY)
    assert caught.value.code == "month-out-of-order"
    close()
    close("2026-04", now=MAY)


def test_a_new_version_leaves_its_predecessor_a_month_to_settle_in(
    shop: Shop, database: sa.Engine, close: Settle
) -> None:
    add_terms(shop, database)
    close()
    with pytest.raises(InvalidInputError) as caught:
        add_terms(shop, database, starts_on=dt.date(2026, 4, 20))
    assert caught.value.code == "contract-order"
    assert add_terms(shop, database, starts_on=dt.date(2026, 5, 1)).version == 2


def test_a_licence_fee_is_invoiced_though_nothing_is_proven(
    shop: Shop, database: sa.Engine, close: Settle
) -> None:
    # From 2 March on: 30 of 31 days of 310.00
    add_terms(shop, database, licence_month_minor=31_000)
    settlement = close(render_invoice=render_invoice)
    assert (settlement.amount_minor, settlement.invoice_number) == (30_000, "2026-000001")
    assert settlement.statement["bill"]["reason"] == "not-proven"
    pdf = read_invoice_pdf(shop.shop_id, settlement.invoice_number, database=database)
    assert verify_invoice(pdf).passed
    april = close("2026-04", now=MAY)
    # The fixed fee is no part of what the success fee is reckoned against.
    assert (april.amount_minor, april.statement["bill"]["billed_before_minor"]) == (31_000, 0)


def test_a_failed_rendering_burns_no_number(
    database: sa.Engine, close: Settle, good_march: Contract
) -> None:
    def fail(_: InvoiceDocument) -> bytes:
        raise UnavailableError("no fonts")

    with pytest.raises(UnavailableError):
        close(render_invoice=fail)
    assert stored(database) == {"statements": 0, "invoices": 0, "postings": 0}
    assert close().invoice_number == "2026-000001"


def test_only_the_shop_itself_reads_its_invoice(
    shop: Shop, database: sa.Engine, close: Settle, good_march: Contract
) -> None:
    number = close().invoice_number
    with pytest.raises(NotFoundError):
        read_invoice_pdf("shop_other", number, database=database)


# -- numbers under contention -------------------------------------------------------------------


def test_shops_that_close_at_once_get_consecutive_numbers(
    database: sa.Engine, event_log: EventLog, shop: Shop, good_march: Contract
) -> None:
    """Five shops, each closed by two threads at once: five invoices, numbers 1 to 5."""
    shops = [shop]
    for number in range(4):
        order = ShopOrder(f"Shop {number}", "EUR", "FR", "Europe/Paris", ["https://a.example"])
        created = create_shop(order, database=database, now=APRIL)
        bill_to(created.shop_id, database)
        other = ShopDirectory(database).by_id(created.shop_id)
        shoppers = Shoppers(other)
        live_through(
            shoppers, [STARTS_ON], visitors_a_day=400, uplift=2.0, conversion=0.3, seed=number
        )
        shoppers.tell(event_log, database)
        add_terms(other, database)
        shops.append(other)
    together = threading.Barrier(10)

    def run(own: Shop) -> Settlement:
        together.wait()
        return settle(
            own,
            "2026-03",
            event_log=event_log,
            database=database,
            render_invoice=plain_pdf,
            now=APRIL,
        )

    with ThreadPoolExecutor(10) as pool:
        settlements = list(pool.map(run, shops * 2))
    numbers = {(s.shop_id, s.invoice_number) for s in settlements}
    assert len(numbers) == 5
    assert sorted(n for _, n in numbers) == [f"2026-{n:06}" for n in range(1, 6)]
    assert sum(s.is_new for s in settlements) == 5
    assert stored(database) == {"statements": 5, "invoices": 5, "postings": 15}


_TAKE = """
import sys
from recommender.adapters.database import open_database
from recommender.billing.numbering import lock_series, take_number

engine = open_database(sys.argv[1])
for attempt in range(20):
    with engine.connect() as connection:
        transaction = connection.begin()
        lock_series(connection, "2026")
        number = take_number(connection, "2026")
        if attempt % 4 == int(sys.argv[2]):
            transaction.rollback()  # as after a crash
        else:
            transaction.commit()
            print(number)
"""


def test_processes_that_fail_in_between_leave_no_hole(database: sa.Engine) -> None:
    url = database.url.render_as_string(hide_password=False)
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(_python(_TAKE, url, str(number))) for number in range(3)]
        lines = [worker.communicate(timeout=120)[0].split() for worker in workers]
    taken = sorted(number for own in lines for number in own)
    assert taken == [f"2026-{number:06}" for number in range(1, 46)]  # 3 × 15 of 20
    for own in lines:
        assert own == sorted(own)


@contextlib.contextmanager
def _python(code: str, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    import sys

    command = [sys.executable, "-c", code, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process
        assert process.returncode == 0


def test_series_are_counted_apart(database: sa.Engine) -> None:
    with database.begin() as connection:
        lock_series(connection, "2026")
        lock_series(connection, "2027")
        taken = [take_number(connection, series) for series in ("2026", "2027", "2026")]
    assert taken == ["2026-000001", "2027-000001", "2026-000002"]


# -- the PDF ------------------------------------------------------------------------------------


@pytest.fixture
def issued(shop: Shop, database: sa.Engine, close: Settle, good_march: Contract) -> bytes:
    number = close(render_invoice=render_invoice).invoice_number
    return read_invoice_pdf(shop.shop_id, number, database=database)


@ON_SQLITE
def test_an_invoice_is_one_page_that_says_everything(issued: bytes, shop: Shop) -> None:
    reader = pypdf.PdfReader(io.BytesIO(issued))
    assert len(reader.pages) == 1
    text = reader.pages[0].extract_text()
    for words in ("Invoice", "2026-000001", BUYER.name, "2–31 March 2026"):
        assert words in text
    assert "Since 2 March 2026 your visitors with recommendations spent between" in text
    assert sorted(reader.attachments) == ["evidence.csv", "factur-x.xml", "statement.json"]


@ON_SQLITE
def test_equal_documents_give_equal_bytes(close: Settle, good_march: Contract) -> None:
    documents: list[InvoiceDocument] = []

    def keep(document: InvoiceDocument) -> bytes:
        documents.append(document)
        return render_invoice(document)

    close(render_invoice=keep)
    [document] = documents
    assert render_invoice(document) == render_invoice(document)
    assert render_invoice(document) != render_invoice(replace(document, number="2026-000009"))


@ON_SQLITE
def test_an_invoice_proves_itself(issued: bytes) -> None:
    verification = verify_invoice(issued)
    assert verification.passed
    assert verification.month == "2026-03"
    assert [check.name for check in verification.checks] == [
        "evidence",
        "statement",
        "figures",
        "exclusions",
        "ledger",
        "e-invoice",
        "amounts",
        "vat",
        "parties",
    ]


def _with_attachments(pdf: bytes, changed: dict[str, bytes]) -> bytes:
    """Rebuild the PDF with other attachments on the same page."""
    reader = pypdf.PdfReader(io.BytesIO(pdf))
    writer = pypdf.PdfWriter()
    writer.add_page(reader.pages[0])
    for name, contents in reader.attachments.items():
        writer.add_attachment(name, changed.get(name, contents[0]))
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def _failed(pdf: bytes) -> set[str]:
    return {check.name for check in verify_invoice(pdf).checks if not check.passed}


@ON_SQLITE
def test_a_changed_attachment_is_noticed(issued: bytes) -> None:
    reader = pypdf.PdfReader(io.BytesIO(issued))
    csv = reader.attachments["evidence.csv"][0]
    body = json.loads(reader.attachments["statement.json"][0])
    assert _failed(_with_attachments(issued, {})) == set()

    fewer = csv.replace(b",control,100,", b",control,101,", 1)
    assert fewer != csv
    assert {"evidence", "figures"} <= _failed(_with_attachments(issued, {"evidence.csv": fewer}))

    dearer = csv.replace(b"contract.rate_bps,1000", b"contract.rate_bps,2000")
    assert _failed(_with_attachments(issued, {"evidence.csv": dearer})) == {
        "evidence",
        "figures",
        "amounts",
    }

    body["fees"]["last_click_minor"] += 1
    other = json.dumps(body).encode()
    assert _failed(_with_attachments(issued, {"statement.json": other})) == {
        "statement",
        "figures",
    }


@ON_SQLITE
def test_files_without_evidence_are_refused(
    issued: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    for pdf, code in ((b"no pdf", "bad-pdf"), (_bare(issued), "no-evidence")):
        with pytest.raises(InvalidInputError) as caught:
            verify_invoice(pdf)
        assert caught.value.code == code
    assert caplog.records == []  # one line tells all: the parser's own stay unsaid
    for changed in ({"evidence.csv": b"a,b"}, {"statement.json": b"{"}, {"statement.json": b"[]"}):
        with pytest.raises(InvalidInputError) as caught:
            verify_invoice(_with_attachments(issued, changed))
        assert caught.value.code == "bad-evidence"


def _bare(pdf: bytes) -> bytes:
    writer = pypdf.PdfWriter()
    writer.add_page(pypdf.PdfReader(io.BytesIO(pdf)).pages[0])
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


# -- the running month --------------------------------------------------------------------------


def test_the_preview_agrees_with_the_closed_month(
    shop: Shop, database: sa.Engine, event_log: EventLog, close: Settle, good_march: Contract
) -> None:
    last_evening = dt.datetime(2026, 3, 31, 20, tzinfo=dt.UTC)
    assert preview(shop, database=database, now=last_evening) is None
    measure(
        shop,
        event_log=event_log,
        database=database,
        contract=good_march,
        through=dt.date(2026, 3, 31),
        now=last_evening,
    )
    seen = preview(shop, database=database, now=last_evening)
    assert seen is not None
    settlement = close()
    assert seen.bill.due_minor == settlement.amount_minor
    # Once March is closed, April begins with nothing new.
    april = preview(shop, database=database, now=APRIL)
    assert april is not None
    assert (april.bill.due_minor, april.bill.reason) == (0, "nothing-new")


def test_a_shop_without_a_contract_has_no_preview(shop: Shop, database: sa.Engine) -> None:
    assert preview(shop, database=database, now=APRIL) is None
