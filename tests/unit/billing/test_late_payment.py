"""Bank statements, interest and reminders."""

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.billing.payments import Account, PaymentState
from recommender.billing.reminders import STEP_DAYS, compose, due_step, late_interest
from recommender.billing.transfers import named_numbers, read_transfers
from recommender.errors import InvalidInputError

DUE = dt.date(2027, 3, 3)
ACCOUNT = Account(
    shop_id="shop_1",
    number="F2027-000001",
    buyer_name="Boutique",
    language="en",
    currency="EUR",
    issued_on=dt.date(2027, 2, 1),
    due_on=DUE,
    gross_minor=100_000,
    late_rate_bps=730,
    recovery_minor=4_000,
    recovery_currency="EUR",
)


def days(number: int) -> dt.date:
    return DUE + dt.timedelta(days=number)


def test_interest_runs_from_the_day_after_the_due_date() -> None:
    assert late_interest(ACCOUNT, DUE) == 0
    # 7.3 % of 1,000.00 a year are 73.00, or 0.20 a day.
    assert late_interest(ACCOUNT, days(1)) == 20
    assert late_interest(ACCOUNT, days(365)) == 7_300


def test_interest_is_on_what_is_open_each_day() -> None:
    # 10 days on 1,000.00 at 0.20 a day, then 10 days on 250.00 at 0.05: 2.00 + 0.50.
    paid = replace(ACCOUNT, payments=((days(10), 75_000),))
    assert late_interest(paid, days(20)) == 250
    # Paid before it was due: 0.05 a day from then on.
    early = replace(ACCOUNT, payments=((days(-5), 75_000),))
    assert late_interest(early, days(20)) == 100
    # Paid wholly after 10 days: nothing more comes.
    whole = replace(ACCOUNT, payments=((days(10), 100_000),))
    assert late_interest(whole, days(300)) == 200


@given(
    st.lists(st.tuples(st.integers(-30, 400), st.integers(1, 60_000)), max_size=5),
    st.integers(0, 400),
)
def test_interest_equals_the_sum_over_single_days(
    payments: list[tuple[int, int]], late: int
) -> None:
    account = replace(
        ACCOUNT, payments=tuple(sorted((days(when), minor) for when, minor in payments))
    )
    total = 0
    for number in range(late):
        paid = sum(minor for day, minor in account.payments if day <= days(number))
        total += max(0, 100_000 - paid)
    assert late_interest(account, days(late)) == total * 730 // 3_650_000


@pytest.mark.parametrize(
    ("gross", "paid", "late", "state"),
    [
        (1_000, 0, 0, PaymentState.OPEN),
        (1_000, 400, 0, PaymentState.PARTLY_PAID),
        (1_000, 400, 1, PaymentState.OVERDUE),
        (1_000, 1_000, 1, PaymentState.PAID),
        (1_000, 1_001, 1, PaymentState.OVERPAID),
        (-1_000, 0, 1, PaymentState.CREDIT),
        (-1_000, -1_000, 1, PaymentState.PAID),
    ],
)
def test_states(gross: int, paid: int, late: int, state: PaymentState) -> None:
    account = replace(ACCOUNT, gross_minor=gross, payments=((days(-1), paid),) if paid else ())
    assert account.state(days(late)) is state


def test_reminders_come_in_steps_and_none_is_skipped() -> None:
    assert [due_step(ACCOUNT, 0, days(late)) for late in (0, 2, 3, 100)] == [0, 0, 1, 1]
    assert [due_step(ACCOUNT, 1, days(late)) for late in (14, 15)] == [0, 2]
    assert [due_step(ACCOUNT, 2, days(late)) for late in (29, 30)] == [0, 3]
    assert due_step(ACCOUNT, len(STEP_DAYS), days(400)) == 0
    paid = replace(ACCOUNT, payments=((days(1), 100_000),))
    assert due_step(paid, 0, days(30)) == 0


def test_a_reminder_says_what_is_open_in_the_buyers_language() -> None:
    english = compose(ACCOUNT, 1, days(10), "a@b.example")
    for words in (
        "F2027-000001",
        "1,000.00 EUR are open",
        "3 March 2027",
        "7.3\u00a0%",
        "2.00 EUR",
    ):
        assert words in english.body
    french = compose(replace(ACCOUNT, language="fr"), 3, days(30), "")
    assert "1\u00a0000,00\u00a0EUR restent dus" in french.body
    assert "Dernière relance" in french.subject


# -- bank statements ----------------------------------------------------------------------------


def test_a_bank_statement_is_read_in_either_style() -> None:
    comma = (
        "transaction_id,date,amount,currency,reference\n"
        'T1,2027-03-01,"120.50",EUR,"Invoice F2027-000001, thanks"\n'
        "T2,2027-03-02,-3,EUR,refund\n"
    )
    transfers, rejections = read_transfers(comma)
    assert rejections == []
    assert [(t.transaction_id, t.amount_minor) for t in transfers] == [("T1", 12_050), ("T2", -300)]
    semicolon = "\ufeff" + comma.replace('"120.50"', "120.50").replace(
        '"Invoice F2027-000001, thanks"', "Invoice F2027-000001"
    ).replace(",", ";")
    assert [t.amount_minor for t in read_transfers(semicolon)[0]] == [12_050, -300]


@pytest.mark.parametrize(
    ("amount", "minor"), [("120,50", 12_050), ("1 120,5", 112_050), ("-3", -300), ("7.1", 710)]
)
def test_amounts_may_have_a_decimal_comma(amount: str, minor: int) -> None:
    header = "transaction_id;date;amount;currency;reference"
    [transfer], _ = read_transfers(f"{header}\nT1;2027-03-01;{amount};EUR;x\n")
    assert transfer.amount_minor == minor


@pytest.mark.parametrize(
    "row",
    [
        "T 1,2027-03-01,1,EUR,x",
        "T1,1 March,1,EUR,x",
        "T1,2027-03-01,1.234,EUR,x",
        "T1,2027-03-01,0,EUR,x",
        'T1,2027-03-01,"1.200,50",EUR,x',
        "T1,2027-03-01,1,euro,x",
        ",2027-03-01,1,EUR,x",
        "T1,2027-03-01",
    ],
)
def test_a_row_that_is_no_transaction_is_told(row: str) -> None:
    transfers, [rejection] = read_transfers(
        f"transaction_id,date,amount,currency,reference\n{row}\n"
    )
    assert transfers == []
    assert (rejection.index, rejection.code) == (0, "bad-transfer")


def test_a_statement_without_its_columns_is_refused() -> None:
    for text in ("", "id,amount\n"):
        with pytest.raises(InvalidInputError, match="transaction_id"):
            read_transfers(text)


@pytest.mark.parametrize(
    ("reference", "named"),
    [
        ("pay F2027-000012 now", "F2027-000012"),
        ("INVOICE-F2027-000012", "F2027-000012"),
        ("facture f2027-000012.", "F2027-000012"),
        ("2027-000003", "2027-000003"),
        ("nothing 2027-03-01", None),
    ],
)
def test_a_reference_may_hold_other_words(reference: str, named: str | None) -> None:
    choices = [choice for place in named_numbers(reference) for choice in place]
    assert (named in choices) if named else not choices
