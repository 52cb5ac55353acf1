"""Events as the log's table, without a log."""

import dataclasses
import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

import ibis
import pyarrow as pa
import pytest

from recommender.records import Event, EventType, Source

_ITEM = pa.struct([("item_id", pa.string()), ("quantity", pa.int32()), ("price_minor", pa.int64())])
_TYPES: dict[str, pa.DataType] = {
    "occurred_at": pa.timestamp("us", "UTC"),
    "received_at": pa.timestamp("us", "UTC"),
    "day": pa.date32(),
    "items": pa.list_(_ITEM),
    "stratum": pa.int32(),
}


def make_event(kind: EventType, visitor: str, at: dt.datetime, number: int, **more: Any) -> Event:
    return Event(
        shop_id="s",
        event_id=f"e{number:06}",
        type=kind,
        visitor=visitor,
        occurred_at=at,
        received_at=at,
        day=at.date(),
        source=Source.BROWSER,
        **more,
    )


@pytest.fixture
def event_table() -> Callable[[Sequence[Event]], Any]:
    """Events → Ibis table with the log's columns."""

    def build(events: Sequence[Event]) -> Any:
        rows = [dataclasses.asdict(event) for event in events]
        schema = pa.schema(
            [(f.name, _TYPES.get(f.name, pa.string())) for f in dataclasses.fields(Event)]
        )
        return ibis.memtable(pa.Table.from_pylist(rows, schema=schema))

    return build


class EventMaker:
    """Makes events with growing ids."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, kind: EventType, visitor: str, at: dt.datetime, **more: Any) -> Event:
        event = make_event(kind, visitor, at, len(self.events), **more)
        self.events.append(event)
        return event


@pytest.fixture
def tell() -> EventMaker:
    return EventMaker()
