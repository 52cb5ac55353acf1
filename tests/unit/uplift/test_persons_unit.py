import datetime as dt
from typing import Any

from recommender.records import Arm, EventType
from recommender.uplift.days import window
from recommender.uplift.persons import as_persons, entered_by, on_several_browsers

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


def test_a_person_on_two_browsers_is_one_person_on_several(tell: Any, event_table: Any) -> None:
    tell(EventType.EXPOSURE, "phone", NOON + HOUR, arm=Arm.CONTROL, stratum=1)
    tell(EventType.EXPOSURE, "laptop", NOON, arm=Arm.TREATMENT, stratum=1)
    tell(EventType.PAGE_VIEW, "tablet", NOON - HOUR, arm=Arm.TREATMENT, stratum=1)
    tell(EventType.EXPOSURE, "bert's", NOON, arm=Arm.CONTROL, stratum=1)
    tell(EventType.EXPOSURE, "stranger", NOON, arm=Arm.CONTROL, stratum=1)
    events = event_table(tell.events)
    merges = {"phone": "anna", "laptop": "anna", "tablet": "anna", "bert's": "bert"}
    assert on_several_browsers(events, merges, MARCH).to_pyarrow().as_py() == 1
    first = entered_by(events, merges, MARCH).to_pyarrow()["browser"].to_pylist()
    assert sorted(first) == ["bert's", "tablet"]
