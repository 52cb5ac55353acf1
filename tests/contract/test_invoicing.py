"""From a closed month to the accountant: parties, documents, payments, reminders, journal."""

import datetime as dt
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pypdf
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from invoice_world import BRITISH, GERMAN, credit_note, draft
from money_world import BUYER, CONTRACT, START, bill_to, shop_month
from recommender import tables
from recommender.adapters import invoice_pdf, migrations
from recommender.adapters.database import migrate, open_database
from recommender.adapters.invoice_pdf import render_invoice
from recommender.billing import settle as settling
from recommender.billing.archive import Settlement, read_invoice_pdf
from recommender.billing.book import verify_ledger
from recommender.billing.export_journal import export_journal
from recommender.billing.file_type import file_type
from recommender.billing.numbering import date_of_number, lock_series
from recommender.billing.parties import put_buyer, put_entity, read_entities, read_parties
from recommender.billing.payments import PaymentState, read_accounts, record_payments
from recommender.billing.reminders import Reminder, write_reminders
from recommender.billing.settle import settle
from recommender.billing.transfers import Transfer
from recommender.billing.vendor import VENDOR, Buyer
from recommender.billing.verify import verify_invoice
from recommender.errors import InvalidInputError, NotFoundError
from recommender.ports import EventLog
from recommender.records import Shop
from recommender.shops.registry import add_contract
from recommender.uplift.stored import Measurement

NOW = dt.datetime(2027, 2, 1, 9, tzinfo=dt.UTC)
Close = Callable[[], Settlement]


@pytest.fixture
def close(
    shop: Shop, database: sa.Engine, event_log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> Close:
    """Closes January 2027, in which an effect was measured."""

    def measured(*_: object, **__: object) -> Measurement:
        return Measurement(shop_month(START), {}, {}, 0, 0)

    monkeypatch.setattr(settling, "collect", measured)
    add_contract(replace(CONTRACT, shop_id=shop.shop_id), database=database)

    def run() -> Settlement:
        return settle(
            shop,
            "2027-01",
            event_log=event_log,
            database=database,
            render_invoice=render_invoice,
            now=NOW,
        )

    return run


def count(database: sa.Engine, table: sa.Table) -> int:
    with database.connect() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


# -- parties ------------------------------------------------------------------------------------


def test_an_invoice_goes_to_whom_the_buyer_is_and_in_their_language(
    shop: Shop, database: sa.Engine, close: Close
) -> None:
    bill_to(shop.shop_id, database, replace(GERMAN, language="fr"))
    number = close().invoice_number
    pdf = read_invoice_pdf(shop.shop_id, number, database=database)
    text = pypdf.PdfReader(io.BytesIO(pdf)).pages[0].extract_text()
    for words in ("Facture", "Laden GmbH", "Autoliquidation", "DE136695976", "FR12000000000"):
        assert words in text
    assert verify_invoice(pdf).passed


@pytest.mark.parametrize("buyer", [replace(BUYER, vat_number="", city="")])
def test_missing_details_stop_the_bill_and_are_named(
    shop: Shop, database: sa.Engine, close: Close, buyer: Buyer
) -> None:
    bill_to(shop.shop_id, database, buyer)
    with pytest.raises(InvalidInputError) as caught:
        close()
    assert caught.value.code == "billing-details-missing"
    assert "buyer: city, buyer: vat_number" in str(caught.value)
    assert count(database, tables.statements) == count(database, tables.invoices) == 0
    bill_to(shop.shop_id, database)
    assert close().invoice_number == "2027-000001"  # no number was burnt


def test_series_belong_to_one_entity_for_good(
    shop: Shop, database: sa.Engine, close: Close
) -> None:
    second = replace(VENDOR, entity_id="second", series_prefix="S")
    put_entity(second, database=database, now=NOW)
    for entity in (replace(second, series_prefix=""), replace(VENDOR, series_prefix="S")):
        with pytest.raises(InvalidInputError) as caught:
            put_entity(entity, database=database, now=NOW)
        assert caught.value.code == "series-taken"
    put_buyer(shop.shop_id, replace(BUYER, entity_id="second"), database=database, now=NOW)
    assert close().invoice_number == "S2027-000001"
    with pytest.raises(InvalidInputError) as caught:
        put_entity(replace(second, series_prefix="T"), database=database, now=NOW)
    assert caught.value.code == "series-in-use"
    assert {entity.entity_id for entity in read_entities(database=database)} == {"demo", "second"}
    with pytest.raises(NotFoundError) as missing:
        put_buyer(shop.shop_id, replace(BUYER, entity_id="nobody"), database=database, now=NOW)
    assert missing.value.code == "unknown-entity"
    with database.connect() as connection:
        assert read_parties(connection, "shop_other").buyer is None


def test_numbers_never_go_back_in_time(database: sa.Engine) -> None:
    first, second = dt.date(2027, 2, 1), dt.date(2027, 1, 31)
    with database.begin() as connection:
        lock_series(connection, "2027")
        dates = [date_of_number(connection, "2027", on) for on in (first, second)]
    assert dates == [first, first]


# -- the document -------------------------------------------------------------------------------


def test_the_pdf_is_an_archive_file_with_everything_inside() -> None:
    document = draft(replace(BUYER, language="fr", order_reference="PO-17"))
    pdf = render_invoice(document)
    reader = pypdf.PdfReader(io.BytesIO(pdf))
    assert len(reader.pages) == 1
    root = reader.trailer["/Root"]
    files = {part.get_object()["/UF"]: part.get_object()["/AFRelationship"] for part in root["/AF"]}
    assert len(root["/AF"]) == len(files)
    assert files == {
        "factur-x.xml": "/Alternative",
        "evidence.csv": "/Supplement",
        "statement.json": "/Supplement",
    }
    metadata = root["/Metadata"].get_object().get_data().decode()
    assert metadata.count("<rdf:RDF") == 1
    for words in (
        'pdfaid:part="3" pdfaid:conformance="B"',
        "<fx:ConformanceLevel>EN 16931</fx:ConformanceLevel>",
        "<fx:DocumentFileName>factur-x.xml</fx:DocumentFileName>",
        "<pdfaSchema:prefix>fx</pdfaSchema:prefix>",
    ):
        assert words in metadata
    assert root["/OutputIntents"][0]["/S"] == "/GTS_PDFA1"
    assert reader.attachments["factur-x.xml"] == [document.xml]
    fonts = reader.pages[0]["/Resources"]["/Font"].values()
    assert all(_is_embedded(font.get_object()) for font in fonts)
    assert "PO-17" in reader.pages[0].extract_text()


def _is_embedded(font: pypdf.generic.DictionaryObject) -> bool:
    inner = font["/DescendantFonts"][0].get_object() if "/DescendantFonts" in font else font
    return any(name.startswith("/FontFile") for name in inner["/FontDescriptor"])


def test_equal_documents_give_equal_pdfs_in_both_languages() -> None:
    for document in (draft(), draft(replace(BUYER, language="fr")), credit_note()):
        pdf = render_invoice(document)
        assert pdf == render_invoice(document)
        assert verify_invoice(pdf).passed
    assert render_invoice(draft()) != render_invoice(draft(number="2027-000002"))


def test_where_no_pdf_can_be_drawn_the_invoice_is_issued_as_html(
    shop: Shop, database: sa.Engine, close: Close, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise OSError("cannot load library 'libpango-1.0-0'")

    monkeypatch.setattr(invoice_pdf, "_weasyprint", missing)
    number = close().invoice_number
    issued = read_invoice_pdf(shop.shop_id, number, database=database)
    assert file_type(issued) == "text/html"
    assert verify_invoice(issued).passed
    with database.connect() as connection:
        row = connection.execute(sa.select(tables.invoice_details)).one()
    assert row.content_type == "text/html"
    assert row.xml.startswith(b"<?xml")


# -- payments, reminders, journal ---------------------------------------------------------------


def transfer(identity: str, minor: int, reference: str, on: str = "2027-02-20") -> Transfer:
    return Transfer(identity, dt.date.fromisoformat(on), minor, "EUR", reference)


def test_a_payment_is_booked_once_however_often_it_is_told(
    database: sa.Engine, close: Close
) -> None:
    number = close().invoice_number
    [account] = read_accounts(database=database)
    gross = account.gross_minor
    transfers = [
        transfer("T1", 1_000, f"invoice-{number} thanks"),
        transfer("T1", 1_000, f"invoice-{number} thanks"),
        transfer("T2", gross - 1_000, number),
        transfer("T3", 500, "no idea"),
        transfer("T4", 500, "2027-000099"),
        replace(transfer("T5", 500, number), currency="GBP"),
        transfer("T1", 700, number),
    ]
    report = record_payments(transfers, database=database, now=NOW)
    assert [booked.transaction_id for booked in report.booked] == ["T1", "T2"]
    assert report.known == 1
    assert [(fault.index, fault.code) for fault in report.rejections] == [
        (3, "unknown-reference"),
        (4, "unknown-reference"),
        (5, "unknown-reference"),
        (6, "transaction-conflict"),
    ]
    assert f"T1 was booked with 10.00 EUR for {number}" in report.rejections[-1].detail
    again = record_payments(transfers, database=database, now=NOW)
    assert (again.booked, again.known, len(again.rejections)) == ((), 3, 4)
    [account] = read_accounts(database=database)
    assert account.state(dt.date(2027, 6, 1)) is PaymentState.PAID
    with database.connect() as connection:
        sums = dict(
            connection.execute(
                sa.select(
                    tables.postings.c.account, sa.func.sum(tables.postings.c.amount_minor)
                ).group_by(tables.postings.c.account)
            ).all()
        )
        entries = connection.execute(
            sa.select(tables.payments.c.entry_number).order_by(tables.payments.c.transaction_id)
        ).scalars()
        assert list(entries) == ["bq-2027-000001", "bq-2027-000002"]
    assert (sums["bank"], sums["receivable"]) == (gross, 0)
    assert verify_ledger(database=database) == 3


def test_what_is_paid_too_much_shows_and_can_be_paid_back(
    database: sa.Engine, close: Close
) -> None:
    number = close().invoice_number
    [account] = read_accounts(database=database)
    on = dt.date(2027, 2, 21)
    paid = [transfer("T1", account.gross_minor + 700, number)]
    record_payments(paid, database=database, now=NOW)
    [account] = read_accounts(database=database)
    assert account.state(on) is PaymentState.OVERPAID
    record_payments([transfer("T2", -700, f"back {number}")], database=database, now=NOW)
    [account] = read_accounts(database=database)
    assert account.state(on) is PaymentState.PAID


@pytest.mark.parametrize("table", ["payments", "invoice_details"])
@pytest.mark.parametrize("deed", ["UPDATE {} SET shop_id = shop_id", "DELETE FROM {}"])
def test_the_database_itself_keeps_what_was_issued_and_paid(
    database: sa.Engine, close: Close, table: str, deed: str
) -> None:
    number = close().invoice_number
    record_payments([transfer("T1", 1_000, number)], database=database, now=NOW)
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), database.begin() as connection:
        connection.exec_driver_sql(deed.format(table))


def test_reminders_are_written_step_by_step_and_only_once(
    database: sa.Engine, close: Close
) -> None:
    close()
    [account] = read_accounts(database=database)

    def remind(days: int) -> list[tuple[int, int]]:
        written: list[Reminder] = []
        on = account.due_on + dt.timedelta(days=days)
        write_reminders(database=database, on=on, write=written.extend)
        assert all(reminder.email == BUYER.email for reminder in written)
        return [(reminder.step, reminder.interest_minor) for reminder in written]

    def interest(days: int) -> int:
        return account.gross_minor * 828 * days // 3_650_000

    assert remind(2) == []
    assert remind(3) == [(1, interest(3))]
    assert remind(3) == []
    assert remind(40) == [(2, interest(40))]
    assert remind(41) == [(3, interest(41))]
    assert remind(400) == []


def test_a_reminder_that_could_not_be_written_is_not_remembered(
    database: sa.Engine, close: Close
) -> None:
    close()
    [account] = read_accounts(database=database)
    on = account.due_on + dt.timedelta(days=3)

    def fail(_: list[Reminder]) -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        write_reminders(database=database, on=on, write=fail)
    assert len(write_reminders(database=database, on=on, write=lambda _: None)) == 1


def test_the_journal_has_the_period_and_nothing_else(database: sa.Engine, close: Close) -> None:
    number = close().invoice_number
    [account] = read_accounts(database=database)
    gross = account.gross_minor
    record_payments([transfer("T1", gross, number)], database=database, now=NOW)

    def entries(first: str, last: str) -> tuple[int, int]:
        journal = export_journal(
            VENDOR,
            dt.date.fromisoformat(first),
            dt.date.fromisoformat(last),
            database=database,
            rates={},
        )
        return journal.entries, journal.debit_minor

    assert entries("2027-01-01", "2027-12-31") == (2, 2 * gross)
    assert entries("2027-02-01", "2027-02-19") == (1, gross)
    assert entries("2027-02-20", "2027-02-20") == (1, gross)
    assert entries("2027-03-01", "2027-03-31") == (0, 0)
    other = replace(VENDOR, entity_id="other")
    day = dt.date(2027, 2, 1)
    assert export_journal(other, day, day, database=database, rates={}).entries == 0
    with pytest.raises(InvalidInputError) as caught:
        entries("2027-03-01", "2027-02-01")
    assert caught.value.code == "bad-period"


def test_a_journal_in_another_currency_needs_its_rate(
    shop: Shop, database: sa.Engine, close: Close
) -> None:
    bill_to(shop.shop_id, database, BRITISH)
    close()
    day = dt.date(2027, 2, 1)
    assert export_journal(VENDOR, day, day, database=database, rates={}).entries == 1
    pounds = replace(VENDOR, currency="GBP")
    with pytest.raises(InvalidInputError, match="--rate EUR"):
        export_journal(pounds, day, day, database=database, rates={})


def test_invoices_of_the_first_release_keep_their_place(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'control.db'}")
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0006")
        for statement in (
            (
                "INSERT INTO shops (shop_id, name, currency, country, timezone, public_key, "
                "visitor_key, origins, created_at) VALUES ('s', 'Shop', 'EUR', 'FR', 'UTC', 'pk', "
                "'k', '[]', '2026-01-01')"
            ),
            (
                "INSERT INTO invoices (number, shop_id, month, contract_version, kind, "
                "amount_minor, currency, statement_sha256, pdf, issued_at) VALUES ('2026-000001', "
                "'s', '2026-03', 1, 'invoice', 1000, 'EUR', 'h', 'pdf', '2026-03-31 23:30:00')"
            ),
            "INSERT INTO postings VALUES ('s', '2026-000001', 'vat', -200, 'EUR', '2026-03-31')",
        ):
            connection.exec_driver_sql(statement)
    migrate(engine)
    [account] = read_accounts(database=engine)
    engine.dispose()
    assert account.gross_minor == 1_200
    assert account.issued_on == dt.date(2026, 4, 1)  # in Paris
    assert account.due_on == dt.date(2026, 5, 1)
