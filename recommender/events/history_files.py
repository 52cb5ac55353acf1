"""Files a shop can export → Arrow tables, whatever their kind.

In come CSV (comma, semicolon or tab), Parquet and JSON Lines, gzipped or not; out go tables with
the file's own columns, those of CSV all as text. Knows nothing of what the columns mean.
"""

import codecs
import contextlib
import csv
import gzip
import hashlib
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from recommender.errors import InvalidInputError
from recommender.events.row_faults import MOST_NAMED
from recommender.records import Rejection

_TEXT_KINDS = {".csv", ".tsv", ".txt"}
_LINES_KINDS = {".jsonl", ".ndjson", ".json"}
_BROKEN = (
    pa.ArrowException,
    OSError,
    EOFError,
    OverflowError,
    zlib.error,
    UnicodeError,
    csv.Error,
)
# What is no UTF-8 comes from an old spreadsheet; every byte has a meaning in the second one.
_ENCODINGS = ("utf8", "latin-1")


def read_table(path: Path) -> pa.Table:
    """Read one file.

    Raises:
        InvalidInputError: `unknown-file-kind`, or `unreadable-file` with the reason.
    """
    kind = _kind(path)
    with told_as_unreadable(path):
        if kind == ".parquet":
            return pa_parquet.read_table(path)
        if kind in _LINES_KINDS:
            return _table_of(list(_objects(path)))
        if kind in _TEXT_KINDS:
            return _read_text(path)
    raise _unknown_kind(path)


def _unknown_kind(path: Path) -> InvalidInputError:
    return InvalidInputError(
        f"{path.name} is none of CSV, TSV, Parquet, JSON Lines (.csv .tsv .parquet .jsonl, "
        "also with .gz)",
        code="unknown-file-kind",
    )


def _kind(path: Path) -> str:
    return Path(path.name.removesuffix(".gz")).suffix.lower()


@contextlib.contextmanager
def told_as_unreadable(path: Path) -> Iterator[None]:
    """Turn what readers raise at a broken file into `unreadable-file`, in one line."""
    try:
        yield
    except _BROKEN as error:
        told = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise InvalidInputError(
            f"{path.name} cannot be read: {told.splitlines()[0]}", code="unreadable-file"
        ) from error


def read_json_lines(path: Path) -> Iterator[dict[str, object] | Rejection]:
    """Yield the objects of a JSON Lines file, gzipped or not; a line that is none is a rejection.

    Not with Arrow, whose reader (26.0.1) ends the process at some lines that are no objects.

    Raises:
        OSError: The file cannot be read; EOFError or zlib.error for broken gzip.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as file:
        lines = (numbered for numbered in enumerate(file, start=1) if numbered[1].strip())
        for index, (number, line) in enumerate(lines):
            try:
                row = orjson.loads(line.removeprefix(codecs.BOM_UTF8))
            except orjson.JSONDecodeError as error:
                why = f"line {number}, column {error.colno}: {error.msg}"
                yield Rejection(index, "malformed-json", why)
                continue
            if isinstance(row, dict):
                yield row
            else:
                yield Rejection(index, "wrong-type", f"line {number}: not an object")


def column_names(path: Path) -> list[str]:
    """Return the names of a file's columns; raises as `read_table`."""
    kind = _kind(path)
    with told_as_unreadable(path):
        if kind == ".parquet":
            return list(pa_parquet.read_schema(path).names)
        if kind in _LINES_KINDS:
            rows = (row for row in read_json_lines(path) if isinstance(row, dict))
            return list(dict.fromkeys(name for row in rows for name in row))
        if kind in _TEXT_KINDS:
            # The names that tell a kind of file are ASCII.
            return _columns(path, _first_line(path).decode("utf-8-sig", "replace"))[1]
    raise _unknown_kind(path)


def _objects(path: Path) -> Iterator[dict[str, object]]:
    for row in read_json_lines(path):
        if isinstance(row, Rejection):
            raise InvalidInputError(
                f"{path.name} cannot be read: {row.detail}", code="unreadable-file"
            )
        yield row


def _table_of(rows: Sequence[dict[str, object]]) -> pa.Table:
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: pa.array([row.get(name) for row in rows]) for name in names})


def faulty_rows(files: Sequence[tuple[str, Any]], reasons: Any) -> list[dict[str, object]]:
    """Return the first rows that have a reason, `MOST_NAMED` at most.

    Args:
        files: Name and table of each file.
        reasons: Of all rows of all files in their order; empty for a row without fault.

    Returns:
        `file`, `row` in it from 1 (no header counts), `code`.
    """
    found: list[dict[str, object]] = []
    start = 0
    for name, table in files:
        own = reasons.slice(start, table.num_rows)
        rows = pc.indices_nonzero(pc.not_equal(own, "")).slice(0, MOST_NAMED - len(found))
        codes = own.take(rows).to_pylist()
        found += [
            {"file": name, "row": row + 1, "code": code}
            for row, code in zip(rows.to_pylist(), codes, strict=True)
        ]
        start += table.num_rows
    return found


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal.

    Raises:
        InvalidInputError: `unreadable-file`.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InvalidInputError(
            f"{path.name} cannot be read: {error.strerror}", code="unreadable-file"
        ) from error


def file_set_sha256(kind: str, paths: Sequence[Path]) -> str:
    """Return the identity of importing these files in this order: equal for equal bytes."""
    digests = [file_sha256(path) for path in paths]
    return hashlib.sha256("\n".join([kind, *digests]).encode()).hexdigest()


def _read_text(path: Path) -> pa.Table:
    header = _first_line(path)
    for encoding in _ENCODINGS:
        try:
            return _read_csv(path, header.decode(encoding).lstrip("\ufeff"), encoding)
        except (UnicodeError, pa.ArrowInvalid) as error:
            if encoding == _ENCODINGS[-1] or "utf" not in str(error).lower():
                raise
    raise AssertionError("the last encoding returns or raises")


def _first_line(path: Path) -> bytes:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as file:
        return file.readline()


def _columns(path: Path, header: str) -> tuple[str, list[str]]:
    """Return the delimiter of a file with this first line, and the names in it."""
    delimiter = max("\t;,", key=header.count)
    names = next(csv.reader([header], delimiter=delimiter), [])
    if not names or len(set(names)) < len(names):
        raise InvalidInputError(
            f"{path.name} does not begin with a line of distinct column names",
            code="unreadable-file",
        )
    return delimiter, names


def _read_csv(path: Path, header: str, encoding: str) -> pa.Table:
    delimiter, names = _columns(path, header)
    return pa_csv.read_csv(
        path,
        read_options=pa_csv.ReadOptions(encoding=encoding),
        parse_options=pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pa_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
        ),
    )
