"""What comparisons with the shop's own list of orders found, as they are kept (verb).

Apart from `reconcile`, so that who only shows them needs none of the libraries that read files.
"""

from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from recommender import tables


class DifferenceKind(StrEnum):
    """In what the two lists differ."""

    MISSING_HERE = "missing-here"
    MISSING_THERE = "missing-there"
    OTHER_AMOUNT = "other-amount"
    OTHER_DATE = "other-date"
    REFUND_MISSING_HERE = "refund-missing-here"
    REFUND_MISSING_THERE = "refund-missing-there"


def read_reconciliations(
    shop_id: str, *, database: sa.Engine, limit: int = 10
) -> list[dict[str, Any]]:
    """Return the newest comparisons, newest first: the columns of `reconciliations`."""
    columns = tables.reconciliations.c
    query = (
        sa.select(tables.reconciliations)
        .where(columns.shop_id == shop_id)
        .order_by(columns.finished_at.desc(), columns.reconciliation_id)
        .limit(limit)
    )
    with database.connect() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]
