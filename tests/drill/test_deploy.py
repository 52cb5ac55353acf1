"""What is shipped for production is at least well-formed, and does what its comments say."""

import contextlib
import selectors
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from drill.load import Caller
from drill.nginx import DEPLOY, proxy
from drill.slow_clients import KINDS, WHOLE_HEADER, held
from processes import Up
from world import missing

UNITS = sorted((DEPLOY / "systemd").iterdir())


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_units_are_sound(unit: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is missing")
    for one in UNITS:
        text = one.read_text().replace("/opt/recommender/.venv/bin/recommender", "/bin/true")
        (tmp_path / one.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / unit.name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_compose_file_names_what_is_there() -> None:
    yaml = pytest.importorskip("yaml")
    composed = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    services = composed["services"]
    assert {"web", "ingest", "schedule", "migrate", "redis", "postgres", "proxy"} == set(services)
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
        assert set(service.get("secrets", [])) <= set(composed["secrets"])
    redis = " ".join(services["redis"]["command"])
    for setting in ("--appendonly yes", "--appendfsync always", "--maxmemory-policy noeviction"):
        assert setting in redis


def test_slow_clients_stop_at_the_proxy(running_up: Up, tmp_path: Path) -> None:
    port = int(running_up.address.rpartition(":")[2])
    with contextlib.ExitStack() as stack:
        try:
            address = stack.enter_context(proxy(tmp_path / "nginx", port))
        except FileNotFoundError:
            missing("nginx")
        for sent in KINDS.values():
            stack.enter_context(held(address, 100, sent))
        caller = Caller(address)
        stack.callback(caller.close)
        assert caller.ask("GET", "/healthz").status == 200
        assert caller.ask("GET", "/widget.js").headers["access-control-allow-origin"] == "*"
        assert caller.ask("GET", "/metrics").status == 200
        too_large = caller.ask("POST", "/v1/events?key=pk_x", b"x" * 300_000)
        assert too_large.status == 413


def wait_for_refusals(crowd: list[socket.socket], wanted: int) -> int:
    """Return how many are told that they are too many, as soon as so many are.

    Whom it meets is nobody's to say: one worker of nginx may read what came last before another
    reads what came first. A connection that is closed does not count: nginx lets go of a body that
    does not come.
    """
    told = 0
    deadline = time.monotonic() + 30
    with selectors.DefaultSelector() as waiting:
        for one in crowd:
            waiting.register(one, selectors.EVENT_READ)
        while told < wanted and waiting.get_map() and time.monotonic() < deadline:
            for key, _ in waiting.select(1):
                with contextlib.suppress(ConnectionResetError):
                    told += b" 429 " in key.fileobj.recv(64)
                waiting.unregister(key.fileobj)
    return told


def test_a_crowd_from_one_address_is_held_off(running_up: Up, tmp_path: Path) -> None:
    port = int(running_up.address.rpartition(":")[2])
    with contextlib.ExitStack() as stack:
        try:
            address = stack.enter_context(proxy(tmp_path / "nginx", port))
        except FileNotFoundError:
            missing("nginx")
        # Each has told its headers and holds its body back: a hundred are let in. Of a body not
        # a byte: where one lies unread, a reset may overtake the answer.
        crowd = stack.enter_context(held(address, 160, WHOLE_HEADER, from_each=160))
        assert wait_for_refusals(crowd, 30) >= 30
        caller = Caller(address)
        stack.callback(caller.close)
        assert caller.ask("GET", "/healthz").status == 200, "another address is not concerned"
