"""Which browsers are one person (verb): told by the shop's server when a customer logs in.

In come a browser's and a customer's id, out go rows of `merges` and, for the next slate, whose
paths belong together. A browser belongs to the first customer on it: a device that two customers
use would otherwise chain their households into one person. It stays with the first, and from the
second on it shares no path, so that neither sees what the other looked at elsewhere.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import sqlalchemy as sa

from recommender import tables
from recommender.errors import InvalidInputError
from recommender.events.identity import customer_pseudonym, pseudonym
from recommender.records import Shop

MAX_ID = 100


class Paths(Protocol):
    """What a login needs of the hot state."""

    def share_paths(self, shop_id: str, others: Mapping[str, Sequence[str]]) -> None:
        """Let each browser's slates know the paths of the others named; none cuts it off."""
        ...


@dataclass(frozen=True, slots=True)
class Login:
    """What a login changed.

    Attributes:
        browsers: Browsers of the customer whose paths are known to each other.
        is_new: Whether the browser was nobody's before.
        is_shared: Whether several customers use the browser.
    """

    browsers: int
    is_new: bool
    is_shared: bool


def log_in(
    shop: Shop,
    visitor_id: str,
    customer_id: object,
    *,
    database: sa.Engine,
    paths: Paths,
    now: dt.datetime,
) -> Login:
    """Merge a browser with the customer's earlier ones; telling it again changes nothing.

    Raises:
        InvalidInputError: Code `bad-id`: an id is no text of 1 to 100 characters.
        UnavailableError: The merge is stored, but the paths are not shared; tell it again.
    """
    visitor = pseudonym(shop.visitor_key, _checked(visitor_id))
    person = customer_pseudonym(shop.visitor_key, _checked(customer_id))
    row = {"visitor": visitor, "person": person, "merged_at": now, "shared_at": None}
    with database.begin() as connection:
        new = tables.insert_ignore(connection, tables.merges, [{"shop_id": shop.shop_id, **row}])
        first = _person_of(connection, shop.shop_id, visitor)
        if first != person:
            _mark_shared(connection, shop.shop_id, visitor, now)
        browsers = unshared_browsers(connection, shop.shop_id, first)
    paths.share_paths(shop.shop_id, known_to_each_other(browsers) | _cut_off(visitor, browsers))
    return Login(len(browsers), bool(new), visitor not in browsers)


def unshared_browsers(connection: sa.Connection, shop_id: str, person: str) -> list[str]:
    """Return the browsers that one person alone uses, the newest first."""
    merges = tables.merges.c
    query = sa.select(merges.visitor).where(
        merges.shop_id == shop_id, merges.person == person, merges.shared_at.is_(None)
    )
    return list(connection.scalars(query.order_by(merges.merged_at.desc(), merges.visitor)))


def known_to_each_other(browsers: Sequence[str]) -> dict[str, list[str]]:
    """Return, for each browser, the others."""
    return {own: [other for other in browsers if other != own] for own in browsers}


def _checked(told: object) -> str:
    if not isinstance(told, str) or not 1 <= len(told) <= MAX_ID or not told.isprintable():
        raise InvalidInputError(
            f"visitor and customer_id are texts of 1 to {MAX_ID} characters", code="bad-id"
        )
    return told


def _person_of(connection: sa.Connection, shop_id: str, visitor: str) -> str:
    merges = tables.merges.c
    query = sa.select(merges.person).where(merges.shop_id == shop_id, merges.visitor == visitor)
    return str(connection.execute(query).scalar_one())


def _mark_shared(connection: sa.Connection, shop_id: str, visitor: str, now: dt.datetime) -> None:
    merges = tables.merges
    connection.execute(
        merges.update()
        .where(
            merges.c.shop_id == shop_id,
            merges.c.visitor == visitor,
            merges.c.shared_at.is_(None),
        )
        .values(shared_at=now)
    )


def _cut_off(visitor: str, browsers: Sequence[str]) -> dict[str, list[str]]:
    return {} if visitor in browsers else {visitor: []}
