"""Rows of files that cannot be taken, by name, so that somebody can put them right. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

MOST_NAMED = 20
"""Rows named of each kind of fault; all are counted."""
NO_TIME = "no time such as 2026-11-20 14:30"


@dataclass(frozen=True, slots=True)
class RowFault:
    """One row that was not taken.

    Attributes:
        row: Place in its file, from 1, without the line of the columns' names.
        detail: What stands there, and what is wanted.
    """

    file: str
    row: int
    code: str
    detail: str


def why_none(faults: Sequence[RowFault]) -> str:
    """Return the end of a sentence that says that no row could be taken."""
    if not faults:
        return ""
    first = faults[0]
    return f": {first.file}, row {first.row}: {first.detail} ({first.code})"
