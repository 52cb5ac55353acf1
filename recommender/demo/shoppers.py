"""Simulated shoppers of the demo shop: what each visits, whether it buys. Pure, deterministic.

In come real baskets, a stratum and a declared effect; out go arrays with one row a view, a session
or an order. Shoppers walk from item to item along real co-purchases and buy parts of real baskets.
Recommendations raise the probability of a purchase by the declared effect and change nothing else,
so that the true uplift is known: what the service measures can be held against it.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recommender.experiments.assignment import assign
from recommender.records import Arm, Stratum

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

DAY_SECONDS = 86_400
MAX_BASKET_MINOR = 15_000
"""The real baskets are mostly wholesale; a retail shopper spends less."""

_MAX_PRICE_MINOR = 3_000
_MAX_QUANTITY = 6
_MAX_LINES = 8
_BASKET_ITEMS = (2, 60)
_MAX_VIEWS = 12
_PURCHASE_SHARE = 0.065
_CLICK_SHARE = 0.05
_FOLLOW_SHARE = 0.7
# Sessions begin by the hour of the day, in UTC.
_HOURS = np.array(
    [3, 2, 1, 1, 1, 2, 4, 7, 10, 12, 13, 14, 14, 13, 12, 12, 12, 13, 15, 18, 19, 17, 11, 6]
)


@dataclass(frozen=True, slots=True)
class Baskets:
    """Real orders as shoppers draw on them.

    Attributes:
        item_ids: Text of each item, shape (n_items,).
        price_minor: Latest price of each item, shape (n_items,).
        orders: Quantities, shape (n_orders, n_items), sparse by row.
        by_item: The same, sparse by column.
        neighbours: Number of orders two items share, shape (n_items, n_items), zero diagonal.
    """

    item_ids: NDArray[np.str_]
    price_minor: Ints
    orders: sp.csr_array
    by_item: sp.csc_array
    neighbours: sp.csr_array


@dataclass(frozen=True, slots=True)
class Shopping:
    """What all shoppers did.

    Attributes:
        visitor_ids: Text of each visitor, shape (n_visitors,).
        is_treated: Arm of each visitor, shape (n_visitors,).
        session_visitor, session_at_ms: Visitor and start of each session, Unix milliseconds.
        view_session, view_item, view_at_ms, view_is_click: Session, item and time of each view,
            and whether it began with a click on a recommendation.
        order_session, order_at_ms: Session and time of each order.
        line_order, line_item, line_quantity: Order, item and quantity of each order line.
    """

    visitor_ids: NDArray[np.str_]
    is_treated: Flags
    session_visitor: Ints
    session_at_ms: Ints
    view_session: Ints
    view_item: Ints
    view_at_ms: Ints
    view_is_click: Flags
    order_session: Ints
    order_at_ms: Ints
    line_order: Ints
    line_item: Ints
    line_quantity: Ints


def collect_baskets(
    order: Ints, item_ids: NDArray[np.str_], quantity: Ints, price_minor: Ints
) -> Baskets:
    """Build the baskets that shoppers draw on from order lines, oldest first.

    Args:
        order: Number of the order of each line, from 0.
        item_ids: Item of each line.
        quantity: Quantity of each line.
        price_minor: Unit price of each line.
    """
    ids, item = np.unique(item_ids, return_inverse=True)
    price = np.zeros(len(ids), np.int64)
    price[item] = price_minor
    retail = price[item] <= _MAX_PRICE_MINOR
    shape = (int(order.max()) + 1, len(ids))
    matrix = sp.csr_array((quantity[retail], (order[retail], item[retail])), shape=shape)
    size = np.diff(matrix.indptr)
    matrix = matrix[(size >= _BASKET_ITEMS[0]) & (size <= _BASKET_ITEMS[1])]
    met = matrix.astype(bool).astype(np.float64)
    neighbours = sp.csr_array(met.T @ met)
    neighbours.setdiag(0)
    neighbours.eliminate_zeros()
    return Baskets(ids, price, matrix, sp.csc_array(matrix), neighbours)


def go_shopping(
    baskets: Baskets,
    *,
    stratum: Stratum,
    effect_ppm: int,
    n_visitors: int,
    n_days: int,
    starts_at_ms: int,
    rng: np.random.Generator,
) -> Shopping:
    """Let visitors shop for some days.

    Args:
        baskets: Where they get their taste from.
        stratum: Assigns them, exactly as the service does.
        effect_ppm: How much likelier a treated session buys, relative, in parts per million.
        n_visitors: Number of visitors.
        n_days: Number of days.
        starts_at_ms: Beginning of the first day, Unix milliseconds.
        rng: Decides everything else; an equal seed gives equal shoppers.
    """
    raw = rng.bytes(16 * n_visitors).hex()
    ids = np.array([raw[i : i + 32] for i in range(0, len(raw), 32)])
    is_treated = np.array([assign(str(one), stratum) is Arm.TREATMENT for one in ids], bool)
    visitor, at_ms = _sessions(n_visitors, n_days, rng)
    views, wanted = _walk(baskets, is_treated[visitor], rng)
    view_session, view_item, view_delay_ms, is_click = views
    interest = wanted / wanted.mean()
    share = _PURCHASE_SHARE * (0.5 + 0.5 * interest)
    share *= 1 + is_treated[visitor] * (effect_ppm / 1e6)
    order_session = np.flatnonzero(rng.random(len(visitor)) < share)
    start_ms = at_ms + starts_at_ms
    view_at_ms = start_ms[view_session] + view_delay_ms
    ends_ms = np.zeros(len(visitor), np.int64)
    last_item = np.zeros(len(visitor), np.int64)
    # Views are in time order within a session, so the last assignment stands.
    ends_ms[view_session], last_item[view_session] = view_at_ms, view_item
    line_order, line_item, line_quantity = _buy(baskets, last_item[order_session], rng)
    return Shopping(
        visitor_ids=ids,
        is_treated=is_treated,
        session_visitor=visitor,
        session_at_ms=start_ms,
        view_session=view_session,
        view_item=view_item,
        view_at_ms=view_at_ms,
        view_is_click=is_click,
        order_session=order_session,
        order_at_ms=ends_ms[order_session] + 180_000,
        line_order=line_order,
        line_item=line_item,
        line_quantity=line_quantity,
    )


def _sessions(n_visitors: int, n_days: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Return visitor and start of every session; every seventh day is busy, and the shop grows."""
    day = np.arange(n_days)
    weight = (1 + 0.25 * (day % 7 == 6)) * (1 + 0.3 * day / n_days)
    first_day = rng.choice(n_days, n_visitors, p=weight / weight.sum())
    count = 1 + rng.poisson(0.35, n_visitors)
    visitor = np.repeat(np.arange(n_visitors), count)
    nth = np.arange(len(visitor)) - np.repeat(np.cumsum(count) - count, count)
    later = first_day[visitor] + nth * rng.integers(1, 9, len(visitor))
    hour = rng.choice(24, len(visitor), p=_HOURS / _HOURS.sum())
    # The last hour of a day is left free for the session to end in.
    second = np.minimum(hour, 22) * 3600 + rng.integers(0, 3600, len(visitor))
    at_ms = (later * DAY_SECONDS + second) * 1000 + rng.integers(0, 1000, len(visitor))
    inside = later < n_days
    return visitor[inside], at_ms[inside]


def _walk(
    baskets: Baskets, is_treated: Flags, rng: np.random.Generator
) -> tuple[tuple[Ints, Ints, Ints, Flags], Ints]:
    """Return all views (session, item, delay, click), and how many views each session wanted."""
    n_sessions = len(is_treated)
    wanted = np.minimum(rng.geometric(0.32, n_sessions), _MAX_VIEWS)
    left = wanted.copy()
    item = _popular(baskets, n_sessions, rng)
    delay_ms = np.full(n_sessions, 1000)
    clicked = np.zeros(n_sessions, bool)
    steps = []
    active = np.arange(n_sessions)
    while len(active):
        steps.append((active, item[active], delay_ms[active], clicked[active]))
        # A click on a recommendation is one view more than the session had in mind.
        clicked = is_treated & (rng.random(n_sessions) < _CLICK_SHARE)
        left -= ~clicked
        follows = clicked | (rng.random(n_sessions) < _FOLLOW_SHARE)
        item = np.where(follows, _neighbour(baskets, item, rng), _popular(baskets, n_sessions, rng))
        delay_ms = delay_ms + rng.exponential(40_000, n_sessions).astype(np.int64) + 5_000
        active = active[left[active] > 0]
    session, seen, after_ms, click = (np.concatenate(column) for column in zip(*steps, strict=True))
    order = np.lexsort((after_ms, session))
    return (session[order], seen[order], after_ms[order], click[order]), wanted


def _popular(baskets: Baskets, n: int, rng: np.random.Generator) -> Ints:
    sold = np.diff(baskets.by_item.indptr).astype(np.float64)
    weight = np.where(sold > 0, (sold + 1) ** 0.75, 0)
    return rng.choice(len(sold), n, p=weight / weight.sum())


def _neighbour(baskets: Baskets, item: Ints, rng: np.random.Generator) -> Ints:
    """Draw for each item one that real orders bought with it, in proportion to how often."""
    matrix = baskets.neighbours
    running = np.append(0.0, np.cumsum(matrix.data))
    low, high = running[matrix.indptr[item]], running[matrix.indptr[item + 1]]
    drawn = low + rng.random(len(item)) * (high - low)
    place = np.searchsorted(running, drawn, side="right") - 1
    alone = high <= low
    nearest: Ints = matrix.indices[np.where(alone, 0, np.minimum(place, matrix.nnz - 1))]
    return np.where(alone, item, nearest).astype(np.int64)


def _buy(baskets: Baskets, wanted: Ints, rng: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    """Draw for each wanted item a part of a real order with it; return order, item, quantity."""
    real = _order_with(baskets, wanted, rng)
    start = baskets.orders.indptr[real]
    size = np.diff(baskets.orders.indptr)[real]
    n_lines = np.minimum(1 + rng.poisson(2.5, len(wanted)), _MAX_LINES)
    place = start[:, None] + (rng.random((len(wanted), _MAX_LINES)) * size[:, None]).astype(int)
    item = baskets.orders.indices[place].astype(np.int64)
    quantity = np.minimum(baskets.orders.data[place], _MAX_QUANTITY).astype(np.int64)
    item[:, 0] = wanted
    price = baskets.price_minor[item]
    quantity = np.maximum(np.minimum(quantity, MAX_BASKET_MINOR // 2 // price), 1)
    taken = np.arange(_MAX_LINES) < n_lines[:, None]
    taken &= ~_repeated(item)
    value = np.cumsum(np.where(taken, quantity * price, 0), axis=1)
    taken &= value <= MAX_BASKET_MINOR
    order, column = np.nonzero(taken)
    return order, item[order, column], quantity[order, column]


def _order_with(baskets: Baskets, item: Ints, rng: np.random.Generator) -> Ints:
    first = baskets.by_item.indptr[item]
    count = np.diff(baskets.by_item.indptr)[item]
    drawn: Ints = baskets.by_item.indices[first + (rng.random(len(item)) * count).astype(int)]
    return drawn.astype(np.int64)


def _repeated(item: Ints) -> Flags:
    """Tell which cells repeat an earlier one of their row."""
    repeated = np.zeros(item.shape, bool)
    for column in range(1, item.shape[1]):
        repeated[:, column] = (item[:, :column] == item[:, [column]]).any(axis=1)
    return repeated
