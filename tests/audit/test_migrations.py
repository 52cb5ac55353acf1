"""The migrations build exactly what tables.py says, on both databases."""

import datetime as dt
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from recommender import tables
from recommender.adapters import migrations
from recommender.adapters.database import migrate, open_database, require_schema
from recommender.tables import metadata


def test_migrations_equal_tables(database: sa.Engine) -> None:
    with database.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    assert differences == []


def test_migrating_again_changes_nothing(database: sa.Engine) -> None:
    migrate(database)
    with database.connect() as connection:
        assert sa.inspect(connection).has_table("invoices")
    require_schema(database)


def test_items_of_the_first_schema_count_as_seen_when_they_changed_last(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'control.db'}")
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    shop = "INSERT INTO shops VALUES ('s','','EUR','FR','UTC','pk','k','[]',NULL,0,'2026-01-01')"
    item = (
        "INSERT INTO items VALUES ('s','a','A','/a','',100,'EUR','','','',1,1,"
        "'2026-02-03 04:05:06.000000')"
    )
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for statement in (shop, item):
            connection.exec_driver_sql(statement)
    migrate(engine)
    with engine.connect() as connection:
        row = connection.execute(sa.select(tables.items)).one()
    engine.dispose()
    assert row.first_seen_at == dt.datetime(2026, 2, 3, 4, 5, 6, tzinfo=dt.UTC)
    assert (row.cost_minor, row.stock) == (None, None)
