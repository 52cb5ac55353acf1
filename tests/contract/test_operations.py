"""What operators rely on: the truth at /readyz, and one web server that takes over from another."""

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from event_load import make_event, wait_until
from flask.testing import FlaskClient

from processes import Up, is_running
from recommender.adapters.web_handover import ReadyWorkers, open_listener
from recommender.adapters.web_server import WORKER_READY
from recommender.bootstrap import Services
from recommender.config import DRAINING
from recommender.errors import UnavailableError
from recommender.supervise import ChildSpec, Supervisor
from recommender.web.app import create_app

SLEEP = ("sleep", "1000")


@pytest.fixture
def client(services: Services) -> FlaskClient:
    return create_app(services).test_client()


def test_readiness_tells_of_the_end(client: FlaskClient, services: Services) -> None:
    run = services.settings.home / "run"
    run.mkdir(parents=True, exist_ok=True)
    (run / DRAINING).touch()
    answer = client.get("/readyz")
    assert (answer.status_code, list(answer.json["causes"])) == (503, ["draining"])
    assert client.get("/healthz").status_code == 200
    (run / DRAINING).unlink()
    assert client.get("/readyz").json == {"status": "ready", "causes": {}}


def test_readiness_warns_of_what_does_not_stop_it(
    client: FlaskClient, services: Services, new_shop: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recommender.web.operations_routes.LOW_DISK_MB", 1 << 60)
    (shop,) = services.shops.all()
    pointer = services.settings.home / "artifacts" / shop.shop_id / "current"
    pointer.parent.mkdir(parents=True)
    pointer.write_text("20260302T090000Z-0123456789abcdef")
    services.state.spool.append(b"an entry")
    answer = client.get("/readyz")
    assert answer.status_code == 200
    warnings = answer.json["warnings"]
    assert set(warnings) == {"disk", "spool", "models"}
    assert shop.shop_id in warnings["models"]
    assert make_event().event_id not in str(warnings)


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    built = Supervisor(dict(os.environ))
    yield built
    built.stop()


def test_a_successor_takes_over_when_it_is_ready(supervisor: Supervisor) -> None:
    before = supervisor.start(ChildSpec("web", SLEEP))
    asked = iter([False, False, True])
    assert supervisor.hand_over(ChildSpec("web", SLEEP), may_take_over=asked.__next__)
    assert before.returncode == -signal.SIGTERM


def test_a_successor_that_dies_changes_nothing(supervisor: Supervisor) -> None:
    before = supervisor.start(ChildSpec("web", SLEEP))
    assert not supervisor.hand_over(ChildSpec("web", ("false",)), may_take_over=lambda: False)
    assert before.poll() is None


def test_a_child_that_is_restarted_is_another_process(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    script = f"echo $$ >> {tmp_path}/pids; exec sleep 1000"
    supervisor.start(ChildSpec("ingest", ("sh", "-c", script)))
    wait_until((tmp_path / "pids").exists)
    supervisor.restart("ingest")
    wait_until(lambda: len((tmp_path / "pids").read_text().split()) == 2)


def test_a_listener_is_handed_down(supervisor: Supervisor) -> None:
    with contextlib.closing(open_listener("127.0.0.1", 0)) as listener:
        number = listener.fileno()
        script = (
            f"import socket; s = socket.socket(fileno={number}); c, _ = s.accept(); c.send(b'here')"
        )
        supervisor.start(ChildSpec("web", (sys.executable, "-c", script), pass_fds=(number,)))
        with socket.create_connection(listener.getsockname(), timeout=30) as caller:
            assert caller.recv(4) == b"here"


def test_a_taken_address_is_told() -> None:
    with (
        contextlib.closing(open_listener("127.0.0.1", 0)) as listener,
        pytest.raises(UnavailableError) as caught,
    ):
        open_listener("127.0.0.1", listener.getsockname()[1])
    assert caught.value.code == "address-taken"


def test_ready_workers_are_counted() -> None:
    with contextlib.closing(ReadyWorkers()) as workers:
        assert workers.count() == 0
        name = "\0" + workers.environ["NOTIFY_SOCKET"][1:]
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            for message in (WORKER_READY, "READY=1", WORKER_READY):
                sender.sendto(message.encode(), name)
        assert workers.count() == 2


@pytest.mark.slow
def test_a_hang_up_replaces_every_process_but_the_supervisor(running_up: Up) -> None:
    before = {role: set(running_up.pids(role)) for role in ("gunicorn", "recommender ingest")}
    running_up.process.send_signal(signal.SIGHUP)
    wait_until(lambda: '"reloaded"' in running_up.text(), seconds=120)
    wait_until(running_up.is_ready)
    for role, pids in before.items():
        assert running_up.pids(role)
        assert not pids & set(running_up.pids(role)), role
    assert is_running(running_up.process.pid)
