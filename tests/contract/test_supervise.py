"""`recommender up`: everything starts, what dies comes back, and nothing is left behind."""

import contextlib
import dataclasses
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from event_load import wait_until
from werkzeug.serving import make_server

from processes import Up, descendants, is_running
from recommender.adapters.child_process import start_child
from recommender.adapters.embedded_server import (
    MAX_SOCKET_PATH_BYTES,
    configure_server,
    embedded_url,
    running_server,
    server_folder,
)
from recommender.adapters.redis_state import RedisState
from recommender.adapters.web_server import gunicorn_argv, metrics_environ
from recommender.cli.run_commands import warn_without_proxy
from recommender.config import Settings
from recommender.errors import NotAllowedError, UnavailableError
from recommender.supervise import ChildSpec, Supervisor, _Readiness, run_all

SLEEP = ("sleep", "1000")


ROLES = ("valkey-server", "gunicorn", "recommender ingest", "recommender schedule")


def test_up_starts_everything_revives_it_and_ends_in_order(
    running_up: Up, home_settings: Settings
) -> None:
    assert running_up.is_ready()
    for role in ROLES:
        assert running_up.pids(role), f"{role} does not run"
    home = home_settings.home
    assert home.stat().st_mode & 0o777 == 0o700
    RedisState(embedded_url(home)).ping()

    second = subprocess.run(
        [sys.executable, "-m", "recommender", "up"],
        env=home_settings.child_environ(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 1
    assert second.stderr.strip().splitlines()[-1].endswith("[already-running]")

    killed = [running_up.pids(role)[0] for role in ROLES]
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not any(map(is_running, killed)))
    wait_until(lambda: all(running_up.pids(role) for role in ROLES) and running_up.is_ready())

    running_up.started |= descendants(running_up.process.pid)
    running_up.process.send_signal(signal.SIGINT)
    assert running_up.process.wait(60) == 0
    running_up.wait_until_gone()
    lines = [line for line in running_up.text().splitlines() if "child-ended" in line]
    names = [
        name
        for line in lines
        for name in ("schedule", "ingest", "serve", "redis")
        if f'"{name}"' in line
    ]
    assert names == ["schedule", "ingest", "serve", "redis"]
    assert all('"status": 0' in line for line in lines), lines
    # DuckDB's bindings list what a thread still held when its process ended.
    assert "leaked" not in running_up.text()


def test_nothing_outlives_a_killed_up(running_up: Up) -> None:
    workers = running_up.pids("gunicorn")
    assert len(workers) == 3, "one main process and two workers"
    assert len(running_up.started) == 6
    running_up.process.kill()
    running_up.process.wait()
    running_up.wait_until_gone()


def test_workers_do_not_outlive_a_killed_web_server(home_settings: Settings) -> None:
    environ = home_settings.child_environ(**metrics_environ(home_settings))
    master = start_child(gunicorn_argv(home_settings), environ=environ)
    try:
        wait_until(lambda: len(descendants(master.pid)) == 2)
        workers = descendants(master.pid)
    finally:
        master.kill()
        master.wait()
    wait_until(lambda: not any(map(is_running, workers)), seconds=60)


def test_a_child_whose_parent_is_already_gone_does_not_start(tmp_path: Path) -> None:
    witness = tmp_path / "started"
    # As if the parent had died while the child was being made: the child has another parent.
    done = subprocess.run(
        [sys.executable, "-m", "recommender.adapters.child_process", "1", "touch", str(witness)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert not witness.exists()


def test_a_program_that_is_missing_is_named() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "recommender.adapters.child_process", str(os.getpid()), "/no/such"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("such cannot be started")


# The supervisor by itself


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    built = Supervisor(dict(os.environ))
    yield built
    built.stop()


def test_a_child_that_keeps_dying_at_the_start_ends_it_all(supervisor: Supervisor) -> None:
    supervisor.start(ChildSpec("sleeper", SLEEP))
    supervisor.start(ChildSpec("broken", ("false",)))
    faults: list[UnavailableError] = []

    def _gave_up() -> bool:
        try:
            supervisor.watch(may_give_up=True)
        except UnavailableError as error:
            faults.append(error)
        return bool(faults)

    wait_until(_gave_up)
    assert faults[0].code == "child-keeps-dying"
    assert str(faults[0]).startswith("broken ended 5 times")


def test_a_child_that_dies_later_is_started_again(supervisor: Supervisor, tmp_path: Path) -> None:
    count = tmp_path / "count"
    script = f"echo >> {count}; test $(wc -l < {count}) -ge 6 && sleep 1000"
    supervisor.start(ChildSpec("stumbler", ("sh", "-c", script)))

    def _has_run_six_times() -> bool:
        supervisor.watch(may_give_up=False)
        return count.exists() and len(count.read_text()) == 6

    wait_until(_has_run_six_times)


def test_children_get_their_own_variables(supervisor: Supervisor, tmp_path: Path) -> None:
    script = f"echo $GREETING > {tmp_path}/said; sleep 1000"
    spec = ChildSpec("speaker", ("sh", "-c", script), {"GREETING": "hello"})
    child = supervisor.start(spec)
    wait_until(lambda: (tmp_path / "said").exists() and (tmp_path / "said").read_text())
    assert (tmp_path / "said").read_text() == "hello\n"
    supervisor.stop()
    assert child.returncode == -signal.SIGTERM


def test_what_begins_when_all_is_ready_comes_to_its_end(home_settings: Settings) -> None:
    may_end, done = threading.Event(), []

    def settle(_settings: Settings) -> None:
        may_end.wait()
        done.append("settled")

    def answer(_environ: object, start: Callable[[str, list[tuple[str, str]]], object]) -> list:
        start("200 OK", [])
        return []

    with make_server(home_settings.host, home_settings.port, answer) as web:
        thread = threading.Thread(target=web.serve_forever)
        thread.start()
        ready = _Readiness(home_settings, settle)
        ready.look()
        assert ready.reached
        assert not done
        threading.Timer(0.1, may_end.set).start()
        ready.finish()
        assert done == ["settled"]
        web.shutdown()
        thread.join()


def test_a_taken_port_is_one_clear_line(home_settings: Settings) -> None:
    with (
        socket.create_server(("127.0.0.1", home_settings.port)),
        pytest.raises(UnavailableError, match=str(home_settings.port)) as caught,
    ):
        run_all(home_settings)
    assert caught.value.code == "address-taken"


# The embedded server


def test_the_embedded_server_keeps_to_itself(tmp_path: Path) -> None:
    with running_server(tmp_path) as url:
        RedisState(url).ping()
        socket_path = tmp_path / "server.sock"
        assert tmp_path.stat().st_mode & 0o777 == 0o700
        assert socket_path.stat().st_mode & 0o777 == 0o700
        import redis

        with contextlib.closing(redis.Redis.from_url(url)) as client:
            assert client.config_get("port") == {"port": "0"}
            assert client.config_get("save") == {"save": ""}
            assert int(client.config_get("maxmemory")["maxmemory"]) >= 256 * 2**20
            assert (
                client.config_get("no-appendfsync-on-rewrite")["no-appendfsync-on-rewrite"] == "no"
            )


def test_a_long_home_gets_a_short_private_socket(tmp_path: Path) -> None:
    home = tmp_path / ("long " * 30)
    url = embedded_url(home)
    with running_server(server_folder(home)) as running:
        assert running == url
        RedisState(url).ping()
        place = url.removeprefix("unix://")
        assert len(place.encode()) <= MAX_SOCKET_PATH_BYTES
        assert Path(place).parent.stat().st_mode & 0o777 == 0o700
    Path(place).unlink(missing_ok=True)
    Path(place).parent.rmdir()


def test_two_servers_never_share_a_folder(tmp_path: Path) -> None:
    with running_server(tmp_path) as url:
        with pytest.raises(UnavailableError) as caught, running_server(tmp_path):
            pytest.fail("a second server started on the same data")
        assert caught.value.code == "already-running"
        RedisState(url).ping()
    with running_server(tmp_path) as url:
        RedisState(url).ping()


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "redis").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NotAllowedError):
        configure_server(tmp_path / "redis")


def test_settings_reach_the_web_server(home_settings: Settings) -> None:
    argv = gunicorn_argv(dataclasses.replace(home_settings, host="::1", web_workers=3))
    assert f"[::1]:{home_settings.port}" in argv
    assert argv[argv.index("--workers") + 1] == "3"


@pytest.mark.parametrize(
    ("host", "hops", "warned"),
    [("127.0.0.1", 0, False), ("::1", 0, False), ("0.0.0.0", 0, True), ("0.0.0.0", 1, False)],
)
def test_a_web_server_without_a_proxy_is_warned_of(
    home_settings: Settings,
    capfd: pytest.CaptureFixture[str],
    host: str,
    hops: int,
    warned: bool,
) -> None:
    warn_without_proxy(dataclasses.replace(home_settings, host=host, trust_proxy_hops=hops))
    assert ("no-proxy" in "".join(capfd.readouterr())) == warned


def test_metrics_of_dead_processes_are_dropped(home_settings: Settings) -> None:
    folder = Path(metrics_environ(home_settings)["PROMETHEUS_MULTIPROC_DIR"])
    dead = subprocess.Popen(["true"])
    dead.wait()
    for name in (f"counter_{dead.pid}.db", f"counter_{os.getpid()}.db", "odd.db"):
        (folder / name).touch()
    metrics_environ(home_settings)
    assert [file.name for file in folder.iterdir()] == [f"counter_{os.getpid()}.db"]
