"""The real service over one home: its processes, and the servers it was given.

Two ways to run: `up`, which revives what dies, and single roles, which only the drill revives.
"""

import contextlib
import dataclasses
import os
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import redis
import sqlalchemy as sa
from redis.backoff import NoBackoff
from redis.retry import Retry

from drill.load import Caller, Reply
from drill.servers import start_role, wait_for
from drill.shops import DrillShop, make_shop
from processes import descendants, free_port
from recommender.adapters.child_process import end_child
from recommender.adapters.database import migrate, open_database
from recommender.adapters.embedded_server import embedded_url
from recommender.bootstrap import Services, bootstrap
from recommender.config import Settings


class Service:
    """The service under drill.

    Args:
        redis_url: Address of a server of the drill; empty lets `up` run the embedded one.
        database_url: Empty for SQLite.
        environ: Further settings, without their prefix.
    """

    def __init__(
        self,
        folder: Path,
        *,
        redis_url: str = "",
        database_url: str = "",
        lake_url: str = "",
        environ: Mapping[str, str] | None = None,
    ) -> None:
        # A socket's path must be short.
        self.home = Path(tempfile.mkdtemp(prefix="rcd-")) if not folder.exists() else folder
        port = free_port()
        chosen = {
            "HOME": str(self.home),
            "REDIS_URL": redis_url,
            "PORT": str(port),
            "WEB_WORKERS": "2",
            "SLATE_BUDGET_MS": "200",
            "TRAIN_HOUR": str((time.gmtime().tm_hour + 12) % 24),
            "REFRESH_MINUTES": "0",
            **({"DATABASE_URL": database_url} if database_url else {}),
            **({"LAKE_URL": lake_url} if lake_url else {}),
            **(environ or {}),
        }
        self._chosen = {f"RECOMMENDER_{name}": value for name, value in chosen.items()}
        self.settings = Settings.from_environ(self._chosen)
        self.address = f"http://127.0.0.1:{port}"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.log_file = self.home / "drill.log"
        self.shops: list[DrillShop] = []

    def environ(self, **more: str) -> dict[str, str]:
        environ = dict(os.environ) | self._chosen | more
        # Machine code is the same for every home, and takes a minute to make.
        kept = Path(tempfile.gettempdir()) / "recommender-drill" / "compiled" / "any"
        environ.setdefault("NUMBA_CACHE_DIR", str(kept))
        environ["OMP_NUM_THREADS"] = environ["OPENBLAS_NUM_THREADS"] = "1"
        return environ

    @property
    def redis_url(self) -> str:
        return self.settings.redis_url or embedded_url(self.home)

    def prepare(self, n_shops: int = 2, *, n_items: int = 0, seed: int = 0) -> None:
        """Migrate the database and make shops; the hot state must not be needed for it."""
        database = open_database(self.settings.database_url)
        migrate(database)
        database.dispose()
        self.add_shops(n_shops, n_items=n_items, seed=seed)

    def add_shops(self, n_shops: int, *, n_items: int = 0, seed: int = 0) -> None:
        with self.inside() as services:
            for number in range(n_shops):
                made = make_shop(services, number, n_items=n_items, seed=seed)
                self.shops.append(made)

    @contextlib.contextmanager
    def inside(self) -> Any:
        """Give the service's own collaborators, as one of its processes has them."""
        services: Services = bootstrap(dataclasses.replace(self.settings, redis_url=self.redis_url))
        try:
            yield services
        finally:
            services.database.dispose()

    def start(self, *roles: str, **environ: str) -> None:
        """Start `up`, or the roles named."""
        for role in roles or ("up",):
            with self.log_file.open("ab") as log:
                self.processes[role] = start_role(role, environ=self.environ(**environ), log=log)

    def command(self, *words: str, seconds: float = 120, **environ: str) -> Any:
        """Run a command of the service to its end."""
        import sys

        return subprocess.run(
            [sys.executable, "-m", "recommender", *words],
            env=self.environ(**environ),
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def wait_ready(self, seconds: float = 90.0) -> float:
        return wait_for(self.is_ready, seconds=seconds, what="readiness")

    def get(self, path: str) -> Reply:
        caller = Caller(self.address, seconds=5.0)
        try:
            return caller.ask("GET", path)
        finally:
            caller.close()

    def is_ready(self) -> bool:
        return self.get("/readyz").status == 200

    def pids(self, part: str) -> list[int]:
        """Return processes of the service whose command line holds `part`, the oldest first."""
        found: set[int] = set()
        for process in self.processes.values():
            family = descendants(process.pid)
            with contextlib.suppress(OSError):
                own = Path(f"/proc/{process.pid}/cmdline").read_bytes().replace(b"\0", b" ")
                family[process.pid] = own.decode()
            found |= {pid for pid, command in family.items() if part in command}
        return sorted(found)

    def stop(self, *roles: str, patience_seconds: float = 40.0) -> dict[str, int]:
        """End the processes as an operator would; return their statuses."""
        return {
            role: end_child(self.processes.pop(role), patience_seconds=patience_seconds)
            for role in roles or tuple(reversed(self.processes))
        }

    def kill(self, role: str) -> None:
        process = self.processes.pop(role)
        process.kill()
        process.wait()

    def redis(self) -> "redis.Redis":
        return redis.Redis.from_url(self.redis_url, retry=Retry(NoBackoff(), 0), socket_timeout=5.0)

    def pending(self) -> int:
        """Return how many stream entries wait for the ingester."""
        with contextlib.closing(self.redis()) as client:
            return sum(int(client.xlen(key)) for key in client.scan_iter(_type="stream"))

    def stored(self, shop_id: str) -> Counter[tuple[str, str]]:
        """Return (event id, source) → rows of the event log, as every reader sees it."""
        with self.inside() as services:
            found = services.event_log.events(shop_id).select("event_id", "source").to_pyarrow()
        columns = (found.column(name).to_pylist() for name in ("event_id", "source"))
        return Counter(zip(*columns, strict=True))

    def rows(self, query: str, **values: object) -> list[Any]:
        """Ask the control database."""
        engine = open_database(self.settings.database_url)
        try:
            with engine.connect() as connection:
                return list(connection.execute(sa.text(query), values))
        finally:
            engine.dispose()

    def log(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""
