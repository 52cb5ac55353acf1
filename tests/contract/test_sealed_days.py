"""Sealed days on a real event log: one hash for the same events, another for any other."""

import datetime as dt
import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import sqlalchemy as sa
from event_load import NOON, make_event, stored_ids
from msgspec import structs

from recommender.adapters.event_log import DeltaEventLog
from recommender.errors import UnavailableError
from recommender.events.sealing import SealedDay, read_revisions, seal_days
from recommender.records import Event, EventItem, EventType, Shop

DAY = dt.timedelta(days=1)
TODAY = NOON.date()
LATER = NOON + 2 * DAY

Seal = Callable[..., list[SealedDay]]


@pytest.fixture
def seal(shop: Shop, database: sa.Engine, event_log: DeltaEventLog) -> Seal:
    def run(through: dt.date = TODAY, log: DeltaEventLog = event_log) -> list[SealedDay]:
        return seal_days(shop.shop_id, event_log=log, database=database, through=through, now=LATER)

    return run


def documented_hash(events: Iterable[Event]) -> str:
    """What docs/sealed-days.md says, written down a second time."""
    digest = hashlib.sha256(b"recommender day 1\n")
    for event in sorted(events, key=lambda event: event.event_id):
        row = b"".join(map(counted, canonical_fields(event)))
        digest.update(hashlib.sha256(row).hexdigest().encode() + b"\n")
    return digest.hexdigest()


def canonical_fields(event: Event) -> list[str]:
    fields = structs.asdict(event)
    for name in ("occurred_at", "received_at"):
        fields[name] = (fields[name] - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(
            microseconds=1
        )
    fields["items"] = "".join(
        counted(str("" if value is None else value)).decode()
        for item in event.items
        for value in (item.item_id, item.quantity, item.price_minor)
    )
    return [str(value) for value in fields.values()]


def counted(text: str) -> bytes:
    return f"{len(text.encode())}:{text}".encode()


def some_events(shop: Shop) -> list[Event]:
    return [
        make_event(shop.shop_id),
        make_event(shop.shop_id, items=(), search_term="bécane 'x' ✓ 12:", visitor=""),
        make_event(shop.shop_id, items=(EventItem("a", 3, None), EventItem("b", 1, 2**62))),
        make_event(shop.shop_id, at=NOON + dt.timedelta(microseconds=7), bot="1 user-agent"),
        make_event(shop.shop_id, type=EventType.EXPOSURE, arm="control", stratum=4),
    ]


def test_a_day_is_counted_and_hashed_as_documented(
    shop: Shop, event_log: DeltaEventLog, seal: Seal
) -> None:
    events = some_events(shop)
    event_log.append(events, "ingest", 1)
    event_log.append([make_event("shop_other")], "ingest", 2)
    (sealed,) = seal()
    assert (sealed.day, sealed.revision, sealed.events, sealed.copies) == (TODAY, 1, 5, 0)
    assert sealed.sha256 == documented_hash(events)


def test_copies_are_removed_and_files_merged(
    shop: Shop, event_log: DeltaEventLog, seal: Seal
) -> None:
    events = some_events(shop)
    again = structs.replace(events[0], received_at=NOON + DAY)
    for position, batch in enumerate([[again], events, events[2:]], start=1):
        event_log.append(batch, "ingest", position)
    assert event_log.rows_by_shop() == {shop.shop_id: 1 + 5 + 3}
    (sealed,) = seal()
    assert (sealed.events, sealed.copies) == (5, 4)
    # Of the copies the one received first stays.
    assert sealed.sha256 == documented_hash(events)
    assert event_log.rows_by_shop() == {shop.shop_id: 5}
    assert set(stored_ids(event_log, shop.shop_id).values()) == {1}


def test_the_hash_does_not_depend_on_files_or_order(
    shop: Shop, database: sa.Engine, seal: Seal, tmp_path: Path
) -> None:
    events = some_events(shop)
    hashes = set()
    for number, parts in enumerate([[events], [events[::-1]], [[one] for one in events]]):
        log = DeltaEventLog(str(tmp_path / f"lake{number}"))
        for position, batch in enumerate(parts, start=1):
            log.append(batch, "ingest", position)
        (content,) = log.seal(shop.shop_id, [TODAY])
        hashes.add(content.sha256)
    assert hashes == {documented_hash(events)}


def test_each_field_changes_the_hash(shop: Shop, tmp_path: Path) -> None:
    event = make_event(shop.shop_id)
    changes: list[dict[str, object]] = [
        {},
        {"page": "/p/item-2"},
        # The same letters, divided differently between two fields.
        {"session": "ab", "page": "c"},
        {"session": "a", "page": "bc"},
        {"items": (EventItem("item-1", 2, None),)},
        {"items": (EventItem("item-1", 21, 999),)},
        {"bot": "1 empty"},
        {"received_at": NOON + dt.timedelta(microseconds=1)},
        {"stratum": 1},
    ]
    hashes = set()
    for number, change in enumerate(changes):
        log = DeltaEventLog(str(tmp_path / f"lake{number}"))
        log.append([structs.replace(event, **change)], "ingest", 1)  # type: ignore[arg-type]
        hashes.add(log.seal(shop.shop_id, [TODAY])[0].sha256)
    assert len(hashes) == len(changes)


def test_a_late_event_opens_a_revision_and_the_earlier_one_stays(
    shop: Shop, database: sa.Engine, event_log: DeltaEventLog, seal: Seal
) -> None:
    events = some_events(shop)
    event_log.append(events[:4], "ingest", 1)
    (first,) = seal()
    event_log.append(events[4:], "ingest", 2)
    (second,) = seal()
    assert (second.revision, second.events) == (2, 5)
    assert second.sha256 == documented_hash(events) != first.sha256
    revisions = read_revisions(shop.shop_id, database=database)
    assert [sealed.sha256 for sealed in revisions] == [first.sha256, second.sha256]


def test_nothing_new_is_no_revision(
    shop: Shop, database: sa.Engine, event_log: DeltaEventLog, seal: Seal
) -> None:
    events = some_events(shop)
    event_log.append(events, "ingest", 1)
    (first,) = seal()
    assert seal() == [first]
    # A resend puts a copy into the day: other files, the same events.
    event_log.append(events[:2], "ingest", 2)
    event_log.compact()
    (again,) = seal()
    assert (again.revision, again.sha256, again.copies) == (1, first.sha256, 2)
    assert event_log.rows_by_shop() == {shop.shop_id: 5}


def test_only_days_that_are_over_are_sealed(
    shop: Shop, event_log: DeltaEventLog, seal: Seal
) -> None:
    for number in range(3):
        event_log.append([make_event(shop.shop_id, at=NOON + number * DAY)], "ingest", number + 1)
    assert [sealed.day for sealed in seal(TODAY + DAY)] == [TODAY, TODAY + DAY]


def test_many_days_are_sealed_together(shop: Shop, event_log: DeltaEventLog, seal: Seal) -> None:
    events = [make_event(shop.shop_id, at=NOON + number * DAY) for number in range(40)]
    event_log.append(events, "ingest", 1)
    event_log.append(events[:35], "ingest", 2)
    sealed = seal(TODAY + 50 * DAY)
    assert [one.sha256 for one in sealed] == [documented_hash([event]) for event in events]
    assert event_log.rows_by_shop() == {shop.shop_id: 40}


def test_events_that_come_while_a_day_is_sealed_are_not_lost(
    shop: Shop, event_log: DeltaEventLog, seal: Seal, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recommender.adapters import event_days

    events = some_events(shop)
    event_log.append(events[:2], "ingest", 1)
    event_log.append(events[2:4], "ingest", 2)
    write = event_days.write_deltalake

    def late_event_then_write(*arguments: object, **named: object) -> None:
        monkeypatch.setattr(event_days, "write_deltalake", write)
        event_log.append(events[4:], "ingest", 3)
        write(*arguments, **named)

    monkeypatch.setattr(event_days, "write_deltalake", late_event_then_write)
    with pytest.raises(UnavailableError):
        seal()
    assert len(stored_ids(event_log, shop.shop_id)) == 5
    (sealed,) = seal()
    assert sealed.sha256 == documented_hash(events)


def test_an_ingester_writes_to_other_days_while_one_is_sealed(
    shop: Shop, event_log: DeltaEventLog, seal: Seal, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recommender.adapters import event_days

    event_log.append([make_event(shop.shop_id)], "ingest", 1)
    event_log.append([make_event(shop.shop_id)], "ingest", 2)
    write = event_days.write_deltalake

    def other_day_then_write(*arguments: object, **named: object) -> None:
        monkeypatch.setattr(event_days, "write_deltalake", write)
        event_log.append([make_event(shop.shop_id, at=NOON + DAY)], "ingest", 3)
        write(*arguments, **named)

    monkeypatch.setattr(event_days, "write_deltalake", other_day_then_write)
    (sealed,) = seal()
    assert (sealed.events, event_log.rows_by_shop()) == (2, {shop.shop_id: 3})
