"""The migrations build exactly what tables.py says, on both databases."""

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from recommender.adapters.database import migrate
from recommender.tables import metadata


def test_migrations_equal_tables(database: sa.Engine) -> None:
    with database.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    assert differences == []


def test_migrating_again_changes_nothing(database: sa.Engine) -> None:
    migrate(database)
    with database.connect() as connection:
        assert sa.inspect(connection).has_table("invoices")
