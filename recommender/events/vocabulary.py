"""The shops' languages: GA4, Segment Ecommerce v2 and our own names → our event types. Pure.

`normalise` turns any accepted form into one flat `RawEvent`; it neither judges nor converts
values, which is `parsing`'s work.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from recommender.records import EventType

_SEGMENT_NAMES = {
    "products searched": EventType.SEARCH,
    "product list viewed": EventType.VIEW_LIST,
    "product list filtered": EventType.VIEW_LIST,
    "product clicked": EventType.SELECT_ITEM,
    "product viewed": EventType.VIEW_ITEM,
    "product added": EventType.ADD_TO_CART,
    "product removed": EventType.REMOVE_FROM_CART,
    "cart viewed": EventType.PAGE_VIEW,
    "checkout started": EventType.PAGE_VIEW,
    "order completed": EventType.PURCHASE,
}
_GA4_NAMES = {
    "view_search_results": EventType.SEARCH,
    "view_cart": EventType.PAGE_VIEW,
    "begin_checkout": EventType.PAGE_VIEW,
}
# Names that a browser may not claim: the server states orders and exposures itself.
_OWN_NAMES = {
    kind.value: kind for kind in EventType if kind not in {EventType.ORDER, EventType.EXPOSURE}
}
EVENT_NAMES: Mapping[str, EventType] = {**_SEGMENT_NAMES, **_GA4_NAMES, **_OWN_NAMES}


@dataclass(frozen=True, slots=True)
class RawEvent:
    """One event in our field names, values as they came.

    Attributes:
        name: The sender's name of the event.
        fields: Values by our field name; absent when the sender gave none.
        items: The sender's item objects, untouched.
    """

    name: object
    fields: Mapping[str, object] = field(default_factory=dict)
    items: object = ()


def unpack(document: object) -> tuple[list[object], Mapping[str, object]] | None:
    """Split a request body into its elements and the fields that all of them share.

    Accepts a single event, a list, `{"events": […]}` (ours, GA4 Measurement Protocol) and
    `{"batch": […]}` (Segment). Returns None for anything else.
    """
    if isinstance(document, list):
        return document, {}
    if not isinstance(document, dict):
        return None
    for key in ("events", "batch"):
        if isinstance(document.get(key), list):
            return document[key], document
    if any(key in document for key in ("event", "type", "name")):
        return [document], {}
    return None


def normalise(element: object, shared: Mapping[str, object]) -> RawEvent | None:
    """Bring one element of a batch into our field names; None when it is no event object."""
    if not isinstance(element, dict):
        return None
    name, body = _name_and_body(element)
    sources = (body, element, shared)
    fields = {
        ours: value
        for ours, theirs in _FIELD_ALIASES.items()
        if (value := _first(sources, theirs)) is not None
    }
    return RawEvent(name=name, fields=fields, items=_items(body))


_FIELD_ALIASES: Mapping[str, tuple[str, ...]] = {
    "event_id": ("event_id", "messageId"),
    "visitor_id": ("visitor_id", "anonymousId", "client_id", "visitorId"),
    "session": ("session_id",),
    "occurred_at": ("occurred_at", "timestamp", "timestamp_micros"),
    "order_id": ("order_id", "transaction_id"),
    "search_term": ("search_term", "query"),
    "placement": ("placement", "item_list_id", "list_id"),
    "slate_id": ("slate_id",),
    "page": ("page",),
    "currency": ("currency",),
}
ITEM_ALIASES: Mapping[str, tuple[str, ...]] = {
    "item_id": ("item_id", "product_id", "sku", "id"),
    "quantity": ("quantity",),
    "price": ("price",),
}


def item_field(raw: Mapping[str, object], ours: str) -> object:
    """Return an item's value under any of the accepted names, None when absent."""
    return _first((raw,), ITEM_ALIASES[ours])


def _name_and_body(element: Mapping[str, Any]) -> tuple[object, Mapping[str, object]]:
    """Tell apart the five shapes of an event by where its name stands."""
    if isinstance(element.get("properties"), dict):  # Segment
        return element.get("event"), element["properties"]
    if isinstance(element.get("params"), dict):  # GA4 Measurement Protocol
        return element.get("name"), element["params"]
    if isinstance(element.get("ecommerce"), dict):  # GA4 data layer
        return element.get("event"), element["ecommerce"]
    for key in ("type", "event", "name"):
        if key in element:
            return element[key], element
    return None, element


def _items(body: Mapping[str, object]) -> object:
    for key in ("items", "products"):
        if key in body:
            return body[key]
    # Segment's single-product events carry the product's fields themselves.
    if any(key in body for key in ("product_id", "item_id", "sku")):
        return [body]
    return ()


def _first(sources: tuple[Mapping[str, object], ...], names: tuple[str, ...]) -> object:
    for source in sources:
        for name in names:
            value = source.get(name)
            if value is not None:
                return value
    return None
