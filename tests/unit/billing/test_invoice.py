import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoice_world import BRITISH, GERMAN, REFERENCES, TIERS, credit_note, draft
from money_world import BUYER
from recommender.billing.evidence import read_evidence
from recommender.billing.invoice import InvoiceKind, vat_amount
from recommender.billing.ledger import (
    Account,
    Posting,
    check_balance,
    invoice_postings,
    payment_postings,
)
from recommender.billing.phrases import PHRASES, REMINDERS, RESULTS
from recommender.billing.vendor import VENDOR, vat_for
from recommender.billing.wording import amount, day, percent, period, rate
from recommender.errors import InconsistentError, InvalidInputError


def test_an_invoice_adds_vat_and_dates() -> None:
    document = draft()
    assert document.kind is InvoiceKind.INVOICE
    assert document.vat_minor == vat_amount(document.net_minor, 2_000, "EUR")
    assert document.gross_minor == document.net_minor + document.vat_minor
    assert document.due_on == dt.date(2027, 3, 3)  # 30 days after 1 February
    assert document.service_from == dt.date(2027, 1, 1)
    assert document.references == ()
    assert sum(line.amount_minor for line in document.lines) == document.net_minor
    assert read_evidence(document.evidence_csv).through == dt.date(2027, 1, 31)


def test_the_yearly_settlement_makes_a_credit_note() -> None:
    document = credit_note()
    assert document.kind is InvoiceKind.CREDIT_NOTE
    assert document.net_minor < 0
    assert document.references == REFERENCES
    assert sum(posting.amount_minor for posting in invoice_postings(document)) == 0


def test_lines_of_tiers_licence_and_caps_add_up_in_both_languages() -> None:
    terms = {"tiers": TIERS, "licence_month_minor": 9_900, "cap_month_bps": 50}
    english = draft(**terms)
    french = draft(replace(BUYER, language="fr"), **terms)
    assert [line.amount_minor for line in english.lines] == [
        line.amount_minor for line in french.lines
    ]
    words = " | ".join(line.text for line in english.lines)
    for part in ("above 2,000.00 EUR", "the contract's cap", "31 of 31 days"):
        assert part in words
    assert "au-delà de 2\u00a0000,00\u00a0EUR" in " | ".join(line.text for line in french.lines)
    assert sum(line.amount_minor for line in english.lines) == english.net_minor


@pytest.mark.parametrize(
    ("country", "case", "rate", "category"),
    [
        ("FR", "by_country", 2_000, "S"),
        ("MC", "by_country", 2_000, "S"),
        ("DE", "by_country", 0, "AE"),
        ("GR", "by_country", 0, "AE"),
        ("CH", "by_country", 0, "O"),
        ("GB", "by_country", 0, "O"),
        ("DE", "domestic", 2_000, "S"),
        ("FR", "reverse_charge", 0, "AE"),
        ("DE", "outside_eu", 0, "O"),
    ],
)
def test_vat_follows_the_buyers_country_unless_agreed(
    country: str, case: str, rate: int, category: str
) -> None:
    vat = vat_for(country, VENDOR, case)
    assert (vat.rate_bps, vat.category) == (rate, category)


def test_vat_that_is_not_known_stops_the_money_path() -> None:
    with pytest.raises(InvalidInputError) as caught:
        vat_for("RE", VENDOR)
    assert caught.value.code == "vat-territory"
    # 20 % of dollars has to be told in euros too, at a rate that nobody knows here.
    with pytest.raises(InvalidInputError) as caught:
        draft(currency="USD")
    assert caught.value.code == "vat-currency"
    assert draft(BRITISH, currency="GBP").vat_minor == 0


def test_a_document_without_vat_says_why() -> None:
    assert draft().vat_note == ""
    assert draft(GERMAN).vat_note.startswith("Autoliquidation: VAT is due by the customer")
    french = draft(replace(GERMAN, language="fr"))
    assert "Autoliquidation : TVA due par le preneur (article 283-2" in french.vat_note
    assert "article 259-1 CGI" in draft(BRITISH).vat_note
    dutch = replace(VENDOR, country="NL")
    assert "CGI" not in draft(GERMAN, seller=dutch).vat_note


@pytest.mark.parametrize(
    ("net", "vat"),
    [(100, 20), (102, 20), (103, 21), (7, 1), (-103, -21), (-102, -20), (0, 0)],
)
def test_vat_is_rounded_to_the_nearest_minor_unit(net: int, vat: int) -> None:
    # 20 % of 102 is 20.4 and of 103 is 20.6; of 7 it is 1.4
    assert vat_amount(net, 2_000, "EUR") == vat


def test_half_a_unit_of_vat_is_rounded_away_from_zero() -> None:
    assert vat_amount(25, 1_000, "EUR") == 3  # 2.5
    assert vat_amount(-25, 1_000, "EUR") == -3


def test_vat_of_three_decimals_is_rounded_to_what_an_invoice_can_state() -> None:
    assert vat_amount(1_230, 500, "KWD") == 60  # 61.5, in steps of 10
    assert vat_amount(1_300, 500, "KWD") == 70  # 65
    assert vat_amount(-1_300, 500, "KWD") == -70


def test_postings_without_vat_have_two_sides() -> None:
    document = draft(GERMAN)
    assert invoice_postings(document) == [
        Posting(Account.RECEIVABLE, document.net_minor),
        Posting(Account.REVENUE, -document.net_minor),
    ]


@given(st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=6))
def test_books_out_of_balance_stop_the_money_path(amounts: list[int]) -> None:
    def postings(values: list[int]) -> list[Any]:
        return [Posting(Account.REVENUE, value) for value in values]

    check_balance(postings([*amounts, -sum(amounts)]))
    check_balance(payment_postings(amounts[0]))
    with pytest.raises(InconsistentError):
        check_balance(postings([*amounts, 1 - sum(amounts)]))


# -- words --------------------------------------------------------------------------------------


def test_both_languages_say_the_same_things() -> None:
    for catalogue in (PHRASES, RESULTS, REMINDERS):
        english, french = catalogue["en"], catalogue["fr"]
        assert english.keys() == french.keys()
        for key in english:
            assert _slots(english[key]) == _slots(french[key]), key


def _slots(text: str) -> set[str]:
    return {part.partition("}")[0] for part in text.split("{")[1:]}


def test_amounts_and_days_are_written_as_the_language_does() -> None:
    assert amount(6_120_050, "EUR") == "61,200.50 EUR"
    assert amount(6_120_050, "EUR", "fr") == "61\u00a0200,50\u00a0EUR"
    assert amount(-1_234, "JPY") == "-1,234 JPY"
    assert amount(1_234_567, "KWD", "fr") == "1\u00a0234,567\u00a0KWD"
    assert percent(0.0234, language="fr") == "2,3\u00a0%"
    assert rate(825) == "8.25\u00a0%"
    assert rate(1_000, "fr") == "10\u00a0%"
    assert day(dt.date(2027, 8, 1), "fr") == "1er août 2027"
    assert period(dt.date(2027, 2, 1), dt.date(2027, 2, 28), "fr") == "1er–28 février 2027"
