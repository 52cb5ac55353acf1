"""Simulated shoppers as a file of events, the form that `recommender import` reads. Pure.

In come real orders; out goes a table for `history_events.read_events`. Nothing in it tells the
service which part is simulated: the shop carries that mark, `shops.declared_effect_ppm`.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recommender.demo.shoppers import Baskets, Shopping, collect_baskets, go_shopping
from recommender.events.columns import ITEM, UTC_TIME
from recommender.events.history import Fate
from recommender.records import EventType, OrderKind, Placement, Stratum

_DAY_MS = 86_400_000
# Some orders lose their visitor on the way, some thank-you pages are never seen.
_LINKED_SHARE = 0.95
_THANKED_SHARE = 0.92
_CART_SHARE = 0.08
_REFUND_SHARE = 0.04


@dataclass(frozen=True, slots=True)
class Plan:
    """What to simulate.

    Attributes:
        first_on: First day.
        last_on: Last day.
        n_visitors: Number of visitors.
        effect_ppm: Declared relative effect of recommendations on purchases, ppm.
        seed: An equal seed gives equal shoppers.
    """

    first_on: dt.date
    last_on: dt.date
    n_visitors: int
    effect_ppm: int
    seed: int

    @property
    def n_days(self) -> int:
        """Return the number of days, both ends included."""
        return (self.last_on - self.first_on).days + 1


def baskets_of_lines(lines: Any) -> Baskets:
    """Return the baskets in order lines that `history.sort_out` judged."""
    kept = lines.filter(pc.equal(lines["fate"], Fate.KEPT.value))
    order = kept["order_id"].combine_chunks().dictionary_encode().indices
    return collect_baskets(
        order.to_numpy().astype(np.int64),
        np.array(kept["item_id"].to_pylist()),
        kept["quantity"].to_numpy(),
        kept["price_minor"].to_numpy(),
    )


def simulate(baskets: Baskets, plan: Plan, stratum: Stratum) -> Any:
    """Return the events of all simulated shoppers.

    Args:
        baskets: Real baskets that shoppers draw on.
        plan: Days, visitors, effect and seed.
        stratum: In force on all these days; assigns the visitors.
    """
    rng = np.random.default_rng(plan.seed)
    start = dt.datetime.combine(plan.first_on, dt.time.min, tzinfo=dt.UTC)
    shopping = go_shopping(
        baskets,
        stratum=stratum,
        effect_ppm=plan.effect_ppm,
        n_visitors=plan.n_visitors,
        n_days=plan.n_days,
        starts_at_ms=int(start.timestamp()) * 1000,
        rng=rng,
    )
    end_ms = int(start.timestamp()) * 1000 + plan.n_days * _DAY_MS
    parts = [
        _views(baskets, shopping, rng),
        _clicks(baskets, shopping, rng),
        _slates(shopping, stratum, rng),
        _carts(baskets, shopping, rng),
        *_purchases(baskets, shopping, end_ms, rng),
    ]
    return pa.concat_tables(parts, promote_options="default")


def _rows(kind: str, at_ms: Any, visitor_ids: Any, rng: np.random.Generator, **more: Any) -> Any:
    size = len(at_ms)
    constant = {name: value for name, value in more.items() if isinstance(value, str | int)}
    columns = {
        "event_id": _event_ids(at_ms, rng),
        "type": pa.repeat(kind, size),
        "occurred_at": pa.array(at_ms * 1000).cast(pa.timestamp("us")).cast(UTC_TIME),
        "visitor_id": pa.array(visitor_ids),
        **{name: pa.array(value) for name, value in more.items() if name not in constant},
        **{name: pa.repeat(value, size) for name, value in constant.items()},
    }
    return pa.table(columns)


def _event_ids(at_ms: Any, rng: np.random.Generator) -> Any:
    """Return one UUIDv7 an event: RFC 9562, 5.7."""
    random = rng.integers(0, 1 << 62, (len(at_ms), 2), dtype=np.uint64)
    high = (at_ms.astype(np.uint64) << 16) | np.uint64(0x7000) | (random[:, 0] & np.uint64(0xFFF))
    low = np.uint64(1 << 63) | random[:, 1]
    digits = np.stack([high, low], axis=1).astype(">u8").tobytes().hex()
    whole = [digits[i : i + 32] for i in range(0, len(digits), 32)]
    return pa.array([f"{d[:8]}-{d[8:12]}-{d[12:16]}-{d[16:20]}-{d[20:]}" for d in whole])


def _visitors(shopping: Shopping, session: Any) -> Any:
    return shopping.visitor_ids[shopping.session_visitor[session]]


def _slate_ids(session: Any) -> Any:
    return [f"sim-{number}" for number in session]


def _views(baskets: Baskets, shopping: Shopping, rng: np.random.Generator) -> Any:
    items = baskets.item_ids[shopping.view_item]
    return _rows(
        EventType.VIEW_ITEM.value,
        shopping.view_at_ms,
        _visitors(shopping, shopping.view_session),
        rng,
        item_id=items,
        session=[f"s{number}" for number in shopping.view_session],
    )


def _clicks(baskets: Baskets, shopping: Shopping, rng: np.random.Generator) -> Any:
    chosen = np.flatnonzero(shopping.view_is_click)
    session = shopping.view_session[chosen]
    return _rows(
        EventType.SELECT_ITEM.value,
        shopping.view_at_ms[chosen] - 500,
        _visitors(shopping, session),
        rng,
        item_id=baskets.item_ids[shopping.view_item[chosen]],
        session=[f"s{number}" for number in session],
        placement=Placement.PRODUCT.value,
        slate_id=_slate_ids(session),
    )


def _slates(shopping: Shopping, stratum: Stratum, rng: np.random.Generator) -> Any:
    """Expose every session at its first view, in both arms; the treated also see the slate."""
    visitor = shopping.session_visitor
    treated = shopping.is_treated[visitor]
    exposures = _rows(
        EventType.EXPOSURE.value,
        shopping.session_at_ms + 1_200,
        shopping.visitor_ids[visitor],
        rng,
        placement=Placement.PRODUCT.value,
        arm=np.where(treated, "treatment", "control"),
        stratum=stratum.stratum,
        slate_id=_slate_ids(np.arange(len(visitor))),
    )
    seen = np.flatnonzero(treated & (rng.random(len(visitor)) < 0.7))
    impressions = _rows(
        EventType.IMPRESSION.value,
        shopping.session_at_ms[seen] + 4_000,
        shopping.visitor_ids[visitor[seen]],
        rng,
        placement=Placement.PRODUCT.value,
        slate_id=_slate_ids(seen),
    )
    return pa.concat_tables([exposures, impressions], promote_options="default")


def _carts(baskets: Baskets, shopping: Shopping, rng: np.random.Generator) -> Any:
    """Put bought items, and some that are not bought, into carts."""
    idle = np.flatnonzero(rng.random(len(shopping.view_item)) < _CART_SHARE)
    bought_session = shopping.order_session[shopping.line_order]
    session = np.concatenate([shopping.view_session[idle], bought_session])
    item = np.concatenate([shopping.view_item[idle], shopping.line_item])
    bought_at = shopping.order_at_ms[shopping.line_order] - 120_000
    at_ms = np.concatenate([shopping.view_at_ms[idle] + 3_000, bought_at])
    return _rows(
        EventType.ADD_TO_CART.value,
        at_ms,
        _visitors(shopping, session),
        rng,
        item_id=baskets.item_ids[item],
        session=[f"s{number}" for number in session],
    )


def _purchases(
    baskets: Baskets, shopping: Shopping, end_ms: int, rng: np.random.Generator
) -> list[Any]:
    n_orders = len(shopping.order_session)
    visitor_ids = _visitors(shopping, shopping.order_session)
    value = shopping.line_quantity * baskets.price_minor[shopping.line_item]
    net_minor = np.bincount(shopping.line_order, weights=value, minlength=n_orders).astype(np.int64)
    order_id = np.array([f"SIM-{number:06d}" for number in range(1, n_orders + 1)])
    orders = _rows(
        OrderKind.ORDER.value,
        shopping.order_at_ms,
        np.where(rng.random(n_orders) < _LINKED_SHARE, visitor_ids, ""),
        rng,
        order_id=order_id,
        net_minor=net_minor,
        items=_baskets(baskets, shopping, n_orders),
    )
    thanked = np.flatnonzero(rng.random(n_orders) < _THANKED_SHARE)
    purchases = _rows(
        EventType.PURCHASE.value,
        shopping.order_at_ms[thanked] + 2_000,
        visitor_ids[thanked],
        rng,
        order_id=order_id[thanked],
    )
    return [orders, purchases, _refunds(order_id, net_minor, shopping, end_ms, rng)]


def _refunds(
    order_id: Any, net_minor: Any, shopping: Shopping, end_ms: int, rng: np.random.Generator
) -> Any:
    """Send some orders back within two weeks, half of them whole."""
    days = rng.integers(2, 15, len(order_id))
    at_ms = shopping.order_at_ms + days * _DAY_MS
    part = np.where(rng.random(len(order_id)) < 0.5, 1.0, 0.5)
    sent_back = (rng.random(len(order_id)) < _REFUND_SHARE) & (at_ms < end_ms)
    chosen = np.flatnonzero(sent_back)
    return _rows(
        OrderKind.REFUND.value,
        at_ms[chosen],
        np.full(len(chosen), ""),
        rng,
        order_id=order_id[chosen],
        refund_id=np.char.add("R-", order_id[chosen]),
        net_minor=np.maximum((net_minor[chosen] * part[chosen]).astype(np.int64), 1),
    )


def _baskets(baskets: Baskets, shopping: Shopping, n_orders: int) -> Any:
    item = shopping.line_item
    columns = [
        pa.array(baskets.item_ids[item]),
        pa.array(shopping.line_quantity.astype(np.int32)),
        pa.array(baskets.price_minor[item]),
    ]
    count = np.bincount(shopping.line_order, minlength=n_orders)
    offsets = pa.array(np.append(0, np.cumsum(count)).astype(np.int32))
    return pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays(columns, fields=list(ITEM)))
