"""Requests a minute, over several processes, and without Redis."""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Mapping

import pytest

from recommender.adapters.rate_limits import RateLimits
from recommender.errors import UnavailableError
from world import Clock

NOON = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
SECRET = b"s" * 32


class Shared:
    """What Redis does with the counts."""

    def __init__(self) -> None:
        self.minutes: dict[int, Counter[str]] = defaultdict(Counter)
        self.is_away = False

    def add(self, minute: int, amounts: Mapping[str, int]) -> dict[str, int]:
        if self.is_away:
            raise UnavailableError("away")
        self.minutes[minute].update(amounts)
        return {name: self.minutes[minute][name] for name in amounts}


@pytest.fixture
def shared() -> Shared:
    return Shared()


@pytest.fixture
def clock() -> Clock:
    return Clock(NOON)


def limits(shared: Shared, clock: Clock) -> RateLimits:
    return RateLimits(shared.add, secret=SECRET, now=clock)


def test_a_limit_holds_for_a_minute(shared: Shared, clock: Clock) -> None:
    one = limits(shared, clock)
    assert [one.allows("shop:a", 3) for _ in range(5)] == [True] * 3 + [False] * 2
    assert one.allows("shop:b", 3), "others have limits of their own"
    clock.advance(seconds=60)
    assert one.allows("shop:a", 3)


def test_no_limit_is_none(shared: Shared, clock: Clock) -> None:
    one = limits(shared, clock)
    assert all(one.allows("shop:a", 0) for _ in range(100))


def test_processes_count_together_once_they_told_each_other(shared: Shared, clock: Clock) -> None:
    one, two = limits(shared, clock), limits(shared, clock)
    assert all(one.allows("shop:a", 10) for _ in range(6))
    assert all(two.allows("shop:a", 10) for _ in range(4))
    for _ in range(2):
        one.share()
        two.share()
    assert not two.allows("shop:a", 10)
    one.allows("shop:a", 10)
    one.share()
    assert not one.allows("shop:a", 10)


def test_without_redis_each_process_counts_alone(shared: Shared, clock: Clock) -> None:
    one = limits(shared, clock)
    shared.is_away = True
    assert one.allows("shop:a", 2)
    one.share()
    assert one.allows("shop:a", 2)
    assert not one.allows("shop:a", 2)


def test_addresses_are_counted_by_household_and_never_told(shared: Shared, clock: Clock) -> None:
    one = limits(shared, clock)
    assert one.allows_address("8.8.8.8", 1)
    assert not one.allows_address("8.8.8.8", 1)
    assert one.allows_address("2600:1:2:3::1", 1)
    assert not one.allows_address("2600:1:2:3:ffff::9", 1)
    assert one.allows_address("2600:1:2:4::1", 1)
    one.share()
    (counts,) = shared.minutes.values()
    assert not any("8.8" in name or "2600" in name for name in counts)
    first_minute = set(counts)
    clock.advance(seconds=60)
    one.allows_address("8.8.8.8", 1)
    one.share()
    assert first_minute.isdisjoint(shared.minutes[int(clock().timestamp()) // 60])


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "10.1.2.3", "192.168.0.7", "", "unix:"])
def test_a_neighbour_may_be_everybody_s_proxy(shared: Shared, clock: Clock, address: str) -> None:
    one = limits(shared, clock)
    assert all(one.allows_address(address, 1) for _ in range(5))
