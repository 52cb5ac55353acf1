"""A synthetic shop: goods, and shoppers' sessions with a long tail. Pure.

Equal numbers and seeds give equal goods and events. Popularity falls with the rank as in real
catalogues, about as 1 / rank, and sessions move between neighbours, so that there is something to
learn.
Must not know where items and events are stored.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recommender.events.columns import ITEM
from recommender.events.history_log import event_rows
from recommender.records import EventType, Item, Rule, RuleAction, RuleMatch

N_CATEGORIES = 200
N_BRANDS = 500
UNAVAILABLE_SHARE = 0.05
DAYS = 28
ONE = 1_000_000

_MEAN_STEPS = 5.0
_MAX_STEPS = 30
_STEP_SECONDS = 40
_RANK_OFFSET = 10.0
_STAY_SHARE = 0.8
_CART_SHARE, _ORDER_SHARE = 0.08, 0.02
_SESSIONS_PER_VISITOR = 3
_CHUNK_SESSIONS = 100_000

_SIZES = ("small", "medium", "large", "extra large")
_COLOURS = ("red", "blue", "green", "white", "black", "natural", "silver", "yellow")
_KINDS = ("mug", "lamp", "chair", "scarf", "notebook", "kettle", "vase", "cushion", "clock", "bag")


def item_id(number: int) -> str:
    """Return the id of an item."""
    return f"item-{number:06d}"


def goods(shop_id: str, n_items: int, currency: str, seed: int) -> Iterator[Item]:
    """Yield the shop's items, a share of them out of stock."""
    random = np.random.default_rng([seed, 1])
    prices = np.round(np.exp(random.normal(7.5, 0.9, n_items))).astype(int) + 50
    available = random.random(n_items) >= UNAVAILABLE_SHARE
    for number in range(n_items):
        kind, brand = _KINDS[number % N_CATEGORIES % len(_KINDS)], number * 7 % N_BRANDS
        colour, size = _COLOURS[number * 5 % 8], _SIZES[number * 3 % 4]
        yield Item(
            shop_id=shop_id,
            item_id=item_id(number),
            title=f"{colour.capitalize()} {kind}, {size}, model {number}",
            url=f"https://shop.example/products/{item_id(number)}",
            image_url=f"https://shop.example/images/{item_id(number)}.jpg",
            price_minor=int(prices[number]),
            currency=currency,
            category=f"category {number % N_CATEGORIES}",
            brand=f"Brand {brand}",
            available=bool(available[number]),
            cost_minor=int(prices[number]) * (40 + number % 50) // 100,
            stock=number % 90 if available[number] else 0,
        )


def house_rules(shop_id: str) -> list[Rule]:
    """Return a handful of rules such as shops have, of every kind that looks at many items."""

    def rule(number: int, action: RuleAction, match: RuleMatch, factor_ppm: int = ONE) -> Rule:
        name = f"rule {number}"
        return Rule(shop_id, f"rule-{number}", name, action, match, factor_ppm=factor_ppm)

    return [
        rule(1, RuleAction.EXCLUDE, RuleMatch(brands=("Brand 13",))),
        rule(2, RuleAction.EXCLUDE, RuleMatch(categories=("category 7",))),
        rule(3, RuleAction.BURY, RuleMatch(stock_max=3), 500_000),
        rule(4, RuleAction.BURY, RuleMatch(price_max_minor=300), 800_000),
        rule(5, RuleAction.BOOST, RuleMatch(margin_min_ppm=500_000), 1_200_000),
        rule(6, RuleAction.BOOST, RuleMatch(brands=("Brand 21", "Brand 42")), 1_500_000),
    ]


@dataclass(frozen=True, slots=True)
class Popularity:
    """How often items are met.

    Attributes:
        shares: Of the items, shape (n_items,).
        cumulative: Their running sum.
    """

    shares: NDArray[np.floating[Any]]
    cumulative: NDArray[np.floating[Any]]

    @classmethod
    def long_tailed(cls, n_items: int, seed: int) -> "Popularity":
        """Give each item, in random order, a share of 1 / (rank + 10)."""
        ranks = np.random.default_rng([seed, 2]).permutation(n_items)
        shares = 1.0 / (ranks + _RANK_OFFSET)
        shares /= shares.sum()
        return cls(shares, np.minimum(np.cumsum(shares), 1.0))

    def draw(self, n: int, random: np.random.Generator) -> NDArray[np.int64]:
        """Return `n` items by their shares."""
        found = np.searchsorted(self.cumulative, random.random(n), side="right")
        return np.minimum(found, len(self.shares) - 1).astype(np.int64)


def event_tables(
    shop_id: str, n_events: int, n_items: int, ends_at: dt.datetime, seed: int
) -> Iterator[Any]:
    """Yield `n_events` rows for the event log, oldest first, in tables of moderate size.

    They are views, some carts and some orders of the `DAYS` before `ends_at`.
    """
    popularity = Popularity.long_tailed(n_items, seed)
    starts_at = int((ends_at - dt.timedelta(days=DAYS)).timestamp())
    # Shorter sessions than the mean promises may need a few more of them.
    n_sessions = int(n_events / _MEAN_STEPS * 1.02) + 100
    n_visitors = n_sessions // _SESSIONS_PER_VISITOR + 1
    pause_seconds = (DAYS * 86_400 - _MAX_STEPS * _STEP_SECONDS) / n_sessions
    left = n_events
    for first in range(0, n_sessions, _CHUNK_SESSIONS):
        random = np.random.default_rng([seed, 3, first])
        size = min(_CHUNK_SESSIONS, n_sessions - first)
        session, step, item = paths(size, popularity, random)
        session, step, item = first + session[:left], step[:left], item[:left]
        seconds = starts_at + session * pause_seconds + step * _STEP_SECONDS
        at = (seconds * 1_000_000).astype(np.int64)
        order = np.argsort(at, kind="stable")
        # A visitor's sessions lie days apart.
        whose = session[order] % n_visitors
        yield _rows(shop_id, session[order], whose, item[order], at[order], random)
        left -= len(item)
        if not left:
            return


def paths(
    n_sessions: int, popularity: Popularity, random: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return number of the session, step and item of every view, session by session."""
    lengths = np.minimum(random.geometric(1 / _MEAN_STEPS, n_sessions), _MAX_STEPS)
    items = walks(n_sessions, int(lengths.max()), popularity, random)
    seen = np.arange(items.shape[1]) < lengths[:, None]
    session, step = np.nonzero(seen)
    return session, step, items[seen]


def walks(
    n_walks: int, n_steps: int, popularity: Popularity, random: np.random.Generator
) -> NDArray[np.int64]:
    """Return the items met on walks of equal length, shape (n_walks, n_steps)."""
    items = np.empty((n_walks, n_steps), np.int64)
    items[:, 0] = popularity.draw(n_walks, random)
    for step in range(1, n_steps):
        near = _neighbours(items[:, step - 1], popularity, random)
        far = popularity.draw(n_walks, random)
        items[:, step] = np.where(random.random(n_walks) < _STAY_SHARE, near, far)
    return items


def _neighbours(
    item: NDArray[np.int64], popularity: Popularity, random: np.random.Generator
) -> NDArray[np.int64]:
    """Return the more popular of two items that stand near in the same category."""
    hops = random.geometric(0.3, (2, len(item))) * random.choice([-1, 1], (2, len(item)))
    one, other = (item + hops * N_CATEGORIES) % len(popularity.shares)
    better: NDArray[np.int64] = np.where(
        popularity.shares[one] >= popularity.shares[other], one, other
    )
    return better


def _rows(
    shop_id: str,
    session: NDArray[np.int64],
    visitor: NDArray[np.int64],
    item: NDArray[np.int64],
    at: NDArray[np.int64],
    random: np.random.Generator,
) -> Any:
    """Return rows of the event log, one an item.

    Args:
        at: Microseconds of Unix time.
    """
    drawn = random.random(len(item))
    is_order, is_cart = drawn < _ORDER_SHARE, drawn > 1 - _CART_SHARE
    kinds = [EventType.ORDER.value, EventType.ADD_TO_CART.value]
    ids = uuid7_texts(at // 1000, random)
    return event_rows(
        shop_id,
        event_id=ids,
        type=pa.array(np.select([is_order, is_cart], kinds, EventType.VIEW_ITEM.value)),
        visitor=_named("visitor-", visitor),
        session=_named("session-", session),
        occurred_at=pa.array(at).cast(pa.timestamp("us", "UTC")),
        items=_single_items(item),
        order_id=pc.if_else(pa.array(is_order), ids, ""),
    )


def uuid7_texts(at_ms: NDArray[np.int64], random: np.random.Generator) -> Any:
    """Return a UUID of version 7 for every instant, as a column of texts."""
    octets = random.integers(0, 256, (len(at_ms), 16), np.uint8)
    octets[:, :6] = at_ms.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 2:]
    octets[:, 6] = 0x70 | octets[:, 6] & 0x0F
    octets[:, 8] = 0x80 | octets[:, 8] & 0x3F
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)
    nibbles = np.stack([octets >> 4, octets & 0x0F], axis=2).reshape(-1, 32)
    text = np.insert(digits[nibbles], [8, 12, 16, 20], ord("-"), axis=1)
    return pa.array(np.ascontiguousarray(text).view("S36").ravel(), pa.binary()).cast(pa.string())


def _named(prefix: str, numbers: NDArray[np.int64]) -> Any:
    return pc.binary_join_element_wise(prefix, pa.array(numbers).cast(pa.string()), "")


def _single_items(item: NDArray[np.int64]) -> Any:
    size = len(item)
    padded = pc.utf8_lpad(pa.array(item).cast(pa.string()), 6, "0")
    ids = pc.binary_join_element_wise("item-", padded, "")
    fields = [ids, pa.repeat(pa.scalar(1, pa.int32()), size), pa.nulls(size, pa.int64())]
    values = pa.StructArray.from_arrays(fields, fields=list(ITEM))
    return pa.ListArray.from_arrays(pa.array(np.arange(size + 1), pa.int32()), values)
