"""How DuckDB sees rows of the event log: its own SQL, and nothing of Delta."""

import os
import tempfile
from pathlib import Path

import duckdb

from recommender.events.columns import EVENT_SCHEMA
from recommender.records import ADDED_FIELDS


def open_duckdb() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(
        ":memory:",
        config={
            "threads": os.cpu_count() or 1,
            "memory_limit": "50%",
            "temp_directory": str(Path(tempfile.gettempdir()) / f"recommender-{os.getpid()}"),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        },
    )


def with_all_columns(source: str) -> str:
    """Give files of an earlier release the columns they lack, as nulls."""
    return f"(SELECT * FROM {source} UNION ALL BY NAME SELECT * FROM {NO_ROWS})"  # noqa: S608


def quoted(text: str, mark: str) -> str:
    return mark + text.replace(mark, mark * 2) + mark


def _no_rows() -> str:
    types = {
        "items": "STRUCT(item_id VARCHAR, quantity INTEGER, price_minor BIGINT)[]",
        "occurred_at": "TIMESTAMPTZ",
        "received_at": "TIMESTAMPTZ",
        "day": "DATE",
        "stratum": "INTEGER",
    }
    nulls = ", ".join(
        f'CAST(NULL AS {types.get(name, "VARCHAR")}) AS "{name}"' for name in EVENT_SCHEMA.names
    )
    return f"(SELECT {nulls} WHERE false)"


NO_ROWS = _no_rows()
COLUMNS = ", ".join(
    f"COALESCE({name}, '') AS {name}" if name in ADDED_FIELDS else quoted(name, '"')
    for name in EVENT_SCHEMA.names
)
