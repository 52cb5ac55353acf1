"""An item as one text: what a large catalogue is kept as, at a third of the size of records. Pure.

A packed item is the beginning of its JSON object in a slate, a line feed, and the rest of its
fields as a JSON list. JSON escapes line feeds, so the first one ends the beginning.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import fields
from operator import itemgetter

import orjson

from recommender.records import Item

_END = b"\n"
_BEFORE_TITLE, _BEHIND_TITLE = b',"title":"', b'","url":'
_SHOWN = {
    "item_id": "id",
    "title": "title",
    "url": "url",
    "image_url": "image",
    "price_minor": "price_minor",
    "currency": "currency",
}
_NAMES = tuple(field.name for field in fields(Item))
_REST = tuple(name for name in _NAMES if name not in _SHOWN)
_SEEN = _REST.index("first_seen_at")
# From the values of both parts, one after the other, to the order of the fields.
_in_order = itemgetter(*((*_SHOWN, *_REST).index(name) for name in _NAMES))


def pack(item: Item) -> bytes:
    """Return an item as one text."""
    rest = [getattr(item, name) for name in _REST]
    return fragment(item) + _END + orjson.dumps(rest)


def unpack(packed: bytes) -> Item:
    """Return the item that was packed."""
    shown, _, rest = packed.partition(_END)
    values = orjson.loads(rest)
    if values[_SEEN] is not None:
        values[_SEEN] = dt.datetime.fromisoformat(values[_SEEN])
    return Item(*_in_order([*orjson.loads(shown + b"}").values(), *values]))


def packed_fragments(items: Iterable[bytes]) -> list[bytes]:
    """Return the beginning of each packed item's JSON object in a slate."""
    return [packed[: packed.index(_END)] for packed in items]


def packed_title(packed: bytes) -> bytes:
    """Return a packed item's title as it stands in JSON, between the quotation marks."""
    # Within a JSON string every quotation mark is escaped, so that these are the fields' own.
    start = packed.index(_BEFORE_TITLE) + len(_BEFORE_TITLE)
    return packed[start : packed.index(_BEHIND_TITLE, start)]


def fragment(item: Item) -> bytes:
    """Return the beginning of an item's JSON object in a slate, without the closing brace."""
    shown = {key: getattr(item, name) for name, key in _SHOWN.items()}
    return orjson.dumps(shown)[:-1]
