"""Schema migration: whether a shop's events may come from frames without an origin."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Not in a batch: that makes the table anew, which rows of other tables refer to.
    op.add_column(
        "shops",
        sa.Column("sandboxed_pixels", sa.Boolean(), server_default=sa.false(), nullable=False),
    )


def downgrade() -> None:
    op.drop_column("shops", "sandboxed_pixels")
