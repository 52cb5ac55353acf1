import datetime as dt

from recommender.events.visits import visits_of
from recommender.paths import PathKind, PathStep
from recommender.ports import Visit
from recommender.records import Event, EventItem, EventType, Source

AT = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
SECONDS = 1_772_442_000
"""`AT` as Unix time: 20,514 days of 86,400 seconds and nine hours."""


def event(type_: EventType, *items: str, visitor: str = "v", minute: int = 0) -> Event:
    at = AT + dt.timedelta(minutes=minute)
    return Event(
        shop_id="s",
        event_id="",
        type=type_,
        visitor=visitor,
        occurred_at=at,
        received_at=AT + dt.timedelta(hours=1),
        day=AT.date(),
        source=Source.BROWSER,
        items=tuple(EventItem(item) for item in items),
    )


def test_what_was_met_is_a_step_with_its_kind_and_time() -> None:
    assert visits_of(
        [
            event(EventType.VIEW_ITEM, "mug"),
            event(EventType.ADD_TO_CART, "mug", minute=1),
            event(EventType.VIEW_ITEM, "pot", visitor="w", minute=1),
            event(EventType.PURCHASE, "mug", "tea", minute=2),
        ]
    ) == {
        "v": Visit(
            [
                PathStep("mug", PathKind.VIEW, SECONDS),
                PathStep("mug", PathKind.CART, SECONDS + 60),
                PathStep("mug", PathKind.ORDER, SECONDS + 120),
                PathStep("tea", PathKind.ORDER, SECONDS + 120),
            ]
        ),
        "w": Visit([PathStep("pot", PathKind.VIEW, SECONDS + 60)]),
    }


def test_pages_are_counted_and_lists_are_no_steps() -> None:
    assert visits_of(
        [
            event(EventType.PAGE_VIEW),
            event(EventType.VIEW_LIST, "mug", "pot"),
            event(EventType.REMOVE_FROM_CART, "mug"),
            event(EventType.PAGE_VIEW),
        ]
    ) == {"v": Visit([], 2)}


def test_without_consent_nothing_is_remembered() -> None:
    assert visits_of([event(EventType.VIEW_ITEM, "mug", visitor="")]) == {}
