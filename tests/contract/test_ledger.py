"""Books, statements and contracts that nobody rewrites: on both databases, with real triggers."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from money_world import CONTRACT
from recommender import tables
from recommender.billing.book import book, ledger_end, verify_ledger
from recommender.billing.evidence import LedgerEnd
from recommender.billing.ledger import Account, Posting
from recommender.errors import InconsistentError
from recommender.records import RateTier, Shop
from recommender.shops.chain import FIRST_HASH, seal
from recommender.shops.registry import add_contract, read_contracts

NOW = dt.datetime(2026, 4, 2, 6, tzinfo=dt.UTC)


def enter(database: sa.Engine, shop: Shop, number: str, *amounts: int) -> None:
    accounts = (Account.RECEIVABLE, Account.REVENUE, Account.VAT)
    postings = [Posting(account, minor) for account, minor in zip(accounts, amounts, strict=False)]
    with database.begin() as connection:
        book(
            connection,
            shop.shop_id,
            number,
            postings,
            kind="invoice",
            currency="EUR",
            reference="ab" * 32,
            now=NOW,
        )


@pytest.fixture
def booked(database: sa.Engine, shop: Shop) -> sa.Engine:
    for number in range(1, 4):
        enter(database, shop, f"2026-00000{number}", 120 * number, -100 * number, -20 * number)
    return database


def test_every_transaction_is_chained_and_posted(booked: sa.Engine) -> None:
    assert verify_ledger(database=booked) == 3
    with booked.connect() as connection:
        rows = connection.execute(sa.select(tables.ledger).order_by("sequence")).all()
        posted = connection.scalar(sa.select(sa.func.count()).select_from(tables.postings))
    assert [row.previous_hash for row in rows[1:]] == [row.entry_hash for row in rows[:-1]]
    assert posted == 9


def test_what_does_not_balance_is_not_booked(booked: sa.Engine, shop: Shop) -> None:
    with pytest.raises(InconsistentError) as caught:
        enter(booked, shop, "2026-000004", 120, -100)
    assert caught.value.code == "unbalanced"
    assert verify_ledger(database=booked) == 3


def test_a_transaction_is_booked_once(booked: sa.Engine, shop: Shop) -> None:
    with pytest.raises(sa.exc.IntegrityError):
        enter(booked, shop, "2026-000003", 1, -1)
    assert verify_ledger(database=booked) == 3


def insert_statement(connection: sa.Connection, shop: Shop, **more: Any) -> None:
    row = {
        "shop_id": shop.shop_id,
        "month": "2026-03",
        "contract_version": 1,
        "amount_minor": 100,
        "success_minor": 100,
        "currency": "EUR",
        "body": {"a": 1},
        "body_sha256": "00",
        "closed_at": NOW,
    }
    connection.execute(tables.statements.insert().values(row | more))


def insert_invoice(connection: sa.Connection, shop: Shop) -> None:
    connection.execute(
        tables.invoices.insert().values(
            number="2026-000001",
            shop_id=shop.shop_id,
            month="2026-03",
            contract_version=1,
            kind="invoice",
            amount_minor=100,
            currency="EUR",
            statement_sha256="00",
            pdf=b"%PDF",
            issued_at=NOW,
        )
    )


REWRITES = [
    (tables.contracts, {"rate_bps": 2_000}),
    (tables.invoices, {"amount_minor": 1}),
    (tables.invoices, {"pdf": b"other"}),
    (tables.postings, {"amount_minor": 0}),
    (tables.ledger, {"reference": ""}),
    (tables.statements, {"amount_minor": 1}),
    (tables.statements, {"body": {"a": 2}}),
    (tables.statements, {"success_minor": 1, "invoice_number": "2026-000001"}),
]


@pytest.fixture
def written(booked: sa.Engine, shop: Shop) -> sa.Engine:
    """A row in every table of money."""
    add_contract(replace(CONTRACT, shop_id=shop.shop_id), database=booked)
    with booked.begin() as connection:
        insert_statement(connection, shop)
        insert_invoice(connection, shop)
    return booked


def test_the_database_refuses_to_rewrite_and_to_delete(written: sa.Engine) -> None:
    for table, change in REWRITES:
        with pytest.raises(sa.exc.DBAPIError, match="are never changed"):
            _run(written, table.update().values(change))
    for table in {table for table, _ in REWRITES}:
        with pytest.raises(sa.exc.DBAPIError, match="are never changed"):
            _run(written, table.delete())
    assert verify_ledger(database=written) == 3


def _run(database: sa.Engine, statement: sa.Executable) -> None:
    with database.begin() as connection:
        connection.execute(statement)


def test_a_statement_gets_its_invoice_once(written: sa.Engine) -> None:
    issue = tables.statements.update().values(invoice_number="2026-000001")
    _run(written, issue)
    with pytest.raises(sa.exc.DBAPIError, match="are never changed"):
        _run(written, tables.statements.update().values(invoice_number="2026-000002"))
    with written.connect() as connection:
        assert connection.scalar(sa.select(tables.statements.c.invoice_number)) == "2026-000001"


def test_shop_month_and_version_have_one_statement_and_one_invoice(
    written: sa.Engine, shop: Shop
) -> None:
    with pytest.raises(sa.exc.IntegrityError), written.begin() as connection:
        insert_statement(connection, shop)
    with pytest.raises(sa.exc.IntegrityError), written.begin() as connection:
        insert_invoice(connection, shop)
    with written.begin() as connection:
        insert_statement(connection, shop, contract_version=2)


def unguarded(database: sa.Engine, *statements: sa.Executable) -> None:
    """Write as someone with all rights would: without triggers."""
    with database.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        else:
            triggers = connection.exec_driver_sql(
                "SELECT name FROM sqlite_master WHERE type = 'trigger'"
            )
            for name in triggers.scalars().all():
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)


LEDGER, POSTINGS, END = tables.ledger, tables.postings, tables.ledger_end
SECOND = "2026-000002"


@pytest.mark.parametrize(
    "statements",
    [
        [LEDGER.update().where(LEDGER.c.sequence == 2).values(reference="")],
        [LEDGER.update().where(LEDGER.c.sequence == 2).values(postings=[["revenue", 0]])],
        [LEDGER.delete().where(LEDGER.c.sequence == 2)],
        [LEDGER.delete().where(LEDGER.c.sequence == 3)],
        [POSTINGS.update().where(POSTINGS.c.account == "vat").values(amount_minor=-19)],
        [POSTINGS.delete().where(POSTINGS.c.transaction_id == SECOND)],
        [LEDGER.delete().where(LEDGER.c.sequence == 3), END.update().values(sequence=2)],
    ],
    ids=["changed", "amount", "missing", "cut-off", "posting", "no-posting", "shortened"],
)
def test_whoever_goes_round_the_triggers_is_found_out(
    booked: sa.Engine, statements: list[sa.Executable]
) -> None:
    unguarded(booked, *statements)
    with pytest.raises(InconsistentError) as caught:
        verify_ledger(database=booked)
    assert caught.value.code == "ledger-broken"


def test_an_invoice_gives_away_whoever_rewrote_the_whole_chain(
    booked: sa.Engine, shop: Shop
) -> None:
    """Row, seals and end fit together again; only what has left the house does not."""
    with booked.begin() as connection:
        printed = ledger_end(connection)
    enter(booked, shop, "2026-000004", 120, -100, -20)
    assert printed.sequence == 3
    nothing = LedgerEnd(0, FIRST_HASH)
    assert verify_ledger(database=booked, ends=[printed, nothing]) == 4
    unguarded(booked, *_rewritten(booked))
    assert verify_ledger(database=booked) == 4
    with pytest.raises(InconsistentError, match=r"Transaction 3 .* names") as caught:
        verify_ledger(database=booked, ends=[printed])
    assert caught.value.code == "ledger-broken"


def _rewritten(database: sa.Engine) -> list[sa.Executable]:
    """Give the second transaction another reference, and seal it and all after it anew."""
    with database.connect() as connection:
        rows = connection.execute(sa.select(LEDGER).order_by("sequence")).mappings().all()
    statements: list[sa.Executable] = []
    previous = rows[0]["entry_hash"]
    for row in rows[1:]:
        reference = "cd" * 32 if row["sequence"] == 2 else row["reference"]
        entry = {**row, "reference": reference, "previous_hash": previous}
        entry["entry_hash"] = previous = seal(entry)
        same = LEDGER.c.sequence == row["sequence"]
        statements.append(LEDGER.update().where(same).values(entry))
    return [*statements, END.update().values(entry_hash=previous)]


def test_a_posting_that_nobody_sealed_is_found(booked: sa.Engine, shop: Shop) -> None:
    row = {
        "shop_id": shop.shop_id,
        "transaction_id": "slipped-in",
        "account": "revenue",
        "amount_minor": 0,
        "currency": "EUR",
        "posted_at": NOW,
    }
    _run(booked, tables.postings.insert().values(row))
    with pytest.raises(InconsistentError, match="slipped-in"):
        verify_ledger(database=booked)


def test_all_terms_of_a_contract_come_back(database: sa.Engine, shop: Shop) -> None:
    told = replace(
        CONTRACT,
        shop_id=shop.shop_id,
        policy="fair_value",
        tiers=(RateTier(100_000, 800), RateTier(500_000, 500)),
        cap_year_bps=300,
        licence_month_minor=9_900,
        minimum_month_minor=20_000,
        vat_case="reverse_charge",
        visitor_month_cap_minor=90_000,
    )
    assert add_contract(told, database=database) == told
    assert read_contracts(shop.shop_id, database=database) == [told]
