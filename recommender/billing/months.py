"""Calendar months as the bill counts them. Pure."""

import calendar
import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass

from recommender.errors import InvalidInputError


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A calendar month; prints as `2027-03`."""

    year: int
    number: int

    def __str__(self) -> str:
        return f"{self.year:04}-{self.number:02}"

    @property
    def first_day(self) -> dt.date:
        return dt.date(self.year, self.number, 1)

    @property
    def last_day(self) -> dt.date:
        return dt.date(self.year, self.number, calendar.monthrange(self.year, self.number)[1])

    @property
    def index(self) -> int:
        """Return the months since year 0."""
        return self.year * 12 + self.number - 1


def parse_month(text: str) -> Month:
    """Read `YYYY-MM`.

    Raises:
        InvalidInputError: It is not such a text (`bad-month`).
    """
    found = re.fullmatch(r"([0-9]{4})-(0[1-9]|1[0-2])", text)
    if found is None or found[1] == "0000":
        raise InvalidInputError(f"{text[:20]!r} is not a month like 2027-03", code="bad-month")
    return Month(int(found[1]), int(found[2]))


def month_of(day: dt.date) -> Month:
    """Return the month a day lies in."""
    return Month(day.year, day.month)


def months_between(first: Month, last: Month) -> Iterator[Month]:
    """Yield the months from first to last, both included."""
    for index in range(first.index, last.index + 1):
        yield Month(index // 12, index % 12 + 1)
