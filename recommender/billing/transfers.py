"""What a bank statement's CSV says → transfers, and the invoice each one names. Pure."""

import csv
import datetime as dt
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from recommender.errors import InvalidInputError
from recommender.records import Rejection
from recommender.shops.money import parse_minor

COLUMNS = ("transaction_id", "date", "amount", "currency", "reference")
_ID = re.compile(r"[!-~]{1,50}")
# The end of every invoice number; what stands before it may be a prefix, or the payer's own words.
_NUMBER = re.compile(r"[A-Z0-9-]*[0-9]{4}-[0-9]{6,}")


@dataclass(frozen=True, slots=True)
class Transfer:
    """One transaction of the bank account.

    Attributes:
        transaction_id: The bank's own, by which a transaction is known again.
        amount_minor: Positive is received, negative is paid.
        reference: What the payer wrote.
    """

    transaction_id: str
    paid_on: dt.date
    amount_minor: int
    currency: str
    reference: str


def read_transfers(text: str) -> tuple[list[Transfer], list[Rejection]]:
    """Read a CSV with the columns of `COLUMNS`, in any order, after comma or semicolon.

    Returns:
        Transfers, and the rows (from 0) that are none.

    Raises:
        InvalidInputError: `bad-transfers`, a column is missing.
    """
    lines = text.removeprefix("\ufeff").splitlines()
    delimiter = ";" if lines and lines[0].count(";") > lines[0].count(",") else ","
    table = csv.DictReader(io.StringIO("\n".join(lines)), delimiter=delimiter)
    missing = sorted(set(COLUMNS) - set(table.fieldnames or ()))
    if missing:
        raise InvalidInputError(
            f"The file has no column {', '.join(missing)}", code="bad-transfers"
        )
    transfers, rejections = [], []
    for index, row in enumerate(table):
        try:
            transfers.append(_transfer(row))
        except (InvalidInputError, ValueError, TypeError) as error:
            rejections.append(Rejection(index, "bad-transfer", str(error)))
    return transfers, rejections


def _transfer(row: Mapping[str, str]) -> Transfer:
    # A short row has no text at all in its last columns.
    cells = {name: (row[name] or "").strip() for name in COLUMNS}
    transaction_id, currency = cells["transaction_id"], cells["currency"]
    if not _ID.fullmatch(transaction_id):
        raise ValueError("transaction_id is 1 to 50 signs without spaces")
    amount_minor = parse_minor(_with_point(cells["amount"]), currency)
    if not amount_minor:
        raise ValueError("amount is 0")
    paid_on = _date(cells["date"])
    return Transfer(transaction_id, paid_on, amount_minor, currency, cells["reference"])


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"date is written like 2026-11-20, not {text!r}") from error


def _with_point(amount: str) -> str:
    """Turn "1 200,50" into "1200.50"; with both signs it stays, and is refused."""
    return amount if "." in amount else re.sub(r"\s", "", amount).replace(",", ".")


def named_numbers(reference: str) -> Iterator[Sequence[str]]:
    """Yield, for each place that may be an invoice number, what it may be, the longest first.

    `INVOICE-F2027-000012` may be that whole, or `F2027-000012` after somebody's own words.
    """
    for found in _NUMBER.findall(reference.upper()):
        tail = re.search(r"[0-9]{4}-[0-9]{6,}\Z", found)
        if tail is not None:
            yield [found[start:] for start in range(tail.start() + 1)]
