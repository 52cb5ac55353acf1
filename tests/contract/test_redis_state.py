"""Stream and hot state on a real Valkey: nothing acknowledged is lost, doubled or reordered."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from event_load import NOON, make_event
from hypothesis import given
from hypothesis import strategies as st
from redis.connection import AbstractConnection

from recommender.adapters.child_process import end_child, start_child
from recommender.adapters.embedded_server import configure_server, wait_until_ready
from recommender.adapters.event_codec import encode_events
from recommender.adapters.redis_state import RedisState
from recommender.adapters.redis_stream import position_of
from recommender.errors import InconsistentError, UnavailableError
from recommender.paths import PathKind, PathStep
from recommender.ports import Visit, VisitorState, WhoAsks
from recommender.records import Event, EventType
from world import visitor_state

VISITOR = "ab" * 16
SETTINGS = ("appendonly", "appendfsync", "maxmemory-policy", "maxmemory")


@pytest.fixture
def client(redis_url: str) -> Iterator["redis.Redis"]:
    """The server as somebody else sees it; its settings are put back afterwards."""
    with contextlib.closing(redis.Redis.from_url(redis_url)) as other:
        before = {name: other.config_get(name)[name] for name in SETTINGS}
        yield other
        for name, value in before.items():
            other.config_set(name, value)


def seen(*item_ids: str) -> Visit:
    """Views of these items, one a second, oldest first."""
    start = int(NOON.timestamp())
    return Visit(
        [PathStep(item, PathKind.VIEW, start + place) for place, item in enumerate(item_ids)]
    )


def exposure(**changes: object) -> Event:
    fields = {"type": EventType.EXPOSURE, "placement": "home", "arm": "control", "items": ()}
    return make_event(**(fields | changes))


# The stream


def test_a_request_is_one_entry_and_comes_back_whole(state: RedisState) -> None:
    first = [make_event(), make_event(search_term="bécane ✓", items=())]
    second = [make_event("shop_b")]
    state.accept(first, {})
    state.accept(second, {})
    entries = state.read(0, 10)
    assert [entry.events for entry in entries] == [tuple(first), tuple(second)]
    assert 0 < entries[0].position < entries[1].position < 2**63
    assert not any(entry.damaged for entry in entries)


def test_reading_goes_on_behind_a_position(state: RedisState) -> None:
    sent = [make_event() for _ in range(7)]
    for event in sent:
        state.accept([event], {})
    seen, after = [], 0
    while page := state.read(after, 3):
        assert len(page) <= 3
        seen += [event for entry in page for event in entry.events]
        after = page[-1].position
    assert seen == sent


def test_a_waiting_reader_gets_the_first_entry(state: RedisState, redis_url: str) -> None:
    found: list[Event] = []
    reader = threading.Thread(
        target=lambda: found.extend(RedisState(redis_url).read(0, 10, 10_000)[0].events)
    )
    reader.start()
    event = make_event()
    state.accept([event], {})
    reader.join(10)
    assert found == [event]


def test_a_reader_waits_no_longer_than_told(state: RedisState) -> None:
    assert state.read(0, 10, 20) == []
    assert state.read(0, 10) == []


def test_trimming_forgets_exactly_what_was_told(state: RedisState) -> None:
    for _ in range(300):
        state.accept([make_event()], {})
    entries = state.read(0, 1000)
    state.trim(entries[199].position)
    assert state.pending() == 100
    assert state.read(0, 1000) == entries[200:]
    state.trim(entries[-1].position)
    assert state.pending() == 0


def test_positions_do_not_start_again_in_an_empty_stream(state: RedisState) -> None:
    state.accept([make_event()], {})
    (before,) = state.read(0, 1)
    state.trim(before.position)
    state.accept([make_event()], {})
    (after,) = state.read(before.position, 1)
    assert after.position > before.position


@given(
    st.tuples(st.integers(0, 2**42 - 1), st.integers(0, 2**21 - 1)),
    st.tuples(st.integers(0, 2**42 - 1), st.integers(0, 2**21 - 1)),
)
def test_positions_keep_the_order_of_stream_ids(a: tuple[int, int], b: tuple[int, int]) -> None:
    position_a, position_b = (position_of(f"{ms}-{sequence}") for ms, sequence in (a, b))
    assert (position_a < position_b) == (a < b)
    assert max(position_a, position_b) < 2**63


def test_a_sequence_that_ran_over_is_refused() -> None:
    with pytest.raises(InconsistentError):
        position_of(f"1700000000000-{2**21}")


@pytest.mark.parametrize("fields", [{"e": b"\x00\xff nonsense"}, {"other": b"1"}])
def test_a_damaged_entry_is_handed_on_with_its_bytes(
    state: RedisState, client: "redis.Redis", fields: dict[str, bytes]
) -> None:
    client.xadd("events", fields)
    good = make_event()
    state.accept([good], {})
    damaged, sound = state.read(0, 10)
    assert damaged.events == ()
    assert damaged.damaged
    assert damaged.raw == fields.get("e", b"")
    assert sound.events == (good,)


# What the next request knows


def test_the_path_comes_newest_first_and_its_items_without_repetition(state: RedisState) -> None:
    state.accept([make_event()], {VISITOR: seen("a", "b", "a")})
    assert visitor_state(state, "shop_a", VISITOR, "home").recent.item_ids == ("a", "b")
    state.accept([make_event()], {VISITOR: seen("c", "b"), "another": seen("z")})
    assert visitor_state(state, "shop_a", VISITOR, "home").recent.item_ids == ("b", "c", "a")
    assert visitor_state(state, "shop_b", VISITOR, "home").recent.item_ids == ()
    assert visitor_state(state, "shop_a", "", "home").recent.item_ids == ()


def test_steps_keep_their_kind_and_time(state: RedisState) -> None:
    steps = [
        PathStep("mug|v|7", PathKind.VIEW, 1_772_400_000),
        PathStep("mug|v|7", PathKind.CART, 1_772_400_060),
        PathStep("pot é", PathKind.ORDER, 1_772_400_120),
    ]
    state.accept([make_event()], {VISITOR: Visit(steps)})
    assert visitor_state(state, "shop_a", VISITOR, "home").recent.steps == tuple(reversed(steps))


def test_an_item_counts_once_for_each_kind_and_day(state: RedisState) -> None:
    midnight = 1_772_409_600
    reloads = [PathStep("mug", PathKind.VIEW, midnight + second) for second in (-9, 0, 5)]
    state.accept([make_event()], {VISITOR: Visit(reloads)})
    state.accept([make_event()], {VISITOR: Visit([PathStep("mug", PathKind.CART, midnight + 6)])})
    known = visitor_state(state, "shop_a", VISITOR, "home").recent.steps
    assert [(step.kind, step.at_seconds - midnight) for step in known] == [
        (PathKind.CART, 6),
        (PathKind.VIEW, 5),
        (PathKind.VIEW, -9),
    ]


def test_a_path_that_an_earlier_release_kept_is_read(
    state: RedisState, client: "redis.Redis"
) -> None:
    client.lpush(f"recent:shop_a:{VISITOR}", "a", "b")
    state.accept([make_event()], {VISITOR: seen("c")})
    known = visitor_state(state, "shop_a", VISITOR, "home")
    assert known.recent.item_ids == ("c", "b", "a")
    assert known.recent.steps[1:] == (
        PathStep("b", PathKind.VIEW, 0),
        PathStep("a", PathKind.VIEW, 0),
    )


def test_visitors_asked_for_together_get_each_their_own(
    state: RedisState, client: "redis.Redis"
) -> None:
    state.announce_catalogue("shop_a", 3)
    state.announce_catalogue("shop_b", 5)
    state.accept([make_event()], {"one": seen("a"), "two": Visit([], page_views=4)})
    state.accept([make_event("shop_b")], {"one": seen("b")})
    state.record_exposure(exposure(visitor="two"))
    client.set("recent:shop_a:odd", "no list")
    asked = [
        WhoAsks("shop_a", "one", "home"),
        WhoAsks("shop_b"),
        WhoAsks("shop_a", "odd", "home"),
        WhoAsks("shop_a", "two", "home"),
        WhoAsks("shop_b", "one", "home"),
    ]
    one, nobody, odd, two, elsewhere = state.visitor_states(asked)
    assert isinstance(odd, UnavailableError), "what one key holds is nobody else's fault"
    assert (one.recent.item_ids, one.exposed, one.catalogue_revision) == (("a",), False, 3)
    assert nobody == VisitorState(catalogue_revision=5)
    assert (two.recent.item_ids, two.exposed, two.page_views) == ((), True, 4)
    assert (elsewhere.recent.item_ids, elsewhere.catalogue_revision) == (("b",), 5)
    assert state.visitor_states([]) == []


def test_the_newest_steps_are_kept_for_thirty_days(
    state: RedisState, client: "redis.Redis"
) -> None:
    for start in range(0, 80, 8):
        items = [f"item-{number}" for number in range(start, start + 8)]
        state.accept([make_event()], {VISITOR: seen(*items)})
    expected = tuple(f"item-{number}" for number in range(79, 15, -1))
    assert visitor_state(state, "shop_a", VISITOR, "home").recent.item_ids == expected
    days = client.ttl(f"recent:shop_a:{VISITOR}") / 86_400
    assert days == pytest.approx(30, abs=0.01)


def test_page_views_are_counted_until_a_day_without_any(
    state: RedisState, client: "redis.Redis"
) -> None:
    assert visitor_state(state, "shop_a", VISITOR, "home").page_views == 0
    state.accept([make_event()], {VISITOR: Visit(page_views=2)})
    state.accept([make_event()], {VISITOR: Visit(page_views=1)})
    assert visitor_state(state, "shop_a", VISITOR, "home").page_views == 3
    assert visitor_state(state, "shop_a", "another", "home").page_views == 0
    assert client.ttl(f"pages:shop_a:{VISITOR}") == pytest.approx(86_400, abs=60)


def test_an_exposure_is_stored_and_flagged_for_a_day(
    state: RedisState, client: "redis.Redis"
) -> None:
    event = exposure(visitor=VISITOR)
    assert not visitor_state(state, "shop_a", VISITOR, "home").exposed
    state.record_exposure(event)
    assert visitor_state(state, "shop_a", VISITOR, "home").exposed
    assert not visitor_state(state, "shop_a", VISITOR, "cart").exposed
    assert state.read(0, 10)[0].events == (event,)
    assert client.ttl(f"exposed:shop_a:{VISITOR}:home") == pytest.approx(86_400, abs=60)


def test_a_visitor_without_consent_is_never_flagged(state: RedisState) -> None:
    state.record_exposure(exposure(visitor=""))
    assert not visitor_state(state, "shop_a", "", "home").exposed
    assert state.pending() == 1


def test_a_catalogue_revision_never_goes_back(state: RedisState) -> None:
    assert visitor_state(state, "shop_a", "", "home").catalogue_revision == 0
    for revision in (3, 2**40, 7):
        state.announce_catalogue("shop_a", revision)
    assert visitor_state(state, "shop_a", VISITOR, "home").catalogue_revision == 2**40
    assert visitor_state(state, "shop_b", "", "home").catalogue_revision == 0


def test_a_visitor_s_state_takes_one_round_trip(
    state: RedisState, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor_state(state, "shop_a", VISITOR, "home")
    sent = 0
    send = AbstractConnection.send_packed_command

    def _count(connection: AbstractConnection, *args: object, **options: object) -> None:
        nonlocal sent
        sent += 1
        send(connection, *args, **options)

    monkeypatch.setattr(AbstractConnection, "send_packed_command", _count)
    visitor_state(state, "shop_a", VISITOR, "home")
    assert sent == 1


def test_the_latest_events_come_newest_first(state: RedisState) -> None:
    sent = [make_event() for _ in range(8)]
    state.accept(sent[:5], {})
    state.record_exposure(exposed := exposure())
    state.accept(sent[5:], {})
    newest_first = [*reversed(sent[5:]), exposed, *reversed(sent[:5])]
    assert state.latest_events("shop_a", 20) == newest_first
    assert state.latest_events("shop_a", 2) == newest_first[:2]
    assert state.latest_events("shop_a", 0) == []
    assert state.latest_events("shop_b", 20) == []


def test_the_latest_events_outlive_trimming_and_stay_few(state: RedisState) -> None:
    big = [make_event() for _ in range(70)]
    state.accept(big, {})
    state.trim(state.read(0, 10)[-1].position)
    assert state.latest_events("shop_a", 1000) == big[:-51:-1]


# Refusals


@pytest.mark.parametrize(
    ("name", "value"),
    [("appendfsync", "everysec"), ("appendonly", "no"), ("maxmemory-policy", "allkeys-lru")],
)
def test_a_server_that_could_lose_events_gets_none(
    redis_url: str, client: "redis.Redis", name: str, value: str
) -> None:
    client.config_set(name, value)
    state = RedisState(redis_url)
    for attempt in (
        lambda: state.accept([make_event()], {}),
        lambda: state.record_exposure(exposure()),
        state.ping,
    ):
        with pytest.raises(UnavailableError, match=name) as caught:
            attempt()
        assert caught.value.code == "redis-not-durable"
    assert state.pending() == 0
    client.config_set(name, {"appendfsync": "always", "appendonly": "yes"}.get(name, "noeviction"))
    state.accept([make_event()], {})
    assert state.pending() == 1


def test_settings_are_looked_at_again_after_a_lost_connection(
    state: RedisState, client: "redis.Redis"
) -> None:
    state.accept([make_event()], {})
    client.config_set("appendfsync", "everysec")
    client.client_kill_filter(_type="normal", skipme=True)
    for _ in range(2):
        with pytest.raises(UnavailableError, match="appendfsync"):
            state.accept([make_event()], {})
    assert visitor_state(state, "shop_a", VISITOR, "home").recent.item_ids == ()
    assert state.pending() == 1


def test_a_full_server_refuses_but_can_be_emptied(state: RedisState, client: "redis.Redis") -> None:
    state.accept([make_event()], {VISITOR: seen("a")})
    client.config_set("maxmemory", "1mb")
    with pytest.raises(UnavailableError, match="maxmemory"):
        state.accept([make_event()], {VISITOR: seen("b")})
    assert visitor_state(state, "shop_a", VISITOR, "home").recent.item_ids == ("a",)
    entries = state.read(0, 10_000)
    assert len(entries) == state.pending()
    state.trim(entries[-1].position)
    assert state.pending() == 0


def test_without_a_server_every_call_says_so(tmp_path: Path) -> None:
    for state in (RedisState(f"unix://{tmp_path}/nobody.sock"), RedisState("")):
        for attempt in (
            lambda state=state: state.accept([make_event()], {}),
            lambda state=state: state.read(0, 1),
            lambda state=state: visitor_state(state, "shop_a", VISITOR, "home"),
            state.pending,
            state.ping,
        ):
            with pytest.raises(UnavailableError):
                attempt()


def test_a_write_without_an_answer_is_never_sent_twice(tmp_path: Path) -> None:
    server = configure_server(tmp_path)
    with (tmp_path / "log").open("wb") as output:
        child = start_child(server.argv, output=output)
    try:
        wait_until_ready(server.url, child)
        state = RedisState(server.url)
        state.ping()
        child.send_signal(signal.SIGSTOP)
        event = make_event()
        with pytest.raises(UnavailableError):
            state.accept([event], {VISITOR: seen("a")})
        child.send_signal(signal.SIGCONT)
        state.ping()
        assert [entry.events for entry in state.read(0, 10)] in ([], [(event,)])
    finally:
        child.send_signal(signal.SIGCONT)
        end_child(child, patience_seconds=10)


def test_threads_share_one_state(state: RedisState) -> None:
    def _send() -> None:
        for _ in range(50):
            state.accept([make_event()], {VISITOR: seen("a")})
            visitor_state(state, "shop_a", VISITOR, "home")

    threads = [threading.Thread(target=_send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = [event for entry in state.read(0, 1000) for event in entry.events]
    assert len({event.event_id for event in events}) == len(events) == 400


def test_one_instant_can_hold_many_entries(state: RedisState, client: "redis.Redis") -> None:
    raw = encode_events([make_event()])
    instant = int(NOON.timestamp() * 1000)
    for sequence in range(5):
        client.xadd("events", {"e": raw}, id=f"{instant}-{sequence}")
    positions = [entry.position for entry in state.read(0, 10)]
    assert positions == sorted(set(positions))
    assert state.read(positions[2], 10)[0].position == positions[3]
    state.trim(positions[2])
    assert state.pending() == 2
