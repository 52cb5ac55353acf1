"""How gunicorn serves the web application.

In come settings; out go the command line and environment of the server. gunicorn also imports
this module as its configuration file: the functions named like its hooks run in its processes.
"""

import contextlib
import ctypes
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recommender.adapters.child_process import die_with_parent
from recommender.config import Settings

# More of them wait for the interpreter, and for each other (docs/decisions/0012).
THREADS = 4
REQUEST_SECONDS = 30
GRACEFUL_SECONDS = 10
# The address line of a slate request may carry a whole cart.
MAX_REQUEST_LINE_BYTES = 8190
WORKER_READY = "X_RECOMMENDER_WORKER=ready"
"""What a worker tells the socket that `NOTIFY_SOCKET` names; systemd passes over it."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_KEPT_BYTES, _LARGE_BYTES = 16 << 20, 4 << 20
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108


def gunicorn_argv(settings: Settings, *, listen_fd: int | None = None) -> list[str]:
    """Return the command that serves the application in this and some worker processes.

    Args:
        settings: What to serve, and where.
        listen_fd: Socket that listens already, handed down by the parent; None opens one.
    """
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    options = {
        "--config": f"python:{__name__}",
        "--bind": f"{host}:{settings.port}" if listen_fd is None else f"fd://{listen_fd}",
        "--worker-class": "recommender.adapters.direct_worker.DirectWorker",
        "--workers": settings.web_workers,
        "--threads": THREADS,
        "--timeout": REQUEST_SECONDS,
        "--graceful-timeout": GRACEFUL_SECONDS,
        "--limit-request-line": MAX_REQUEST_LINE_BYTES,
        "--log-level": "warning",
    }
    if _SHARED_MEMORY.is_dir():
        # The workers' heartbeat; on a slow disk it would stop the worker it watches.
        options["--worker-tmp-dir"] = _SHARED_MEMORY
    named = [text for option, value in options.items() for text in (option, str(value))]
    return [sys.executable, "-m", "gunicorn", "--no-control-socket", *named, "recommender.wsgi:app"]


def metrics_environ(settings: Settings) -> dict[str, str]:
    """Make the folder where processes share their metrics; return the variable that names it.

    Files of processes that are gone are removed: their counters belong to an earlier run.
    """
    folder = settings.home / "run" / "metrics"
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("*.db"):
        if not _is_alive(file.stem.rpartition("_")[2]):
            file.unlink(missing_ok=True)
    return {"PROMETHEUS_MULTIPROC_DIR": str(folder)}


def serve(settings: Settings, environ: Mapping[str, str], *, listen_fd: int | None = None) -> None:
    """Become the web server; returns never."""
    argv = gunicorn_argv(settings, listen_fd=listen_fd)
    os.execvpe(argv[0], argv, environ)  # noqa: S606


def _is_alive(pid: str) -> bool:
    if not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def post_fork(_server: Any, worker: Any) -> None:
    """Tie a new worker's life to gunicorn's main process, also when that one is killed."""
    die_with_parent(worker.ppid)
    return_freed_memory()


def post_worker_init(worker: Any) -> None:
    """Tell the supervisor, if there is one, that this worker has the application loaded."""
    from gunicorn.systemd import sd_notify

    sd_notify(WORKER_READY, worker.log)


def return_freed_memory() -> None:
    """Have the C library give freed memory back, where it is glibc.

    Otherwise every thread keeps a store of its own, and a worker of 100,000 items grows by
    90 MB under load. What a few requests need is kept: giving it back and fetching it again for
    each of them costs more than they do.
    """
    with contextlib.suppress(AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_ARENA_MAX, 2)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)


def child_exit(_server: Any, worker: Any) -> None:
    """Drop the gauges of a worker that ended."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
