"""The event log on a real Delta table: each event once, whatever is repeated or interrupted."""

import datetime as dt
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import deltalake
import ibis
import pyarrow as pa
import pytest
from event_load import NOON, make_event, stored_ids
from msgspec import structs

from recommender.adapters.event_log import DeltaEventLog
from recommender.adapters.event_rows import events_to_table
from recommender.errors import InconsistentError, InvalidInputError, UnavailableError
from recommender.events.columns import EVENT_SCHEMA
from recommender.records import Event, EventItem, EventType, Source

DAY = dt.timedelta(days=1)


def rows(event_log: DeltaEventLog, shop_id: str = "shop_a") -> dict[str, dict[str, object]]:
    """What the log tells of a shop, by event id."""
    found = event_log.events(shop_id).to_pyarrow().to_pylist()
    return {row["event_id"]: row for row in found}


def as_row(event: Event) -> dict[str, object]:
    return structs.asdict(event) | {"items": [structs.asdict(i) for i in event.items]}


# What goes in comes out


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_events_come_back_as_they_were(tmp_path: Path, prefix: str) -> None:
    event_log = DeltaEventLog(f"{prefix}{tmp_path}/a lake's é")
    told = [
        make_event(),
        make_event(items=(), search_term="bécane 'x' ✓", visitor=""),
        make_event(
            at=NOON + 3 * DAY + dt.timedelta(microseconds=1),
            type=EventType.ORDER,
            source=Source.SERVER,
            order_id="o-1",
            items=(EventItem("a", 3, None), EventItem("b", 1, 2**62)),
        ),
        make_event(type=EventType.EXPOSURE, arm="control", stratum=4, placement="home"),
    ]
    event_log.append(told, "ingest", 1)
    assert rows(event_log) == {event.event_id: as_row(event) for event in told}
    assert event_log.events("shop_a").to_pyarrow().schema == EVENT_SCHEMA


def test_the_schema_names_the_fields_of_an_event() -> None:
    assert EVENT_SCHEMA.names == list(Event.__struct_fields__)


def test_an_empty_log_has_the_same_columns(event_log: DeltaEventLog) -> None:
    for _ in range(2):
        table = event_log.events("shop_a")
        assert table.schema() == ibis.Schema.from_pyarrow(EVENT_SCHEMA)
        assert table.to_pyarrow().num_rows == 0
        assert event_log.rows_by_shop() == {}
        assert event_log.rows_by_day("shop_a") == {}
        # A log that knows a position and no event is empty too.
        event_log.append([], "ingest", event_log.committed_position("ingest") + 1)


def test_a_shop_sees_only_its_own_events(event_log: DeltaEventLog) -> None:
    shops = ["shop_a", "shop_b", "shop 1/ü='%", "shop_"]
    events = {shop_id: [make_event(shop_id), make_event(shop_id)] for shop_id in shops}
    event_log.append([event for pair in events.values() for event in pair], "ingest", 1)
    for shop_id, pair in events.items():
        assert rows(event_log, shop_id) == {event.event_id: as_row(event) for event in pair}
    assert rows(event_log, "shop_c") == {}
    assert event_log.rows_by_shop() == dict.fromkeys(shops, 2)
    for shop_id, pair in events.items():
        assert event_log.rows_by_day(shop_id) == {pair[0].day: 2}
    assert event_log.rows_by_day("shop_c") == {}


def test_further_questions_run_on_the_table(event_log: DeltaEventLog) -> None:
    event_log.append([make_event(at=NOON + n * DAY) for n in range(5)], "ingest", 1)
    table = event_log.events("shop_a")
    late = table.filter(table.day >= (NOON + 3 * DAY).date())
    assert late.count().to_pyarrow().as_py() == 2
    pieces = table.select(item=table["items"].unnest())
    assert pieces.item.quantity.sum().to_pyarrow().as_py() == 5 * 2


# Once


def test_of_several_copies_the_first_received_counts(event_log: DeltaEventLog) -> None:
    first = make_event()
    second = structs.replace(first, received_at=NOON + dt.timedelta(hours=1), page="/again")
    third = structs.replace(first, received_at=NOON + dt.timedelta(hours=2), page="/later")
    event_log.append([second, second], "ingest", 1)
    event_log.append([third], "ingest", 2)
    event_log.append([first], "ingest", 3)
    assert event_log.events("shop_a").to_pyarrow().to_pylist() == [as_row(first)]
    event_log.compact()
    assert event_log.events("shop_a").to_pyarrow().to_pylist() == [as_row(first)]


def test_a_position_is_committed_with_its_events(tmp_path: Path) -> None:
    event_log = DeltaEventLog(str(tmp_path))
    assert event_log.committed_position("ingest") == 0
    event_log.append([make_event()], "ingest", 2**62)
    event_log.append([make_event()], "import", 1)
    event_log.append([], "import", 7)
    for again in (event_log, DeltaEventLog(str(tmp_path))):
        assert again.committed_position("ingest") == 2**62
        assert again.committed_position("import") == 7
        assert again.committed_position("nobody") == 0
    assert len(rows(event_log)) == 2


@pytest.mark.parametrize("position", [5, 4])
def test_what_was_committed_is_not_stored_again(event_log: DeltaEventLog, position: int) -> None:
    event_log.append([make_event()], "ingest", 5)
    with pytest.raises(InconsistentError) as caught:
        event_log.append([make_event()], "ingest", position)
    assert caught.value.code == "already-committed"
    assert len(rows(event_log)) == 1
    assert event_log.committed_position("ingest") == 5


def test_of_two_ingesters_the_slower_is_refused(tmp_path: Path) -> None:
    one, other = DeltaEventLog(str(tmp_path)), DeltaEventLog(str(tmp_path))
    one.append([make_event()], "ingest", 1)
    assert one.committed_position("ingest") == other.committed_position("ingest") == 1
    one.append([kept := make_event()], "ingest", 2)
    with pytest.raises(InconsistentError) as caught:
        other.append([make_event()], "ingest", 3)
    assert caught.value.code == "concurrent-writer"
    assert other.committed_position("ingest") == 2
    other.append([make_event()], "ingest", 3)
    assert one.committed_position("ingest") == 3
    assert len(rows(one)) == 3
    assert kept.event_id in rows(other)


def test_other_writers_and_tidying_are_not_in_the_way(tmp_path: Path) -> None:
    event_log = DeltaEventLog(str(tmp_path))
    event_log.append([make_event()], "start", 1)
    sent: dict[str, list[Event]] = {"a": [], "b": [], "c": []}
    faults: list[Exception] = []
    writing = threading.Event()
    writing.set()

    def _write(writer: str) -> None:
        own = DeltaEventLog(str(tmp_path))
        try:
            for position in range(1, 26):
                event = make_event(at=NOON + position % 3 * DAY)
                own.append([event], writer, position)
                sent[writer].append(event)
        except Exception as error:  # the main thread reports it
            faults.append(error)

    def _tidy() -> None:
        own = DeltaEventLog(str(tmp_path))
        try:
            while writing.is_set():
                own.compact()
        except Exception as error:  # the main thread reports it
            faults.append(error)

    writers = [threading.Thread(target=_write, args=(writer,)) for writer in sent]
    tidier = threading.Thread(target=_tidy)
    for thread in (*writers, tidier):
        thread.start()
    for thread in writers:
        thread.join()
    writing.clear()
    tidier.join()
    assert faults == []
    assert len(rows(event_log)) == 1 + 3 * 25
    assert {row["event_id"] for row in event_log.events("shop_a").to_pyarrow().to_pylist()} >= {
        event.event_id for events in sent.values() for event in events
    }
    assert [event_log.committed_position(writer) for writer in sent] == [25, 25, 25]


def test_tidying_makes_one_file_of_many(event_log: DeltaEventLog, tmp_path: Path) -> None:
    for position in range(1, 11):
        event_log.append([make_event()], "ingest", position)
    before = rows(event_log)
    open_table = event_log.events("shop_a")
    event_log.compact()
    assert rows(event_log) == before
    assert len(open_table.to_pyarrow()) == 10, "a reader that had begun lost its files"
    actions = sorted((tmp_path / "lake" / "events" / "_delta_log").glob("*.json"))
    assert actions
    assert event_log.committed_position("ingest") == 10
    assert len(deltalake.DeltaTable(tmp_path / "lake" / "events").file_uris()) == 1


def test_threads_may_share_the_log(event_log: DeltaEventLog) -> None:
    event_log.append([make_event() for _ in range(100)], "ingest", 1)
    counts: list[int] = []

    def _count() -> None:
        counts.extend(event_log.events("shop_a").count().to_pyarrow().as_py() for _ in range(5))

    threads = [threading.Thread(target=_count) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [100] * 30


# On disk


def test_a_commit_is_synced_before_it_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[tuple[int, int]] = set()
    sync = os.fsync

    def _note(descriptor: int) -> None:
        sync(descriptor)
        status = os.fstat(descriptor)
        synced.add((status.st_ino, status.st_size if stat.S_ISREG(status.st_mode) else 0))

    monkeypatch.setattr(os, "fsync", _note)
    event_log = DeltaEventLog(str(tmp_path))
    event_log.append([make_event("shop é"), make_event(at=NOON + DAY)], "ingest", 1)
    # Another process's commit under ours must be as safe as ours.
    monkeypatch.setattr(os, "fsync", lambda _: None)
    DeltaEventLog(str(tmp_path)).append([make_event()], "other", 1)
    monkeypatch.setattr(os, "fsync", _note)
    assert event_log.committed_position("ingest") == 1
    paths = list((tmp_path / "events").rglob("*"))
    assert len([path for path in paths if path.suffix == ".parquet"]) == 3
    for path in (*paths, tmp_path / "events"):
        status = path.stat()
        assert (status.st_ino, status.st_size if path.is_file() else 0) in synced, path


def newest_commit(folder: Path) -> Path:
    return max((folder / "events" / "_delta_log").glob("*.json"))


def newest_data(folder: Path) -> Path:
    files = (folder / "events").glob("shop_id=*/*/*.parquet")
    return max(files, key=lambda path: path.stat().st_mtime_ns)


@pytest.mark.parametrize(
    "tear",
    [
        lambda commit, _: commit.write_bytes(b""),
        lambda commit, _: commit.write_bytes(commit.read_bytes()[:900]),
        lambda commit, _: commit.write_bytes(b"\0" * 900),
        lambda _, data: os.truncate(data, 0),
        lambda _, data: os.truncate(data, 100),
        lambda _, data: data.unlink(),
    ],
)
@pytest.mark.parametrize("beneath", [False, True])
def test_a_commit_torn_by_a_power_cut_never_happened(
    tmp_path: Path, tear: Callable[[Path, Path], object], beneath: bool
) -> None:
    event_log = DeltaEventLog(str(tmp_path))
    kept = [make_event(), make_event()]
    event_log.append(kept[:1], "ingest", 1)
    event_log.append(kept[1:], "ingest", 2)
    event_log.append([make_event()], "ingest", 3)
    torn = newest_commit(tmp_path), newest_data(tmp_path)
    if beneath:
        event_log.append([make_event()], "other", 1)
    tear(*torn)
    after = DeltaEventLog(str(tmp_path))
    assert after.recover() == (2 if beneath else 1)
    assert after.committed_position("ingest") == 2
    assert rows(after) == {event.event_id: as_row(event) for event in kept}
    after.append([again := make_event()], "ingest", 3)
    assert again.event_id in rows(after)
    assert after.recover() == 0


@pytest.mark.parametrize("tear", ["data", "checkpoint", "hint"])
def test_a_torn_tidying_gives_back_what_it_merged(tmp_path: Path, tear: str) -> None:
    event_log = DeltaEventLog(str(tmp_path))
    for position in (1, 2, 3):
        event_log.append([make_event()], "ingest", position)
    before = rows(event_log)
    event_log.compact()
    log = tmp_path / "events" / "_delta_log"
    torn = {
        "data": newest_data(tmp_path),
        "checkpoint": max(log.glob("*.checkpoint.parquet")),
        "hint": log / "_last_checkpoint",
    }[tear]
    os.truncate(torn, torn.stat().st_size // 2)
    after = DeltaEventLog(str(tmp_path))
    after.recover()
    assert rows(after) == before
    assert after.committed_position("ingest") == 3


def test_a_sound_log_is_left_alone(event_log: DeltaEventLog) -> None:
    assert event_log.recover() == 0
    for position in range(1, 6):
        event_log.append([make_event(), make_event("shop é")], "ingest", position)
    event_log.compact()
    event_log.append([make_event()], "ingest", 6)
    before = rows(event_log)
    assert event_log.recover() == 0
    assert rows(event_log) == before


# Refusals


@pytest.mark.parametrize(
    "changes",
    [
        {"items": (EventItem("a", 2**31),)},
        {"items": (EventItem("a", 1, 2**63),)},
        {"items": (EventItem("a", "2"),)},  # type: ignore[arg-type]
        {"stratum": 2**31},
        {"visitor": None},
        {"visitor": 7},
        {"page": "lone \ud800 surrogate"},
        {"shop_id": ""},
        {"day": None},
        {"occurred_at": dt.datetime(2026, 3, 2)},
    ],
)
def test_an_event_that_does_not_fit_is_refused_with_its_batch(
    event_log: DeltaEventLog, changes: dict[str, object]
) -> None:
    event_log.append([make_event()], "ingest", 1)
    with pytest.raises(InvalidInputError) as caught:
        event_log.append([make_event(), make_event(**changes), make_event()], "ingest", 2)
    assert caught.value.code == "event-unstorable"
    event_log.append([make_event()], "ingest", 2)
    assert len(rows(event_log)) == 2


def test_columns_are_taken_only_in_the_log_s_schema(event_log: DeltaEventLog) -> None:
    table = events_to_table([make_event(), make_event()])
    with pytest.raises(InvalidInputError):
        event_log.append_table(table.drop_columns(["page"]), "import", 1)
    nulls = table.set_column(3, "visitor", pa.nulls(2, pa.string()))
    with pytest.raises(InvalidInputError):
        event_log.append_table(nulls, "import", 1)
    event_log.append_table(table, "import", 1)
    assert sum(stored_ids(event_log).values()) == 2


def test_a_log_that_cannot_be_reached_says_so(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("not a folder")
    event_log = DeltaEventLog(str(tmp_path / "lake"))
    with pytest.raises(UnavailableError):
        event_log.append([make_event()], "ingest", 1)


@pytest.mark.parametrize(
    ("lake", "engine"), [("/lake", "spark"), ("/a%20lake", "duckdb"), ("/lake*", "duckdb")]
)
def test_what_is_not_supported_is_refused_at_once(lake: str, engine: str) -> None:
    with pytest.raises(InvalidInputError):
        DeltaEventLog(lake, engine=engine)


# A table of the first release


def test_a_log_without_the_newest_columns_is_read_written_and_sealed(tmp_path: Path) -> None:
    old_schema = EVENT_SCHEMA.remove(EVENT_SCHEMA.get_field_index("bot"))
    old = make_event()
    deltalake.write_deltalake(
        str(tmp_path / "events"),
        events_to_table([old]).select(old_schema.names),
        partition_by=["shop_id", "day"],
    )
    event_log = DeltaEventLog(str(tmp_path))
    assert rows(event_log) == {old.event_id: as_row(old)}
    new = make_event(bot="1 user-agent")
    event_log.append([new], "ingest", 1)
    assert rows(event_log) == {event.event_id: as_row(event) for event in (old, new)}
    (sealed,) = event_log.seal("shop_a", [NOON.date()])
    assert sealed.events == 2
    assert rows(event_log) == {event.event_id: as_row(event) for event in (old, new)}
    assert DeltaEventLog(str(tmp_path)).committed_position("ingest") == 1
