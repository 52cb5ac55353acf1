"""`recommender days` and `recommender rejected`, and the jobs that do the same by the clock."""

import dataclasses
import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from event_load import make_event

from recommender.adapters.database import migrate, open_database
from recommender.adapters.event_codec import encode_events
from recommender.bootstrap import Services
from recommender.cli import day_commands, rejected_commands
from recommender.cli.jobs import drop_old, seal_all
from recommender.events.rejecting import Rejecter
from recommender.events.sealing import read_sealed
from recommender.ports import RefusedEvent
from recommender.records import Shop
from recommender.web.app import create_app
from world import Clock

FIRST = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
DAYS = 20
NAMES = ("pending_entries", "lag_seconds")

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """SQLite alone: what the commands ask of a database is tested on both elsewhere."""
    url = f"sqlite:///{tmp_path / 'control.db'}"
    engine = open_database(url)
    migrate(engine)
    engine.dispose()
    return url


@pytest.fixture
def run(services: Services, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Run:
    for module in (day_commands, rejected_commands):
        monkeypatch.setattr(module, "make_services", lambda **_: services)
    groups = {"days": day_commands.days, "rejected": rejected_commands.rejected}

    def call(group: str, *arguments: str, status: int = 0) -> dict[str, Any]:
        words = [*arguments, "--shop", shop.shop_id]
        assert CliRunner().invoke(groups[group], words).exit_code == status
        done = CliRunner().invoke(groups[group], [*words, "--json"])
        assert done.exit_code == status, done.output
        return dict(json.loads(done.stdout))

    return call


@pytest.fixture
def twenty_days(services: Services, shop: Shop, clock: Clock) -> None:
    """An event on each of twenty days; it is five in the morning of the day after."""
    events = [make_event(shop.shop_id, at=FIRST + dt.timedelta(days=n)) for n in range(DAYS)]
    services.event_log.append(events, "ingest", 1)
    clock.at = (FIRST + dt.timedelta(days=DAYS)).replace(hour=5)


def test_days_are_sealed_listed_and_dropped(run: Run, twenty_days: None) -> None:
    assert run("days", "list")["days"] == []
    sealed = run("days", "seal")["days"]
    assert [(day["revision"], day["events"]) for day in sealed] == [(1, 1)] * DAYS
    told = run("days", "drop", "--keep-days", "10")
    assert (len(told["days"]), told["dropped"]) == (10, False)
    assert not any(day["dropped_at"] for day in run("days", "list")["days"])
    run("days", "drop", "--keep-days", "10", "--yes")
    listed = run("days", "list")["days"]
    assert [bool(day["dropped_at"]) for day in listed] == [True] * 10 + [False] * 10
    assert [day["sha256"] for day in listed] == [day["sha256"] for day in sealed]


def test_the_job_seals_some_hours_after_a_days_end(
    services: Services, shop: Shop, twenty_days: None, clock: Clock
) -> None:
    seal_all(services)
    # At five the day that ended at midnight is given its sixth hour.
    assert len(read_sealed(shop.shop_id, database=services.database)) == DAYS - 1
    clock.advance(hours=1)
    seal_all(services)
    assert len(read_sealed(shop.shop_id, database=services.database)) == DAYS


def test_the_job_drops_what_is_older_than_the_setting(
    services: Services, shop: Shop, twenty_days: None
) -> None:
    keeping = dataclasses.replace(
        services, settings=dataclasses.replace(services.settings, event_days=17)
    )
    drop_old(keeping)
    assert services.event_log.rows_by_shop() == {shop.shop_id: 17}


def test_rejected_events_are_listed_replayed_and_accounted_for(
    run: Run, services: Services, shop: Shop
) -> None:
    event = make_event(shop.shop_id)
    rejecter = Rejecter(services.database, FIRST)
    for payload in (encode_events([event]), b"nonsense"):
        named = event.event_id if payload != b"nonsense" else ""
        rejecter.reject([RefusedEvent(shop.shop_id, named, "damaged-event", "?", payload)], 1)
    assert [row["code"] for row in run("rejected", "list")["rejected"]] == ["damaged-event"] * 2
    # What cannot be stored yet makes the command fail, and keeps its reason.
    report = run("rejected", "replay", status=1)
    assert (report["events"], list(report["still_rejected"])) == (
        0,
        [row["rejection_id"] for row in run("rejected", "list")["rejected"]],
    )
    told = run("rejected", "account")
    assert (told["stored"], told["rejected"], told["pending"]) == (1, {"damaged-event": 1}, 0)
    assert told["acknowledged"] == 2


def test_metrics_tell_how_far_the_ingester_is_behind(services: Services, shop: Shop) -> None:
    client = create_app(services).test_client()

    def gauges() -> dict[str, float]:
        lines = client.get("/metrics").data.decode().splitlines()
        told = {line.partition(" ")[0]: line.rpartition(" ")[2] for line in lines}
        return {name: float(told[f"recommender_stream_{name}"]) for name in NAMES}

    empty = dict.fromkeys(NAMES, 0.0)
    assert gauges() == empty
    services.state.accept([make_event(shop.shop_id)], {})
    services.state.accept([make_event(shop.shop_id)], {})
    behind = gauges()
    assert behind["pending_entries"] == 2.0
    assert behind["lag_seconds"] > 0.0
    services.state.trim(services.state.read(0, 10)[-1].position)
    assert gauges() == empty
