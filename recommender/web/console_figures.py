"""Stored measurements → what the console's pages print. Pure; texts, no markup."""

import datetime as dt
import zoneinfo
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recommender.billing import wording
from recommender.billing.archive import Settlement
from recommender.billing.months import parse_month
from recommender.billing.pricing import MIN_BUYERS
from recommender.experiments.design import A_A_DAYS
from recommender.records import Arm, Event, Phase, Shop
from recommender.uplift.behaviour import HEAD_SHARE, Behaviour
from recommender.uplift.metrics import Metric, MetricName
from recommender.web.console_statement import stand_of

MIN_VISITS = 100
"""Below this a difference in percent would only show chance."""
_TASKS = {
    "path": "What a shopper looks at next, without what was seen before",
    "next": "What a shopper looks at next, with what was seen before",
    "basket": "What goes into the cart together",
}


@dataclass(frozen=True, slots=True)
class Card:
    """One figure with and without recommendations.

    Attributes:
        change: Difference in words; empty while there is none.
        direction: `up` or `down` when the change is more than chance, else `same`.
        with_bar: Length of the bar beside the figure, 0–100; so `without_bar`.
    """

    title: str
    note: str
    with_value: str
    without_value: str
    change: str
    direction: str
    with_bar: float
    without_bar: float


def behaviour_cards(
    behaviour: Mapping[Arm, Behaviour], metrics: Iterable[Metric], currency: str
) -> list[Card]:
    """Return the four figures a shop owner watches.

    Args:
        metrics: The same figures with their intervals: they say which change is more than chance.
    """
    directions = {metric.name: metric.direction for metric in metrics}
    on, off = behaviour[Arm.TREATMENT], behaviour[Arm.CONTROL]

    def money(minor: float) -> str:
        return wording.amount(round(minor), currency)

    def share(value: float) -> str:
        return wording.percent(value, 2 if value < 0.1 else 1)

    seen = min(on.visits, off.visits) >= MIN_VISITS
    bought = min(on.converted, off.converted) >= MIN_BUYERS
    rows: list[tuple[MetricName, float | None, float | None, Callable[[float], str], bool]] = [
        (
            MetricName.PAGES_PER_VISIT,
            on.pages_per_visit,
            off.pages_per_visit,
            "{:.2f}".format,
            seen,
        ),
        (MetricName.CONVERSION_RATE, on.conversion_rate, off.conversion_rate, share, bought),
        (
            MetricName.AVERAGE_BASKET,
            on.average_basket_minor,
            off.average_basket_minor,
            money,
            bought,
        ),
        (MetricName.TAIL_REVENUE_SHARE, on.tail_share, off.tail_share, share, bought),
    ]
    return [_card(*row, directions.get(row[0], "same")) for row in rows]


_TITLES = {
    MetricName.PAGES_PER_VISIT: ("Pages per visit", "Pages seen in a visit"),
    MetricName.CONVERSION_RATE: ("Conversion rate", "Visitors who ordered"),
    MetricName.AVERAGE_BASKET: ("Average basket", "Net revenue of an order"),
    # Of units here, of revenue in the metrics: where they part, neither direction is told.
    MetricName.TAIL_REVENUE_SHARE: (
        "Tail share of sales",
        f"Units outside the best-selling {wording.percent(HEAD_SHARE, 0)} of items",
    ),
}


def _card(
    name: MetricName,
    on: float | None,
    off: float | None,
    write: Callable[[float], str],
    is_enough: bool,
    proven: str,
) -> Card:
    title, note = _TITLES[name]
    largest = max(on or 0, off or 0) or 1
    change = round(on / off - 1, 3) if is_enough and on is not None and off else None
    seems = "same" if not change else "up" if change > 0 else "down"
    return Card(
        title=title,
        note=note,
        with_value="–" if on is None else write(on),
        without_value="–" if off is None else write(off),
        change="" if change is None else f"{change * 100:+.1f} %",
        direction=seems if seems == proven else "same",
        with_bar=round(100 * (on or 0) / largest, 1),
        without_bar=round(100 * (off or 0) / largest, 1),
    )


@dataclass(frozen=True, slots=True)
class ClosedMonth:
    """A line of the statements page; `stand` is kind and words of its mark."""

    month: str
    key: str
    contract_version: int
    amount: str
    sentence: str
    explanation: str
    invoice_number: str
    is_credit: bool
    stand: tuple[str, str]


def closed_months(settlements: Sequence[Settlement]) -> list[ClosedMonth]:
    """Return the closed months as the page lists them, in the same order."""
    return [
        ClosedMonth(
            month=f"{parse_month(settlement.month).first_day:%B %Y}",
            key=settlement.month,
            contract_version=settlement.contract_version,
            amount=wording.amount(settlement.amount_minor, settlement.currency),
            sentence=settlement.statement["sentence"],
            explanation=settlement.statement["explanation"],
            invoice_number=settlement.invoice_number,
            is_credit=settlement.amount_minor < 0,
            stand=stand_of(settlement.statement),
        )
        for settlement in settlements
    ]


@dataclass(frozen=True, slots=True)
class Received:
    """One event as the technician reads it."""

    at: str
    type: str
    items: str
    visitor: str
    placement: str


def received(events: Sequence[Event], shop: Shop) -> list[Received]:
    """Return events as the integration page lists them."""
    return [
        Received(
            at=moment(event.received_at, shop, seconds=True),
            type=event.type.value,
            items=", ".join(item.item_id for item in event.items[:3])
            + (" …" if len(event.items) > 3 else ""),
            visitor=event.visitor[:8],
            placement=event.placement,
        )
        for event in events
    ]


@dataclass(frozen=True, slots=True)
class Training:
    """The last training in words."""

    finished_at: str
    published: bool
    reason: str
    figures: list[tuple[str, str]]


def training(row: Mapping[str, Any], shop: Shop) -> Training:
    """Return the last training as the page shows it."""
    figures = [
        (task_title(task), _quality(measured["blend"]))
        for task, measured in row["metrics"].get("tasks", {}).items()
    ]
    return Training(
        finished_at=moment(row["finished_at"], shop),
        published=row["published"],
        reason=row["reason"],
        figures=figures,
    )


def task_title(task: str) -> str:
    """Name a task of training for a shop's owner."""
    return _TASKS.get(task, task)


def _quality(blend: Mapping[str, float]) -> str:
    return (
        f"the next item is among 20 recommended in {wording.percent(blend['hit_rate@20'])} of "
        f"cases; {wording.percent(blend['tail_share@20'], 0)} of them are from the long tail"
    )


def comparison(shop: Shop) -> str:
    """Say who sees recommendations now, before anything is measured."""
    stratum = shop.current_stratum
    if stratum.phase == Phase.A_A:
        return (
            f"For the first {A_A_DAYS} days (A/A) nobody sees recommendations: both groups are "
            "treated alike, which tests the measurement itself. After that half of the visitors "
            "see them"
        )
    return (
        f"{stratum.treatment_share_ppm / 10_000:g} % of them see recommendations, the others do not"
    )


def moment(at: dt.datetime, shop: Shop, *, seconds: bool = False) -> str:
    """Write an instant in the shop's time: "2 Apr 2027, 08:00"."""
    local = at.astimezone(zoneinfo.ZoneInfo(shop.timezone))
    clock = f"{local:%H:%M:%S}" if seconds else f"{local:%H:%M}"
    return f"{local.day} {local:%b %Y}, {clock}"
