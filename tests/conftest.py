"""Real servers for every test that wants one: Valkey, SQLite, PostgreSQL, Delta."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import hypothesis
import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, expect, sync_playwright

from money_world import bill_to
from processes import Up, free_port, running
from recommender.adapters.database import migrate, open_database
from recommender.adapters.embedded_server import running_server
from recommender.adapters.event_log import DeltaEventLog
from recommender.adapters.redis_state import RedisState
from recommender.config import Settings
from recommender.records import Shop
from recommender.shops.directory import ShopDirectory
from recommender.shops.registry import NewShop, ShopOrder, create_shop
from world import SHOP_ORIGIN, STARTED_AT, Clock, missing

# Properties are judged by what they compute, not by how long a busy machine takes; and a change is
# judged by the same examples as the change before it. Other examples, and more of them, are looked
# for with `--hypothesis-profile searching`.
hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True)
hypothesis.settings.register_profile(
    "searching", deadline=None, derandomize=False, max_examples=1_000
)
hypothesis.settings.load_profile("repeatable")
expect.set_options(timeout=30_000)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the files of slow tests: begun last, one process would still have them alone."""
    if hasattr(config, "workerinput"):
        slow = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """A Valkey of its own on a private socket."""
    with tempfile.TemporaryDirectory(prefix="rcm-") as folder, running_server(Path(folder)) as url:
        yield url


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """The Valkey, empty."""
    import redis

    with contextlib.closing(redis.Redis.from_url(redis_server)) as client:
        client.flushall()
    return redis_server


@pytest.fixture
def state(redis_url: str) -> RedisState:
    return RedisState(redis_url)


@pytest.fixture
def event_log(tmp_path: Path) -> DeltaEventLog:
    return DeltaEventLog(str(tmp_path / "lake"), engine="duckdb")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a PostgreSQL cluster of its own, on a Unix socket."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs:
        missing("PostgreSQL")
    binaries = programs[-1].parent
    folder = Path(tempfile.mkdtemp(prefix="rcm-pg-"))
    run_as: list[str] = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        owner = pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        run_as = ["runuser", "-u", "postgres", "--"]
    data = folder / "data"
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    initdb = [binaries / "initdb", "-D", data, "-A", "trust", "-U", "postgres", "-N"]
    subprocess.run([*run_as, *map(str, initdb)], check=True, cwd=folder, **quiet)
    options = f"-c listen_addresses= -k {folder} -c fsync=off -c max_connections=200"
    control = [*run_as, str(binaries / "pg_ctl"), "-D", str(data), "-w"]
    subprocess.run([*control, "-o", options, "start"], check=True, cwd=folder, **quiet)
    try:
        yield f"postgresql+psycopg://postgres@/postgres?host={folder}"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, cwd=folder, **quiet)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_database(postgres_server: str) -> str:
    """URL of a migrated database; each test leaves it empty."""
    engine = open_database(postgres_server)
    migrate(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql(_KEEP)
    engine.dispose()
    return postgres_server


_KEEP = """
DO $$ DECLARE name text; BEGIN
  -- What the migrations themselves have written.
  CREATE SCHEMA kept;
  FOR name IN SELECT quote_ident(tablename) FROM pg_tables
    WHERE schemaname = 'public' AND tablename <> 'alembic_version'
  LOOP EXECUTE 'CREATE TABLE kept.' || name || ' AS SELECT * FROM ' || name; END LOOP;
END $$
"""
_EMPTY = """
DO $$ DECLARE name text; BEGIN
  PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid();
  -- Neither foreign keys nor triggers have a say.
  SET LOCAL session_replication_role = replica;
  FOR name IN SELECT quote_ident(tablename) FROM pg_tables
    WHERE schemaname = 'public' AND tablename <> 'alembic_version'
  LOOP
    EXECUTE 'DELETE FROM ' || name;
    EXECUTE 'INSERT INTO ' || name || ' SELECT * FROM kept.' || name;
  END LOOP;
  PERFORM setval(quote_ident(sequencename)::regclass, start_value, false)
    FROM pg_sequences WHERE schemaname = 'public';
END $$
"""


def _empty(url: str) -> None:
    """Take all rows from a PostgreSQL database: ten times as fast as making it again."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(_EMPTY)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database file that tests copy."""
    path = tmp_path_factory.mktemp("template") / "control.db"
    engine = open_database(f"sqlite:///{path}")
    migrate(engine)
    engine.dispose()
    return path


@pytest.fixture
def sqlite_url(tmp_path: Path, sqlite_template: Path) -> str:
    """A migrated control database in a file."""
    path = tmp_path / "control.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A migrated control database without a row, on each kind of server in turn."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_url")
        return
    url = request.getfixturevalue("postgres_database")
    yield url
    _empty(url)


@pytest.fixture
def database(database_url: str) -> Iterator[sa.Engine]:
    engine = open_database(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def shop_order() -> ShopOrder:
    return ShopOrder(
        name="Test shop",
        currency="EUR",
        country="FR",
        timezone="Europe/Paris",
        origins=[SHOP_ORIGIN],
    )


@pytest.fixture
def new_shop(database: sa.Engine, shop_order: ShopOrder, request: pytest.FixtureRequest) -> NewShop:
    """A shop whose draws are the test's own: no visitor changes the arm from run to run."""
    draw = Random(request.node.nodeid)
    created = create_shop(shop_order, database=database, now=STARTED_AT, random=draw.randbytes)
    bill_to(created.shop_id, database)
    return created


@pytest.fixture
def shop(database: sa.Engine, new_shop: NewShop) -> Shop:
    return ShopDirectory(database).by_id(new_shop.shop_id)


@pytest.fixture
def settings(tmp_path: Path, database_url: str, redis_url: str) -> Settings:
    return Settings.from_environ(
        {
            "RECOMMENDER_HOME": str(tmp_path / "home"),
            "RECOMMENDER_DATABASE_URL": database_url,
            "RECOMMENDER_REDIS_URL": redis_url,
            "RECOMMENDER_LAKE_URL": str(tmp_path / "lake"),
            # A busy machine must not turn a slate into its fallback.
            "RECOMMENDER_SLATE_BUDGET_MS": "10000",
        }
    )


@pytest.fixture
def clock() -> Clock:
    return Clock(STARTED_AT)


@pytest.fixture
def services(settings: Settings, clock: Clock) -> Iterator[Any]:
    """Everything real, under a clock the test moves."""
    from recommender.bootstrap import bootstrap

    built = bootstrap(settings, now=clock)
    yield built
    built.database.dispose()


@pytest.fixture
def home_settings(tmp_path: Path) -> Settings:
    return Settings.from_environ(
        {
            "RECOMMENDER_HOME": str(tmp_path / "home"),
            "RECOMMENDER_PORT": str(free_port()),
            "RECOMMENDER_WEB_WORKERS": "2",
        }
    )


@pytest.fixture
def running_up(home_settings: Settings, tmp_path: Path) -> Iterator[Up]:
    with running(Up(home_settings, tmp_path)) as started:
        yield started


_BROWSER_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--no-first-run",
    # Names that browsers do not trust like loopback: no secure context, real cookie domains.
    "--host-resolver-rules=MAP *.test 127.0.0.1",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all browser tests."""
    executable = shutil.which("chromium")
    if executable is None:
        missing("Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=_BROWSER_ARGUMENTS)
        yield browser
        browser.close()
