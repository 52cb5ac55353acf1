"""`recommender up` and its children, as somebody at a terminal sees them."""

import contextlib
import fcntl
import itertools
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from recommender.config import Settings


def descendants(pid: int) -> dict[int, str]:
    """Process id → command line of all that `pid` started, directly or not."""
    parents: dict[int, int] = {}
    commands: dict[int, str] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                # The name, in brackets, may hold blanks; the parent is the second word after it.
                after_name = (folder / "stat").read_text().rpartition(")")[2].split()
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                parents[int(folder.name)], commands[int(folder.name)] = int(after_name[1]), command
    found: dict[int, str] = {}
    grown = True
    while grown:
        new = {p for p, parent in parents.items() if parent in (pid, *found) and p not in found}
        found |= {child: commands[child] for child in new}
        grown = bool(new)
    return found


def is_running(pid: int) -> bool:
    """Whether a process exists and is not merely waiting to be counted as dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


_PORTS = range(20_000, 30_000)
"""Below the ports that systems give to outgoing connections, which would take one unasked."""
_kept_locks: list[IO[bytes]] = []
_next_pair = itertools.cycle(_PORTS[::2])


def free_port() -> int:
    """Return a port that is free together with the next one, and nobody else's until we end.

    A port that was looked for and let go is taken by whoever looks next, and tests run side by
    side; so each process keeps a locked file for every port it was given.
    """
    for port in itertools.islice(_next_pair, len(_PORTS) // 2):
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            path = Path(tempfile.gettempdir()) / f"recommender-test-port-{port}"
            lock = stack.enter_context(path.open("ab"))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for one in (port, port + 1):
                socket.create_server(("127.0.0.1", one)).close()
            stack.pop_all()
            _kept_locks.append(lock)
            return port
    raise AssertionError("no two neighbouring ports are free")


class Up:
    """`recommender up` as somebody at a terminal runs it."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.address = settings.public_url
        self.output = folder / "up.log"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "recommender", "up"],
                env=settings.child_environ(),
                stdout=output,
                stderr=output,
            )
        self.started: dict[int, str] = {}

    def wait_until_ready(self) -> None:
        wait_until(lambda: self.process.poll() is not None or "Ctrl-C" in self.text())
        assert self.process.poll() is None, self.text()
        self.started = descendants(self.process.pid)

    def text(self) -> str:
        return self.output.read_text()

    def pids(self, part: str) -> list[int]:
        """Processes whose command line holds `part`, the oldest first."""
        return sorted(p for p, text in descendants(self.process.pid).items() if part in text)

    def is_ready(self) -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.address}/readyz") as got:
            return bool(got.status == 200)
        return False

    def wait_until_gone(self) -> None:
        wait_until(lambda: not any(map(is_running, self.started)))


def wait_until(condition: object, *, seconds: float = 60) -> None:
    """Return as soon as `condition()` holds; fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@contextlib.contextmanager
def running(up: Up) -> Iterator[Up]:
    """Wait until it is ready; kill it and all that it started at the end."""
    try:
        up.wait_until_ready()
        yield up
    finally:
        left = descendants(up.process.pid)
        up.process.kill()
        up.process.wait()
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
