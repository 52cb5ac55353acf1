"""Control tables about shoppers: which browsers are one person, and who was erased."""

import sqlalchemy as sa

from recommender.table_types import UtcInstant, metadata, shop_key

# A browser belongs to the first customer who logged in on it.
merges = sa.Table(
    "merges",
    metadata,
    shop_key(),
    sa.Column("visitor", sa.String(64), primary_key=True),
    sa.Column("person", sa.String(64), nullable=False),
    sa.Column("merged_at", UtcInstant, nullable=False),
    # When another customer logged in on it too; from then on it shares no path.
    sa.Column("shared_at", UtcInstant),
    sa.Index("ix_merges_shop_id_person", "shop_id", "person"),
)

# What a visitor did until `requested_at` is gone and stays away, also from a restored backup.
erasures = sa.Table(
    "erasures",
    metadata,
    shop_key(),
    sa.Column("visitor", sa.String(64), primary_key=True),
    sa.Column("requested_at", UtcInstant, nullable=False),
    # When event log and artifacts were gone through for the first time.
    sa.Column("swept_at", UtcInstant),
    # None while somebody may still bring something back.
    sa.Column("finished_at", UtcInstant),
    sa.Index("ix_erasures_requested_at", "requested_at"),
)
