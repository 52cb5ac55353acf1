"""Control data and ledger as SQLAlchemy Core tables; every key starts with the shop.

Migrations in `adapters/migrations` build exactly this (a test compares them).
"""

import sqlalchemy as sa

from recommender.money_tables import (
    buyers,
    exclusions,
    invoice_details,
    legal_entities,
    payments,
    reminders,
)
from recommender.order_tables import (
    link_reports,
    order_conflicts,
    order_facts,
    order_faults,
    order_outbox,
    orders,
    reconciliations,
    replies,
    webhook_secrets,
)
from recommender.people_tables import erasures, merges
from recommender.table_types import (
    HugeInteger,
    UtcInstant,
    insert_ignore,
    metadata,
    shop_key,
    upsert,
)

# What stands elsewhere and is `tables.…` for everybody.
__all__ = [
    "HugeInteger",
    "UtcInstant",
    "buyers",
    "erasures",
    "exclusions",
    "insert_ignore",
    "invoice_details",
    "legal_entities",
    "link_reports",
    "merges",
    "metadata",
    "order_conflicts",
    "order_facts",
    "order_faults",
    "order_outbox",
    "orders",
    "payments",
    "reconciliations",
    "reminders",
    "replies",
    "upsert",
    "webhook_secrets",
]

shops = sa.Table(
    "shops",
    metadata,
    sa.Column("shop_id", sa.String(40), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("country", sa.String(2), nullable=False),
    sa.Column("timezone", sa.String(64), nullable=False),
    sa.Column("public_key", sa.String(64), nullable=False, unique=True),
    sa.Column("visitor_key", sa.LargeBinary(32), nullable=False),
    sa.Column("origins", sa.JSON, nullable=False),
    sa.Column("declared_effect_ppm", sa.Integer),
    sa.Column("catalogue_revision", sa.BigInteger, nullable=False, server_default="0"),
    # The catalogue revision at which a rule changed last.
    sa.Column("rules_revision", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("created_at", UtcInstant, nullable=False),
    sa.Column("widget_enabled", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("consent_mode", sa.String(10), nullable=False, server_default="implied"),
    sa.Column("cart_button", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("sandboxed_pixels", sa.Boolean, nullable=False, server_default=sa.false()),
)

secret_keys = sa.Table(
    "secret_keys",
    metadata,
    shop_key(),
    sa.Column("key_hash", sa.String(64), primary_key=True),
    # The first characters, by which people tell keys apart.
    sa.Column("hint", sa.String(12), nullable=False),
    sa.Column("created_at", UtcInstant, nullable=False),
    sa.Column("last_used_at", UtcInstant),
    sa.Column("revoked_at", UtcInstant),
    sa.UniqueConstraint("key_hash"),
)

# The secrets themselves derive from the service's secret and stand nowhere.
signing_secrets = sa.Table(
    "signing_secrets",
    metadata,
    shop_key(),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("created_at", UtcInstant, nullable=False),
    sa.Column("revoked_at", UtcInstant),
)

placements = sa.Table(
    "placements",
    metadata,
    shop_key(),
    sa.Column("placement", sa.String(20), primary_key=True),
    sa.Column("n", sa.Integer, nullable=False),
    sa.Column("n_min", sa.Integer, nullable=False),
    sa.Column("allow_seen", sa.Boolean, nullable=False),
    sa.Column("tail_ppm", sa.Integer),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("title", sa.JSON, nullable=False),
    sa.Column("rotation_ppm", sa.Integer, nullable=False, server_default="100000"),
    sa.Column("exploration_ppm", sa.Integer, nullable=False, server_default="50000"),
)

# Slots that the widget makes on pages without markup for them.
placed_slots = sa.Table(
    "placed_slots",
    metadata,
    shop_key(),
    sa.Column("slot_id", sa.String(40), primary_key=True),
    sa.Column("placement", sa.String(20), nullable=False),
    sa.Column("selector", sa.String(300), nullable=False),
    sa.Column("position", sa.String(10), nullable=False),
    sa.Column("is_live", sa.Boolean, nullable=False),
    sa.Column("created_at", UtcInstant, nullable=False),
)

strata = sa.Table(
    "strata",
    metadata,
    shop_key(),
    sa.Column("stratum", sa.Integer, primary_key=True),
    sa.Column("salt", sa.String(64), nullable=False),
    sa.Column("treatment_share_ppm", sa.Integer, nullable=False),
    sa.Column("starts_at", UtcInstant, nullable=False),
    sa.Column("phase", sa.String(20), nullable=False, server_default=""),
)

contracts = sa.Table(
    "contracts",
    metadata,
    shop_key(),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("starts_on", sa.Date, nullable=False),
    sa.Column("rate_bps", sa.Integer, nullable=False),
    sa.Column("policy", sa.String(30), nullable=False),
    sa.Column("cap_month_bps", sa.Integer, nullable=False),
    sa.Column("cap_year_minor", sa.BigInteger, nullable=False),
    sa.Column("order_cap_minor", sa.BigInteger, nullable=False),
    sa.Column("alpha_ppm", sa.Integer, nullable=False),
    sa.Column("n_star", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("tiers", sa.JSON, nullable=False, server_default="[]"),
    sa.Column("cap_year_bps", sa.Integer, nullable=False, server_default="0"),
    sa.Column("licence_month_minor", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("minimum_month_minor", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("vat_case", sa.String(20), nullable=False, server_default="by_country"),
    sa.Column("visitor_month_cap_minor", sa.BigInteger, nullable=False, server_default="0"),
)

users = sa.Table(
    "users",
    metadata,
    shop_key(),
    sa.Column("user_id", sa.String(40), primary_key=True),
    sa.Column("email", sa.String(254), nullable=False, unique=True),
    sa.Column("password_hash", sa.String(200), nullable=False),
    # Sessions of an earlier epoch have ended.
    sa.Column("session_epoch", sa.Integer, nullable=False, server_default="0"),
    sa.Column("created_at", UtcInstant, nullable=False),
)

# Failed logins by a keyed hash of the e-mail address, or of where it was tried from.
login_failures = sa.Table(
    "login_failures",
    metadata,
    sa.Column("key_hash", sa.String(64), primary_key=True),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("started_at", UtcInstant, nullable=False),
)

items = sa.Table(
    "items",
    metadata,
    shop_key(),
    sa.Column("item_id", sa.String(100), primary_key=True),
    sa.Column("title", sa.String(300), nullable=False),
    sa.Column("url", sa.String(2000), nullable=False),
    sa.Column("image_url", sa.String(2000), nullable=False),
    sa.Column("price_minor", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("category", sa.String(300), nullable=False),
    sa.Column("brand", sa.String(200), nullable=False),
    sa.Column("group_id", sa.String(100), nullable=False),
    sa.Column("available", sa.Boolean, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("updated_at", UtcInstant, nullable=False),
    sa.Column("cost_minor", sa.BigInteger),
    sa.Column("stock", sa.BigInteger),
    sa.Column("first_seen_at", UtcInstant, nullable=False),
    sa.Index("ix_items_shop_id_revision", "shop_id", "revision"),
)

rules = sa.Table(
    "rules",
    metadata,
    shop_key(),
    sa.Column("rule_id", sa.String(60), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("action", sa.String(20), nullable=False),
    sa.Column("match", sa.JSON, nullable=False),
    sa.Column("placements", sa.JSON, nullable=False),
    sa.Column("factor_ppm", sa.Integer, nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("starts_at", UtcInstant),
    sa.Column("ends_at", UtcInstant),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("changed_by", sa.String(254), nullable=False),
    sa.Column("changed_at", UtcInstant, nullable=False),
)

rejections = sa.Table(
    "rejections",
    metadata,
    sa.Column("rejection_id", sa.String(40), primary_key=True),
    # Empty when the bytes name no shop of ours.
    sa.Column("shop_id", sa.ForeignKey("shops.shop_id")),
    sa.Column("code", sa.String(60), nullable=False),
    sa.Column("detail", sa.String(500), nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("received_at", UtcInstant, nullable=False),
    # When a later release could store it after all.
    sa.Column("replayed_at", UtcInstant),
    sa.Index("ix_rejections_shop_id_received_at", "shop_id", "received_at"),
)

sealed_days = sa.Table(
    "sealed_days",
    metadata,
    shop_key(),
    sa.Column("day", sa.Date, primary_key=True),
    # From 1; a day that changed after it was sealed gets the next one.
    sa.Column("revision", sa.Integer, primary_key=True),
    sa.Column("events", sa.BigInteger, nullable=False),
    sa.Column("copies", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("log_version", sa.BigInteger, nullable=False),
    # Hash of the names of the day's files: other files may hold other events.
    sa.Column("layout", sa.String(64), nullable=False),
    sa.Column("sealed_at", UtcInstant, nullable=False),
    sa.Column("dropped_at", UtcInstant),
)

imports = sa.Table(
    "imports",
    metadata,
    shop_key(),
    sa.Column("import_id", sa.String(40), primary_key=True),
    sa.Column("file_name", sa.String(300), nullable=False),
    sa.Column("file_sha256", sa.String(64), nullable=False),
    sa.Column("report", sa.JSON, nullable=False),
    sa.Column("finished_at", UtcInstant, nullable=False),
)

trainings = sa.Table(
    "trainings",
    metadata,
    shop_key(),
    sa.Column("artifact", sa.String(40), primary_key=True),
    sa.Column("published", sa.Boolean, nullable=False),
    sa.Column("reason", sa.String(300), nullable=False),
    sa.Column("metrics", sa.JSON, nullable=False),
    sa.Column("finished_at", UtcInstant, nullable=False),
)

daily_sums = sa.Table(
    "daily_sums",
    metadata,
    shop_key(),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("stratum", sa.Integer, primary_key=True),
    sa.Column("arm", sa.String(10), primary_key=True),
    sa.Column("visitors", sa.BigInteger, nullable=False),
    sa.Column("orders", sa.BigInteger, nullable=False),
    sa.Column("converted", sa.BigInteger, nullable=False),
    sa.Column("revenue_minor", sa.BigInteger, nullable=False),
    sa.Column("revenue_squares", HugeInteger, nullable=False),
    sa.Column("covariate_minor", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("covariate_squares", HugeInteger, nullable=False, server_default="0"),
    sa.Column("covariate_products", HugeInteger, nullable=False, server_default="0"),
)

behaviour = sa.Table(
    "behaviour",
    metadata,
    shop_key(),
    sa.Column("arm", sa.String(10), primary_key=True),
    sa.Column("body", sa.JSON, nullable=False),
    sa.Column("measured_at", UtcInstant, nullable=False),
)

statements = sa.Table(
    "statements",
    metadata,
    shop_key(),
    sa.Column("month", sa.String(7), primary_key=True),
    sa.Column("contract_version", sa.Integer, primary_key=True),
    sa.Column("amount_minor", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("body", sa.JSON, nullable=False),
    sa.Column("body_sha256", sa.String(64), nullable=False),
    sa.Column("closed_at", UtcInstant, nullable=False),
    # The part of the amount that counts against the cumulative target.
    sa.Column("success_minor", sa.BigInteger, nullable=False, server_default="0"),
    # Empty until the invoice is issued, then never changed; so all of these rows, by triggers.
    sa.Column("invoice_number", sa.String(35), nullable=False, server_default=""),
)

invoice_series = sa.Table(
    "invoice_series",
    metadata,
    sa.Column("series", sa.String(20), primary_key=True),
    sa.Column("last_number", sa.BigInteger, nullable=False),
    # No later number has an earlier date.
    sa.Column("last_on", sa.Date),
)

invoices = sa.Table(
    "invoices",
    metadata,
    sa.Column("number", sa.String(35), primary_key=True),
    sa.Column("shop_id", sa.ForeignKey("shops.shop_id"), nullable=False),
    sa.Column("month", sa.String(7), nullable=False),
    sa.Column("contract_version", sa.Integer, nullable=False),
    sa.Column("kind", sa.String(12), nullable=False),
    sa.Column("amount_minor", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("statement_sha256", sa.String(64), nullable=False),
    sa.Column("pdf", sa.LargeBinary, nullable=False),
    sa.Column("issued_at", UtcInstant, nullable=False),
    sa.UniqueConstraint("shop_id", "month", "contract_version"),
)

postings = sa.Table(
    "postings",
    metadata,
    shop_key(),
    sa.Column("transaction_id", sa.String(60), primary_key=True),
    sa.Column("account", sa.String(60), primary_key=True),
    sa.Column("amount_minor", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("posted_at", UtcInstant, nullable=False),
)

# Every transaction of the books in one chain over all shops; `postings` holds the same by account.
ledger = sa.Table(
    "ledger",
    metadata,
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("shop_id", sa.ForeignKey("shops.shop_id"), nullable=False),
    sa.Column("at", UtcInstant, nullable=False),
    sa.Column("transaction_id", sa.String(60), nullable=False, unique=True),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("postings", sa.JSON, nullable=False),
    sa.Column("reference", sa.String(64), nullable=False),
    sa.Column("previous_hash", sa.String(64), nullable=False),
    sa.Column("entry_hash", sa.String(64), nullable=False),
)

ledger_end = sa.Table(
    "ledger_end",
    metadata,
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("entry_hash", sa.String(64), nullable=False),
)

feeds = sa.Table(
    "feeds",
    metadata,
    shop_key(),
    sa.Column("feed_id", sa.String(40), primary_key=True),
    sa.Column("state", sa.String(10), nullable=False),
    # Either fetched from here, or sent as this; what was sent is dropped once it is taken in.
    sa.Column("url", sa.String(2000), nullable=False),
    sa.Column("body", sa.LargeBinary),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("report", sa.JSON, nullable=False),
    sa.Column("created_at", UtcInstant, nullable=False),
    sa.Column("started_at", UtcInstant),
    sa.Column("finished_at", UtcInstant),
)

# One chain over all shops; `shops.audit` writes it, triggers keep it as it is.
audit = sa.Table(
    "audit",
    metadata,
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("shop_id", sa.ForeignKey("shops.shop_id")),
    sa.Column("at", UtcInstant, nullable=False),
    sa.Column("actor", sa.String(254), nullable=False),
    sa.Column("action", sa.String(60), nullable=False),
    sa.Column("subject", sa.String(200), nullable=False),
    sa.Column("detail", sa.JSON, nullable=False),
    sa.Column("previous_hash", sa.String(64), nullable=False),
    sa.Column("entry_hash", sa.String(64), nullable=False),
    sa.Index("ix_audit_shop_id_sequence", "shop_id", "sequence"),
)

audit_end = sa.Table(
    "audit_end",
    metadata,
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("entry_hash", sa.String(64), nullable=False),
)
