"""Read what a shop's training learns from (verb): event log and catalogue → training set."""

from collections.abc import Iterable

import numpy as np

from recommender.ports import EventLog
from recommender.records import Item
from recommender.training.content import content_arrays
from recommender.training.interactions import index_lines, interaction_lines, widened
from recommender.training.source import TrainingSet


def read_training_set(
    shop_id: str, *, event_log: EventLog, catalogue: Iterable[Item]
) -> TrainingSet:
    """Return all interactions of a shop, and what its catalogue says of the items.

    The vocabulary holds the items with events and those of the catalogue.

    Raises:
        UnavailableError: The event log cannot be read.
    """
    items = list(catalogue)
    interactions = index_lines(interaction_lines(event_log.events(shop_id)).to_pyarrow())
    known = np.array([item.item_id.encode() for item in items], np.bytes_)
    interactions = widened(interactions, known)
    return TrainingSet(interactions, content_arrays(interactions.item_ids, items))
