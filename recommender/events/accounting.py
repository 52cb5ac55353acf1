"""Where a shop's acknowledged events are (verb): in the log, in `rejections`, or still waiting.

In come the three places they can be in; out goes a count by place in which every event id is
counted once, so that a sender's own record can be held against it.
"""

from collections import Counter
from dataclasses import dataclass

import sqlalchemy as sa

from recommender import tables
from recommender.events.ingest import writer_in
from recommender.ports import EventLog, EventStream

_PAGE_ENTRIES = 500


@dataclass(frozen=True, slots=True)
class Account:
    """One shop's events by place; `acknowledged` is their sum.

    Attributes:
        stored: Different event ids in the event log.
        copies: Rows beyond that: resends, and what a restart of Redis let be read twice; sealing
            removes them.
        rejected: Events in `rejections` and not replayed, by code.
        pending: Events in the stream that are neither stored nor rejected.
    """

    stored: int
    copies: int
    rejected: dict[str, int]
    pending: int

    @property
    def acknowledged(self) -> int:
        """Return how many different events were acknowledged."""
        return self.stored + sum(self.rejected.values()) + self.pending


def account(
    shop_id: str, *, stream: EventStream, event_log: EventLog, database: sa.Engine
) -> Account:
    """Count a shop's acknowledged events by place.

    Exact while nothing is on the move; otherwise an event that is rejected at this moment may be
    counted as pending too.

    Raises:
        UnavailableError: One of the three does not answer.
    """
    waiting = _waiting(shop_id, stream, event_log)
    events = event_log.events(shop_id)
    ids = set(events.select("event_id").to_pyarrow()["event_id"].to_pylist())
    rows = event_log.rows_by_shop().get(shop_id, 0)
    return Account(
        stored=len(ids),
        copies=rows - len(ids),
        rejected=_rejected(shop_id, database),
        pending=len(waiting - ids),
    )


def _waiting(shop_id: str, stream: EventStream, event_log: EventLog) -> set[str]:
    after = event_log.committed_position(writer_in(stream.epoch()))
    waiting: set[str] = set()
    while page := stream.read(after, _PAGE_ENTRIES):
        after = page[-1].position
        for entry in page:
            waiting.update(event.event_id for event in entry.events if event.shop_id == shop_id)
    return waiting


def _rejected(shop_id: str, database: sa.Engine) -> dict[str, int]:
    rows = tables.rejections.c
    query = sa.select(rows.code).where(rows.shop_id == shop_id, rows.replayed_at.is_(None))
    with database.connect() as connection:
        return dict(Counter(connection.scalars(query)))
