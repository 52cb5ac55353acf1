"""The books as a journal for accountants: the 18 columns of the French FEC. Pure.

Source: livre des procédures fiscales, article A47 A-1. One entry a document, dated by it, and one a
payment, dated by the bank; every entry balances, in the currency of the books.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from recommender.billing.ledger import Account, Posting, check_balance
from recommender.errors import InvalidInputError
from recommender.shops.money import exponent, format_minor

COLUMNS = (
    "JournalCode", "JournalLib", "EcritureNum", "EcritureDate", "CompteNum", "CompteLib",
    "CompAuxNum", "CompAuxLib", "PieceRef", "PieceDate", "EcritureLib", "Debit", "Credit",
    "EcritureLet", "DateLet", "ValidDate", "Montantdevise", "Idevise",
)  # fmt: skip
SALES, BANK = "VE", "BQ"
_JOURNALS = {SALES: "Ventes", BANK: "Banque"}
_ACCOUNTS = {
    Account.RECEIVABLE: ("411000", "Clients"),
    Account.REVENUE: ("706000", "Prestations de services"),
    Account.VAT: ("445710", "TVA collectée"),
    Account.BANK: ("512000", "Banque"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One booking.

    Attributes:
        journal: `VE` or `BQ`.
        number: Gapless within the journal and year.
        piece: Number of the document it rests on.
        validated_on: Day it was booked; it has been unchangeable since.
    """

    journal: str
    number: str
    on: dt.date
    shop_id: str
    buyer_name: str
    piece: str
    piece_on: dt.date
    text: str
    currency: str
    postings: tuple[Posting, ...]
    validated_on: dt.date


@dataclass(frozen=True, slots=True)
class Journal:
    """A file for the accountant.

    Attributes:
        debit_minor: Sum of the debits, equal to that of the credits.
    """

    name: str
    text: str
    entries: int
    debit_minor: int


def write_journal(
    entries: Iterable[Entry],
    *,
    siren: str,
    currency: str,
    through: dt.date,
    rates: Mapping[str, Decimal],
) -> Journal:
    """Write the file.

    Args:
        siren: Of the company; names the file.
        currency: Of the books.
        rates: Currency → what one unit of it is worth in the books' currency.

    Raises:
        InvalidInputError: `missing-rate`, an entry is in another currency.
    """
    lines, debit_minor, count = ["\t".join(COLUMNS)], 0, 0
    ordered = sorted(entries, key=lambda entry: (entry.on, entry.journal, entry.number))
    for entry in ordered:
        booked = convert(entry, currency, rates)
        check_balance(booked)
        lines += ["\t".join(row) for row in _rows(entry, booked, currency)]
        debit_minor += sum(max(0, posting.amount_minor) for posting in booked)
        count += 1
    name = f"{siren}FEC{through:%Y%m%d}.txt"
    return Journal(name, "\n".join([*lines, ""]), count, debit_minor)


def convert(entry: Entry, currency: str, rates: Mapping[str, Decimal]) -> list[Posting]:
    """Return an entry's postings in the currency of the books.

    What rounding leaves, the customer's account takes.

    Raises:
        InvalidInputError: `missing-rate`.
    """
    if entry.currency == currency:
        return list(entry.postings)
    if entry.currency not in rates:
        raise InvalidInputError(
            f"{entry.number} is in {entry.currency}: say what one {entry.currency} is worth with "
            f"--rate {entry.currency}=…",
            code="missing-rate",
        )
    scale = Decimal(10) ** (exponent(currency) - exponent(entry.currency))
    converted = [
        Posting(
            posting.account,
            int((posting.amount_minor * rates[entry.currency] * scale).quantize(1, ROUND_HALF_UP)),
        )
        for posting in entry.postings
    ]
    rest = sum(posting.amount_minor for posting in converted)
    return [
        Posting(posting.account, posting.amount_minor - rest)
        if posting.account is Account.RECEIVABLE
        else posting
        for posting in converted
    ]


def _rows(entry: Entry, booked: list[Posting], currency: str) -> Iterator[list[str]]:
    for posting, original in zip(booked, entry.postings, strict=True):
        account, name = _ACCOUNTS[posting.account]
        is_customer = posting.account is Account.RECEIVABLE
        foreign = entry.currency != currency
        yield [
            entry.journal,
            _JOURNALS[entry.journal],
            entry.number,
            f"{entry.on:%Y%m%d}",
            account,
            name,
            entry.shop_id if is_customer else "",
            _plain(entry.buyer_name) if is_customer else "",
            entry.piece,
            f"{entry.piece_on:%Y%m%d}",
            _plain(entry.text),
            _decimal(max(0, posting.amount_minor), currency),
            _decimal(max(0, -posting.amount_minor), currency),
            "",
            "",
            f"{entry.validated_on:%Y%m%d}",
            _decimal(original.amount_minor, entry.currency) if foreign else "",
            entry.currency if foreign else "",
        ]


def _decimal(minor: int, currency: str) -> str:
    return format_minor(minor, currency).replace(".", ",")


def _plain(text: str) -> str:
    """Return a text without the signs that part columns and rows."""
    return " ".join(text.split())
