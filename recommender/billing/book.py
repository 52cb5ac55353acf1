"""Write the vendor's books (verb): append-only, each transaction balanced and sealed with the last.

`ledger` is the chain of whole transactions, `postings` the same by account, for sums and lists.
"""

import datetime as dt
from collections.abc import Collection, Sequence

import sqlalchemy as sa

from recommender import tables
from recommender.billing.evidence import LedgerEnd
from recommender.billing.ledger import Posting, check_balance
from recommender.errors import InconsistentError
from recommender.shops import chain
from recommender.shops.acting import all_shops


def book(
    connection: sa.Connection,
    shop_id: str,
    transaction_id: str,
    postings: Sequence[Posting],
    *,
    kind: str,
    currency: str,
    reference: str,
    now: dt.datetime,
) -> None:
    """Book one transaction; the chain's end stays locked until the database's one ends.

    Args:
        transaction_id: Unique over all shops, for ever.
        kind: What it is about, such as `invoice`, `credit_note`, `payment`.
        reference: What proves it, such as a statement's SHA-256.

    Raises:
        InconsistentError: `unbalanced`, debits and credits disagree; nothing was stored.
    """
    check_balance(postings)
    chain.append(
        connection,
        tables.ledger,
        tables.ledger_end,
        {
            "shop_id": shop_id,
            "transaction_id": transaction_id,
            "kind": kind,
            "currency": currency,
            "postings": [[posting.account.value, posting.amount_minor] for posting in postings],
            "reference": reference,
        },
    )
    rows = [
        {
            "shop_id": shop_id,
            "transaction_id": transaction_id,
            "account": posting.account.value,
            "amount_minor": posting.amount_minor,
            "currency": currency,
            "posted_at": now,
        }
        for posting in postings
    ]
    connection.execute(tables.postings.insert(), rows)


def ledger_end(connection: sa.Connection) -> LedgerEnd:
    """Return the last transaction booked; the chain's end stays locked until the database's ends.

    So no transaction comes between a document that names it and the document's own.
    """
    end = tables.ledger_end.c
    query = sa.select(end.sequence, end.entry_hash).with_for_update()
    return LedgerEnd(*connection.execute(query).one())


def verify_ledger(*, database: sa.Engine, ends: Collection[LedgerEnd] = ()) -> int:
    """Recompute the chain, each transaction's balance and its postings; return how many there are.

    Args:
        ends: What invoices say of the ledger as it was when they were issued.

    Raises:
        InconsistentError: `ledger-broken`, names the first transaction that was changed, is missing
            or was never sealed, or is not what an invoice says; `unbalanced`, one does not add up.
    """
    count = 0
    printed = {(end.sequence, end.entry_hash) for end in ends} - {(0, chain.FIRST_HASH)}
    with all_shops(), database.connect() as connection:
        posted = _posted(connection)
        rows = chain.sealed_rows(
            connection, tables.ledger, tables.ledger_end, name="the ledger", code="ledger-broken"
        )
        for row in rows:
            sealed = dict(row.postings)
            if posted.pop((row.shop_id, row.transaction_id), None) != sealed:
                raise _broken(row.transaction_id)
            if sum(sealed.values()):
                raise InconsistentError(f"{row.transaction_id} is unbalanced", code="unbalanced")
            printed.discard((row.sequence, row.entry_hash))
            count += 1
    if printed:
        sequence, digest = min(printed)
        raise InconsistentError(
            f"Transaction {sequence} of the ledger is not the one that an invoice names ({digest})",
            code="ledger-broken",
        )
    if posted:
        raise _broken(min(posted)[1])
    return count


def _posted(connection: sa.Connection) -> dict[tuple[str, str], dict[str, int]]:
    rows = tables.postings.c
    query = sa.select(rows.shop_id, rows.transaction_id, rows.account, rows.amount_minor)
    found: dict[tuple[str, str], dict[str, int]] = {}
    for row in connection.execute(query):
        found.setdefault((row.shop_id, row.transaction_id), {})[row.account] = row.amount_minor
    return found


def _broken(transaction_id: str) -> InconsistentError:
    return InconsistentError(
        f"The postings of {transaction_id} are not what the ledger has sealed",
        code="ledger-broken",
    )
