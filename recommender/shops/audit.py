"""The audit log (verb): who changed what and when, each entry sealed with the one before it.

An entry is written in the transaction of the change it tells of, so neither exists without the
other. The chain runs over all shops of the vendor; a row apart keeps its end, so that removing the
newest entries is noticed too. Triggers refuse to change or delete an entry.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from recommender import tables
from recommender.errors import InconsistentError
from recommender.shops.acting import all_shops, current

FIRST_HASH = "0" * 64
_AT_ONCE = 1_000


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
    end = tables.audit_end
    row = connection.execute(
        end.update()
        .values(sequence=end.c.sequence + 1)
        .returning(end.c.sequence, end.c.entry_hash, sa.func.now(type_=tables.UtcInstant))
    ).one()
    entry = AuditEntry(
        sequence=row[0],
        shop_id=shop_id,
        at=row[2],
        actor=current().actor[:254],
        action=action,
        subject=subject[:200],
        detail=detail,
        previous_hash=row[1],
    )
    values = asdict(entry) | {"entry_hash": seal(entry)}
    connection.execute(tables.audit.insert().values(values))
    connection.execute(end.update().values(entry_hash=values["entry_hash"]))


def seal(entry: AuditEntry) -> str:
    """Return the hash that an entry must carry."""
    body = asdict(entry) | {"at": entry.at.astimezone(dt.UTC).isoformat()}
    del body["entry_hash"]
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


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
    rows, end = tables.audit, tables.audit_end
    sequence, previous = 0, FIRST_HASH
    with all_shops(), database.connect() as connection:
        kept = connection.execute(sa.select(end.c.sequence, end.c.entry_hash)).one()
        query = sa.select(rows).where(rows.c.sequence <= kept.sequence).order_by(rows.c.sequence)
        with connection.execute(query.execution_options(yield_per=_AT_ONCE)) as found:
            for row in found:
                entry = AuditEntry(**row._mapping)
                sequence += 1
                if entry.sequence != sequence:
                    raise _broken(sequence, "is missing")
                if entry.previous_hash != previous or seal(entry) != entry.entry_hash:
                    raise _broken(sequence, "was changed")
                previous = entry.entry_hash
    if (sequence, previous) != tuple(kept):
        raise _broken(sequence + 1, "is missing")
    return sequence


def _broken(sequence: int, what: str) -> InconsistentError:
    return InconsistentError(f"Entry {sequence} of the audit log {what}", code="audit-broken")
