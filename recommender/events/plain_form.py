"""The form in which our own widget tells events, checked in one compiled step. Pure.

What does not fit it, odd or faulty, is read by `parsing` field by field: only there, what is wrong
gets a name. An event that fits becomes the same either way.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec

MAX_ITEMS = 200
MAX_QUANTITY = 100_000
MAX_ID = 100
TEXT_LIMITS: Mapping[str, int] = {
    "session": 64,
    "order_id": 120,
    "search_term": 200,
    "placement": 40,
    "page": 500,
    "slate_id": MAX_ID,
    "visitor_id": MAX_ID,
}
"""Most characters of an event's texts, by our field name."""

_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID)]
_Visitor = Annotated[str, msgspec.Meta(max_length=TEXT_LIMITS["visitor_id"])]
_Session = Annotated[str, msgspec.Meta(max_length=TEXT_LIMITS["session"])]


class PlainItem(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """One item of a `PlainEvent`."""

    item_id: _Id
    quantity: Annotated[int, msgspec.Meta(ge=1, le=MAX_QUANTITY)] = 1
    price: str | int | float | None = None


class PlainEvent(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """One event under our own names; what its batch says for all is None where it says nothing."""

    type: str
    event_id: _Id
    occurred_at: str | int | None = None
    items: Annotated[tuple[PlainItem, ...], msgspec.Meta(max_length=MAX_ITEMS)] = ()
    currency: str | None = None
    visitor_id: _Visitor | None = None
    session: _Session | None = msgspec.field(default=None, name="session_id")
    order_id: Annotated[str, msgspec.Meta(max_length=TEXT_LIMITS["order_id"])] = ""
    search_term: Annotated[str, msgspec.Meta(max_length=TEXT_LIMITS["search_term"])] = ""
    placement: Annotated[str, msgspec.Meta(max_length=TEXT_LIMITS["placement"])] = ""
    page: Annotated[str, msgspec.Meta(max_length=TEXT_LIMITS["page"])] = ""
    slate_id: Annotated[str, msgspec.Meta(max_length=TEXT_LIMITS["slate_id"])] = ""


class PlainShared(msgspec.Struct, forbid_unknown_fields=True):
    """What all events of a plain batch have in common, under our field names."""

    visitor_id: _Visitor = ""
    session: _Session = ""


def read_plain(elements: Sequence[object]) -> Sequence[PlainEvent | None]:
    """Return the elements of a batch in the plain form, None for those that have another one."""
    try:
        return msgspec.convert(elements, list[PlainEvent])
    except msgspec.ValidationError:
        return [_read_one(element) for element in elements]


def _read_one(element: object) -> PlainEvent | None:
    try:
        return msgspec.convert(element, PlainEvent)
    except msgspec.ValidationError:
        return None


def read_plain_shared(document: object, fields: Mapping[str, object]) -> PlainShared | None:
    """Return what a batch says for all its events, None when one of them might need a closer look.

    Args:
        document: The decoded body.
        fields: What of it is for all events, under our field names.
    """
    try:
        # The one character that no text may have; a compiled search looks at all of them at once.
        if b"\\u0000" in msgspec.json.encode(document):
            return None
        return msgspec.convert(fields, PlainShared)
    except (msgspec.ValidationError, UnicodeEncodeError):
        return None
