"""Orders and refunds as columns: a year of a large shop has millions. Pure.

Instants are whole microseconds since 1970 UTC.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.records import OrderKind
from recommender.uplift.days import microseconds

Whole = NDArray[np.int64]
Texts = NDArray[np.object_]


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """Orders, in any order; refunds of them.

    Attributes:
        visitor: Who ordered, empty while unknown.
        known_us: When it was first known that the order is this visitor's.
        refund_of: Place of the refund's order, -1 where there is none.
    """

    order_id: Texts
    visitor: Texts
    placed_us: Whole
    net_minor: Whole
    known_us: Whole
    refund_of: Whole
    refund_minor: Whole
    refunded_us: Whole

    def __len__(self) -> int:
        return len(self.order_id)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose an order is, and since when that is known."""

    visitor: str
    known_us: int


def make_facts(rows: Sequence[Any]) -> Facts:
    """Return facts of rows (kind, order, net amount, instant, visitor), in any order.

    An instant is a `datetime`, or the text of one in UTC.
    """
    kind, order_id, net, at, visitor = zip(*rows, strict=True) if rows else [()] * 5
    is_order = np.array([one == OrderKind.ORDER.value for one in kind], bool)
    ids, net_minor, at_us = _texts(order_id), np.array(net, np.int64), _instants(at)
    orders, refunds = np.flatnonzero(is_order), np.flatnonzero(~is_order)
    place = dict(zip(ids[orders], range(len(orders)), strict=True))
    return Facts(
        order_id=ids[orders],
        visitor=_texts(visitor)[orders],
        placed_us=at_us[orders],
        net_minor=net_minor[orders],
        known_us=at_us[orders],
        refund_of=np.array([place.get(one, -1) for one in ids[refunds]], np.int64),
        refund_minor=net_minor[refunds],
        refunded_us=at_us[refunds],
    )


def with_owners(facts: Facts, owners: Mapping[str, Owner]) -> Facts:
    """Return the facts with the visitors of orders that state none themselves."""
    visitor, known_us = facts.visitor.copy(), facts.known_us.copy()
    for place in np.flatnonzero(visitor == ""):
        owner = owners.get(facts.order_id[place])
        if owner is not None:
            visitor[place] = owner.visitor
            known_us[place] = max(known_us[place], owner.known_us)
    return _replaced(facts, visitor, known_us)


def as_persons_facts(facts: Facts, merges: Mapping[str, Owner], first: set[str]) -> Facts:
    """Return the facts with persons in place of the browsers that are known to be theirs.

    Args:
        merges: Browser → person, and since when that is known.
        first: Browsers by which their persons came into the experiment: what such a browser bought
            was known to be the person's from the beginning.
    """
    if not merges:
        return facts
    visitor, known_us = facts.visitor.copy(), facts.known_us.copy()
    for place, browser in enumerate(facts.visitor):
        person = merges.get(browser)
        if person is not None:
            visitor[place] = person.visitor
            if browser not in first:
                known_us[place] = max(known_us[place], person.known_us)
    return _replaced(facts, visitor, known_us)


def _replaced(facts: Facts, visitor: Texts, known_us: Whole) -> Facts:
    return Facts(
        facts.order_id,
        visitor,
        facts.placed_us,
        facts.net_minor,
        known_us,
        facts.refund_of,
        facts.refund_minor,
        facts.refunded_us,
    )


def _texts(values: Sequence[str]) -> Texts:
    column = np.empty(len(values), np.object_)
    column[:] = values
    return column


def _instants(values: Sequence[Any]) -> Whole:
    if values and isinstance(values[0], str):
        return np.array(values, "datetime64[us]").astype(np.int64)
    return np.array([microseconds(at) for at in values], np.int64)
