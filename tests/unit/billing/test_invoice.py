import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from money_world import STRATUM, evidence, shop_month
from recommender.billing.evidence import Billed, read_evidence
from recommender.billing.invoice import InvoiceDocument, InvoiceKind, draft_invoice, vat_amount
from recommender.billing.ledger import Account, Posting, check_balance, invoice_postings
from recommender.billing.months import Month
from recommender.billing.pricing import price
from recommender.billing.statement import build_statement
from recommender.billing.vendor import VENDOR, vat_for
from recommender.errors import InconsistentError
from recommender.records import Shop


def draft(country: str = "FR", billed: int = 0, through: str = "2027-01-31") -> InvoiceDocument:
    shop = Shop(
        "shop_1", "Shop", "EUR", country, "Europe/Paris", "pk_1", b"k" * 32, (), {}, (STRATUM,)
    )
    facts = evidence(
        shop_month(),
        dt.date.fromisoformat(through),
        billed=[Billed(Month(2026, 12), billed)] if billed else [],
    )
    # 31 January 23:30 UTC is February in Paris.
    at = dt.datetime(2027, 1, 31, 23, 30, tzinfo=dt.UTC)
    body = build_statement(shop, facts, price(facts), excluded={}, closed_at=at)
    return draft_invoice(
        shop,
        facts,
        body,
        vendor=VENDOR,
        number="2027-000001",
        references=("2026-000007",),
        issued_at=at,
    )


def test_an_invoice_adds_vat_and_dates_in_the_vendors_time() -> None:
    document = draft()
    assert document.kind is InvoiceKind.INVOICE
    assert document.vat_minor == vat_amount(document.net_minor, 2_000)
    assert document.gross_minor == document.net_minor + document.vat_minor
    assert document.issued_on == dt.date(2027, 2, 1)
    assert document.due_on == dt.date(2027, 3, 3)
    assert document.service_from == dt.date(2027, 1, 1)
    assert document.references == ()
    assert read_evidence(document.evidence_csv).through == dt.date(2027, 1, 31)


def test_the_yearly_settlement_makes_a_credit_note() -> None:
    document = draft(billed=10**8, through="2027-12-31")
    assert document.kind is InvoiceKind.CREDIT_NOTE
    assert document.net_minor < 0
    assert document.references == ("2026-000007",)
    assert sum(posting.amount_minor for posting in invoice_postings(document)) == 0


@pytest.mark.parametrize(
    ("country", "rate", "words"),
    [
        ("FR", 2_000, "VAT 20 %"),
        ("DE", 0, "Autoliquidation"),
        ("GR", 0, "Autoliquidation"),
        ("CH", 0, "no VAT"),
        ("GB", 0, "no VAT"),
    ],
)
def test_vat_follows_the_buyers_country(country: str, rate: int, words: str) -> None:
    vat = vat_for(country, VENDOR)
    assert vat.rate_bps == rate
    assert words in vat.note


@pytest.mark.parametrize(
    ("net", "vat"),
    [(100, 20), (102, 20), (103, 21), (7, 1), (-103, -21), (-102, -20), (0, 0)],
)
def test_vat_is_rounded_to_the_nearest_minor_unit(net: int, vat: int) -> None:
    # 20 % of 102 is 20.4 and of 103 is 20.6; of 7 it is 1.4
    assert vat_amount(net, 2_000) == vat


def test_half_a_unit_of_vat_is_rounded_away_from_zero() -> None:
    assert vat_amount(25, 1_000) == 3  # 2.5
    assert vat_amount(-25, 1_000) == -3


def test_postings_without_vat_have_two_sides() -> None:
    document = draft("DE")
    assert invoice_postings(document) == [
        Posting(Account.RECEIVABLE, document.net_minor),
        Posting(Account.REVENUE, -document.net_minor),
    ]


@given(st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=6))
def test_books_out_of_balance_stop_the_money_path(amounts: list[int]) -> None:
    def postings(values: list[int]) -> list[Any]:
        return [Posting(Account.REVENUE, value) for value in values]

    check_balance(postings([*amounts, -sum(amounts)]))
    with pytest.raises(InconsistentError):
        check_balance(postings([*amounts, 1 - sum(amounts)]))
