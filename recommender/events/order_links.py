"""Which visitor placed which order: Ibis expressions over the event log, and one rule. Pure.

An order's own word comes first. Then counts what a browser told: the order's number on the page
after the purchase, the cart's token, the checkout's id, the hashed e-mail address, in this order.
It does not matter whether the browser or the shop's server spoke first.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from recommender.events.link_keys import CART, CHECKOUT, EMAIL, link_name
from recommender.records import EventType, Source

if TYPE_CHECKING:
    from ibis.expr.types import Table

LATER = dt.timedelta(days=1)
"""How long after an order a browser's word still speaks of the time of the order."""


class LinkedBy(StrEnum):
    """How an order found its visitor, or why not."""

    STATED = "stated"
    PURCHASE = "purchase"
    CART = "cart"
    CHECKOUT = "checkout"
    EMAIL = "email"
    NO_KEY = "no-key"
    """The order tells nothing by which a browser could be found, and no browser told of it."""
    KEY_NOT_SEEN = "key-not-seen"
    """No browser told any of its keys: no consent, a blocked script, or an order by telephone."""
    BEFORE_EVENTS = "before-events"
    """Placed before the shop's pages told anything."""

    @property
    def is_linked(self) -> bool:
        """Return whether the visitor is known."""
        return self in _LINKED


_LINKED = {
    LinkedBy.STATED,
    LinkedBy.PURCHASE,
    LinkedBy.CART,
    LinkedBy.CHECKOUT,
    LinkedBy.EMAIL,
}


@dataclass(frozen=True, slots=True)
class LinkableOrder:
    """As much of an order as finding its visitor needs; keys are empty where it has none."""

    order_id: str
    placed_at: dt.datetime
    net_minor: int
    visitor: str
    order_number: str = ""
    cart_key: str = ""
    checkout_key: str = ""
    email_key: str = ""

    @property
    def keys(self) -> tuple[tuple[LinkedBy, str], ...]:
        """Return what a browser may have told, the most trusted first."""
        told = (
            (LinkedBy.PURCHASE, self.order_id),
            (LinkedBy.PURCHASE, self.order_number),
            (LinkedBy.PURCHASE, self.order_number.lstrip("#")),
            (LinkedBy.CART, self.cart_key and link_name(CART, self.cart_key)),
            (LinkedBy.CHECKOUT, self.checkout_key and link_name(CHECKOUT, self.checkout_key)),
            (LinkedBy.EMAIL, self.email_key and link_name(EMAIL, self.email_key)),
        )
        return tuple((how, key) for how, key in told if key)


class Link(NamedTuple):
    """A visitor and how the order found it; without a visitor, why not.

    Attributes:
        told_at: When a browser told; None where the order itself did, or nobody.
    """

    visitor: str
    how: LinkedBy
    told_at: dt.datetime | None = None


class Sighting(NamedTuple):
    """A browser told a key."""

    at: dt.datetime
    visitor: str


def sightings(events: "Table", orders: Iterable[LinkableOrder]) -> dict[str, list[Sighting]]:
    """Read which browsers told the keys of some orders, oldest first.

    Args:
        events: The shop's event log.
        orders: Orders whose visitor is asked for.
    """
    # Web workers read what was found, and save these libraries.
    import ibis
    import pyarrow as pa

    wanted = sorted({key for order in orders if not order.visitor for _, key in order.keys})
    if not wanted:
        return {}
    asked = ibis.memtable(pa.table({"order_id": pa.array(wanted, pa.string())}))
    told = events.filter(
        events.type.isin([EventType.PURCHASE.value, EventType.LINK.value]), events.visitor != ""
    )
    told = told.semi_join(asked, "order_id").select(
        "order_id", "visitor", "occurred_at", "event_id"
    )
    found: dict[str, list[Sighting]] = {}
    rows = told.to_pyarrow().to_pylist()
    for row in sorted(rows, key=lambda row: (row["occurred_at"], row["event_id"])):
        at = row["occurred_at"]
        at = at if at.tzinfo else at.replace(tzinfo=dt.UTC)
        found.setdefault(row["order_id"], []).append(Sighting(at, row["visitor"]))
    return found


def first_page_at(events: "Table") -> dt.datetime | None:
    """Return when the shop's pages told something for the first time."""
    of_pages = events.filter(events.source == Source.BROWSER.value)
    at: dt.datetime | None = of_pages.occurred_at.min().to_pyarrow().as_py()
    return at if at is None or at.tzinfo else at.replace(tzinfo=dt.UTC)


def link_order(
    order: LinkableOrder,
    seen: Mapping[str, list[Sighting]],
    first_page: dt.datetime | None,
) -> Link:
    """Return an order's visitor, or why it has none."""
    if order.visitor:
        return Link(order.visitor, LinkedBy.STATED)
    for how, key in order.keys:
        if found := seen.get(key):
            sighting = _nearest(found, order.placed_at, how)
            return Link(sighting.visitor, how, sighting.at)
    if first_page is None or order.placed_at < first_page:
        return Link("", LinkedBy.BEFORE_EVENTS)
    has_key = any(how is not LinkedBy.PURCHASE for how, _ in order.keys)
    return Link("", LinkedBy.KEY_NOT_SEEN if has_key else LinkedBy.NO_KEY)


def _nearest(found: list[Sighting], placed_at: dt.datetime, how: LinkedBy) -> Sighting:
    """Return the browser meant: of a purchase the first, else the last one before the order.

    The page after a purchase is opened again, sometimes elsewhere; a cart or an address moves
    from one browser to the next.
    """
    if how is LinkedBy.PURCHASE:
        return found[0]
    before = [sighting for sighting in found if sighting.at <= placed_at + LATER]
    return before[-1] if before else found[0]
