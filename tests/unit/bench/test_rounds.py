"""Medians over rounds, by hand."""

import pytest

from recommender.bench.load import Outcome
from recommender.bench.rounds import Round, summary
from recommender.bench.train import _against_the_limit, _exponent


def outcome(answered: int, seconds: float, **failures: int) -> Outcome:
    return Outcome(answered, answered, failures, seconds, [1_000] * (answered - 1) + [9_000])


def test_a_summary_has_medians_of_rounds() -> None:
    rounds = [
        Round(outcome(100, 1.0), outcome(200, 1.0)),  # 100 / 200 = 0.5
        Round(outcome(300, 2.0), outcome(200, 1.0)),  # 150 / 200 = 0.75
        Round(outcome(600, 1.0, hung=2), outcome(400, 1.0, lost=1)),  # 600 / 400 = 1.5
    ]
    figures = summary(rounds)
    assert figures["ours"] == 150
    assert figures["limit"] == 200
    assert figures["ratio"] == 0.75
    assert figures["ours_p50_ms"] == 1
    assert figures["failures"] == 3
    assert [one["ours"]["answered"] for one in figures["rounds"]] == [100, 300, 600]
    assert figures["rounds"][2]["limit"]["failures"] == {"lost": 1}


def test_a_percentile_is_of_the_right_answers() -> None:
    # Of 1, 1, 1 and 9 ms the median is 1 ms; the 99th percentile lies at rank 0.99 · 3 = 2.97,
    # so 0.97 of the way from 1 to 9: 8.76 ms.
    one = outcome(4, 1.0)
    assert one.percentile_ms(50) == 1
    assert one.percentile_ms(99) == pytest.approx(8.76)
    assert Outcome(0, 0, {"hung-up": 1}, 0.0, []).percentile_ms(99) == 0


def test_nothing_answered_is_no_division_by_zero() -> None:
    nothing = Outcome(0, 0, {"status-500": 5}, 0.0, [])
    figures = summary([Round(nothing, nothing)])
    assert (figures["ratio"], figures["failures"]) == (0, 10)


def point(interactions: int, seconds: float) -> dict[str, float]:
    return {"interactions": interactions, "seconds": seconds, "peak_mb": 512.0}


def test_the_curve_is_compared_with_the_limit_where_the_limit_is() -> None:
    curve = [point(100_000, 3.0), point(1_000_000, 30.0)]
    figures = _against_the_limit(curve)
    assert (figures["ours"], figures["limit"], figures["ratio"]) == (30, 60, 0.5)
    assert figures["peak_mb"] == 512
    assert _against_the_limit(curve[:1])["ours"] is None


def test_the_exponent_tells_how_time_grows() -> None:
    assert _exponent([point(10, 1.0), point(100, 10.0), point(1_000, 100.0)]) == 1
    assert _exponent([point(10, 1.0), point(1_000, 10.0)]) == 0.5
    assert _exponent([point(10, 1.0)]) is None
