"""Servers outside the service, which a drill starts, stops, breaks and ends itself."""

import contextlib
import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from recommender.adapters.child_process import end_child, start_child
from recommender.adapters.embedded_server import find_server_binary, wait_until_ready


class RedisServer:
    """A Redis or Valkey on a socket and, for the fault proxy, a loopback port.

    Args:
        binary: Server program; None takes the embedded one.
        options: Further settings, over those that the service wants.
    """

    def __init__(self, folder: Path, binary: str | None = None, **options: str) -> None:
        self.folder = folder
        self._binary = binary or str(find_server_binary())
        self._options = options
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self.url = f"unix://{folder / 'r.sock'}"

    def start(self, *, wait: bool = True) -> None:
        settings = {
            "port": "0",
            "unixsocket": str(self.folder / "r.sock"),
            "dir": str(self.folder),
            "appendonly": "yes",
            "appendfsync": "always",
            "maxmemory-policy": "noeviction",
            "maxmemory": "512mb",
            "save": '""',
            "loglevel": "warning",
            **{name.replace("_", "-"): value for name, value in self._options.items()},
        }
        config = self.folder / "server.conf"
        config.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        with (self.folder / "server.log").open("ab") as log:
            self.process = start_child([self._binary, str(config)], output=log)
        if wait:
            wait_until_ready(self.url, self.process)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            end_child(self.process, patience_seconds=15)

    def log(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")


class Postgres:
    """A PostgreSQL cluster of its own, on a socket; syncs as in production."""

    def __init__(self, folder: Path) -> None:
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        if not programs:
            raise FileNotFoundError("PostgreSQL is not installed")
        self._binaries, self._folder = programs[-1].parent, folder
        folder.mkdir(parents=True, exist_ok=True)
        self._run_as: list[str] = []
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            owner = pwd.getpwnam("postgres")
            os.chown(folder, owner.pw_uid, owner.pw_gid)
            self._run_as = ["runuser", "-u", "postgres", "--"]
        self.data = folder / "data"
        self._run("initdb", "-D", str(self.data), "-A", "trust", "-U", "postgres")
        self.url = f"postgresql+psycopg://postgres@/postgres?host={folder}"

    def start(self) -> None:
        options = f"-c listen_addresses= -k {self._folder} -c max_connections=60"
        self._control("-o", options, "-l", str(self._folder / "server.log"), "start")

    def restart(self, mode: str) -> None:
        self._control("-m", mode, "restart")

    def stop(self, mode: str = "fast") -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            self._control("-m", mode, "stop")

    def backends(self) -> list[int]:
        """Return the processes that serve a client now."""
        head = int((self.data / "postmaster.pid").read_text().splitlines()[0])
        found = []
        for pid in Path(f"/proc/{head}/task/{head}/children").read_text().split():
            with contextlib.suppress(OSError):
                if "postgres postgres" in Path(f"/proc/{pid}/cmdline").read_text():
                    found.append(int(pid))
        return found

    def _control(self, *words: str) -> None:
        self._run("pg_ctl", "-D", str(self.data), "-w", *words)

    def _run(self, program: str, *words: str) -> None:
        subprocess.run(
            [*self._run_as, str(self._binaries / program), *words],
            check=True,
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[Postgres]:
    server = Postgres(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop("immediate")
        shutil.rmtree(folder, ignore_errors=True)


def start_role(*words: str, environ: dict[str, str], log: IO[bytes]) -> "subprocess.Popen[bytes]":
    """Start `recommender ROLE` as a child of the drill."""
    import sys

    return start_child([sys.executable, "-m", "recommender", *words], environ=environ, output=log)


def wait_for(condition: Any, *, seconds: float = 60.0, what: str = "") -> float:
    """Return how long it took until `condition()` held.

    Raises:
        TimeoutError: It did not in time.
    """
    begin = time.monotonic()
    while not condition():
        if time.monotonic() - begin > seconds:
            raise TimeoutError(f"waited {seconds:.0f} s in vain{': ' if what else ''}{what}")
        time.sleep(0.02)
    return time.monotonic() - begin
