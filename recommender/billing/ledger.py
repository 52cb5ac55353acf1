"""Double entry: what an invoice or a payment changes in the books. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from recommender.billing.invoice import InvoiceDocument
from recommender.errors import InconsistentError


class Account(StrEnum):
    """Accounts of the vendor's books."""

    RECEIVABLE = "receivable"
    REVENUE = "revenue"
    VAT = "vat"
    BANK = "bank"


@dataclass(frozen=True, slots=True)
class Posting:
    """One side of a booking; debit is positive, credit negative."""

    account: Account
    amount_minor: int


def invoice_postings(document: InvoiceDocument) -> list[Posting]:
    """Return the balanced postings of an invoice or credit note.

    Raises:
        InconsistentError: They do not sum to 0; nothing may be stored.
    """
    postings = [
        Posting(Account.RECEIVABLE, document.gross_minor),
        Posting(Account.REVENUE, -document.net_minor),
        Posting(Account.VAT, -document.vat_minor),
    ]
    check_balance(postings)
    return [posting for posting in postings if posting.amount_minor]


def payment_postings(amount_minor: int) -> list[Posting]:
    """Return the postings of money received; negative is money paid back."""
    return [Posting(Account.BANK, amount_minor), Posting(Account.RECEIVABLE, -amount_minor)]


def check_balance(postings: Sequence[Posting]) -> None:
    """Stop the money path unless debits and credits agree.

    Raises:
        InconsistentError: They do not.
    """
    balance = sum(posting.amount_minor for posting in postings)
    if balance:
        raise InconsistentError(f"Postings are out of balance by {balance}", code="unbalanced")
