"""Accepted events → what the visitor's next slate shall know of them. Pure."""

from collections.abc import Sequence

from recommender.paths import PathKind, PathStep
from recommender.ports import Visit
from recommender.records import Event, EventType

_KINDS = {
    EventType.VIEW_ITEM: PathKind.VIEW,
    EventType.ADD_TO_CART: PathKind.CART,
    EventType.PURCHASE: PathKind.ORDER,
}


def visits_of(events: Sequence[Event]) -> dict[str, Visit]:
    """Return the steps and page views of each visitor with consent, by visitor hash."""
    steps: dict[str, list[PathStep]] = {}
    pages: dict[str, int] = {}
    for event in events:
        if not event.visitor:
            continue
        kind = _KINDS.get(event.type)
        if kind:
            at_seconds = int(event.occurred_at.timestamp())
            path = steps.setdefault(event.visitor, [])
            path += [PathStep(item.item_id, kind, at_seconds) for item in event.items]
        elif event.type is EventType.PAGE_VIEW:
            pages[event.visitor] = pages.get(event.visitor, 0) + 1
    return {
        visitor: Visit(steps.get(visitor, []), pages.get(visitor, 0)) for visitor in steps | pages
    }
