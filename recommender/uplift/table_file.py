"""A table from anybody's experiment, as a file → Arrow columns (verb: reads a file).

Knows CSV (comma, semicolon, tab or bar; decimal point or comma; plain or compressed) and Parquet,
told apart by what is inside and not by the file's name. Must not know what the columns mean.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from recommender.errors import InvalidInputError

_DELIMITERS = (",", ";", "\t", "|")
_COMPRESSIONS = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bz2",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
}
_PARQUET = b"PAR1"
_HEAD_BYTES = 1 << 16
_BLOCK_BYTES = 1 << 24


def read_columns(path: Path, columns: Sequence[str], *, texts: Sequence[str]) -> Any:
    """Return some columns of a CSV or Parquet file as an Arrow table.

    Args:
        columns: Names of the columns, each once.
        texts: Those among them that stay as they are written: 007 and true are names.

    Raises:
        InvalidInputError: The file cannot be read, or a column is not in it.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(len(_PARQUET))
        if magic == _PARQUET:
            _check(pq.read_schema(path).names, columns)
            return pq.read_table(path, columns=list(columns))
        return _read_csv(path, _compression(magic), columns, texts)
    except (OSError, UnicodeDecodeError, csv.Error, pa.ArrowException) as error:
        raise InvalidInputError(f"Cannot read {path.name}: {error}", code="bad-file") from error


def _compression(magic: bytes) -> str | None:
    for start, name in _COMPRESSIONS.items():
        if magic.startswith(start):
            return name
    return None


def _read_csv(
    path: Path, compression: str | None, columns: Sequence[str], texts: Sequence[str]
) -> Any:
    with pa.input_stream(str(path), compression=compression) as stream:
        head = stream.read(_HEAD_BYTES).decode("utf-8-sig", errors="ignore")
    delimiter = _delimiter(head, columns)

    def read(decimal_point: str) -> Any:
        with pa.input_stream(str(path), compression=compression) as stream:
            return pa_csv.read_csv(
                stream,
                read_options=pa_csv.ReadOptions(block_size=_BLOCK_BYTES),
                parse_options=pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
                convert_options=pa_csv.ConvertOptions(
                    include_columns=list(columns),
                    column_types={name: pa.string() for name in texts},
                    decimal_point=decimal_point,
                ),
            )

    table = read(".")
    numbers = [name for name in columns if name not in texts]
    if delimiter != "," and any(pa.types.is_string(table.schema.field(n).type) for n in numbers):
        # Where the comma does not separate, it may be the decimal sign.
        return read(",")
    return table


def _delimiter(head: str, columns: Sequence[str]) -> str:
    """Return the delimiter under which the header names all columns."""
    first = head.splitlines()[0] if head else ""
    headers = {sign: next(csv.reader([first], delimiter=sign), []) for sign in _DELIMITERS}
    chosen = max(headers, key=lambda sign: (set(columns) <= set(headers[sign]), len(headers[sign])))
    _check(headers[chosen], columns)
    return chosen


def _check(names: Sequence[str], wanted: Sequence[str]) -> None:
    missing = [name for name in wanted if name not in names]
    if missing:
        raise InvalidInputError(
            f"No column {' and no column '.join(missing)}; the file has {', '.join(names)}",
            code="unknown-column",
        )
    twice = sorted({name for name in wanted if list(names).count(name) > 1})
    if twice:
        raise InvalidInputError(
            f"Several columns are called {', '.join(twice)}", code="unknown-column"
        )
