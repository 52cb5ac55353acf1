"""Columns of a table → units of randomisation with their numbers. Pure.

A row is a unit, unless a column names the unit that owns the rows. What cannot be compared is
refused here, with the number of rows concerned: nothing is dropped or guessed in silence.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recommender.errors import InvalidInputError

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

MAX_ARMS = 100
MAX_GROUPS = 2_000
"""Strata, or days; a column with more of them is something else, such as an id."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of the columns in the file; empty where there is none.

    Attributes:
        denominator: The metric is Σ value ÷ Σ denominator instead of a mean.
        covariate: Known before the assignment; reduces variance (CUPED).
        stratum: Arms are compared within each of its values.
        cluster: Names the unit of randomisation where one owns several rows.
        day: When the unit came in.
    """

    arm: str
    value: str
    denominator: str = ""
    covariate: str = ""
    stratum: str = ""
    cluster: str = ""
    day: str = ""

    @property
    def numbers(self) -> list[str]:
        """Return the columns that must hold numbers."""
        return [name for name in (self.value, self.denominator, self.covariate) if name]

    @property
    def names(self) -> list[str]:
        """Return the columns that are read, each once."""
        rest = [name for name in (self.arm, self.stratum, self.cluster, self.day) if name]
        return list(dict.fromkeys([*rest, *self.numbers]))

    @property
    def texts(self) -> list[str]:
        """Return the columns that stay as they are written; a day may be a stratum too."""
        names = dict.fromkeys([self.arm, self.stratum, self.cluster])
        return [name for name in names if name and name != self.day]


@dataclass(frozen=True, slots=True)
class Grouping:
    """A column of names as numbers.

    Attributes:
        names: Sorted; each stands somewhere.
        codes: Place in `names`, one a row.
    """

    names: tuple[str, ...]
    codes: Codes

    def at(self, places: Codes) -> "Grouping":
        """Return some rows, with the names that they use."""
        used, codes = _dense(self.codes[places])
        return Grouping(tuple(self.names[place] for place in used), codes)


@dataclass(frozen=True, slots=True)
class Units:
    """What is compared: one entry a unit.

    Attributes:
        numbers: Value, then denominator, then covariate where there are any; shape (k, units).
        has_denominator: Whether the metric is a ratio.
        rows: Rows of the file.
        in_several_arms: Units whose rows name different arms; they count in the first.
        capped: Rows whose value was cut down to the cap.
        removed: What the cap took away in total.
        negative: Rows with a value below 0.
    """

    arm: Grouping
    stratum: Grouping
    day: Grouping
    numbers: Floats
    has_denominator: bool
    rows: int
    in_several_arms: int = 0
    capped: int = 0
    removed: float = 0.0
    negative: int = 0


@dataclass(slots=True)
class _Rows:
    """The file's rows, checked."""

    arm: Grouping
    stratum: Grouping
    day: Grouping
    numbers: dict[str, Floats]
    notes: dict[str, Any] = field(default_factory=dict)


def make_units(table: Any, columns: Columns, *, cap: float | None, mean_per_row: bool) -> Units:
    """Check the columns and add up the rows of each unit.

    Args:
        table: Arrow table with the columns.
        cap: A row's value above it counts as the cap; fixed before looking.
        mean_per_row: With clusters and without a denominator, whether the metric is the mean of a
            row (then a ratio over units) or of a unit.

    Raises:
        InvalidInputError: A value is missing or no number, or a column holds something else.
    """
    if not len(table):
        raise InvalidInputError("The file has no rows", code="bad-value")
    rows = _check_rows(table, columns)
    _cap(rows, columns.value, cap)
    if columns.cluster:
        return _clustered(rows, columns, table[columns.cluster], mean_per_row=mean_per_row)
    return Units(
        arm=rows.arm,
        stratum=rows.stratum,
        day=rows.day,
        numbers=np.stack([rows.numbers[name] for name in columns.numbers]),
        has_denominator=bool(columns.denominator),
        rows=len(table),
        **rows.notes,
    )


def _check_rows(table: Any, columns: Columns) -> _Rows:
    numbers = {name: _numbers(table[name], name) for name in columns.numbers}
    groups = [table[name] for name in (columns.arm, columns.stratum, columns.day) if name]
    lacking = np.zeros(len(table), bool)
    for column in groups:
        lacking |= _is_empty(column)
    for values in numbers.values():
        lacking |= ~np.isfinite(values)
    if lacking.any():
        raise InvalidInputError(
            f"{int(lacking.sum())} of {len(table)} rows lack an arm, a number or another wanted "
            "entry; write 0 for a visitor who spent nothing",
            code="bad-value",
        )
    if columns.denominator and (numbers[columns.denominator] < 0).any():
        raise InvalidInputError("A denominator is below 0", code="bad-value")
    arm = _group(table[columns.arm], columns.arm, most=MAX_ARMS)
    none = Grouping(("",), np.zeros(len(table), np.int64))
    return _Rows(
        arm=arm,
        stratum=_group(table[columns.stratum], columns.stratum) if columns.stratum else none,
        day=_group(_days(table[columns.day]), columns.day, by_name=False) if columns.day else none,
        numbers=numbers,
        notes={"negative": int((numbers[columns.value] < 0).sum())},
    )


def _numbers(column: Any, name: str) -> Floats:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_dictionary(column.type):
        column = column.cast(kind)
    if pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    try:
        # Numbers that a file keeps as texts are numbers all the same.
        column = column.cast(pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InvalidInputError(
            f"Column {name} holds {kind}, not numbers: {error}", code="bad-value"
        ) from error
    values: Floats = column.fill_null(float("nan")).to_numpy()
    return values


def _is_empty(column: Any) -> NDArray[np.bool_]:
    missing = pc.is_null(column, nan_is_null=True)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        missing = pc.or_(missing, pc.equal(column.fill_null(""), ""))
    elif pa.types.is_dictionary(column.type):
        missing = _is_empty(column.cast(column.type.value_type))
    found: NDArray[np.bool_] = np.asarray(missing)
    return found


def _group(column: Any, name: str, *, most: int = MAX_GROUPS, by_name: bool = True) -> Grouping:
    """Number the entries of a column by their place in the sorted names.

    Args:
        by_name: Whether they are sorted as texts; otherwise as what they are, 9 before 10.
    """
    codes, dictionary = _encode(column)
    used = np.flatnonzero(np.bincount(codes))
    if len(used) > most:
        raise InvalidInputError(
            f"Column {name} holds {len(used):,} different entries, where at most {most:,} make "
            "sense",
            code="bad-value",
        )
    entries = [dictionary[int(place)].as_py() for place in used]
    names = [_name(entry) for entry in entries]
    order = sorted(range(len(used)), key=(names if by_name else entries).__getitem__)
    rank = np.zeros(int(used.max()) + 1, np.int64)
    rank[used[order]] = np.arange(len(order))
    return Grouping(tuple(names[place] for place in order), rank[codes])


def _dense(codes: Codes) -> tuple[Codes, Codes]:
    """Return the numbers that occur, and each row's place among them."""
    met = np.bincount(codes) > 0
    return np.flatnonzero(met), (np.cumsum(met) - 1)[codes]


def _encode(column: Any) -> tuple[Codes, Any]:
    """Return the number of each row's entry, and the different entries."""
    if not pa.types.is_dictionary(column.type):
        column = pc.dictionary_encode(column)
    encoded = column.unify_dictionaries().combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0)
    return np.asarray(encoded.indices, np.int64), encoded.dictionary


def _name(entry: Any) -> str:
    """Return an entry as a person would write it: 1 for 1.0, true for True."""
    if isinstance(entry, bool):
        return str(entry).lower()
    if isinstance(entry, float) and entry.is_integer():
        return str(int(entry))
    return str(entry)


def _days(column: Any) -> Any:
    """Return a column of days: of instants their date, everything else as it is."""
    return column.cast(pa.date32(), safe=False) if pa.types.is_timestamp(column.type) else column


def _cap(rows: _Rows, value: str, cap: float | None) -> None:
    if cap is None:
        return
    values = rows.numbers[value]
    above = values > cap
    rows.notes |= {"capped": int(above.sum()), "removed": float((values[above] - cap).sum())}
    rows.numbers[value] = np.minimum(values, cap)


def _clustered(rows: _Rows, columns: Columns, cluster: Any, *, mean_per_row: bool) -> Units:
    """Add up each unit's rows; arm, stratum and day are those of its first row."""
    missing = int(_is_empty(cluster).sum())
    if missing:
        raise InvalidInputError(
            f"{missing} of {len(cluster)} rows name no {columns.cluster}", code="bad-value"
        )
    codes, _ = _encode(cluster)
    # A dictionary may hold entries of which the file has no row.
    _, codes = _dense(codes)
    count = np.bincount(codes).astype(np.float64)
    first = _first_rows(codes, rows.day.codes, len(count))
    moved = rows.arm.codes != rows.arm.codes[first][codes]
    sums = {name: _sums(codes, values) for name, values in rows.numbers.items()}
    numbers = [sums[columns.value]]
    if columns.denominator:
        numbers.append(sums[columns.denominator])
    elif mean_per_row:
        numbers.append(count)
    if columns.covariate:
        # What was known of a unit before may stand on each of its rows.
        numbers.append(sums[columns.covariate] / count)
    return Units(
        arm=rows.arm.at(first),
        stratum=rows.stratum.at(first),
        day=rows.day.at(first),
        numbers=np.stack(numbers),
        has_denominator=bool(columns.denominator) or mean_per_row,
        rows=len(codes),
        in_several_arms=len(np.unique(codes[moved])),
        **rows.notes,
    )


def _sums(codes: Codes, values: Floats) -> Floats:
    return np.asarray(np.bincount(codes, values), np.float64)


def _first_rows(codes: Codes, day: Codes, n_units: int) -> Codes:
    """Return each unit's first row: of the earliest day, then in the file's order."""
    # Numbers this short are sorted by counting.
    order = np.argsort(day.astype(np.uint16), kind="stable")
    first = np.empty(n_units, np.int64)
    first[codes[order[::-1]]] = order[::-1]
    return first
