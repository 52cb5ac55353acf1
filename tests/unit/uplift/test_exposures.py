import datetime as dt
from typing import Any

from recommender.events.bots import PREFETCH
from recommender.records import Arm, EventType
from recommender.uplift.days import window
from recommender.uplift.exposures import bot_visitors, exposure_counts, first_exposures

NOON = dt.datetime(2027, 3, 1, 12, tzinfo=dt.UTC)
MARCH = window(dt.date(2027, 3, 1), dt.date(2027, 3, 31), "Europe/Paris")
HOUR = dt.timedelta(hours=1)


def exposed(table: Any) -> dict[str, tuple[int, str, dt.datetime]]:
    rows = first_exposures(table, MARCH).to_pyarrow().to_pylist()
    assert len({row["visitor"] for row in rows}) == len(rows)
    return {row["visitor"]: (row["stratum"], row["arm"], row["exposed_at"]) for row in rows}


def test_the_first_exposure_decides_and_nobody_is_left_out(tell: Any, event_table: Any) -> None:
    tell(EventType.EXPOSURE, "both", NOON + HOUR, arm=Arm.CONTROL, stratum=1)
    tell(EventType.EXPOSURE, "both", NOON, arm=Arm.TREATMENT, stratum=1)
    tell(EventType.EXPOSURE, "stays", NOON, arm=Arm.CONTROL, stratum=1)
    tell(EventType.EXPOSURE, "stays", NOON + HOUR, arm=Arm.TREATMENT, stratum=2)
    assert exposed(event_table(tell.events)) == {
        "both": (1, "treatment", NOON),
        "stays": (1, "control", NOON),
    }


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
    assert set(exposed(event_table(tell.events))) == {"first", "last"}


def test_at_the_same_instant_the_smaller_id_decides(tell: Any, event_table: Any) -> None:
    tell(EventType.EXPOSURE, "v", NOON, arm=Arm.TREATMENT, stratum=1)
    tell(EventType.EXPOSURE, "v", NOON, arm=Arm.CONTROL, stratum=1)
    backwards = event_table(list(reversed(tell.events)))
    assert exposed(backwards)["v"][1] == "treatment"


def test_visitors_are_counted_per_quarter_of_an_hour(tell: Any, event_table: Any) -> None:
    quarter = dt.timedelta(minutes=15)
    for number in range(8):
        tell(EventType.EXPOSURE, f"v{number}", NOON + number * quarter / 4, arm="control")
    table = exposure_counts(first_exposures(event_table(tell.events), MARCH)).to_pyarrow()
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
