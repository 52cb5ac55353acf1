from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.errors import InvalidInputError
from recommender.shops.money import MINOR_LIMIT, exponent, format_minor, parse_minor

CURRENCIES = st.sampled_from(["EUR", "GBP", "JPY", "KWD", "CLF"])


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("12.50", "EUR", 1250),
        ("12.5", "EUR", 1250),
        (" 12 ", "EUR", 1200),
        ("12.500000", "EUR", 1250),
        ("-3.07", "EUR", -307),
        (12, "EUR", 1200),
        (12.1, "EUR", 1210),
        (0.29, "EUR", 29),
        (1e3, "EUR", 100_000),
        (Decimal("0.125"), "KWD", 125),
        ("980", "JPY", 980),
        ("980.0", "JPY", 980),
        ("1.2345", "CLF", 12345),
        (-0.0, "EUR", 0),
    ],
)
def test_amounts_become_minor_units(amount: object, currency: str, minor: int) -> None:
    assert parse_minor(amount, currency) == minor


@pytest.mark.parametrize(
    ("amount", "currency", "code"),
    [
        ("12.505", "EUR", "too-many-decimals"),
        (0.1 + 0.2, "EUR", "bad-amount"),
        (0.001, "GBP", "too-many-decimals"),
        ("0.5", "JPY", "too-many-decimals"),
        ("12,50", "EUR", "bad-amount"),
        ("1 000", "EUR", "bad-amount"),
        ("1e3", "EUR", "bad-amount"),
        ("", "EUR", "bad-amount"),
        ("NaN", "EUR", "bad-amount"),
        ("١٢", "EUR", "bad-amount"),
        (float("nan"), "EUR", "bad-amount"),
        (float("inf"), "EUR", "bad-amount"),
        (1e300, "EUR", "bad-amount"),
        (Decimal("1e-999999"), "EUR", "bad-amount"),
        (Decimal("sNaN"), "EUR", "bad-amount"),
        (True, "EUR", "bad-amount"),
        (None, "EUR", "bad-amount"),
        ([1], "EUR", "bad-amount"),
        (10**30, "EUR", "bad-amount"),
        ("10000000000000", "EUR", "amount-too-large"),
        ("1", "eur", "bad-currency"),
        ("1", "EURO", "bad-currency"),
        ("1", "", "bad-currency"),
    ],
)
def test_what_is_no_amount_is_refused_with_its_reason(
    amount: object, currency: str, code: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_minor(amount, currency)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (1250, "EUR", "12.50"),
        (5, "EUR", "0.05"),
        (-5, "EUR", "-0.05"),
        (0, "KWD", "0.000"),
        (980, "JPY", "980"),
        (10**20, "EUR", "1000000000000000000.00"),
    ],
)
def test_minor_units_are_written_with_all_decimals(minor: int, currency: str, text: str) -> None:
    assert format_minor(minor, currency) == text


@given(st.integers(-MINOR_LIMIT + 1, MINOR_LIMIT - 1), CURRENCIES)
def test_writing_and_reading_gives_the_same_amount(minor: int, currency: str) -> None:
    assert parse_minor(format_minor(minor, currency), currency) == minor


@given(st.integers(-(10**13), 10**13), CURRENCIES)
def test_a_json_number_counts_as_the_decimal_text_it_was_written_as(
    minor: int, currency: str
) -> None:
    written = float(format_minor(minor, currency))
    assert parse_minor(written, currency) == minor


@given(st.one_of(st.text(), st.floats(), st.decimals(), st.integers(), st.binary()), CURRENCIES)
def test_anything_is_read_exactly_or_refused(amount: object, currency: str) -> None:
    try:
        minor = parse_minor(amount, currency)
    except InvalidInputError:
        return
    assert abs(minor) < MINOR_LIMIT
    shift = 10 ** exponent(currency)
    exact = Decimal(repr(amount)) if isinstance(amount, float) else Decimal(str(amount).strip())
    assert exact * shift == minor
