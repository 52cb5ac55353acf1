"""Everything on one machine: starts the roles as child processes and keeps them running.

In comes settings; out go an embedded server (unless an address of one is set), a migrated
database, web, ingester, scheduler and whatever else the caller adds. However this process ends,
no child outlives it. Must not know what the roles do.
"""

import contextlib
import dataclasses
import http.client
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from recommender.adapters.child_process import end_child, start_child
from recommender.adapters.database import migrate, open_database
from recommender.adapters.embedded_server import (
    configure_server,
    lock_folder,
    server_folder,
    wait_until_ready,
)
from recommender.adapters.web_handover import ReadyWorkers, open_listener
from recommender.adapters.web_server import GRACEFUL_SECONDS, metrics_environ
from recommender.config import DRAINING, Settings
from recommender.errors import UnavailableError
from recommender.telemetry import get_logger

if TYPE_CHECKING:
    import subprocess

POLL_SECONDS = 0.1
STOP_SECONDS = GRACEFUL_SECONDS + 5.0
FIRST_PAUSE_SECONDS = 0.1
MAX_PAUSE_SECONDS = 10.0
DEATHS_WINDOW_SECONDS = 60.0
MAX_START_DEATHS = 5
SUCCESSOR_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """A process to keep running.

    Attributes:
        name: What the log calls it.
        argv: Its command.
        environ: Variables on top of those that all children get.
        pass_fds: Open files of this process that the child shall have too.
    """

    name: str
    argv: tuple[str, ...]
    environ: Mapping[str, str] = field(default_factory=dict)
    pass_fds: tuple[int, ...] = ()


class Supervisor:
    """Starts children, restarts those that die, ends them in reverse order.

    Use from the main thread: children die with the thread that started them.

    Args:
        environ: Environment of all children.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = dict(environ)
        self._children: list[_Child] = []

    def start(self, spec: ChildSpec) -> "subprocess.Popen[bytes]":
        """Start a child and keep it running from now on."""
        child = _Child(spec, {**self._environ, **spec.environ})
        self._children.append(child)
        return child.process

    def watch(self, *, may_give_up: bool) -> None:
        """Restart what died, later each time.

        Args:
            may_give_up: Whether a fifth death ends it all. Right while the service comes up,
                when the cause is a wrong setting; a service that was up keeps trying, because
                what still works of it is worth having.

        Raises:
            UnavailableError: A child keeps dying.
        """
        for child in self._children:
            child.revive(time.monotonic(), may_give_up=may_give_up)

    def hand_over(self, spec: ChildSpec, *, may_take_over: Callable[[], bool]) -> bool:
        """Start a successor of the child of the same name; end that child when it may take over.

        Returns:
            False when the successor ended or took too long: then the child goes on.
        """
        successor = _Child(spec, {**self._environ, **spec.environ})
        deadline = time.monotonic() + SUCCESSOR_SECONDS
        while not may_take_over():
            if successor.process.poll() is not None or time.monotonic() > deadline:
                end_child(successor.process, patience_seconds=STOP_SECONDS)
                return False
            self.watch(may_give_up=False)
            time.sleep(POLL_SECONDS)
        index = [child.spec.name for child in self._children].index(spec.name)
        before, self._children[index] = self._children[index], successor
        end_child(before.process, patience_seconds=STOP_SECONDS)
        return True

    def restart(self, name: str) -> None:
        """End a child, and start it again."""
        (child,) = (child for child in self._children if child.spec.name == name)
        end_child(child.process, patience_seconds=STOP_SECONDS)
        child.start()

    def stop(self) -> None:
        """End all children, the youngest first; kill what does not end by itself."""
        log = get_logger()
        while self._children:
            child = self._children.pop()
            status = end_child(child.process, patience_seconds=STOP_SECONDS)
            log.info("child-ended", child=child.spec.name, status=status)


class _Child:
    def __init__(self, spec: ChildSpec, environ: Mapping[str, str]) -> None:
        self.spec = spec
        self._environ = environ
        self._deaths: deque[float] = deque(maxlen=MAX_START_DEATHS * 2)
        self.start()

    def start(self) -> None:
        self._restart_at: float | None = None
        spec = self.spec
        self.process = start_child(spec.argv, environ=self._environ, pass_fds=spec.pass_fds)

    def revive(self, now: float, *, may_give_up: bool) -> None:
        if self.process.poll() is None:
            return
        if self._restart_at is None:
            self._note_death(now, may_give_up=may_give_up)
        elif now >= self._restart_at:
            self.start()

    def _note_death(self, now: float, *, may_give_up: bool) -> None:
        self._deaths.append(now)
        status = self.process.returncode
        if len(self._deaths) >= MAX_START_DEATHS and may_give_up:
            raise UnavailableError(
                f"{self.spec.name} ended {len(self._deaths)} times before the service was up, the "
                f"last time with status {status}; its own messages are above",
                code="child-keeps-dying",
            )
        recent = sum(now - death < DEATHS_WINDOW_SECONDS for death in self._deaths)
        pause_seconds = min(FIRST_PAUSE_SECONDS * 2 ** (recent - 1), MAX_PAUSE_SECONDS)
        self._restart_at = now + pause_seconds
        get_logger().error(
            "child-died", child=self.spec.name, status=status, restart_in_seconds=pause_seconds
        )


def run_all(
    settings: Settings,
    *,
    extra: Sequence[ChildSpec] = (),
    on_ready: Callable[[Settings], None] | None = None,
) -> int:
    """Run everything until SIGTERM or Ctrl-C; return the exit status.

    SIGHUP reloads (without a terminal; with one it means that the terminal is gone): migrates,
    lets a new web server take over from the old one, and restarts the other roles.

    Args:
        settings: What to run; without a Redis address an embedded server is started.
        extra: Further children, started last; they get the settings' variables too.
        on_ready: Called once the web answers, with the settings as the children have them, in a
            thread beside the supervision. What it raises ends everything.

    Raises:
        UnavailableError: Another supervisor uses this home, the web's port is taken, or a part
            does not start.
    """
    with (
        lock_folder(settings.home),
        _server_lock(settings),
        stop_on_signals() as stop,
        _reload_on_hangup() as reload,
        contextlib.closing(open_listener(settings.host, settings.port)) as listener,
    ):
        _draining_file(settings).unlink(missing_ok=True)
        supervisor = Supervisor(settings.child_environ(**metrics_environ(settings)))
        try:
            settings = _start_server(supervisor, settings)
            _migrate(settings)
            for spec in (*_roles(listener), *extra):
                supervisor.start(_with_redis(spec, settings))
            ready = _Readiness(settings, on_ready)
            while not stop.wait(POLL_SECONDS):
                supervisor.watch(may_give_up=not ready.reached)
                ready.look()
                if reload.is_set():
                    reload.clear()
                    _reload(supervisor, settings, listener)
            ready.finish()
            _drain(supervisor, settings)
        finally:
            supervisor.stop()
    return 0


def _reload(supervisor: Supervisor, settings: Settings, listener: socket.socket) -> None:
    """Put what is installed now in place of what runs, without a lost request."""
    log = get_logger()
    log.info("reload-begins")
    environ = settings.child_environ()
    migrated = start_child((sys.executable, "-m", "recommender", "migrate"), environ=environ).wait()
    workers = ReadyWorkers()
    try:
        web, *others = (_with_redis(spec, settings) for spec in _roles(listener))
        web = dataclasses.replace(web, environ={**web.environ, **workers.environ})
        replaced = migrated == 0 and supervisor.hand_over(
            web, may_take_over=lambda: workers.count() >= settings.web_workers
        )
    finally:
        workers.close()
    if not replaced:
        log.error("reload-failed", advice="its own messages are above; what ran before goes on")
        return
    for spec in others:
        supervisor.restart(spec.name)
    log.info("reloaded")


def _drain(supervisor: Supervisor, settings: Settings) -> None:
    """Say that the end is near, and go on for as long as a balancer may need to notice."""
    _draining_file(settings).touch()
    ends_at = time.monotonic() + settings.drain_seconds
    while time.monotonic() < ends_at:
        supervisor.watch(may_give_up=False)
        time.sleep(POLL_SECONDS)


def _draining_file(settings: Settings) -> Path:
    return settings.home / "run" / DRAINING


@contextlib.contextmanager
def _reload_on_hangup() -> Iterator[threading.Event]:
    reload = threading.Event()
    if sys.stdin is not None and sys.stdin.isatty():
        yield reload
        return
    before = signal.signal(signal.SIGHUP, lambda *_: reload.set())
    try:
        yield reload
    finally:
        signal.signal(signal.SIGHUP, before)


@contextlib.contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """Give an event that SIGTERM or Ctrl-C sets; a second one ends the process at once."""
    stop = threading.Event()

    def _stop(number: int, _frame: object) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, _stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Readiness:
    """Whether the web has answered, and what was to be done then."""

    def __init__(self, settings: Settings, then: Callable[[Settings], None] | None) -> None:
        self.reached = False
        self._settings = settings
        self._then = then
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None

    def look(self) -> None:
        if self._error is not None:
            raise self._error
        if self.reached or not _answers(self._settings):
            return
        self.reached = True
        get_logger().info("ready", address=self._settings.public_url)
        if self._then is not None:
            self._thread = threading.Thread(target=self._run, args=(self._then,), daemon=True)
            self._thread.start()

    def finish(self) -> None:
        """Let what was begun come to its end: a thread in foreign code aborts an ending process."""
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)

    def _run(self, then: Callable[[Settings], None]) -> None:
        try:
            then(self._settings)
        except Exception as error:  # raised again by the main thread
            self._error = error


def _roles(listener: socket.socket) -> Iterator[ChildSpec]:
    command = (sys.executable, "-m", "recommender")
    number = listener.fileno()
    yield ChildSpec("serve", (*command, "serve", "--listen-fd", str(number)), pass_fds=(number,))
    for role in ("ingest", "schedule"):
        yield ChildSpec(role, (*command, role))


def _with_redis(spec: ChildSpec, settings: Settings) -> ChildSpec:
    environ = {"RECOMMENDER_REDIS_URL": settings.redis_url, **spec.environ}
    return dataclasses.replace(spec, environ=environ)


def _server_lock(settings: Settings) -> contextlib.AbstractContextManager[None]:
    # Two servers on one folder would destroy its data.
    if settings.redis_url:
        return contextlib.nullcontext()
    return lock_folder(server_folder(settings.home))


def _start_server(supervisor: Supervisor, settings: Settings) -> Settings:
    if settings.redis_url:
        return settings
    server = configure_server(server_folder(settings.home))
    wait_until_ready(server.url, supervisor.start(ChildSpec("redis", server.argv)))
    return dataclasses.replace(settings, redis_url=server.url)


def _migrate(settings: Settings) -> None:
    database = open_database(settings.database_url)
    try:
        migrate(database)
    finally:
        database.dispose()


def _answers(settings: Settings) -> bool:
    # "Every address" is a place to listen, not one to call.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
    connection = http.client.HTTPConnection(host, settings.port, timeout=1)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
