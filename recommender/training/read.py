"""Read what a shop's training learns from (verb): event log and catalogue → training set."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from recommender.ports import EventLog
from recommender.records import Item
from recommender.training.content import content_arrays
from recommender.training.interactions import (
    index_chunks,
    interaction_lines,
    order_buyers,
    widened,
)
from recommender.training.source import TrainingSet

ROWS_PER_CHUNK = 250_000
"""Rows of the event log that are read at a time; a day is never divided."""


def read_training_set(
    shop_id: str, *, event_log: EventLog, catalogue: Iterable[Item]
) -> TrainingSet:
    """Return all interactions of a shop, and what its catalogue says of the items.

    The vocabulary holds the items with events and those of the catalogue.

    Raises:
        UnavailableError: The event log cannot be read.
    """
    items = list(catalogue)
    interactions = index_chunks(_chunks(shop_id, event_log))
    known = np.array([item.item_id.encode() for item in items], np.bytes_)
    interactions = widened(interactions, known)
    return TrainingSet(interactions, content_arrays(interactions.item_ids, items))


def _chunks(shop_id: str, event_log: EventLog) -> Iterator[Any]:
    """Yield executed `interaction_lines` of consecutive days."""
    import ibis

    events = event_log.events(shop_id)
    stretches = list(_stretches(event_log.rows_by_day(shop_id)))
    if len(stretches) < 2:
        yield interaction_lines(events).to_pyarrow()
        return
    buyers = ibis.memtable(order_buyers(events).to_pyarrow())
    for first, last in stretches:
        of_days = events.filter(events.day.between(first, last))
        yield interaction_lines(of_days, buyers).to_pyarrow()


def _stretches(rows_by_day: Mapping[dt.date, int]) -> Iterator[tuple[dt.date, dt.date]]:
    """Yield first and last day of each stretch of about `ROWS_PER_CHUNK` rows."""
    days: list[dt.date] = []
    n_rows = 0
    for day, rows in sorted(rows_by_day.items()):
        if days and n_rows + rows > ROWS_PER_CHUNK:
            yield days[0], days[-1]
            days, n_rows = [], 0
        days.append(day)
        n_rows += rows
    if days:
        yield days[0], days[-1]
