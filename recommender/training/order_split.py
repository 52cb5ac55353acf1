"""Order history as an evaluation (verb): files → one global time split.

Reads what `recommender import` reads, and plainer files that tell only who bought what when.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recommender.errors import InvalidInputError
from recommender.events.history import Fate, is_order_lines, sort_out
from recommender.events.history_files import read_table
from recommender.events.history_times import to_utc
from recommender.training.evaluation import cut_at
from recommender.training.fitting import TEST_SHARE, VALIDATION_SHARE, before, probes_since
from recommender.training.interactions import Kind, index_lines
from recommender.training.source import TrainingSet
from recommender.training.splits import LEARNING_PROBES, Split

TEST_PROBES = 20_000
TIMEZONE = "UTC"

# Column by its name without case and signs, in order of preference.
_PLAIN_COLUMNS = {
    "order_id": ("orderid", "basketid", "invoice", "invoiceno"),
    "item_id": ("itemid", "productid", "sku", "stockcode"),
    "placed_at": ("placedat", "transactiontimestamp", "orderdate", "invoicedate", "timestamp"),
    "customer": ("customerid", "householdid", "userid", "visitorid"),
}


def read_orders(files: Sequence[Path], *, seed: int) -> Split:
    """Read order lines; the newest fifth is asked, settings and blend are learned before it.

    Lines without a customer are left out, as are returns and what is no goods where the file
    tells.

    Raises:
        InvalidInputError: Code `missing-columns`, `unreadable-file` or `bad-split`.
    """
    lines = _sold([(path.name, read_table(path)) for path in files])
    everything = TrainingSet(index_lines(lines))
    if len(everything.interactions) < 100:
        raise InvalidInputError("There are fewer than 100 lines to learn from", code="bad-split")
    test_seconds = cut_at(everything.interactions, TEST_SHARE)
    training_set = before(everything, test_seconds)
    learning_seconds = cut_at(training_set.interactions, VALIDATION_SHARE)
    return Split(
        training_set,
        before(training_set, learning_seconds),
        probes_since(
            training_set, since_seconds=learning_seconds, limit=LEARNING_PROBES, seed=seed
        ),
        probes_since(everything, since_seconds=test_seconds, limit=TEST_PROBES, seed=seed),
    )


def _sold(tables: Sequence[tuple[str, Any]]) -> Any:
    if all(is_order_lines(table.column_names) for _, table in tables):
        lines = sort_out(tables, currency="EUR", timezone=TIMEZONE)
        lines = lines.filter(pc.equal(lines["fate"], Fate.KEPT.value))
    else:
        lines = pa.concat_tables([_plain_lines(name, table) for name, table in tables])
    lines = lines.filter(
        pc.and_(pc.not_equal(lines["customer"], ""), pc.is_valid(lines["placed_at"]))
    )
    lines = lines.select(["order_id", "item_id", "customer", "placed_at"])
    lines = lines.group_by(["order_id", "item_id", "customer"]).aggregate([("placed_at", "min")])
    lines = lines.sort_by(
        [("placed_at_min", "ascending"), ("order_id", "ascending"), ("item_id", "ascending")]
    )
    return pa.table(
        {
            "step": lines["order_id"],
            "kind": pa.array(np.full(lines.num_rows, Kind.ORDER, np.int8)),
            "visitor": lines["customer"],
            "session": pa.array([""] * lines.num_rows, pa.string()),
            "item_id": lines["item_id"],
            "occurred_at": lines["placed_at_min"],
        }
    )


def _plain_lines(name: str, table: Any) -> Any:
    found = {re.sub(r"[^a-z]", "", column.lower()): table[column] for column in table.column_names}
    columns = {ours: _first(found, theirs) for ours, theirs in _PLAIN_COLUMNS.items()}
    missing = [ours for ours, column in columns.items() if column is None]
    if missing:
        raise InvalidInputError(
            f"{name} has no column for {', '.join(missing)}", code="missing-columns"
        )
    texts = {
        ours: pc.fill_null(pc.cast(columns[ours], pa.string()), "")
        for ours in ("order_id", "item_id", "customer")
    }
    return pa.table({**texts, "placed_at": to_utc(columns["placed_at"], TIMEZONE)})


def _first(found: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((found[name] for name in names if name in found), None)
