"""Erase a visitor (verb): everywhere at once where it is quick, and the rest soon after.

In comes a subject; out goes a tombstone, and then nothing of the subject is left in hot state,
control data, event log and artifacts. The tombstone is written first, so that an erasure that was
begun is always finished, and keeps away what still waits in a queue or a backup. Orders and their
amounts stay, without their link to the visitor: they are the shop's books. Statements hold sums,
and stay as they were issued.
"""

import contextlib
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import sqlalchemy as sa

from recommender import tables
from recommender.errors import UnavailableError
from recommender.events.erase_rows import erase_payloads, erase_rows
from recommender.events.persons import known_to_each_other, unshared_browsers
from recommender.events.subjects import Subject
from recommender.events.tombstones import Tombstone, read_tombstones, store_tombstones
from recommender.shops.audit import record_audit
from recommender.telemetry import get_logger

SETTLED_AFTER = dt.timedelta(hours=1)
"""When nobody can still hold a batch, a training or a reading from before the erasure."""

# Asked for again meanwhile, an erasure begins anew.
_IDENTITY = (tables.erasures.c.shop_id, tables.erasures.c.visitor, tables.erasures.c.requested_at)


class HotTraces(Protocol):
    """What an erasure needs of the hot state."""

    def forget(self, shop_id: str, visitors: Sequence[str]) -> None: ...

    def share_paths(self, shop_id: str, others: Mapping[str, Sequence[str]]) -> None: ...


class TombstoneFile(Protocol):
    """Tombstones beside the database, where no restored backup reaches them."""

    def append(self, tombstones: Sequence[Tombstone]) -> None: ...


class LogEraser(Protocol):
    """What an erasure needs of the event log."""

    def erase(self, shop_id: str, until: Mapping[str, dt.datetime]) -> list[dt.date]:
        """Take visitors' rows until an instant each out of the log; return the days changed."""
        ...

    def purge(self, after_hours: int) -> None:
        """Delete the files that the log gave up longer than some hours ago."""
        ...


class Artifacts(Protocol):
    """What an erasure needs of the published models."""

    def forget(self, shop_id: str, visitors: Sequence[str]) -> Mapping[str, str]:
        """Take visitors' pasts out of all artifacts of a shop; return old id → new id."""
        ...


@dataclass(frozen=True, slots=True)
class Stores:
    """What holds visitors' data besides the control database and the hot state."""

    event_log: LogEraser
    artifacts: Artifacts


def erase(
    subject: Subject,
    *,
    database: sa.Engine,
    hot_state: HotTraces,
    file: TombstoneFile,
    now: dt.datetime,
) -> list[Tombstone]:
    """Take a subject out of control data and hot state, and note the rest for `finish_erasures`.

    What a browser does after `now` is new data, under the consent that it sends or not.

    Raises:
        UnavailableError: The hot state does not answer; the erasure is noted and will be done.
    """
    shop_id = subject.shop.shop_id
    tombstones = [Tombstone(shop_id, one, now) for one in subject.hashes]
    file.append(tombstones)
    with database.begin() as connection:
        store_tombstones(connection, tombstones)
        # The chain of the audit log lasts for ever: it must not name whom it tells of.
        record_audit(connection, "visitor.erased", shop_id=shop_id, visitors=len(tombstones))
        persons = erase_rows(connection, subject, now)
        left = [unshared_browsers(connection, shop_id, person) for person in persons]
    hot_state.forget(shop_id, subject.hashes)
    for browsers in left:
        hot_state.share_paths(shop_id, known_to_each_other(browsers))
    return tombstones


def due_erasures(
    connection: sa.Connection, now: dt.datetime, *, at_once: bool = False
) -> list[Tombstone]:
    """Return the erasures that `finish_erasures` would work on."""
    erasures = tables.erasures.c
    settled = sa.true() if at_once else erasures.requested_at <= now - SETTLED_AFTER
    is_due = sa.or_(erasures.swept_at.is_(None), settled)
    return read_tombstones(connection, erasures.finished_at.is_(None), is_due)


def finish_erasures(
    *,
    database: sa.Engine,
    hot_state: HotTraces,
    stores: Stores,
    now: dt.datetime,
    at_once: bool = False,
) -> int:
    """Take erased visitors out of event log and artifacts; return how many are done with.

    Everything is gone through twice: soon after the request, and `SETTLED_AFTER` it, when nobody
    can bring something back any more. A shop that cannot be done now is left for the next call.

    Args:
        at_once: Finish now, and delete the log's old files under whoever reads them: a training
            or a report in progress then fails and is repeated.
    """
    with database.connect() as connection:
        due = due_erasures(connection, now, at_once=at_once)
    done: list[Tombstone] = []
    for shop_id in dict.fromkeys(one.shop_id for one in due):
        own = [one for one in due if one.shop_id == shop_id]
        settled = [one for one in own if at_once or now - one.requested_at >= SETTLED_AFTER]
        with _put_off(shop_id):
            _sweep(shop_id, own, database=database, stores=stores, now=now)
            # A spool may have brought back a path meanwhile.
            if settled:
                hot_state.forget(shop_id, [one.visitor for one in settled])
            done += settled
    if done:
        stores.event_log.purge(0 if at_once else int(SETTLED_AFTER.total_seconds() // 3600))
        with database.begin() as connection:
            _note(connection, done, finished_at=now)
    return len(done)


def _sweep(
    shop_id: str,
    tombstones: Sequence[Tombstone],
    *,
    database: sa.Engine,
    stores: Stores,
    now: dt.datetime,
) -> None:
    until = {one.visitor: one.requested_at for one in tombstones}
    days = stores.event_log.erase(shop_id, until)
    replaced = stores.artifacts.forget(shop_id, list(until))
    with database.begin() as connection:
        erase_payloads(connection, shop_id, list(until))
        _rename_trainings(connection, shop_id, replaced)
        _note(connection, tombstones, swept_at=now)
    get_logger().info(
        "visitors-erased", shop_id=shop_id, visitors=len(until), days=[str(day) for day in days]
    )


@contextlib.contextmanager
def _put_off(shop_id: str) -> Iterator[None]:
    try:
        yield
    except UnavailableError as error:
        get_logger().warning("erasure-waits", shop_id=shop_id, code=error.code, reason=str(error))


def _rename_trainings(connection: sa.Connection, shop_id: str, replaced: Mapping[str, str]) -> None:
    trainings = tables.trainings
    for old, new in replaced.items():
        connection.execute(
            trainings.update()
            .where(trainings.c.shop_id == shop_id, trainings.c.artifact == old)
            .values(artifact=new)
        )


def _note(
    connection: sa.Connection, tombstones: Sequence[Tombstone], **instants: dt.datetime
) -> None:
    erasures = tables.erasures
    for tombstone in tombstones:
        same = [column == getattr(tombstone, column.name) for column in _IDENTITY]
        connection.execute(erasures.update().where(*same).values(**instants))
