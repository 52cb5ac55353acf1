"""Events as the log's table, without a log."""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

import ibis
import pytest

from recommender.adapters.event_rows import events_to_table
from recommender.records import Event, EventType, Source


class EventMaker:
    """Makes events with growing ids."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, kind: EventType, visitor: str, at: dt.datetime, **more: Any) -> None:
        event = Event(
            shop_id="s",
            event_id=f"e{len(self.events):06}",
            type=kind,
            visitor=visitor,
            occurred_at=at,
            received_at=at,
            day=at.date(),
            source=Source.BROWSER,
            **more,
        )
        self.events.append(event)


@pytest.fixture
def tell() -> EventMaker:
    return EventMaker()


@pytest.fixture
def event_table() -> Callable[[Sequence[Event]], Any]:
    """Events → Ibis table with the log's columns."""
    return lambda events: ibis.memtable(events_to_table(events))
