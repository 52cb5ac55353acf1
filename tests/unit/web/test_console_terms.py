"""A contract in plain words."""

import pytest

from money_world import contract
from recommender.records import Contract, RateTier
from recommender.shops.registry import POLICIES
from recommender.web.console_contract import fee_rows
from recommender.web.console_terms import licence_words, rate_words, terms, year_cap_words


def words(of: Contract) -> dict[str, str]:
    return {name: text.replace("\u00a0", " ") for name, text in terms(of)}


def test_every_term_is_said() -> None:
    said = words(contract(order_cap_minor=50_000, cap_month_bps=150))
    assert said["In force from"] == "1 January 2027"
    assert said["Rate"].startswith("10 % of")
    assert said["Cap per month"].startswith("1.5 % of")
    assert said["Cap per order"] == "an order counts 500.00 EUR at most, in both groups"
    assert said["Certainty"] == "95 % at all looks together, tightest at 10,000 visitors"


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_has_words_of_its_own(policy: str) -> None:
    others = [words(contract(policy=other))["Policy"] for other in POLICIES if other != policy]
    assert words(contract(policy=policy))["Policy"] not in others


def test_caps_of_the_year_stand_together() -> None:
    assert year_cap_words(contract()) == "none"
    both = contract(cap_year_minor=100_000, cap_year_bps=250)
    assert year_cap_words(both) == "1,000.00 EUR and 2.5\u00a0% of the year’s treated revenue"


def test_fixed_fees_are_said_only_where_there_are_some() -> None:
    assert licence_words(contract()) == ""
    assert licence_words(contract(licence_month_minor=4_900)) == (
        "a licence fee of 49.00 EUR a month"
    )


def test_tiers_are_said_and_computed() -> None:
    """10 % of the first 5,000.00, 8 % of what is above."""
    tiered = contract(tiers=(RateTier(500_000, 800),))
    assert rate_words(tiered) == "10\u00a0%, 8\u00a0% above 5,000.00 EUR"
    rows = {row.value: row for row in fee_rows(tiered, None)}
    assert rows["5,000.00\u00a0EUR"].fee == "500.00\u00a0EUR"
    assert rows["10,000.00\u00a0EUR"].fee == "900.00\u00a0EUR"
    assert rows["10,000.00\u00a0EUR"].share == "9.00\u00a0%"
