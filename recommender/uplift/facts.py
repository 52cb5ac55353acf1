"""Orders and refunds as columns: a year of a large shop has millions. Pure.

Instants are whole microseconds since 1970 UTC.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.records import OrderKind
from recommender.uplift.days import microseconds

Whole = NDArray[np.int64]
Texts = NDArray[np.object_]


class Removal(StrEnum):
    """By which rule something is taken out of both arms; the first that applies is told."""

    TEST = "test"
    """The shop said that the order only tries out the checkout."""
    PROGRAM = "program"
    STAFF = "staff"
    NO_SALE = "no-sale"
    """The order carries a mark that the shop's exclusions name."""


REMOVALS = tuple(Removal)
KEPT = 0


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """Orders, in any order; refunds of them.

    Attributes:
        visitor: Who ordered, empty while unknown.
        known_us: When it was first known that the order is this visitor's.
        refund_of: Place of the refund's order, -1 where there is none.
        removed: `KEPT`, or 1 + place in `REMOVALS` of an order that counts in neither arm.
    """

    order_id: Texts
    visitor: Texts
    placed_us: Whole
    net_minor: Whole
    known_us: Whole
    refund_of: Whole
    refund_minor: Whole
    refunded_us: Whole
    removed: NDArray[np.int8]

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
    is_test = np.array([one == OrderKind.TEST.value for one in kind], bool)
    is_order = np.array([one == OrderKind.ORDER.value for one in kind], bool) | is_test
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
        removed=np.where(is_test[orders], code_of(Removal.TEST), KEPT).astype(np.int8),
    )


def code_of(reason: Removal) -> int:
    """Return how `Facts.removed` says a reason."""
    return 1 + REMOVALS.index(reason)


def with_removed(facts: Facts, reasons: Mapping[int, Removal]) -> Facts:
    """Return the facts with orders taken out, by place; one that is out already stays as it is."""
    removed = facts.removed.copy()
    for place, reason in reasons.items():
        if removed[place] == KEPT:
            removed[place] = code_of(reason)
    return replace(facts, removed=removed)


def with_programs(facts: Facts, programs: Collection[str]) -> Facts:
    """Return the facts with the orders of browsers that are programs taken out."""
    places = [place for place, browser in enumerate(facts.visitor) if browser in programs]
    return with_removed(facts, dict.fromkeys(places, Removal.PROGRAM)) if places else facts


def with_owners(facts: Facts, owners: Mapping[str, Owner]) -> Facts:
    """Return the facts with the visitors of orders that state none themselves."""
    visitor, known_us = facts.visitor.copy(), facts.known_us.copy()
    for place in np.flatnonzero(visitor == ""):
        owner = owners.get(facts.order_id[place])
        if owner is not None:
            visitor[place] = owner.visitor
            known_us[place] = max(known_us[place], owner.known_us)
    return replace(facts, visitor=visitor, known_us=known_us)


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
    is_program = facts.removed == code_of(Removal.PROGRAM)
    for place, browser in enumerate(facts.visitor):
        person = merges.get(browser)
        # A program's order stays with the browser that was found to be one.
        if person is not None and not is_program[place]:
            visitor[place] = person.visitor
            if browser not in first:
                known_us[place] = max(known_us[place], person.known_us)
    return replace(facts, visitor=visitor, known_us=known_us)


def _texts(values: Sequence[str]) -> Texts:
    column = np.empty(len(values), np.object_)
    column[:] = values
    return column


def _instants(values: Sequence[Any]) -> Whole:
    if values and isinstance(values[0], str):
        return np.array(values, "datetime64[us]").astype(np.int64)
    return np.array([microseconds(at) for at in values], np.int64)
