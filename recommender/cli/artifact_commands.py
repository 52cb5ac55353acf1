"""`recommender artifact`: what a shop's models were, and the way back."""

from typing import Any

import click

from recommender.bootstrap import Services
from recommender.cli.common import emit, json_option, make_services

_shop_option = click.option("--shop", "shop_id", metavar="ID", required=True, help="Which shop.")


@click.group()
def artifact() -> None:
    """Show the learned artifacts of a shop, or go back to the previous one."""


@artifact.command("list")
@_shop_option
@json_option
def list_artifacts(shop_id: str, as_json: bool) -> None:
    """List a shop's artifacts, oldest first, and which of them serves."""
    services = make_services(service="artifact")
    services.shops.by_id(shop_id)
    emit(
        {"shop_id": shop_id, "artifacts": (found := _listed(services, shop_id))},
        as_json=as_json,
        text=lambda: "\n".join(_line(row) for row in found) or "Nothing was trained yet.",
    )


@artifact.command()
@_shop_option
@json_option
def back(shop_id: str, as_json: bool) -> None:
    """Let the artifact before the last training serve again; workers follow within seconds.

    A second time goes forth again. The next nightly training publishes as always.
    """
    services = make_services(service="artifact")
    services.shops.by_id(shop_id)
    replaced = services.artifacts.current(shop_id)
    current = services.artifacts.go_back(shop_id)
    emit(
        {"shop_id": shop_id, "current": current, "previous": replaced},
        as_json=as_json,
        text=lambda: f"{current} serves again, in place of {replaced}",
    )


def _listed(services: Services, shop_id: str) -> list[dict[str, Any]]:
    roles = {
        services.artifacts.previous(shop_id): "previous",
        services.artifacts.current(shop_id): "current",
    }
    return [
        {"artifact": artifact_id, "role": roles.get(artifact_id, "")}
        for artifact_id in services.artifacts.ids(shop_id)
    ]


def _line(row: dict[str, Any]) -> str:
    return f"{row['artifact']}  {row['role']}".rstrip()
