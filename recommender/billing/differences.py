"""Name what differs: between two bodies of figures, or an evidence file and a statement. Pure."""

import csv
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any

from recommender.billing.evidence import write_evidence
from recommender.billing.statement import evidence_of

_AT_MOST = 5


def sentence(differences: Iterator[str]) -> str:
    """Join the first few; empty when there is none."""
    named = [difference for difference, _ in zip(differences, range(_AT_MOST + 1), strict=False)]
    more = "; and more" if len(named) > _AT_MOST else ""
    return "; ".join(named[:_AT_MOST]) + more


def figure_differences(stated: Any, recomputed: Any, path: str = "") -> Iterator[str]:
    """Yield where the statement says something else than what was recomputed."""
    if isinstance(stated, Mapping) and isinstance(recomputed, Mapping):
        for name in recomputed:
            yield from figure_differences(
                stated.get(name), recomputed[name], f"{path}.{name}" if path else name
            )
    elif isinstance(stated, list) and isinstance(recomputed, list):
        for place, (old, new) in enumerate(zip_longest(stated, recomputed)):
            yield from figure_differences(old, new, f"{path}[{_row_name(new or old, place)}]")
    elif stated != recomputed:
        yield f"{path} is {stated} in the statement and {recomputed} by the evidence"


def _row_name(row: Any, place: int) -> str:
    if isinstance(row, Mapping) and {"day", "stratum", "arm"} <= row.keys():
        return f"{row['day']} stratum {row['stratum']} {row['arm']}"
    return str(place)


def evidence_differences(attached: bytes, statement: Mapping[str, Any]) -> Iterator[str]:
    """Yield where an evidence file is not the one that the statement was made from.

    Cell by cell, also when the file cannot be read as evidence any more.
    """
    try:
        wanted = write_evidence(evidence_of(statement)).decode()
        found = attached.decode()
    except (ValueError, LookupError, TypeError, AttributeError):
        yield "evidence or statement cannot be read"
        return
    columns: list[str] = []
    pairs = zip_longest(found.splitlines(), wanted.splitlines())
    for number, (have, want) in enumerate(pairs, start=1):
        if want is not None and not want.startswith("# ") and not columns:
            columns = want.split(",")
        if have != want:
            yield from _line_differences(number, have, want, columns)


def _line_differences(
    number: int, have: str | None, want: str | None, columns: list[str]
) -> Iterator[str]:
    if have is None or want is None:
        what = "is missing" if have is None else "does not belong there"
        yield f"line {number} ({want if have is None else have}) {what}"
        return
    old, new = next(csv.reader([want]), []), next(csv.reader([have]), [])
    for place, (told, found) in enumerate(zip_longest(old, new)):
        if told == found:
            continue
        name = ", ".join(old[:3]) if not want.startswith("# ") else old[0].removeprefix("# ")
        column = columns[place] if place < len(columns) and not want.startswith("# ") else place
        yield f"line {number} ({name}), {column}: {found} instead of {told}"
