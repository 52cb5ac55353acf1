"""Schema migration: covariates of a measurement."""

import sqlalchemy as sa
from alembic import op

from recommender import tables

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_COLUMNS = ("covariate_minor", "covariate_squares", "covariate_products")


def upgrade() -> None:
    with op.batch_alter_table("daily_sums", schema=None) as batch_op:
        for name in _COLUMNS:
            kind = sa.BigInteger() if name == "covariate_minor" else tables.HugeInteger(length=64)
            batch_op.add_column(sa.Column(name, kind, server_default="0", nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("daily_sums", schema=None) as batch_op:
        for name in _COLUMNS:
            batch_op.drop_column(name)
