"""The audit log (verb): who changed what and when, each entry sealed with the one before it.

An entry is written in the transaction of the change it tells of, so neither exists without the
other. Triggers refuse to change or delete an entry.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from recommender import tables
from recommender.shops import chain
from recommender.shops.acting import current


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change.

    Attributes:
        sequence: Place in the vendor's chain, from 1 without gaps.
        shop_id: Whose data changed; None for the vendor's own.
        action: What was done, as `thing.deed`.
        subject: What it was done to.
        detail: What else tells the change; never a secret.
        previous_hash: Seal of the entry before, 64 hexadecimal digits.
        entry_hash: SHA-256 over all of the above as canonical JSON.
    """

    sequence: int
    shop_id: str | None
    at: dt.datetime
    actor: str
    action: str
    subject: str
    detail: Mapping[str, Any]
    previous_hash: str
    entry_hash: str = ""


def record_audit(
    connection: sa.Connection,
    action: str,
    *,
    shop_id: str | None,
    subject: str = "",
    **detail: str | int | bool | None,
) -> None:
    """Add an entry, in the transaction of the change itself.

    Who did it is known from `shops.acting`; the time is the database's, which nobody who writes
    can choose.

    Args:
        connection: Open transaction; the chain's end stays locked until it ends.
        action: `thing.deed`, for example `key.created`.
        shop_id: Whose data changed; None for the vendor's own.
        subject: What it was done to, for example an id.
        **detail: What else tells the change. Neither secrets nor what must be erasable.
    """
    chain.append(
        connection,
        tables.audit,
        tables.audit_end,
        {
            "shop_id": shop_id,
            "actor": current().actor[:254],
            "action": action,
            "subject": subject[:200],
            "detail": detail,
        },
    )


def read_audit(
    shop_id: str | None, *, database: sa.Engine, limit: int = 200, before: int | None = None
) -> list[AuditEntry]:
    """Return entries, newest first.

    Args:
        shop_id: Only of this shop; None for all.
        database: Control data.
        limit: Most entries to return.
        before: Only entries of a smaller sequence, to turn pages.
    """
    rows = tables.audit
    query = sa.select(rows).order_by(rows.c.sequence.desc()).limit(limit)
    if shop_id is not None:
        query = query.where(rows.c.shop_id == shop_id)
    if before is not None:
        query = query.where(rows.c.sequence < before)
    with database.connect() as connection:
        return [AuditEntry(**row._mapping) for row in connection.execute(query)]


def verify_audit(*, database: sa.Engine) -> int:
    """Recompute the whole chain and return its number of entries.

    Raises:
        InconsistentError: Code `audit-broken`; names the first entry that was changed or is
            missing.
    """
    return chain.verify_chain(
        tables.audit,
        tables.audit_end,
        database=database,
        name="the audit log",
        code="audit-broken",
    )
