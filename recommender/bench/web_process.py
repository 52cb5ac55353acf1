"""A web application under the service's own gunicorn settings, and what its workers cost.

Must not know what the application does. Reads the machine's process table, so Linux only.
"""

import contextlib
import http
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recommender.adapters.child_process import end_child, start_child
from recommender.adapters.web_server import GRACEFUL_SECONDS, gunicorn_argv, metrics_environ
from recommender.config import Settings
from recommender.errors import UnavailableError

if TYPE_CHECKING:
    import subprocess

SERVICE = "recommender.wsgi:app"
NOOP = "recommender.bench.noop:app"
START_SECONDS = 180.0
"""Machine code may have to be made first."""

_LAST_LINES = 5
_LOOK_SECONDS = 0.5
_IDLE_TICKS = 5
"""Processor ticks of all workers between two looks that still count as doing nothing."""


@dataclass(frozen=True, slots=True)
class WebProcess:
    """A running web server.

    Attributes:
        pid: gunicorn's main process.
    """

    settings: Settings
    pid: int

    def worker_pids(self) -> list[int]:
        """Return the worker processes."""
        text = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [int(pid) for pid in text.split()]

    def private_mb(self) -> list[float]:
        """Return what each worker holds beyond pages it shares with others, in MB of 2²⁰ bytes."""
        return [private_bytes(pid) / 2**20 for pid in self.worker_pids()]


@contextlib.contextmanager
def web_process(settings: Settings, application: str) -> Iterator[WebProcess]:
    """Serve an application until the end of the block; give it once all workers wait for work.

    Raises:
        UnavailableError: It does not come up.
    """
    argv = [*gunicorn_argv(settings)[:-1], application]
    environ = settings.child_environ(**metrics_environ(settings))
    log_file = settings.home / f"web-{settings.port}.log"
    with log_file.open("wb") as log:
        child = start_child(argv, environ=environ, output=log)
    try:
        process = WebProcess(settings, child.pid)
        _wait_until_idle(process, child, log_file)
        yield process
    finally:
        end_child(child, patience_seconds=GRACEFUL_SECONDS + 5.0)


def _wait_until_idle(process: WebProcess, child: "subprocess.Popen[bytes]", log_file: Path) -> None:
    """Return when the server answers and every worker has finished its start."""
    deadline = time.monotonic() + START_SECONDS
    before = -1
    while time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
        if child.poll() is not None:
            break
        pids = process.worker_pids()
        ticks = sum(map(_ticks, pids))
        is_idle = before >= 0 and ticks - before <= _IDLE_TICKS
        before = ticks
        if is_idle and len(pids) == process.settings.web_workers and _answers(process.settings):
            return
    said = " / ".join(log_file.read_text(errors="replace").strip().splitlines()[-_LAST_LINES:])
    raise UnavailableError(
        f"The web server did not come up; the last it said: {said or 'nothing'}",
        code="web-not-started",
    )


def _ticks(pid: int) -> int:
    # The name, in brackets, may hold blanks; user and system time are words 12 and 13 behind it.
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(words[11]) + int(words[12])


def _answers(settings: Settings) -> bool:
    try:
        with urllib.request.urlopen(
            f"http://{settings.host}:{settings.port}/healthz", timeout=5
        ) as answer:
            return bool(answer.status == http.HTTPStatus.OK)
    except OSError:
        return False


def private_bytes(pid: int) -> int:
    """Return the memory that no other process shares with this one."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))
