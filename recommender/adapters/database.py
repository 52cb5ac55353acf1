"""Control data: opens SQLite or PostgreSQL by URL and brings its schema up to date."""

from pathlib import Path

import sqlalchemy as sa

from recommender.errors import UnavailableError
from recommender.shops.acting import all_shops, current

SQLITE_BUSY_MS = 10_000
_MIGRATIONS = Path(__file__).parent / "migrations"


def open_database(url: str, *, shops_by_request: bool = False) -> sa.Engine:
    """Return an engine; connections are made when first used.

    SQLite runs in WAL mode with `synchronous=FULL`: a commit that returned is on disk. On
    PostgreSQL every transaction tells row-level security for which shop it acts.

    Args:
        url: SQLAlchemy URL.
        shops_by_request: Whether this process acts for nobody unless a request says for whom, as
            a web worker does; otherwise it does the vendor's own work on all shops.
    """
    if sa.engine.make_url(url).get_backend_name() == "sqlite":
        return _open_sqlite(url)
    engine = sa.create_engine(url, pool_size=8, max_overflow=8, pool_timeout=5, pool_pre_ping=True)
    _scope_transactions(engine, all_shops_unless_said=not shops_by_request)
    return engine


def _scope_transactions(engine: sa.Engine, *, all_shops_unless_said: bool) -> None:
    @sa.event.listens_for(engine, "begin")
    def _scope(connection: sa.Connection) -> None:
        acting = current()
        unsaid = acting.all_shops is None
        everything = all_shops_unless_said if unsaid else acting.all_shops
        # Both end with the transaction, so a pooled connection never keeps them.
        connection.exec_driver_sql(
            "SELECT set_config('recommender.shop_id', %s, true), "
            "set_config('recommender.all_shops', %s, true)",
            (acting.shop_id, "on" if everything else "off"),
        )


def _open_sqlite(url: str) -> sa.Engine:
    path = sa.engine.make_url(url).database
    if path:
        Path(path).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    engine = sa.create_engine(url)

    @sa.event.listens_for(engine, "connect")
    def _configure(connection: object, _record: object) -> None:
        # SQLAlchemy shall decide when a transaction starts, not the driver.
        connection.isolation_level = None  # type: ignore[attr-defined]
        cursor = connection.cursor()  # type: ignore[attr-defined]
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"busy_timeout={SQLITE_BUSY_MS}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # A transaction that reads first and writes later would fail at once when another
        # process wrote in between, without waiting; taking the write lock first waits instead.
        mode = connection.get_execution_options().get("sqlite_begin", "DEFERRED")
        connection.exec_driver_sql(f"BEGIN {mode}")

    return engine


def require_schema(engine: sa.Engine) -> None:
    """Refuse to go on with a schema older than this program's; a server that is away passes.

    Raises:
        UnavailableError: Code `schema-missing`: says what to do.
    """
    try:
        with engine.connect() as connection:
            has_any = sa.inspect(connection).has_table("alembic_version")
            query = sa.text("SELECT version_num FROM alembic_version")
            version = connection.scalar(query) if has_any else None
    except sa.exc.OperationalError:
        return  # what needs the database says so itself, and some do not need it
    if version is None or version < _newest_version():
        state = "has no tables yet" if version is None else "is of an earlier release"
        raise UnavailableError(
            f"The control database {state}: run `recommender migrate`", code="schema-missing"
        )


def _newest_version() -> str:
    return max(path.name[:4] for path in (_MIGRATIONS / "versions").glob("[0-9]*.py"))


def migrate(engine: sa.Engine) -> None:
    """Bring the schema to the newest version; safe to call from several processes.

    Raises:
        UnavailableError: The database does not answer.
    """
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    try:
        with (
            all_shops(),
            engine.execution_options(sqlite_begin="IMMEDIATE").begin() as connection,
        ):
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(727433)")
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except sa.exc.OperationalError as error:
        raise UnavailableError(
            f"The database does not answer: {error.orig}", code="database-unavailable"
        ) from error
