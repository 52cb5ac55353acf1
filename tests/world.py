"""The test world's constants and its clock."""

import datetime as dt

STARTED_AT = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
SHOP_ORIGIN = "https://shop.example"


class Clock:
    """A clock that only moves when told."""

    def __init__(self, at: dt.datetime) -> None:
        self.at = at

    def __call__(self) -> dt.datetime:
        return self.at

    def advance(self, **step: float) -> None:
        self.at += dt.timedelta(**step)
