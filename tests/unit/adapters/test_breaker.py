"""Who may ask a server that does not answer."""

from recommender.adapters.breaker import PAUSE_SECONDS, Breaker


class Seconds:
    at = 50.0

    def __call__(self) -> float:
        return self.at


def opened() -> tuple[Breaker, Seconds]:
    clock = Seconds()
    breaker = Breaker(clock)
    breaker.failed()
    breaker.failed()
    return breaker, clock


def test_one_failure_is_a_doubt_and_two_are_enough() -> None:
    breaker = Breaker(Seconds())
    assert breaker.may_try()
    breaker.failed()
    assert breaker.is_doubtful
    assert not breaker.is_open
    breaker.failed()
    assert breaker.is_open


def test_failures_far_apart_do_not_add_up() -> None:
    clock = Seconds()
    breaker = Breaker(clock)
    for _ in range(5):
        breaker.failed()
        clock.at += 10
    assert not breaker.is_open


def test_while_it_is_open_one_may_try_each_second() -> None:
    breaker, clock = opened()
    assert not breaker.may_try()
    clock.at += PAUSE_SECONDS
    assert [breaker.may_try() for _ in range(3)] == [True, False, False]
    breaker.failed()
    assert not breaker.may_try()
    clock.at += PAUSE_SECONDS
    assert breaker.may_try()


def test_a_success_closes_it() -> None:
    breaker, _ = opened()
    breaker.succeeded()
    assert not breaker.is_open
    assert not breaker.is_doubtful
    assert [breaker.may_try() for _ in range(3)] == [True, True, True]
