"""`recommender key …`: a shop's secret keys and signing secrets, several valid at once."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click

from recommender.bootstrap import Services
from recommender.cli.common import emit, json_option, make_services
from recommender.errors import InvalidInputError
from recommender.shops import secret_keys, signing_secrets
from recommender.shops.keys import signing_secret

_shop_option = click.option("--shop", "shop_id", required=True, help="Id of the shop.")


@click.group()
def key() -> None:
    """Replace keys without a pause: create the successor, use it, revoke the old one."""


@key.command("create")
@_shop_option
@click.option("--signing", is_flag=True, help="A secret for signed orders instead of a key.")
@json_option
def create(shop_id: str, signing: bool, as_json: bool) -> None:
    """Add a key and show it this once; earlier ones stay valid."""
    services = make_services(service="key")
    name = "signing_secret" if signing else "secret_key"
    made = _new_signing_secret(services, shop_id) if signing else _new_key(services, shop_id)
    emit({name: made}, as_json=as_json, text=lambda: made)


@key.command("list")
@_shop_option
@json_option
def list_keys(shop_id: str, as_json: bool) -> None:
    """List keys by their first characters, and signing secrets by their version."""
    services = make_services(service="key")
    services.shops.by_id(shop_id)
    keys = secret_keys.list_secret_keys(shop_id, database=services.database)
    signing = signing_secrets.list_signing_secrets(shop_id, database=services.database)
    result = {
        "secret_keys": [asdict(one) for one in keys],
        "signing_secrets": [asdict(one) for one in signing],
    }
    emit(result, as_json=as_json, text=lambda: "\n".join(_lines(result)))


@key.command("revoke")
@_shop_option
@click.option("--key", "hint", help="First characters of a secret key, as listed.")
@click.option(
    "--signing", "version", type=click.IntRange(1, 1_000_000), help="Version of a signing secret."
)
@json_option
def revoke(shop_id: str, hint: str | None, version: int | None, as_json: bool) -> None:
    """Make a key or a signing secret invalid at once; never the last one."""
    if (hint is None) == (version is None):
        raise InvalidInputError("Give either --key or --signing", code="missing-argument")
    services = make_services(service="key")
    if hint is not None:
        secret_keys.revoke_secret_key(shop_id, hint, database=services.database, now=services.now())
    if version is not None:
        signing_secrets.revoke_signing_secret(
            shop_id, version, database=services.database, now=services.now()
        )
    result = {"revoked": hint or version}
    emit(result, as_json=as_json, text=lambda: f"{hint or version} is revoked")


def _new_key(services: Services, shop_id: str) -> str:
    return secret_keys.add_secret_key(shop_id, database=services.database, now=services.now())


def _new_signing_secret(services: Services, shop_id: str) -> str:
    version = signing_secrets.add_signing_secret(
        shop_id, database=services.database, now=services.now()
    )
    return signing_secret(services.secret, shop_id, version)


def _lines(result: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    for one in result["secret_keys"]:
        used = one["last_used_at"]
        yield _line(one["hint"] + "…", one, f", last used {used:%Y-%m-%d}" if used else ", unused")
    for one in result["signing_secrets"]:
        yield _line(f"whsec {one['version']}", one, "")


def _line(name: str, one: dict[str, Any], more: str) -> str:
    revoked = one["revoked_at"]
    end = f", revoked {revoked:%Y-%m-%d}" if revoked else ""
    return f"{name:14} created {one['created_at']:%Y-%m-%d}{more}{end}"
