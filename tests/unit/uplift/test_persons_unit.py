import datetime as dt
from typing import Any

from recommender.records import Arm, EventType
from recommender.uplift.days import window
from recommender.uplift.persons import as_persons, seen_in_both_arms

NOON = dt.datetime(2027, 3, 1, 12, tzinfo=dt.UTC)
MARCH = window(dt.date(2027, 3, 1), dt.date(2027, 3, 31), "Europe/Paris")
HOUR = dt.timedelta(hours=1)


def test_events_of_merged_browsers_are_the_persons(tell: Any, event_table: Any) -> None:
    for visitor in ("phone", "laptop", "stranger", ""):
        tell(EventType.PAGE_VIEW, visitor, NOON)
    events = event_table(tell.events)
    persons = as_persons(events, {"phone": "anna", "laptop": "anna"})
    assert persons.columns == events.columns
    found = sorted(persons.to_pyarrow()["visitor"].to_pylist())
    assert found == ["", "anna", "anna", "stranger"]
    assert as_persons(events, {}) is events


def test_only_persons_of_both_arms_are_contaminated(tell: Any, event_table: Any) -> None:
    tell(EventType.EXPOSURE, "phone", NOON, arm=Arm.CONTROL, stratum=1)
    tell(EventType.EXPOSURE, "laptop", NOON + HOUR, arm=Arm.TREATMENT, stratum=1)
    tell(EventType.EXPOSURE, "twice", NOON, arm=Arm.TREATMENT, stratum=1)
    tell(EventType.EXPOSURE, "twice", NOON + HOUR, arm=Arm.TREATMENT, stratum=1)
    events = event_table(tell.events)
    assert seen_in_both_arms(events, MARCH).to_pyarrow().as_py() == 0
    persons = as_persons(events, {"phone": "anna", "laptop": "anna"})
    assert seen_in_both_arms(persons, MARCH).to_pyarrow().as_py() == 1
