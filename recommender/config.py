"""Settings: the only place that reads the environment.

All names start with `RECOMMENDER_`. A URL chooses the server behind each seam; an empty one means
the embedded default under `RECOMMENDER_HOME`. All faults are reported at once.
"""

import hashlib
import os
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from recommender.crash_points import parse_crash_point
from recommender.errors import InvalidInputError

ENGINES = ("duckdb",)
OBJECT_STORES = ("s3", "s3a", "gs", "az", "abfs", "abfss")
_COMPILED = "compiled"
_STATE = re.compile(r"[0-9a-f]{16}")
DRAINING = "draining"
"""File in the home's `run`: this machine is about to stop, and says so at /readyz."""
COMPILED_READY = "ready"
"""File in a folder of machine code: nothing is left to compile."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What an operator can choose.

    Attributes:
        home: Folder of everything the service keeps on this machine.
        redis_url: Stream and hot state; empty means the embedded server of `up`.
        database_url: SQLAlchemy URL of control data and ledger.
        lake_url: Folder or object-store address of the event log.
        engine: Query engine of batch work, one of `ENGINES`.
        host: Address the web server binds to.
        port: Port the web server binds to; the demo storefront takes the next one.
        public_url: Address browsers reach the web server at, without a trailing slash.
        web_workers: Number of web worker processes.
        slate_budget_ms: Time a recommendation may take before the fallback answers.
        model_memory_mb: Most that models and catalogues may take in one web worker, in MiB.
        refresh_minutes: Pause between two refreshes of a shop's model by its newest events; 0
            for none.
        train_hour: Hour (UTC) of the nightly training of all shops.
        drain_seconds: How long /readyz tells of the end before it comes.
        trust_proxy_hops: Number of proxies in front whose forwarding headers are believed.
        spool_mb: Most that events may take on this machine's disk while Redis is away, in MiB.
        address_requests_per_minute: Batches of events taken from one client address; 0 for any.
        shop_requests_per_minute: Batches of events taken for one shop; 0 for any.
        seal_hours: Hours after a day's end before it is sealed.
        event_days: Days the event log keeps; 0 for ever.
        crash_at: Crash point at which processes die, `NAME` or `NAME:N`; empty for none.
        secret_key_file: File (mode 0600) with the service's own secret, made when absent.
    """

    home: Path
    redis_url: str
    database_url: str
    lake_url: str
    engine: str
    host: str
    port: int
    public_url: str
    web_workers: int
    slate_budget_ms: int
    model_memory_mb: int
    refresh_minutes: int
    train_hour: int
    drain_seconds: int
    trust_proxy_hops: int
    spool_mb: int
    address_requests_per_minute: int
    shop_requests_per_minute: int
    seal_hours: int
    event_days: int
    crash_at: str
    secret_key_file: Path

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read and check every setting.

        Raises:
            InvalidInputError: Names every faulty setting, not only the first.
        """
        reader = _Reader(os.environ if environ is None else environ)
        home = Path(reader.text("HOME", str(_default_home()))).expanduser().absolute()
        host, port = reader.text("HOST", "127.0.0.1"), reader.number("PORT", 8000, 1, 65_534)
        settings = cls(
            home=home,
            redis_url=reader.url("REDIS_URL", "", ("redis", "rediss", "unix")),
            database_url=reader.url(
                "DATABASE_URL",
                f"sqlite:///{home / 'control.db'}",
                ("sqlite", "postgresql", "postgresql+psycopg"),
            ).replace("postgresql://", "postgresql+psycopg://", 1),
            lake_url=reader.lake("LAKE_URL", str(home / "lake")),
            engine=reader.choice("ENGINE", "duckdb", ENGINES),
            host=host,
            port=port,
            public_url=reader.web_address("PUBLIC_URL", f"http://{_in_url(host)}:{port}"),
            web_workers=reader.number("WEB_WORKERS", min(os.cpu_count() or 1, 8), 1, 64),
            slate_budget_ms=reader.number("SLATE_BUDGET_MS", 50, 1, 10_000),
            model_memory_mb=reader.number("MODEL_MEMORY_MB", 2_048, 16, 1_000_000),
            refresh_minutes=reader.number("REFRESH_MINUTES", 10, 0, 1_440),
            train_hour=reader.number("TRAIN_HOUR", 3, 0, 23),
            drain_seconds=reader.number("DRAIN_SECONDS", 0, 0, 300),
            trust_proxy_hops=reader.number("TRUST_PROXY_HOPS", 0, 0, 5),
            spool_mb=reader.number("SPOOL_MB", 512, 1, 1_000_000),
            address_requests_per_minute=reader.number(
                "ADDRESS_REQUESTS_PER_MINUTE", 1_200, 0, 10_000_000
            ),
            shop_requests_per_minute=reader.number(
                "SHOP_REQUESTS_PER_MINUTE", 120_000, 0, 10_000_000
            ),
            seal_hours=reader.number("SEAL_HOURS", 6, 0, 168),
            event_days=reader.number("EVENT_DAYS", 0, 0, 36_500),
            crash_at=reader.crash_point("CRASH_AT"),
            secret_key_file=Path(reader.text("SECRET_KEY_FILE", str(home / "secret.key"))),
        )
        reader.raise_faults()
        return settings

    def child_environ(self, **overrides: str) -> dict[str, str]:
        """Return the environment for a child process that shall see these same settings."""
        environ = dict(os.environ)
        own = {
            "HOME": str(self.home),
            "REDIS_URL": self.redis_url,
            "DATABASE_URL": self.database_url,
            "LAKE_URL": self.lake_url,
            "ENGINE": self.engine,
            "HOST": self.host,
            "PORT": str(self.port),
            "PUBLIC_URL": self.public_url,
            "WEB_WORKERS": str(self.web_workers),
            "SLATE_BUDGET_MS": str(self.slate_budget_ms),
            "MODEL_MEMORY_MB": str(self.model_memory_mb),
            "REFRESH_MINUTES": str(self.refresh_minutes),
            "TRAIN_HOUR": str(self.train_hour),
            "DRAIN_SECONDS": str(self.drain_seconds),
            "TRUST_PROXY_HOPS": str(self.trust_proxy_hops),
            "SPOOL_MB": str(self.spool_mb),
            "ADDRESS_REQUESTS_PER_MINUTE": str(self.address_requests_per_minute),
            "SHOP_REQUESTS_PER_MINUTE": str(self.shop_requests_per_minute),
            "SEAL_HOURS": str(self.seal_hours),
            "EVENT_DAYS": str(self.event_days),
            "CRASH_AT": self.crash_at,
            "SECRET_KEY_FILE": str(self.secret_key_file),
        }
        environ.update({f"RECOMMENDER_{name}": value for name, value in own.items()})
        environ.update(overrides)
        return environ


def keep_compiled_kernels(environ: MutableMapping[str, str] = os.environ) -> None:
    """Choose where numba keeps machine code, unless the operator did: under the home folder.

    The package itself may be installed read-only. Each state of the kernels has a folder of its
    own, because numba notices a change of a kernel, but not of the kernels that it calls. Must
    run before numba is imported; children inherit the choice.
    """
    chosen = Path(environ.get("NUMBA_CACHE_DIR", ""))
    if environ.get("NUMBA_CACHE_DIR") and chosen.parent.name != _COMPILED:
        return
    home = Path(_Reader(environ).text("HOME", str(_default_home()))).expanduser().absolute()
    parent = chosen.parent if environ.get("NUMBA_CACHE_DIR") else home / _COMPILED
    environ["NUMBA_CACHE_DIR"] = str(parent / _source_state())


def earlier_compiled_folders(keep: int) -> list[Path]:
    """Return what earlier states of the kernels left beside `compiled_folder`, but the newest.

    An operator's own folder is nobody's to tidy: then there are none.
    """
    current = compiled_folder()
    if current.parent.name != _COMPILED or not current.parent.is_dir():
        return []
    earlier = [path for path in current.parent.iterdir() if _STATE.fullmatch(path.name)]
    earlier = [path for path in earlier if path != current]
    return sorted(earlier, key=lambda path: path.stat().st_mtime)[: -keep or None]


def compiled_folder() -> Path:
    """Return where numba keeps machine code in this process."""
    return Path(os.environ["NUMBA_CACHE_DIR"])


def _source_state() -> str:
    folder = Path(__file__).parent
    sources = [
        path.read_bytes()
        for stage in ("training", "serving")
        for path in sorted((folder / stage).glob("*.py"))
    ]
    return hashlib.sha256(b"".join(text for text in sources if b"njit" in text)).hexdigest()[:16]


def _default_home() -> Path:
    data_home = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data_home).expanduser() / "recommender"


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        unused = parts.query or parts.fragment or parts.username or parts.port == 0
    except ValueError:  # brackets or a port that are none
        return False
    return (
        parts.scheme in {"http", "https"}
        and bool(parts.hostname)
        and not unused
        and " " not in text
    )


class _Reader:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._faults: list[str] = []

    def text(self, name: str, default: str) -> str:
        return self._environ.get(f"RECOMMENDER_{name}", "").strip() or default

    def number(self, name: str, default: int, low: int, high: int) -> int:
        raw = self.text(name, str(default))
        if not raw.isascii() or not raw.isdigit() or not low <= int(raw) <= high:
            self._fault(name, f"a whole number from {low} to {high}", raw)
            return default
        return int(raw)

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        raw = self.text(name, default)
        if raw not in choices:
            self._fault(name, f"one of {', '.join(choices)}", raw)
        return raw

    def url(self, name: str, default: str, schemes: tuple[str, ...]) -> str:
        raw = self.text(name, default)
        scheme, found, _ = raw.partition("://")
        if raw and (not found or scheme not in schemes):
            self._fault(name, f"a URL that starts with one of {', '.join(schemes)}", scheme)
        return raw

    def lake(self, name: str, default: str) -> str:
        raw = self.text(name, default)
        scheme, found, rest = raw.partition("://")
        if found and (scheme not in OBJECT_STORES or not rest.strip("/")):
            stores = ", ".join(f"{store}://" for store in OBJECT_STORES)
            self._fault(
                name,
                f"a folder, or a bucket and path after one of {stores}",
                raw.rpartition("@")[2],
            )
        return raw

    def web_address(self, name: str, default: str) -> str:
        raw = self.text(name, default).rstrip("/")
        if not _is_web_address(raw):
            wanted = "an address such as https://recommendations.example"
            self._fault(name, wanted, raw.rpartition("@")[2])
        return raw

    def crash_point(self, name: str) -> str:
        raw = self.text(name, "")
        try:
            return raw if not raw or parse_crash_point(raw) else ""
        except ValueError:
            self._fault(name, "a crash point, or one with `:N`", raw)
            return ""

    def _fault(self, name: str, wanted: str, got: str) -> None:
        self._faults.append(f"RECOMMENDER_{name} must be {wanted}, not {got!r}")

    def raise_faults(self) -> None:
        if self._faults:
            raise InvalidInputError("; ".join(self._faults), code="invalid-settings")
