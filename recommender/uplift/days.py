"""Days and months as the shop lives them. Pure."""

import datetime as dt
import zoneinfo
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Window:
    """The stretch of time a measurement looks at.

    Attributes:
        start: First instant that counts, UTC.
        end: First instant that counts no more, UTC.
        timezone: The shop's, for telling days apart.
    """

    start: dt.datetime
    end: dt.datetime
    timezone: str


def window(first: dt.date, last: dt.date, timezone: str) -> Window:
    """Return the window from the first to the last day, both included."""
    return Window(
        day_start(first, timezone), day_start(last + dt.timedelta(days=1), timezone), timezone
    )


def day_start(day: dt.date, timezone: str) -> dt.datetime:
    """Return the instant a local day begins, UTC."""
    midnight = dt.datetime.combine(day, dt.time.min, tzinfo=zoneinfo.ZoneInfo(timezone))
    return midnight.astimezone(dt.UTC)


def local_day(at: dt.datetime, timezone: str) -> dt.date:
    """Return the day it is in a time zone at an instant."""
    return at.astimezone(zoneinfo.ZoneInfo(timezone)).date()


def microseconds(at: dt.datetime) -> int:
    """Return an instant as whole microseconds since 1970 UTC."""
    return (at - _EPOCH) // _MICROSECOND


class Calendar:
    """Consecutive days of a shop, for many instants at once.

    Args:
        first: First day.
        last: Last day, included.
        timezone: The shop's time zone.
    """

    def __init__(self, first: dt.date, last: dt.date, timezone: str) -> None:
        self.first, self.timezone = first, timezone
        n_days = (last - first).days + 1
        self.days = [first + dt.timedelta(days=number) for number in range(n_days)]
        ends = [*self.days, last + dt.timedelta(days=1)]
        self._starts = np.array([microseconds(day_start(day, timezone)) for day in ends], np.int64)

    def __len__(self) -> int:
        return len(self.days)

    def number(self, instants_us: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return each instant's day as its place in `days`; -1 before them, their number after."""
        return np.searchsorted(self._starts, instants_us, side="right") - 1

    def month_numbers(self) -> NDArray[np.int64]:
        """Return for each day the number of its calendar month, from 0 on."""
        first = self.first.year * 12 + self.first.month
        return np.array([day.year * 12 + day.month - first for day in self.days], np.int64)

    def bounds_us(self, day: dt.date) -> tuple[int, int]:
        """Return the first instant of a day and the first one after it."""
        place = (day - self.first).days
        return int(self._starts[place]), int(self._starts[place + 1])
