import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.billing.journal import BANK, COLUMNS, SALES, Entry, convert, write_journal
from recommender.billing.ledger import Account, Posting
from recommender.errors import InconsistentError, InvalidInputError

DAY = dt.date(2027, 2, 1)
INVOICE = Entry(
    journal=SALES,
    number="F2027-000001",
    on=DAY,
    shop_id="shop_1",
    buyer_name="Boutique\td'Essai",
    piece="F2027-000001",
    piece_on=DAY,
    text="Facture F2027-000001 2027-01",
    currency="EUR",
    postings=(
        Posting(Account.RECEIVABLE, 12_000),
        Posting(Account.REVENUE, -10_000),
        Posting(Account.VAT, -2_000),
    ),
    validated_on=DAY,
)
PAYMENT = replace(
    INVOICE,
    journal=BANK,
    number="bq-F2027-000001",
    on=dt.date(2027, 2, 20),
    text="Virement T1",
    postings=(Posting(Account.BANK, 12_000), Posting(Account.RECEIVABLE, -12_000)),
)


def rows(*entries: Entry, **rates: str) -> list[dict[str, str]]:
    journal = write_journal(
        entries,
        siren="732829320",
        currency="EUR",
        through=dt.date(2027, 2, 28),
        rates={currency: Decimal(rate) for currency, rate in rates.items()},
    )
    assert journal.name == "732829320FEC20270228.txt"
    assert journal.entries == len(entries)
    lines = journal.text.splitlines()
    assert lines[0].split("\t") == list(COLUMNS)
    assert len(COLUMNS) == 18
    return [dict(zip(COLUMNS, line.split("\t"), strict=True)) for line in lines[1:]]


def test_an_invoice_and_its_payment_by_account() -> None:
    found = rows(PAYMENT, INVOICE)
    assert [
        (row["EcritureDate"], row["JournalCode"], row["CompteNum"], row["Debit"], row["Credit"])
        for row in found
    ] == [
        ("20270201", "VE", "411000", "120,00", "0,00"),
        ("20270201", "VE", "706000", "0,00", "100,00"),
        ("20270201", "VE", "445710", "0,00", "20,00"),
        ("20270220", "BQ", "512000", "120,00", "0,00"),
        ("20270220", "BQ", "411000", "0,00", "120,00"),
    ]
    assert (found[0]["CompAuxNum"], found[0]["CompAuxLib"]) == ("shop_1", "Boutique d'Essai")
    assert found[1]["CompAuxNum"] == found[1]["Idevise"] == ""


def test_a_credit_note_stands_on_the_other_sides() -> None:
    credit = replace(
        INVOICE,
        postings=tuple(Posting(p.account, -p.amount_minor) for p in INVOICE.postings),
    )
    assert [(row["Debit"], row["Credit"]) for row in rows(credit)] == [
        ("0,00", "120,00"),
        ("100,00", "0,00"),
        ("20,00", "0,00"),
    ]


def test_another_currency_needs_its_rate_and_shows_both() -> None:
    pounds = replace(INVOICE, currency="GBP")
    with pytest.raises(InvalidInputError) as caught:
        rows(pounds)
    assert caught.value.code == "missing-rate"
    # 100.00 × 1.155 = 115.50, 20.00 × 1.155 = 23.10, together 138.60.
    found = rows(pounds, GBP="1.155")
    assert [(row["Debit"], row["Credit"]) for row in found] == [
        ("138,60", "0,00"),
        ("0,00", "115,50"),
        ("0,00", "23,10"),
    ]
    assert [(row["Montantdevise"], row["Idevise"]) for row in found] == [
        ("120,00", "GBP"),
        ("-100,00", "GBP"),
        ("-20,00", "GBP"),
    ]
    # A yen has no decimals: 10,000 at 0.006 are 60.00.
    yen = replace(INVOICE, currency="JPY")
    assert rows(yen, JPY="0.006")[1]["Credit"] == "60,00"


@given(
    st.integers(-(10**9), 10**9),
    st.integers(-(10**8), 10**8),
    st.decimals("0.0001", "1000", places=4),
    st.sampled_from(["GBP", "JPY", "KWD"]),
)
def test_a_converted_entry_balances(net: int, vat: int, rate: Decimal, currency: str) -> None:
    entry = replace(
        INVOICE,
        currency=currency,
        postings=(
            Posting(Account.RECEIVABLE, net + vat),
            Posting(Account.REVENUE, -net),
            Posting(Account.VAT, -vat),
        ),
    )
    assert sum(posting.amount_minor for posting in convert(entry, "EUR", {currency: rate})) == 0


def test_an_entry_out_of_balance_is_not_written() -> None:
    broken = replace(INVOICE, postings=INVOICE.postings[:2])
    with pytest.raises(InconsistentError):
        rows(broken)
