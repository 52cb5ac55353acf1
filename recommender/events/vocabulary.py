"""The shops' languages: GA4, Segment Ecommerce v2 and our own names → our event types. Pure.

`normalise` turns any accepted form into one flat `RawEvent`; it neither judges nor converts
values, which is `parsing`'s work.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

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
    kind.value: kind
    for kind in EventType
    if kind not in {EventType.ORDER, EventType.EXPOSURE, EventType.LINK}
}
EVENT_NAMES: Mapping[str, EventType] = {**_SEGMENT_NAMES, **_GA4_NAMES, **_OWN_NAMES}


class RawEvent(NamedTuple):
    """One event in our field names, values as they came.

    Attributes:
        name: The sender's name of the event.
        fields: Values by our field name; absent when the sender gave none.
        items: The sender's item objects, untouched.
        sent_at: The sender's clock when it sent the event, None when not told.
    """

    name: object
    fields: Mapping[str, object]
    items: object = ()
    sent_at: object = None


class Shared(NamedTuple):
    """What all events of a batch have in common, in our field names."""

    fields: Mapping[str, object]
    sent_at: object = None


_NOTHING_SHARED = Shared({})
_NESTING = frozenset({"properties", "params", "ecommerce"})


def unpack(document: object) -> tuple[list[object], Shared] | None:
    """Split a request body into its elements and what all of them share.

    Accepts a single event, a list, `{"events": […]}` (ours, GA4 Measurement Protocol) and
    `{"batch": […]}` (Segment). Returns None for anything else.
    """
    if isinstance(document, list):
        return document, _NOTHING_SHARED
    if not isinstance(document, dict):
        return None
    for key in ("events", "batch"):
        if isinstance(document.get(key), list):
            fields: dict[str, object] = {}
            _take(document, fields)
            return document[key], Shared(fields, _sent_at(document))
    if any(key in document for key in ("event", "type", "name")):
        return [document], _NOTHING_SHARED
    return None


def normalise(element: object, shared: Shared) -> RawEvent | None:
    """Bring one element of a batch into our field names; None when it is no event object."""
    if not isinstance(element, dict):
        return None
    name, body = _name_and_body(element)
    # The nearest source is taken last, over what the others said.
    fields = dict(shared.fields)
    _take(element, fields)
    if body is not element:
        _take(body, fields)
    return RawEvent(name, fields, _items(body), _sent_at(element) or shared.sent_at)


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
    "cart_token": ("cart_token", "cart_id"),
    "checkout_id": ("checkout_id", "checkout_token"),
    "email_sha256": ("email_sha256", "sha256_email_address"),
}
_OUR_NAMES = {alias: ours for ours, aliases in _FIELD_ALIASES.items() for alias in aliases}
_ITEM_IDS = ("item_id", "product_id", "sku", "id")


def item_id_of(raw: Mapping[str, object]) -> object:
    """Return an item's id under any of the accepted names, None when absent."""
    return _first(raw, _ITEM_IDS)


def _take(source: Mapping[str, object], fields: dict[str, object]) -> None:
    """Put what a source says under our field names; of several aliases the first one counts."""
    for key, value in source.items():
        ours = _OUR_NAMES.get(key)
        if ours is not None and value is not None:
            aliases = _FIELD_ALIASES[ours]
            fields[ours] = value if key == aliases[0] else _first(source, aliases)


def _sent_at(source: Mapping[str, object]) -> object:
    return source.get("sent_at") or source.get("sentAt")


def _name_and_body(element: Mapping[str, Any]) -> tuple[object, Mapping[str, object]]:
    """Tell apart the five shapes of an event by where its name stands."""
    if not _NESTING.isdisjoint(element):
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


def _first(source: Mapping[str, object], names: tuple[str, ...]) -> object:
    for name in names:
        value = source.get(name)
        if value is not None:
            return value
    return None
