"""A shop's life for tests of money, told to the real stores."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from recommender import tables
from recommender.events.identity import derived_event_id
from recommender.ports import EventLog
from recommender.records import Arm, Event, EventItem, EventType, OrderKind, Shop, Source


class Shoppers:
    """Collects what happens in a shop; `tell` stores all of it."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.events: list[Event] = []
        self.orders: list[dict[str, Any]] = []

    def event(self, kind: EventType, visitor: str, at: dt.datetime, **more: Any) -> None:
        number = str(len(self.events))
        self.events.append(
            Event(
                shop_id=self.shop.shop_id,
                event_id=derived_event_id(at, self.shop.shop_id, kind, visitor, number),
                type=kind,
                visitor=visitor,
                occurred_at=at,
                received_at=at,
                day=at.date(),
                source=Source.BROWSER,
                **more,
            )
        )

    def expose(self, visitor: str, at: dt.datetime, arm: Arm, stratum: int = 1) -> None:
        self.event(EventType.EXPOSURE, visitor, at, arm=arm, stratum=stratum)

    def order(
        self,
        order_id: str,
        net_minor: int,
        at: dt.datetime,
        visitor: str = "",
        items: Sequence[EventItem] = (),
    ) -> None:
        self._fact(OrderKind.ORDER, order_id, order_id, net_minor, at, visitor)
        self.event(EventType.ORDER, visitor, at, order_id=order_id, items=tuple(items))

    def refund(self, order_id: str, net_minor: int, at: dt.datetime) -> None:
        self._fact(OrderKind.REFUND, f"r{len(self.orders)}", order_id, net_minor, at, "")

    def _fact(
        self,
        kind: OrderKind,
        fact_id: str,
        order_id: str,
        net_minor: int,
        at: dt.datetime,
        visitor: str,
    ) -> None:
        row = {
            "shop_id": self.shop.shop_id,
            "kind": kind.value,
            "fact_id": fact_id,
            "order_id": order_id,
            "net_minor": net_minor,
            "currency": self.shop.currency,
            "placed_at": at,
            "received_at": at,
            "visitor": visitor,
            "body_hash": "0" * 64,
        }
        self.orders.append(row)

    def tell(self, event_log: EventLog, database: sa.Engine) -> None:
        position = event_log.committed_position("shoppers")
        if self.events:
            event_log.append(self.events, "shoppers", position + 1)
        if self.orders:
            with database.begin() as connection:
                connection.execute(tables.orders.insert(), self.orders)
        self.events, self.orders = [], []


def live_through(
    shoppers: Shoppers,
    days: Sequence[dt.date],
    *,
    visitors_a_day: int,
    uplift: float,
    seed: int = 1,
    conversion: float = 0.08,
) -> None:
    """Fill days with visitors, half of them treated, who see pages, click and buy.

    A visitor with recommendations buys with probability conversion × (1 + uplift), sees a page
    more, and buys from the tail more often.
    """
    rng = np.random.default_rng(seed)
    for day in days:
        noon = dt.datetime.combine(day, dt.time(12), tzinfo=dt.UTC)
        for number in range(visitors_a_day):
            visitor = f"{day:%m%d}{number:05}"
            treated = number < visitors_a_day / 2
            at = noon + dt.timedelta(seconds=int(rng.integers(0, 20_000)))
            _visit(shoppers, rng, visitor, at, treated=treated)
            if rng.random() < conversion * (1 + uplift * treated):
                _buy(shoppers, rng, visitor, at, treated=treated)


def _visit(
    shoppers: Shoppers, rng: np.random.Generator, visitor: str, at: dt.datetime, *, treated: bool
) -> None:
    arm = Arm.TREATMENT if treated else Arm.CONTROL
    for page in range(1 + int(rng.integers(0, 4)) + treated):
        when = at + dt.timedelta(seconds=20 * page)
        shoppers.event(EventType.PAGE_VIEW, visitor, when, page=f"/p/{page}")
    shoppers.expose(visitor, at + dt.timedelta(seconds=1), arm)


def _buy(
    shoppers: Shoppers, rng: np.random.Generator, visitor: str, at: dt.datetime, *, treated: bool
) -> None:
    price = 2_000 + int(rng.gamma(2, 2_500))
    tail = rng.random() < 0.3 + 0.15 * treated
    item_id = f"i{int(rng.integers(10, 60)) if tail else int(rng.integers(0, 10))}"
    when = at + dt.timedelta(minutes=4)
    items = (EventItem(item_id, 1, price),)
    if treated and rng.random() < 0.4:
        click = when - dt.timedelta(minutes=2)
        shoppers.event(EventType.SELECT_ITEM, visitor, click, slate_id="s", items=items)
    order_id = f"o{visitor}"
    shoppers.event(EventType.PURCHASE, visitor, when, order_id=order_id)
    shoppers.order(order_id, price, when, items=items)
