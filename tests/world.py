"""The test world's constants, its clock, and what it does without a server."""

import datetime as dt
import os

import pytest

from recommender.errors import UnavailableError
from recommender.ports import HotState, VisitorState, WhoAsks
from recommender.records import Shop, Stratum

STARTED_AT = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
SHOP_ORIGIN = "https://shop.example"
SHOP = Shop(
    shop_id="shop_1",
    name="Shop",
    currency="EUR",
    country="FR",
    timezone="Europe/Paris",
    public_key="pk_1",
    visitor_key=b"k" * 32,
    origins=(SHOP_ORIGIN,),
    placements={},
    strata=(Stratum("shop_1", 1, "salt", 500_000, STARTED_AT),),
)
"""A shop for tests without a database."""

ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For tests whose question has nothing to do with the database."""


class Clock:
    """A clock that only moves when told."""

    def __init__(self, at: dt.datetime) -> None:
        self.at = at

    def __call__(self) -> dt.datetime:
        return self.at

    def advance(self, **step: float) -> None:
        self.at += dt.timedelta(**step)


def missing(what: str) -> None:
    """Skip at a desk; fail where everything must be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing; scripts/test installs it")
    pytest.skip(f"{what} is missing")


def visitor_state(state: HotState, shop_id: str, visitor: str, placement: str) -> VisitorState:
    """Return what a slate would know of one visitor; raises what keeps it from being read."""
    (known,) = state.visitor_states([WhoAsks(shop_id, visitor, placement)])
    if isinstance(known, UnavailableError):
        raise known
    return known
