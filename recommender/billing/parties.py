"""Keep legal entities and buyers (verb): who bills a shop, and where its invoices go."""

import datetime as dt
from dataclasses import dataclass

import sqlalchemy as sa

from recommender import tables
from recommender.billing.party_fields import party_details, stored_party
from recommender.billing.vendor import Buyer, LegalEntity, missing_details
from recommender.errors import InvalidInputError, NotFoundError
from recommender.shops.audit import record_audit


@dataclass(frozen=True, slots=True)
class Parties:
    """Seller and buyer of a shop's invoices; both None until somebody told them."""

    seller: LegalEntity | None = None
    buyer: Buyer | None = None

    def complete(self, shop_id: str) -> tuple[LegalEntity, Buyer]:
        """Return both.

        Raises:
            InvalidInputError: `billing-details-missing`, names everything that an invoice needs
                and nobody has told yet.
        """
        if self.seller is None or self.buyer is None:
            raise InvalidInputError(
                f"Nobody has told who bills {shop_id}, and whom: `recommender entity set` and "
                f"`recommender buyer set --shop {shop_id}`",
                code="billing-details-missing",
            )
        missing = missing_details(self.seller, self.buyer)
        if missing:
            raise InvalidInputError(
                f"An invoice to {shop_id} lacks {', '.join(missing)}",
                code="billing-details-missing",
            )
        return self.seller, self.buyer


def put_entity(entity: LegalEntity, *, database: sa.Engine, now: dt.datetime) -> None:
    """Store a legal entity, or its new details; issued invoices keep what they say.

    Raises:
        InvalidInputError: `series-taken`, another entity's numbers begin alike; or
            `series-in-use`, its own numbers began otherwise.
    """
    rows = tables.legal_entities
    with database.begin() as connection:
        tables.upsert(
            connection,
            rows,
            [
                {
                    "entity_id": entity.entity_id,
                    "series_prefix": _free_prefix(connection, entity),
                    "details": party_details(entity),
                    "changed_at": now,
                }
            ],
        )
        record_audit(connection, "entity.changed", shop_id=None, subject=entity.entity_id)


def _free_prefix(connection: sa.Connection, entity: LegalEntity) -> str:
    rows = tables.legal_entities.c
    found = connection.execute(sa.select(rows.entity_id, rows.series_prefix)).all()
    owners = {row.series_prefix: row.entity_id for row in found}
    if owners.get(entity.series_prefix, entity.entity_id) != entity.entity_id:
        raise InvalidInputError(
            f"The series {entity.series_prefix!r} is {owners[entity.series_prefix]}'s",
            code="series-taken",
        )
    before = {row.entity_id: row.series_prefix for row in found}.get(entity.entity_id)
    details = tables.invoice_details.c
    if (
        before not in {None, entity.series_prefix}
        and connection.execute(
            sa.select(details.number).where(details.entity_id == entity.entity_id).limit(1)
        ).first()
    ):
        raise InvalidInputError(
            f"Invoices of {entity.entity_id} begin with {before!r}; a series keeps its name",
            code="series-in-use",
        )
    return entity.series_prefix


def put_buyer(shop_id: str, buyer: Buyer, *, database: sa.Engine, now: dt.datetime) -> None:
    """Store where a shop's invoices go from now on, and which entity sends them.

    Raises:
        NotFoundError: `unknown-entity`.
    """
    read_entity(buyer.entity_id, database=database)
    row = {
        "shop_id": shop_id,
        "entity_id": buyer.entity_id,
        "details": party_details(buyer),
        "changed_at": now,
    }
    with database.begin() as connection:
        tables.upsert(connection, tables.buyers, [row])
        record_audit(connection, "buyer.changed", shop_id=shop_id, entity_id=buyer.entity_id)


def read_parties(connection: sa.Connection, shop_id: str) -> Parties:
    """Return who bills a shop and whom, as far as it is known."""
    entities, buyers = tables.legal_entities, tables.buyers
    row = connection.execute(
        sa.select(entities.c.details.label("seller"), buyers.c.details.label("buyer"))
        .select_from(buyers.join(entities))
        .where(buyers.c.shop_id == shop_id)
    ).first()
    if row is None:
        return Parties()
    return Parties(stored_party(LegalEntity, row.seller), stored_party(Buyer, row.buyer))


def read_entity(entity_id: str, *, database: sa.Engine) -> LegalEntity:
    """Return a legal entity.

    Raises:
        NotFoundError: `unknown-entity`.
    """
    for entity in read_entities(database=database):
        if entity.entity_id == entity_id:
            return entity
    raise NotFoundError(
        f"There is no legal entity {entity_id!r}; make it with `recommender entity set`",
        code="unknown-entity",
    )


def read_entities(*, database: sa.Engine) -> list[LegalEntity]:
    """Return all legal entities, by id."""
    rows = tables.legal_entities.c
    with database.connect() as connection:
        found = connection.execute(sa.select(rows.details).order_by(rows.entity_id)).scalars()
        return [stored_party(LegalEntity, details) for details in found]
