"""All that one month's bill depends on, as a record and as the CSV that travels inside the invoice.

Pure. The CSV opens in a spreadsheet: lines that start with `#` are the terms, below them stands
one row per day, stratum and arm. No text in it can become a formula.
"""

import csv
import dataclasses
import datetime as dt
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from recommender.billing.months import Month, month_of, parse_month
from recommender.errors import InvalidInputError
from recommender.records import Arm, Contract, DailySum, Stratum
from recommender.shops.spreadsheet import cell_text, safe_cell

_VERSION = "recommender evidence 1"


@dataclass(frozen=True, slots=True)
class Billed:
    """What an earlier statement of the same contract version charged; a credit is negative."""

    month: Month
    amount_minor: int


@dataclass(frozen=True, slots=True)
class SealedRevision:
    """A day of the event log as it was when the month closed; see docs/sealed-days.md."""

    day: dt.date
    revision: int
    events: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """The facts of a bill.

    Attributes:
        through: Last day counted; its month is billed.
        sums: Daily sums from the contract's first day through `through`.
        billed: Earlier statements under this contract version.
        last_click_minor: Revenue that last-click attribution would claim; shown, never billed.
        sealed: Days of the event log that the sums were made from.
    """

    shop_id: str
    timezone: str
    through: dt.date
    contract: Contract
    strata: tuple[Stratum, ...]
    sums: tuple[DailySum, ...]
    billed: tuple[Billed, ...]
    last_click_minor: int
    sealed: tuple[SealedRevision, ...] = ()

    @property
    def month(self) -> Month:
        """Return the month that is billed."""
        return month_of(self.through)


_SUM_FIELDS = tuple(field.name for field in dataclasses.fields(DailySum))
_LISTED = {"stratum", "billed", "sealed"}
_TERMS = ("shop_id", "timezone", "through", "last_click_minor")


def write_evidence(evidence: Evidence) -> bytes:
    """Write the CSV; the same facts always give the same bytes."""
    terms = [f"# {line}" for line in _lines([[_VERSION], *_terms(evidence)])]
    rows = ([getattr(row, name) for name in _SUM_FIELDS] for row in evidence.sums)
    return "\n".join([*terms, *_lines([_SUM_FIELDS, *rows]), ""]).encode()


def _lines(rows: Iterable[Iterable[Any]]) -> list[str]:
    text = io.StringIO()
    safe_rows = ([safe_cell(value) for value in row] for row in rows)
    csv.writer(text, lineterminator="\n").writerows(safe_rows)
    return text.getvalue().splitlines()


def _terms(evidence: Evidence) -> Iterator[list[Any]]:
    for name in _TERMS:
        yield [name, getattr(evidence, name)]
    for name, value in dataclasses.asdict(evidence.contract).items():
        yield [f"contract.{name}", value]
    for stratum in evidence.strata:
        share_ppm, starts_at = stratum.treatment_share_ppm, stratum.starts_at.isoformat()
        yield ["stratum", stratum.stratum, stratum.salt, share_ppm, starts_at]
    for billed in evidence.billed:
        yield ["billed", billed.month, billed.amount_minor]
    for sealed in evidence.sealed:
        yield ["sealed", sealed.day, sealed.revision, sealed.events, sealed.sha256]


def read_evidence(data: bytes) -> Evidence:
    """Read the CSV back.

    Raises:
        InvalidInputError: It is not what `write_evidence` writes (`bad-evidence`).
    """
    try:
        lines = data.decode().splitlines()
        terms = [
            [cell_text(cell) for cell in row]
            for row in csv.reader(line[2:] for line in lines if line.startswith("# "))
        ]
        table = csv.DictReader(line for line in lines if not line.startswith("# "))
        if terms[0] != [_VERSION] or table.fieldnames != list(_SUM_FIELDS):
            raise ValueError("unknown version")
        return _evidence(terms[1:], table)
    except (ValueError, LookupError, TypeError) as error:
        raise InvalidInputError(
            f"The evidence cannot be read: {error}", code="bad-evidence"
        ) from error


def _evidence(terms: list[list[str]], table: Iterable[dict[str, str]]) -> Evidence:
    named = {row[0]: row[1] for row in terms if row[0] not in _LISTED}
    shop_id = named["shop_id"]
    return Evidence(
        shop_id=shop_id,
        timezone=named["timezone"],
        through=dt.date.fromisoformat(named["through"]),
        contract=_contract(named),
        strata=tuple(
            Stratum(shop_id, int(row[1]), row[2], int(row[3]), dt.datetime.fromisoformat(row[4]))
            for row in terms
            if row[0] == "stratum"
        ),
        sums=tuple(_daily_sum(row) for row in table),
        billed=tuple(
            Billed(parse_month(row[1]), int(row[2])) for row in terms if row[0] == "billed"
        ),
        last_click_minor=int(named["last_click_minor"]),
        sealed=tuple(
            SealedRevision(dt.date.fromisoformat(row[1]), int(row[2]), int(row[3]), row[4])
            for row in terms
            if row[0] == "sealed"
        ),
    )


def _contract(named: dict[str, str]) -> Contract:
    values: dict[str, Any] = {}
    for field in dataclasses.fields(Contract):
        text = named[f"contract.{field.name}"]
        values[field.name] = (
            int(text)
            if field.type is int
            else dt.date.fromisoformat(text)
            if field.type is dt.date
            else text
        )
    return Contract(**values)


def _daily_sum(row: dict[str, str]) -> DailySum:
    numbers = {name: int(row[name]) for name in _SUM_FIELDS if name not in {"day", "arm"}}
    return DailySum(day=dt.date.fromisoformat(row["day"]), arm=Arm(row["arm"]), **numbers)
