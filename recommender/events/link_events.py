"""What a browser knows of a cart, checkout or address → `link` events. Pure.

In comes an accepted event with the tokens told beside it; out goes one event for each, which holds
only a keyed hash and the visitor.
"""

import datetime as dt
from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from recommender.events.identity import derived_event_id, partition_day
from recommender.events.link_keys import CART, CHECKOUT, EMAIL, link_key, link_name
from recommender.records import Event, EventType

LINK_FIELDS: Mapping[str, str] = {
    "cart_token": CART,
    "checkout_id": CHECKOUT,
    "email_sha256": EMAIL,
}
MAX_TOKEN = 200


def link_events(event: Event, told: Mapping[str, str], visitor_key: bytes) -> Iterator[Event]:
    """Yield a link for every token; none without consent.

    The same visitor, token and day always make the same event id, so a token that a page repeats
    with every event is stored once a day.

    Args:
        event: What the tokens came with.
        told: Token by its field.
        visitor_key: The shop's key.
    """
    midnight = event.occurred_at.astimezone(dt.UTC).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    for name, kind in LINK_FIELDS.items():
        key = link_key(visitor_key, kind, told.get(name, ""))
        if not key or not event.visitor:
            continue
        event_id = derived_event_id(midnight, event.shop_id, "link", kind, key, event.visitor)
        yield replace(
            event,
            event_id=event_id,
            type=EventType.LINK,
            day=partition_day(event_id, event.received_at),
            items=(),
            placement="",
            slate_id="",
            order_id=link_name(kind, key),
            search_term="",
        )
