"""Days and months as the shop lives them. Pure."""

import datetime as dt
import zoneinfo
from dataclasses import dataclass


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
