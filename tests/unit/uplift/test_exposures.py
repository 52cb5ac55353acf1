import datetime as dt
from typing import Any

from recommender.events.bots import PREFETCH
from recommender.records import Arm, EventType
from recommender.uplift.days import microseconds, window
from recommender.uplift.exposures import (
    PLACEMENTS,
    bot_visitors,
    contamination_counts,
    entries,
    entry_counts,
    exposed,
    outside,
)

NOON = dt.datetime(2027, 3, 1, 12, tzinfo=dt.UTC)
MARCH = window(dt.date(2027, 3, 1), dt.date(2027, 3, 31), "Europe/Paris")
HOUR = dt.timedelta(hours=1)


def rows(table: Any) -> dict[str, dict[str, Any]]:
    found = {row["visitor"]: row for row in table.to_pyarrow().to_pylist()}
    assert len(found) == table.count().to_pyarrow().as_py()
    return found


def first_met(table: Any) -> dict[str, tuple[int, int, int]]:
    return {
        visitor: (row["stratum"], row["arm"], row["entered_us"])
        for visitor, row in rows(exposed(entries(table, MARCH))).items()
    }


def test_the_first_exposure_decides_and_nobody_is_left_out(tell: Any, event_table: Any) -> None:
    tell(EventType.EXPOSURE, "both", NOON + HOUR, arm=Arm.CONTROL, stratum=1)
    tell(EventType.EXPOSURE, "both", NOON, arm=Arm.TREATMENT, stratum=1)
    tell(EventType.EXPOSURE, "stays", NOON, arm=Arm.CONTROL, stratum=1)
    tell(EventType.EXPOSURE, "stays", NOON + HOUR, arm=Arm.TREATMENT, stratum=2)
    noon = microseconds(NOON)
    assert first_met(event_table(tell.events)) == {"both": (1, 1, noon), "stays": (1, 0, noon)}


def test_an_entry_keeps_every_microsecond_stratum_and_placement(
    tell: Any, event_table: Any
) -> None:
    """Far from the window's start, where a number packed into 53 bits would lose the arm."""
    at = dt.datetime(2027, 3, 31, 21, 59, 59, 999_999, tzinfo=dt.UTC)
    for number, placement in enumerate(PLACEMENTS):
        stratum = 1_000 + number
        tell(EventType.EXPOSURE, f"v{number}", at, arm="control", stratum=stratum)
        tell(EventType.EXPOSURE, f"w{number}", at, arm="treatment", placement=placement)
    found = rows(entries(event_table(tell.events), MARCH))
    for number, _ in enumerate(PLACEMENTS):
        control, placed = found[f"v{number}"], found[f"w{number}"]
        assert (control["stratum"], control["arm"], placed["arm"]) == (1_000 + number, 0, 1)
        assert placed["placement"] == number
        assert control["exposed_us"] == control["entered_us"] == microseconds(at)


def test_whoever_met_no_recommendation_has_an_arm_and_no_exposure(
    tell: Any, event_table: Any
) -> None:
    tell(EventType.PAGE_VIEW, "passer-by", NOON, arm=Arm.CONTROL, stratum=1)
    tell(EventType.PAGE_VIEW, "later exposed", NOON, arm=Arm.TREATMENT, stratum=1)
    tell(EventType.EXPOSURE, "later exposed", NOON + HOUR, arm=Arm.TREATMENT, stratum=2)
    tell(EventType.PAGE_VIEW, "of before this release", NOON)
    entered = entries(event_table(tell.events), MARCH)
    found = rows(entered)
    assert set(found) == {"passer-by", "later exposed"}
    assert found["passer-by"]["exposed_us"] is None
    later = found["later exposed"]
    assert (later["stratum"], later["exposed_stratum"]) == (1, 2)
    assert later["exposed_us"] - later["entered_us"] == 3_600_000_000
    assert set(rows(exposed(entered))) == {"later exposed"}
    assert not later["in_both_arms"]


def test_both_arms_of_one_stratum_are_contamination_and_a_new_draw_is_not(
    tell: Any, event_table: Any
) -> None:
    tell(EventType.EXPOSURE, "two browsers", NOON, arm=Arm.CONTROL, stratum=1)
    tell(EventType.EXPOSURE, "two browsers", NOON + HOUR, arm=Arm.TREATMENT, stratum=1)
    tell(EventType.EXPOSURE, "drawn anew", NOON, arm=Arm.CONTROL, stratum=1)
    tell(EventType.EXPOSURE, "drawn anew", NOON + HOUR, arm=Arm.TREATMENT, stratum=2)
    tell(EventType.EXPOSURE, "one arm", NOON, arm=Arm.CONTROL, stratum=1)
    events = event_table(tell.events)
    met = exposed(entries(events, MARCH))
    both = met.filter(met.in_both_arms).select("visitor").to_pyarrow()
    assert sorted(both["visitor"].to_pylist()) == ["drawn anew", "two browsers"]
    counted = contamination_counts(events, both, MARCH).to_pyarrow().to_pylist()
    quarter = int((NOON + HOUR).timestamp()) // 900
    assert counted == [{"quarter": quarter, "stratum": 1, "persons": 1}]


def test_who_enters_within_a_stretch_can_be_left_out(tell: Any, event_table: Any) -> None:
    for number in range(4):
        tell(EventType.EXPOSURE, f"v{number}", NOON + number * HOUR, arm=Arm.CONTROL)
    met = exposed(entries(event_table(tell.events), MARCH))
    first, last = microseconds(NOON + HOUR), microseconds(NOON + 3 * HOUR)
    assert set(rows(outside(met, [(first, last)]))) == {"v0", "v3"}


def test_only_exposures_of_known_visitors_within_the_window_count(
    tell: Any, event_table: Any
) -> None:
    # 1 March begins in Paris at 23:00 UTC, April at 22:00 UTC (summer time).
    for visitor, at in {
        "too early": dt.datetime(2027, 2, 28, 22, 59, 59, tzinfo=dt.UTC),
        "first": dt.datetime(2027, 2, 28, 23, 0, tzinfo=dt.UTC),
        "last": dt.datetime(2027, 3, 31, 21, 59, 59, tzinfo=dt.UTC),
        "too late": dt.datetime(2027, 3, 31, 22, 0, tzinfo=dt.UTC),
        "": NOON,
    }.items():
        tell(EventType.EXPOSURE, visitor, at, arm=Arm.CONTROL, stratum=1)
    tell(EventType.IMPRESSION, "impressed", NOON, arm=Arm.CONTROL, stratum=1)
    tell(EventType.EXPOSURE, "armless", NOON)
    assert set(first_met(event_table(tell.events))) == {"first", "last"}


def test_at_the_same_instant_the_order_of_rows_does_not_matter(tell: Any, event_table: Any) -> None:
    tell(EventType.EXPOSURE, "v", NOON, arm=Arm.TREATMENT, stratum=1)
    tell(EventType.EXPOSURE, "v", NOON, arm=Arm.CONTROL, stratum=1)
    backwards = event_table(list(reversed(tell.events)))
    assert first_met(backwards) == first_met(event_table(tell.events))


def test_visitors_are_counted_per_quarter_of_an_hour(tell: Any, event_table: Any) -> None:
    quarter = dt.timedelta(minutes=15)
    for number in range(8):
        tell(EventType.EXPOSURE, f"v{number}", NOON + number * quarter / 4, arm="control")
    table = entry_counts(entries(event_table(tell.events), MARCH)).to_pyarrow()
    counts = {
        dt.datetime.fromtimestamp(row["quarter"] * 900, tz=dt.UTC): row["visitors"]
        for row in table.to_pylist()
    }
    assert counts == {NOON: 4, NOON + quarter: 4}


def test_programs_are_whoever_was_flagged_within_the_window(tell: Any, event_table: Any) -> None:
    before = dt.datetime(2027, 2, 28, 22, 59, tzinfo=dt.UTC)
    tell(EventType.PAGE_VIEW, "crawler", NOON, bot="1:curl/")
    tell(EventType.PAGE_VIEW, "crawler", NOON + HOUR)
    tell(EventType.PAGE_VIEW, "person", NOON)
    tell(EventType.PAGE_VIEW, "person", NOON, bot=f"1:{PREFETCH}")
    tell(EventType.PAGE_VIEW, "flagged in February", before, bot="1:curl/")
    tell(EventType.PAGE_VIEW, "", NOON, bot="1:no-agent")
    table = bot_visitors(event_table(tell.events), MARCH).to_pyarrow()
    assert table["visitor"].to_pylist() == ["crawler"]
