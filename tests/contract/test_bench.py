"""Every benchmark at a tiny size, on real servers: what it prints, and that it notices faults.

Nothing here looks at a time: a busy machine is no fault.
"""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from commands import own_logging
from recommender.bench.web_process import NOOP
from recommender.cli.bench_commands import bench


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """Take back what the command chose for this process's logs."""
    with own_logging():
        yield


def run(*arguments: str) -> Result:
    return CliRunner().invoke(bench, arguments)


def printed(*arguments: str) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, (result.stderr, result.exception)
    figures: dict[str, Any] = json.loads(result.stdout)
    assert {"ours", "limit", "ratio", "failures"} <= set(figures)
    assert figures["failures"] == 0
    return figures


def check_rounds(figures: dict[str, Any], rounds: int) -> None:
    assert len(figures["rounds"]) == rounds
    for one in figures["rounds"]:
        for side in ("ours", "limit"):
            assert one[side]["answered"] > 0
            assert one[side]["requests_per_second"] > 0
            assert 0 < one[side]["p50_ms"] <= one[side]["p99_ms"]
            assert one[side]["failures"] == {}
    assert figures["ratio"] > 0


@pytest.mark.slow
def test_serve_tells_of_slates_and_of_the_noop() -> None:
    figures = printed(
        "serve",
        *("--rounds", "2", "--seconds", "0.5", "--items", "400", "--events", "4000"),
        *("--first-time-share", "0.1"),
    )
    check_rounds(figures, 2)
    assert figures["items"] == 400
    assert figures["required_ratio"] == 0.7
    assert len(figures["worker_private_mb"]) == figures["workers"]
    assert min(figures["worker_private_mb"]) > 10
    # A tenth of the requests is of visitors without an exposure, and each of these writes one. On a
    # slow machine others do too: a slate does not wait for whether its visitor had one today.
    assert 0.05 < figures["first_time_share"] < 0.5
    assert 0 <= figures["fallback_share"] <= 1


def test_ingest_finds_every_acknowledged_event_again() -> None:
    figures = printed(
        "ingest", "--rounds", "2", "--requests", "60", "--batch", "4", "--beside-seconds", "0.1"
    )
    check_rounds(figures, 2)
    # 2 rounds of 60 requests of 4 events.
    assert figures["acknowledged"] == figures["in_stream"] == figures["in_event_log"] == 480
    assert figures["ingested_per_second"] > 0
    beside = figures["beside"]
    # 5,000 events a second in batches of 4, for a tenth of a second.
    assert beside["events"] == 500
    assert beside["missing"] == 0
    assert 0 <= beside["lag_seconds_median"] <= beside["lag_seconds_max"]


@pytest.mark.slow
def test_train_tells_time_and_memory_of_every_size() -> None:
    figures = printed("train", "--sizes", "1000,2000", "--quiet-seconds", "1")
    assert [point["interactions"] for point in figures["sizes"]] == [1_000, 2_000]
    for point in figures["sizes"]:
        assert point["seconds"] > 0
        assert point["peak_mb"] > 50
        assert 0 < point["items"] <= 200
    assert figures["limit_interactions"] == 1_000_000
    assert figures["ours"] is None, "a million was not measured"
    assert isinstance(figures["exponent"], float)
    serving = figures["serving"]
    assert serving["p99_ms"] > 0
    assert serving["p99_ms_during_training"] > 0
    assert {one["training"] for one in serving["rounds"]} == {False, True}


def test_uplift_makes_the_statement_of_every_size() -> None:
    figures = printed("uplift", "--sizes", "1000,3000", "--rounds", "2")
    assert [point["rows"] for point in figures["sizes"]] == [1_000, 3_000]
    for point in figures["sizes"]:
        assert len(point["rounds"]) == 2
        assert point["ours"] > 0
        assert point["limit"] > 0
    assert figures["ours"] is None, "ten millions were not measured"
    assert isinstance(figures["exponent"], float)


def test_wrong_answers_are_told_and_the_status_is_1(monkeypatch: pytest.MonkeyPatch) -> None:
    # Something answers at our address, but stores nothing.
    monkeypatch.setattr("recommender.bench.ingest.SERVICE", NOOP)
    result = run("ingest", "--rounds", "1", "--requests", "30", "--beside-seconds", "0", "--json")
    assert result.exit_code == 1
    figures = json.loads(result.stdout)
    assert figures["rounds"][0]["ours"]["failures"] == {"wrong-body": 30}
    assert figures["failures"] == 30
    assert "30 answers were wrong or missing" in result.stderr


def test_a_web_server_that_does_not_start_is_one_clear_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("recommender.bench.ingest.SERVICE", "no_such_module:app")
    result = run("ingest", "--rounds", "1", "--requests", "1")
    assert getattr(result.exception, "code", "") == "web-not-started"


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "--sizes", "many"),
        ("train", "--sizes", "1000,,2000"),
        ("train", "--sizes", "10"),
        ("uplift", "--sizes", "few"),
        ("serve", "--rounds", "0"),
        ("serve", "--items", "0"),
        ("ingest", "--requests", "-1"),
        ("fly",),
    ],
)
def test_wrong_use_is_told(arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


def test_nothing_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    # A short path: sockets are made in it.
    with tempfile.TemporaryDirectory(prefix="rcm-") as folder:
        monkeypatch.setattr("tempfile.tempdir", folder)
        printed("ingest", "--rounds", "1", "--requests", "10", "--beside-seconds", "0")
        assert list(Path(folder).iterdir()) == []
