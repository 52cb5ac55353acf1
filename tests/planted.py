"""Interactions with a structure that a recommender must find, for tests of training and serving."""

import datetime as dt
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa

from recommender.records import Item
from recommender.training.interactions import Interactions, Kind, index_lines

BEGAN_AT = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
Line = tuple[str, Kind, str, str, str, int]
"""Step, kind, visitor, session, item, seconds since `BEGAN_AT`."""


def lines_of(lines: Iterable[Line]) -> pa.Table:
    """Return executed `interaction_lines`, as the event log would give them."""
    step, kind, visitor, session, item_id, seconds = zip(*lines, strict=True)
    occurred_at = [BEGAN_AT + dt.timedelta(seconds=second) for second in seconds]
    return pa.table(
        {
            "step": pa.array(step, pa.string()),
            "kind": pa.array(kind, pa.int8()),
            "visitor": pa.array(visitor, pa.string()),
            "session": pa.array(session, pa.string()),
            "item_id": pa.array(item_id, pa.string()),
            "occurred_at": pa.array(occurred_at, pa.timestamp("us", "UTC")),
        }
    )


def interactions_of(lines: Iterable[Line]) -> Interactions:
    return index_lines(lines_of(lines))


def views(visitor: str, *items: str, at: int = 0, session: str = "") -> list[Line]:
    """One visitor's views, a minute apart."""
    return [
        (f"{visitor}-{at}-{place}", Kind.VIEW, visitor, session, item, at + 60 * place)
        for place, item in enumerate(items)
    ]


def basket(order_id: str, visitor: str, *items: str, at: int = 0) -> list[Line]:
    return [(order_id, Kind.ORDER, visitor, "", item, at) for item in sorted(items)]


GROUP_SIZE = 12
GROUPS = {letter: [f"{letter}{number:02d}" for number in range(GROUP_SIZE)] for letter in "ab"}


def two_groups(n_visitors: int = 120, *, seed: int = 7) -> list[Line]:
    """Visitors who stay within one of two groups of items, walk it in order and buy two.

    Items of low number are met more often, so that each group has a head and a tail.
    """
    rng = np.random.default_rng(seed)
    lines: list[Line] = []
    for number in range(n_visitors):
        members = GROUPS["ab"[number % 2]]
        start = int(min(rng.geometric(0.25) - 1, GROUP_SIZE - 1))
        path = [members[(start + step) % GROUP_SIZE] for step in range(5)]
        at = 3_600 * number
        lines += views(f"v{number}", *path, at=at)
        lines += basket(f"o{number}", f"v{number}", *path[:2], at=at + 600)
    return sorted(lines, key=lambda line: line[5])


def catalogue_item(item_id: str, **changes: Any) -> Item:
    fields: dict[str, Any] = {
        "shop_id": "shop",
        "item_id": item_id,
        "title": f"Item {item_id}",
        "url": f"https://shop.example/{item_id}",
        "image_url": "",
        "price_minor": 500,
        "currency": "EUR",
        "category": item_id[:1],
        "revision": 1,
    }
    return Item(**fields | changes)


def sessions_of(*paths: Iterable[str], days_apart: int = 1) -> Interactions:
    """One visitor a path, each in a session of a day of its own, oldest first."""
    return interactions_of(
        line
        for day, path in enumerate(paths)
        for line in views(f"v{day}", *path, at=86_400 * days_apart * day)
    )
