import datetime as dt

import pytest

from recommender.billing.months import Month, month_of, months_between, parse_month
from recommender.errors import InvalidInputError


def test_a_month_knows_its_days() -> None:
    assert parse_month("2028-02").last_day == dt.date(2028, 2, 29)
    assert parse_month("2027-02").last_day == dt.date(2027, 2, 28)
    assert parse_month("2027-12").first_day == dt.date(2027, 12, 1)
    assert str(month_of(dt.date(2027, 3, 31))) == "2027-03"


def test_months_run_over_the_year() -> None:
    months = months_between(Month(2026, 11), Month(2027, 2))
    assert [str(month) for month in months] == ["2026-11", "2026-12", "2027-01", "2027-02"]


@pytest.mark.parametrize(
    "text", ["2027-13", "2027-00", "2027-3", "0000-01", "27-03", "", "٢٠٢٧-٠٣"]
)
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_month(text)
    assert caught.value.code == "bad-month"
