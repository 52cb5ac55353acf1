"""All that one month's bill depends on, as a record and as the CSV that travels inside the invoice.

Pure. The CSV opens in a spreadsheet: lines that start with `#` are the terms, below them stands
one row per day, stratum and arm. No text in it can become a formula.
"""

import csv
import dataclasses
import datetime as dt
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from recommender.billing.months import Month, month_of, parse_month
from recommender.errors import InvalidInputError
from recommender.records import Arm, Contract, DailySum, RateTier, Stratum
from recommender.shops.exclusions import RulesVersion, rules_from_json
from recommender.shops.spreadsheet import cell_text, safe_cell
from recommender.uplift.freezing import FrozenDay
from recommender.uplift.removed import Removed

SCHEMA = 2
FIRST_SCHEMA = 1
"""What the first release wrote: one rate, one month's fee, no frozen day, no covariate."""
_TITLE = "recommender evidence"


@dataclass(frozen=True, slots=True)
class Billed:
    """Success fee of an earlier statement of the same contract version; a credit is negative."""

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
class LedgerEnd:
    """The last transaction of the vendor's books before a statement; see shops/chain.py."""

    sequence: int
    entry_hash: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """The facts of a bill.

    Attributes:
        through: Last day counted; its month is billed.
        sums: Daily sums from the contract's first day through `through`, without frozen days.
        billed: Earlier statements under this contract version.
        last_click_minor: Revenue that last-click attribution would claim; shown, never billed.
        sealed: Days of the event log that the sums were made from.
        frozen: Days that count in neither arm, with the rule that says so.
        ends_on: Last day of this contract version; None while no later version is agreed.
        carried_minor: Success fee that the version before left open.
        rules: Versions of the shop's exclusions that govern a day of it; none in statements of
            before there were any. So `removed` and `ledger`.
        removed: What the exclusions took out of both arms.
        ledger: The end of the vendor's books; None in a preview.
        schema: How it is written down; an earlier one is read and priced as it was then.
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
    frozen: tuple[FrozenDay, ...] = ()
    ends_on: dt.date | None = None
    carried_minor: int = 0
    rules: tuple[RulesVersion, ...] = ()
    removed: tuple[Removed, ...] = ()
    ledger: LedgerEnd | None = None
    schema: int = SCHEMA

    @property
    def month(self) -> Month:
        """Return the month that is billed."""
        return month_of(self.through)


_SUM_FIELDS = tuple(field.name for field in dataclasses.fields(DailySum))
_FIRST_SUM_FIELDS = _SUM_FIELDS[: _SUM_FIELDS.index("revenue_squares") + 1]
_LISTED = {"stratum", "billed", "sealed", "frozen", "tier", "rules", "removed", "ledger"}
_FIRST_FACTS = ("shop_id", "timezone", "through", "last_click_minor")
FIRST_TERMS = (
    "shop_id", "version", "starts_on", "rate_bps", "policy", "cap_month_bps", "cap_year_minor",
    "order_cap_minor", "alpha_ppm", "n_star", "currency",
)  # fmt: skip
"""Terms of a contract that the first release knew."""
LATER_TERMS = {"visitor_month_cap_minor": 0}
"""Terms that are written down only where they are agreed, with what they are elsewhere."""


def write_evidence(evidence: Evidence) -> bytes:
    """Write the CSV as its schema has it; the same facts always give the same bytes."""
    first = evidence.schema == FIRST_SCHEMA
    columns = _FIRST_SUM_FIELDS if first else _SUM_FIELDS
    written = _first_terms(evidence) if first else _terms(evidence)
    terms = [f"# {line}" for line in _lines([[f"{_TITLE} {evidence.schema}"], *written])]
    rows = ([getattr(row, name) for name in columns] for row in evidence.sums)
    return "\n".join([*terms, *_lines([columns, *rows]), ""]).encode()


def _lines(rows: Iterable[Iterable[Any]]) -> list[str]:
    text = io.StringIO()
    safe_rows = ([safe_cell(value) for value in row] for row in rows)
    csv.writer(text, lineterminator="\n").writerows(safe_rows)
    return text.getvalue().splitlines()


def _first_terms(evidence: Evidence) -> Iterator[list[Any]]:
    for name in _FIRST_FACTS:
        yield [name, getattr(evidence, name)]
    for name in FIRST_TERMS:
        yield [f"contract.{name}", getattr(evidence.contract, name)]
    for stratum in evidence.strata:
        yield _stratum_line(stratum)
    yield from _billed_lines(evidence)
    yield from _sealed_lines(evidence)


def _terms(evidence: Evidence) -> Iterator[list[Any]]:
    for name in _FIRST_FACTS:
        yield [name, getattr(evidence, name)]
    yield ["ends_on", evidence.ends_on or ""]
    yield ["carried_minor", evidence.carried_minor]
    for field in dataclasses.fields(Contract):
        value = getattr(evidence.contract, field.name)
        if field.name != "tiers" and value != LATER_TERMS.get(field.name):
            yield [f"contract.{field.name}", value]
    for tier in evidence.contract.tiers:
        yield ["tier", tier.from_minor, tier.rate_bps]
    for stratum in evidence.strata:
        yield [*_stratum_line(stratum), str(stratum.phase)]
    yield from _billed_lines(evidence)
    for frozen in evidence.frozen:
        yield ["frozen", frozen.day, str(frozen.reason), frozen.detail]
    for told in evidence.rules:
        since = told.governs_from or "", told.stated_at.isoformat() if told.stated_at else ""
        yield ["rules", told.version, *since, told.sha256]
    for removed in evidence.removed:
        yield ["removed", *dataclasses.astuple(removed)]
    if evidence.ledger is not None:
        yield ["ledger", evidence.ledger.sequence, evidence.ledger.entry_hash]
    yield from _sealed_lines(evidence)


def _stratum_line(stratum: Stratum) -> list[Any]:
    share_ppm, starts_at = stratum.treatment_share_ppm, stratum.starts_at.isoformat()
    return ["stratum", stratum.stratum, stratum.salt, share_ppm, starts_at]


def _billed_lines(evidence: Evidence) -> Iterator[list[Any]]:
    for billed in evidence.billed:
        yield ["billed", billed.month, billed.amount_minor]


def _sealed_lines(evidence: Evidence) -> Iterator[list[Any]]:
    for sealed in evidence.sealed:
        yield ["sealed", sealed.day, sealed.revision, sealed.events, sealed.sha256]


def read_evidence(data: bytes) -> Evidence:
    """Read the CSV back, of this release or an earlier one.

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
        schema = _schema(terms[0], table.fieldnames)
        return _evidence(schema, terms[1:], table)
    except (ValueError, LookupError, TypeError) as error:
        raise InvalidInputError(
            f"The evidence cannot be read: {error}", code="bad-evidence"
        ) from error


def _schema(title: list[str], columns: Sequence[str] | None) -> int:
    for schema, wanted in ((SCHEMA, _SUM_FIELDS), (FIRST_SCHEMA, _FIRST_SUM_FIELDS)):
        if title == [f"{_TITLE} {schema}"] and columns == list(wanted):
            return schema
    raise ValueError("unknown version")


def _evidence(schema: int, terms: list[list[str]], table: Iterable[dict[str, str]]) -> Evidence:
    named = {row[0]: row[1] for row in terms if row[0] not in _LISTED}
    listed: dict[str, list[list[str]]] = {kind: [] for kind in _LISTED}
    for kind, *cells in terms:
        if kind in _LISTED:
            listed[kind].append(cells)
    if schema != FIRST_SCHEMA and not {"ends_on", "carried_minor"} <= named.keys():
        raise ValueError("a term is missing")
    shop_id = named["shop_id"]
    ends_on = named.get("ends_on", "")
    return Evidence(
        shop_id=shop_id,
        timezone=named["timezone"],
        through=dt.date.fromisoformat(named["through"]),
        contract=_contract(schema, named, listed["tier"]),
        strata=tuple(
            Stratum(shop_id, int(row[0]), row[1], int(row[2]), _instant(row[3]), *row[4:])
            for row in listed["stratum"]
        ),
        sums=tuple(_daily_sum(row) for row in table),
        billed=tuple(Billed(parse_month(row[0]), int(row[1])) for row in listed["billed"]),
        last_click_minor=int(named["last_click_minor"]),
        sealed=tuple(
            SealedRevision(dt.date.fromisoformat(row[0]), int(row[1]), int(row[2]), row[3])
            for row in listed["sealed"]
        ),
        frozen=tuple(
            FrozenDay(dt.date.fromisoformat(row[0]), row[1], row[2]) for row in listed["frozen"]
        ),
        ends_on=dt.date.fromisoformat(ends_on) if ends_on else None,
        carried_minor=int(named.get("carried_minor", 0)),
        rules=tuple(_rules(row) for row in listed["rules"]),
        removed=tuple(
            Removed(row[0], int(row[1]), row[2], *map(int, row[3:])) for row in listed["removed"]
        ),
        ledger=next((LedgerEnd(int(row[0]), row[1]) for row in listed["ledger"]), None),
        schema=schema,
    )


def _rules(row: Sequence[str]) -> RulesVersion:
    names = ("version", "governs_from", "stated_at", "sha256")
    return rules_from_json(dict(zip(names, row, strict=True)))


def _instant(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def _contract(schema: int, named: dict[str, str], tiers: list[list[str]]) -> Contract:
    values: dict[str, Any] = {"tiers": tuple(RateTier(int(row[0]), int(row[1])) for row in tiers)}
    for field in dataclasses.fields(Contract):
        if field.name in values or (schema == FIRST_SCHEMA and field.name not in FIRST_TERMS):
            continue
        if field.name in LATER_TERMS and f"contract.{field.name}" not in named:
            continue
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
    numbers = {name: int(value) for name, value in row.items() if name not in {"day", "arm"}}
    return DailySum(day=dt.date.fromisoformat(row["day"]), arm=Arm(row["arm"]), **numbers)
