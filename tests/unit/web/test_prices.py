"""Prices, and the patterns from which the widget writes them; see widget/test/format.test.js."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.shops.money import MINOR_LIMIT, exponent
from recommender.web.prices import COMPARED, price_patterns, written_price

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "prices.json").read_text()
)


def test_the_vectors_are_what_babel_says_and_leave_no_language_out() -> None:
    for row in VECTORS:
        assert list(price_patterns(row["currency"], row["language"])) == row["patterns"]
    assert {row["language"] for row in VECTORS} == COMPARED


@pytest.mark.parametrize(
    ("minor", "currency", "language", "text"),
    [
        (123450, "EUR", "es", "1234,50 €"),  # four digits stay together
        (1234550, "EUR", "es", "12.345,50 €"),
        (123450, "EUR", "de", "1.234,50 €"),
        (1290, "KWD", "en", "KWD 1.290"),  # letters touch no digit
        (1290000, "IQD", "en", "IQD 1,290"),  # nobody writes the decimals that ISO 4217 has
        (5, "EUR", "fr", "0,05 €"),
        (12345678950, "INR", "en-IN", "₹12,34,56,789.50"),
    ],
)
def test_languages_have_their_own_ways(minor: int, currency: str, language: str, text: str) -> None:
    assert re.sub(r"\s", " ", written_price(minor, currency, language)) == text


@given(st.sampled_from(VECTORS), st.integers(0, MINOR_LIMIT - 1))
def test_a_price_has_all_digits_of_its_amount(row: dict[str, Any], minor: int) -> None:
    written = written_price(minor, row["currency"], row["language"])
    assert re.sub(r"\D", "", written) == str(minor).zfill(exponent(row["currency"]) + 1)


@pytest.mark.parametrize("row", VECTORS, ids=lambda row: f"{row['language']} {row['currency']}")
def test_every_amount_finds_room(row: dict[str, Any]) -> None:
    rooms = [pattern.count("#") + pattern.count("0") for pattern in row["patterns"]]
    assert rooms == sorted(rooms)
    assert rooms[-1] == len(str(MINOR_LIMIT - 1))


def test_where_decimals_are_rounded_away_no_pattern_helps() -> None:
    assert price_patterns("IQD", "en") == ()


def test_a_language_is_found_however_it_is_written() -> None:
    assert price_patterns("GBP", "en-gb") == price_patterns("GBP", "en-GB") != ()


@pytest.mark.parametrize("language", ["", "fr-CH", "ar-EG", "en-US-x-y", "xx", "../de", "e" * 40])
def test_of_other_languages_nothing_is_said(language: str) -> None:
    assert price_patterns("EUR", language) == ()
