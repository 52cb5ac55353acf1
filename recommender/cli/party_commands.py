"""`recommender entity …` and `buyer …`: who sends invoices, and where they go."""

import tomllib
from pathlib import Path
from typing import Any

import click

from recommender.billing.parties import put_buyer, put_entity, read_entities, read_parties
from recommender.billing.party_fields import party_details, read_party
from recommender.billing.vendor import Buyer, LegalEntity, missing_details
from recommender.cli.common import emit, json_option, make_services, read_text
from recommender.errors import InvalidInputError, NotFoundError

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def entity() -> None:
    """The vendor's companies that send invoices; see docs/invoices.md."""


@entity.command("set")
@click.argument("file", type=_FILE, metavar="FILE.toml")
@json_option
def set_entity(file: Path, as_json: bool) -> None:
    """Store a legal entity from a TOML file; issued invoices keep what they say."""
    party = read_party(LegalEntity, _read(file))
    services = make_services(service="entity")
    put_entity(party, database=services.database, now=services.now())
    emit(party_details(party), as_json=as_json, text=lambda: f"{party.entity_id}: {party.name}")


@entity.command("list")
@json_option
def list_entities(as_json: bool) -> None:
    """List the legal entities with all details."""
    services = make_services(service="entity")
    found = [party_details(party) for party in read_entities(database=services.database)]
    emit({"entities": found}, as_json=as_json, text=lambda: "\n\n".join(map(_text, found)))


@click.group()
def buyer() -> None:
    """Whom a shop's invoices go to; see docs/invoices.md."""


@buyer.command("set")
@click.argument("file", type=_FILE, metavar="FILE.toml")
@click.option("--shop", "shop_id", required=True, help="Id of the shop.")
@json_option
def set_buyer(file: Path, shop_id: str, as_json: bool) -> None:
    """Store a shop's billing details from a TOML file; says what an invoice still lacks."""
    party = read_party(Buyer, _read(file))
    services = make_services(service="buyer")
    shop = services.shops.by_id(shop_id)
    put_buyer(shop.shop_id, party, database=services.database, now=services.now())
    with services.database.connect() as connection:
        seller = read_parties(connection, shop.shop_id).seller
    assert seller is not None
    missing = missing_details(seller, party)
    lacks = f"\nAn invoice still lacks {', '.join(missing)}" if missing else ""
    emit(
        party_details(party) | {"missing": missing},
        as_json=as_json,
        text=lambda: f"{shop.name} is billed as {party.name}{lacks}",
    )


@buyer.command("show")
@click.option("--shop", "shop_id", required=True, help="Id of the shop.")
@json_option
def show_buyer(shop_id: str, as_json: bool) -> None:
    """Show where a shop's invoices go."""
    services = make_services(service="buyer")
    shop = services.shops.by_id(shop_id)
    with services.database.connect() as connection:
        party = read_parties(connection, shop.shop_id).buyer
    if party is None:
        raise NotFoundError(f"Nobody has told whom {shop.name} is billed as", code="no-buyer")
    details = party_details(party)
    emit(details, as_json=as_json, text=lambda: _text(details))


def _read(file: Path) -> dict[str, Any]:
    text = read_text(file.read_bytes(), file.name)
    try:
        return tomllib.loads(text)
    except ValueError as error:
        raise InvalidInputError(f"{file.name} is not TOML: {error}", code="bad-party") from error


def _text(details: dict[str, Any]) -> str:
    return "\n".join(f"{name} = {value}" for name, value in details.items() if value)
