"""A synthetic trial: visitors exposed in two arms, and the orders they place. Pure.

Equal numbers and seeds give equal rows.
Must not know where events and orders are stored.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recommender.bench.synthetic import uuid7_texts
from recommender.events.columns import ITEM
from recommender.events.history_log import event_rows
from recommender.records import Arm, EventType, OrderKind, Placement, Source

DAYS = 28
TREATMENT_SHARE_PPM = 900_000
ORDER_SHARE = 0.02
"""Of the rows; the others are exposures."""

_ROWS_PER_VISITOR = 3.3
_MEAN_BASKET = 6_000
_N_ITEMS = 5_000
_PLACEMENTS = (Placement.PRODUCT.value, Placement.CART.value, Placement.HOME.value)


@dataclass(frozen=True, slots=True)
class Day:
    """What one day brings.

    Attributes:
        events: Rows of the event log.
        orders: Rows of the orders table.
    """

    events: Any
    orders: list[dict[str, Any]]


def trial_days(
    shop_id: str, n_rows: int, *, first_day: dt.date, currency: str, seed: int
) -> Iterator[Day]:
    """Yield the days of a trial, `n_rows` exposures and orders in all.

    Args:
        first_day: The first of `DAYS`, UTC.
    """
    random = np.random.default_rng([seed, 11, n_rows])
    n_visitors = int(n_rows / _ROWS_PER_VISITOR) + 1
    raw = random.bytes(16 * n_visitors).hex()
    visitors = pa.array(np.frombuffer(raw.encode(), "S32"), pa.binary()).cast(pa.string())
    treated = random.random(n_visitors) < TREATMENT_SHARE_PPM / 1_000_000
    for number in range(DAYS):
        size = n_rows * (number + 1) // DAYS - n_rows * number // DAYS
        day = first_day + dt.timedelta(days=number)
        began_at = dt.datetime.combine(day, dt.time.min, tzinfo=dt.UTC)
        yield _day(shop_id, size, visitors, treated, began_at, currency, random)


def _day(
    shop_id: str,
    size: int,
    visitors: Any,
    treated: NDArray[np.bool_],
    began_at: dt.datetime,
    currency: str,
    random: np.random.Generator,
) -> Day:
    whose = random.integers(0, len(visitors), size)
    at_us = int(began_at.timestamp()) * 1_000_000 + np.sort(
        random.integers(0, 86_400_000_000, size)
    )
    is_order = random.random(size) < ORDER_SHARE
    ids = uuid7_texts(at_us // 1_000, random)
    flags = pa.array(is_order)
    visitor = pc.take(visitors, pa.array(whose))
    arm = np.where(treated[whose], Arm.TREATMENT.value, Arm.CONTROL.value)
    events = event_rows(
        shop_id,
        event_id=ids,
        type=pc.if_else(flags, EventType.ORDER.value, EventType.EXPOSURE.value),
        visitor=pc.if_else(flags, "", visitor),
        occurred_at=pa.array(at_us).cast(pa.timestamp("us", "UTC")),
        source=pc.if_else(flags, Source.SERVER.value, Source.BROWSER.value),
        arm=pc.if_else(flags, "", pa.array(arm)),
        stratum=pc.if_else(flags, 0, 1),
        placement=pc.if_else(flags, "", pa.array(random.choice(_PLACEMENTS, size))),
        slate_id=pc.if_else(flags, "", ids),
        order_id=pc.if_else(flags, ids, ""),
        items=_items(is_order, random),
    )
    places = np.flatnonzero(is_order)
    return Day(events, _orders(shop_id, currency, ids, visitor, at_us, places, random))


def _items(is_order: NDArray[np.bool_], random: np.random.Generator) -> Any:
    """Return one item for every order, and none for an exposure."""
    n_orders = int(is_order.sum())
    item = pa.array(random.integers(0, _N_ITEMS, n_orders)).cast(pa.string())
    fields = [item, pa.repeat(pa.scalar(1, pa.int32()), n_orders), pa.nulls(n_orders, pa.int64())]
    offsets = pa.array(np.concatenate([[0], np.cumsum(is_order)]), pa.int32())
    return pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays(fields, fields=list(ITEM)))


def _orders(
    shop_id: str,
    currency: str,
    ids: Any,
    visitor: Any,
    at_us: NDArray[np.int64],
    places: NDArray[np.int64],
    random: np.random.Generator,
) -> list[dict[str, Any]]:
    taken = pa.array(places)
    net_minor = np.round(random.gamma(1.0, _MEAN_BASKET, len(places))).astype(int) + 100
    instants = pa.array(at_us[places]).cast(pa.timestamp("us", "UTC")).to_pylist()
    told = zip(
        ids.take(taken).to_pylist(),
        visitor.take(taken).to_pylist(),
        net_minor.tolist(),
        instants,
        strict=True,
    )
    return [
        {
            "shop_id": shop_id,
            "kind": OrderKind.ORDER.value,
            "fact_id": order_id,
            "order_id": order_id,
            "net_minor": net,
            "currency": currency,
            "placed_at": at,
            "received_at": at,
            "visitor": whose,
            "body_hash": "0" * 64,
        }
        for order_id, whose, net, at in told
    ]
