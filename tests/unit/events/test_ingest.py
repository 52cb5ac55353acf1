"""The ingester against a stream and a log that fail at every possible moment.

The two stand-ins below keep the promises of `recommender.ports` in memory, so that thousands of
histories can be tried; the real ones are under the same load in tests/contract/test_crashes.py.
"""

import datetime as dt
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender import tables
from recommender.errors import InconsistentError, InvalidInputError, UnavailableError
from recommender.events import ingest
from recommender.events.ingest import ingest_once
from recommender.events.rejecting import rejection_id
from recommender.ports import Backlog, RefusedEvent, StreamEntry
from recommender.records import Event, EventType, Source

NOW = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
POISON = "poison"


@dataclass
class Faults:
    """Says at each step whether to fail, and if so before or after its effect."""

    script: list[str] = field(default_factory=list)

    def around(self, effect: Callable[[], object]) -> object:
        fault = self.script.pop(0) if self.script else ""
        if fault == "before":
            raise UnavailableError("fails before")
        result = effect()
        if fault == "after":
            raise UnavailableError("fails after")
        return result


class MemoryStream:
    """`ports.EventStream` in a list."""

    def __init__(self, faults: Faults) -> None:
        self.entries: list[StreamEntry] = []
        self.epoch_name = "first"
        self._faults = faults
        self._last = 0

    def put(
        self,
        events: Sequence[Event],
        *,
        damaged: str = "",
        raw: bytes = b"",
        refused: Sequence[RefusedEvent] = (),
    ) -> int:
        self._last += 3
        entry = StreamEntry(self._last, tuple(events), raw, damaged, tuple(refused))
        self.entries.append(entry)
        return self._last

    def read(self, after: int, limit: int, block_ms: int = 0) -> list[StreamEntry]:
        found = [entry for entry in self.entries if entry.position > after][:limit]
        return self._faults.around(lambda: found)  # type: ignore[return-value]

    def epoch(self) -> str:
        return self._faults.around(lambda: self.epoch_name)  # type: ignore[return-value]

    def trim(self, through: int, epoch: str = "") -> None:
        def _trim() -> None:
            if epoch != self.epoch_name:
                raise InconsistentError("replaced")
            self.entries = [entry for entry in self.entries if entry.position > through]

        self._faults.around(_trim)

    def accept(self, events: object, recent: object) -> None:
        raise NotImplementedError

    def pending(self) -> int:
        return len(self.entries)

    def backlog(self) -> Backlog:
        raise NotImplementedError

    def claim(self, owner: str, seconds: float) -> str:
        return self._faults.around(lambda: owner)  # type: ignore[return-value]

    def release(self, owner: str) -> None:
        self._faults.around(lambda: None)

    def payload(self, event: Event) -> bytes:
        return b"{}"


class MemoryLog:
    """`ports.EventLog` in a list; refuses events of the page `POISON`."""

    def __init__(self, faults: Faults) -> None:
        self.stored: list[str] = []
        self.commits: list[int] = []
        self._faults = faults
        self._positions: dict[str, int] = {}

    def committed_position(self, writer: str) -> int:
        return self._faults.around(lambda: self._positions.get(writer, 0))  # type: ignore[return-value]

    def check(self, events: Sequence[Event]) -> None:
        if any(event.page == POISON for event in events):
            raise InvalidInputError("poisonous", code="event-unstorable")

    def append(self, events: Sequence[Event], writer: str, position: int) -> None:
        self.check(events)

        def _commit() -> None:
            if position <= self._positions.get(writer, 0):
                raise InconsistentError("committed before")
            self.stored.extend(event.event_id for event in events)
            self._positions[writer] = position
            self.commits.append(len(events))

        self._faults.around(_commit)

    def events(self, shop_id: str) -> object:
        raise NotImplementedError

    def compact(self) -> None:
        raise NotImplementedError


class World:
    """Stream, log and database, with the faults between them."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.stream = MemoryStream(self.faults)
        self.log = MemoryLog(self.faults)
        self.database = sa.create_engine(
            "sqlite://",
            poolclass=sa.pool.StaticPool,
            connect_args={"check_same_thread": False},
        )
        tables.metadata.create_all(self.database)
        with self.database.begin() as connection:
            connection.execute(
                tables.shops.insert().values(
                    shop_id="shop_a",
                    name="A",
                    currency="EUR",
                    country="FR",
                    timezone="Europe/Paris",
                    public_key="pk_a",
                    visitor_key=b"k" * 32,
                    origins=[],
                    created_at=NOW,
                )
            )

    def ingest(self, *, limit: int = 1000) -> ingest.IngestReport:
        return ingest_once(
            self.stream,
            self.log,  # type: ignore[arg-type]
            database=self.database,
            writer="ingest",
            now=lambda: NOW,
            limit=limit,
            block_ms=0,
        )

    def drain(self) -> None:
        """Go on, whatever fails, until the stream is empty and nothing fails any more."""
        for _ in range(500):
            try:
                if not self.ingest(limit=4).entries and not self.stream.entries:
                    return
            except (UnavailableError, InconsistentError):
                continue
        pytest.fail("the stream was never drained")

    def rejections(self) -> list[sa.Row[tuple[object, ...]]]:
        with self.database.connect() as connection:
            return list(connection.execute(sa.select(tables.rejections)))


def make_event(*, page: str = "/", shop_id: str = "shop_a") -> Event:
    return Event(
        shop_id,
        str(uuid.uuid4()),
        EventType.PAGE_VIEW,
        "",
        NOW,
        NOW,
        NOW.date(),
        Source.BROWSER,
        page=page,
    )


def refused(raw: bytes, event: Event | None = None) -> RefusedEvent:
    """What the ingester cannot store: an entry's bytes, or one event."""
    return RefusedEvent("shop_a", event.event_id if event else "", "", "", raw)


def test_events_are_stored_in_stream_order_and_the_stream_is_trimmed() -> None:
    world = World()
    sent = [[make_event(), make_event()], [make_event()], [make_event()]]
    last = [world.stream.put(batch) for batch in sent][-1]
    report = world.ingest()
    assert world.log.stored == [event.event_id for batch in sent for event in batch]
    assert report == ingest.IngestReport(
        entries=3, events=4, rejected=0, position=last, is_full=False
    )
    assert world.stream.entries == []


def test_nothing_to_do_commits_nothing() -> None:
    world = World()
    assert world.ingest().entries == 0
    assert world.log.commits == []


def test_a_limit_leaves_the_rest_for_the_next_round() -> None:
    world = World()
    for _ in range(5):
        world.stream.put([make_event()])
    assert world.ingest(limit=2).is_full
    assert (len(world.log.stored), len(world.stream.entries)) == (2, 3)
    assert not world.ingest(limit=4).is_full
    assert (len(world.log.stored), len(world.stream.entries)) == (5, 0)


def test_many_events_end_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "MAX_EVENTS", 30)
    monkeypatch.setattr(ingest, "PAGE_ENTRIES", 2)
    world = World()
    for _ in range(8):
        world.stream.put([make_event() for _ in range(10)])
    # Pages of two entries, twenty events each: two pages reach thirty.
    assert world.ingest().is_full
    assert world.log.commits == [40]


def test_a_damaged_entry_is_kept_with_its_reason_and_holds_up_nobody() -> None:
    world = World()
    raw = b'{"v":9,"events":[{"shop_id":"shop_a","page":"\x00\xff"}]}'
    world.stream.put([make_event()])
    position = world.stream.put([], damaged="unreadable entry: version 9", raw=raw)
    world.stream.put([make_event()])
    report = world.ingest()
    assert (report.events, report.rejected) == (2, 1)
    (rejection,) = world.rejections()
    assert rejection.shop_id == "shop_a"
    assert rejection.rejection_id == rejection_id(refused(raw), position)
    assert (rejection.code, rejection.detail) == ("damaged-entry", "unreadable entry: version 9")
    assert rejection.payload == '{"v":9,"events":[{"shop_id":"shop_a","page":"\\x00\\xff"}]}'


@pytest.mark.parametrize("raw", [b"", b"\xff\xfe", b'{"shop_id":"shop_unknown"}'])
def test_an_entry_of_nobody_is_kept_and_holds_up_nobody(raw: bytes) -> None:
    world = World()
    world.stream.put([], damaged="nonsense", raw=raw)
    world.stream.put([make_event()])
    assert world.ingest().events == 1
    (rejection,) = world.rejections()
    assert (rejection.shop_id, rejection.code) == (None, "damaged-entry")


@given(st.lists(st.sampled_from(["good", "poison", "damaged"]), min_size=1, max_size=24))
@settings(max_examples=60, deadline=None)
def test_only_the_poisonous_events_are_rejected(kinds: list[str]) -> None:
    world = World()
    good: list[str] = []
    bad: set[str] = set()
    for kind in kinds:
        event = make_event(page=POISON if kind == "poison" else "/")
        damaged = kind == "damaged"
        raw = b'{"shop_id":"shop_a"' if damaged else b"{}"
        position = world.stream.put([] if damaged else [event], damaged=kind * damaged, raw=raw)
        if kind == "good":
            good.append(event.event_id)
        else:
            bad.add(rejection_id(refused(raw, event if kind == "poison" else None), position))
    report = world.ingest()
    assert world.log.stored == good
    assert {row.rejection_id for row in world.rejections()} == bad
    assert (report.entries, report.events, report.rejected) == (len(kinds), len(good), len(bad))
    assert world.stream.entries == []


@given(
    st.lists(st.sampled_from(["good", "good", "poison", "damaged"]), min_size=1, max_size=12),
    st.lists(st.sampled_from(["", "", "before", "after"]), max_size=60),
)
@settings(max_examples=300, deadline=None)
def test_whatever_fails_each_event_is_stored_or_rejected_once(
    kinds: list[str], script: list[str]
) -> None:
    world = World()
    good: list[str] = []
    bad: set[str] = set()
    for kind in kinds:
        event = make_event(page=POISON if kind == "poison" else "/")
        damaged = kind == "damaged"
        position = world.stream.put(
            [] if damaged else [event], damaged=kind * damaged, raw=b'"shop_id":"shop_a"'
        )
        if kind == "good":
            good.append(event.event_id)
        else:
            told = event if kind == "poison" else None
            bad.add(rejection_id(refused(b'"shop_id":"shop_a"', told), position))
    world.faults.script = list(script)
    world.drain()
    assert Counter(world.log.stored) == Counter(good)
    assert {row.rejection_id for row in world.rejections()} == bad


def test_the_loop_goes_on_after_faults_and_ends_when_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(ingest, "MAX_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(ingest, "LINGER_SECONDS", 0.001)
    world = World()
    sent = [make_event() for _ in range(6)]
    for event in sent:
        world.stream.put([event])
    world.faults.script = ["before", "after", "", "before", "", "", "after", "before"]
    stop = threading.Event()
    loop = threading.Thread(
        target=ingest.run,
        args=(world.stream, world.log),
        kwargs={"database": world.database, "now": lambda: NOW, "stop": stop},
    )
    loop.start()
    for _ in range(1000):
        if not world.stream.entries:
            break
        stop.wait(0.01)
    stop.set()
    loop.join(10)
    assert not loop.is_alive()
    assert world.log.stored == [event.event_id for event in sent]


def test_good_events_of_an_entry_are_stored_and_each_poisonous_one_is_kept() -> None:
    world = World()
    pages = ["/", POISON, "/", "/", POISON]
    events = [make_event(page=page) for page in pages]
    unreadable = RefusedEvent("shop_a", "id-6", "damaged-event", "no day", b'{"day":0}')
    world.stream.put(events, refused=[unreadable])
    report = world.ingest()
    assert world.log.stored == [event.event_id for event in events if event.page == "/"]
    assert (report.events, report.rejected) == (3, 3)
    kept = {(row.code, row.payload) for row in world.rejections()}
    assert kept == {("event-unstorable", "{}"), ("damaged-event", '{"day":0}')}
    assert world.stream.entries == []


def test_positions_of_another_epoch_skip_and_trim_nothing() -> None:
    world = World()
    world.stream.put([make_event() for _ in range(3)])
    world.ingest()
    # The server's data was replaced by that of one whose clock stands behind.
    world.stream.epoch_name, world.stream.entries, world.stream._last = "second", [], -2
    late = make_event()
    position = world.stream.put([late])
    assert position < max(world.log._positions.values())
    assert world.ingest().events == 1
    assert world.log.stored[-1] == late.event_id
    assert world.stream.entries == []


def test_a_stream_replaced_while_it_was_read_is_not_trimmed() -> None:
    world = World()
    world.stream.put([make_event()])
    trim = world.stream.trim

    def replace_then_trim(through: int, epoch: str = "") -> None:
        world.stream.epoch_name = "second"
        trim(through, epoch)

    world.stream.trim = replace_then_trim  # type: ignore[method-assign]
    with pytest.raises(InconsistentError):
        world.ingest()
    assert len(world.stream.entries) == 1
