"""Whose data a request for erasure or export means: a browser, or a customer on all browsers."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from recommender import tables
from recommender.events.identity import customer_pseudonym, pseudonym
from recommender.records import Shop


@dataclass(frozen=True, slots=True)
class Subject:
    """Someone we may know something of.

    Attributes:
        hashes: Pseudonyms under which that is stored, never empty.
        shared: Of these, browsers that other customers use too.
    """

    shop: Shop
    hashes: tuple[str, ...]
    shared: tuple[str, ...] = ()

    @property
    def alone(self) -> tuple[str, ...]:
        """Return the pseudonyms behind which nobody else stands."""
        return tuple(one for one in self.hashes if one not in self.shared)

    def is_named_in(self, visitor_id: object, customer_id: object) -> bool:
        """Return whether one of two readable ids, as the shop tells them, is the subject's."""
        key = self.shop.visitor_key
        told = [
            hashed(key, told_id)
            for hashed, told_id in ((pseudonym, visitor_id), (customer_pseudonym, customer_id))
            if isinstance(told_id, str) and told_id
        ]
        return any(one in self.hashes for one in told)


def browser(shop: Shop, visitor_id: str) -> Subject:
    """Return a browser by the id in its cookie: this one alone, whoever else it belongs to.

    The id is all that its holder proves; other devices may be somebody else's.
    """
    return Subject(shop, (pseudonym(shop.visitor_key, visitor_id),))


def customer(shop: Shop, customer_id: str, *, database: sa.Engine) -> Subject:
    """Return a customer by the shop's own id, with all browsers the customer ever logged in on."""
    person = customer_pseudonym(shop.visitor_key, customer_id)
    merges = tables.merges.c
    query = sa.select(merges.visitor, merges.shared_at).where(
        merges.shop_id == shop.shop_id, merges.person == person
    )
    with database.connect() as connection:
        rows = connection.execute(query.order_by(merges.visitor)).all()
    browsers = tuple(row.visitor for row in rows)
    shared = tuple(row.visitor for row in rows if row.shared_at is not None)
    return Subject(shop, (person, *browsers), shared)


def names_any(
    column: "sa.ColumnElement[object]", hashes: Sequence[str]
) -> "sa.ColumnElement[bool]":
    """Match what has one of some pseudonyms somewhere in a column, as text."""
    text = sa.cast(column, sa.Text)
    return sa.or_(*[text.contains(one, autoescape=True) for one in hashes])
