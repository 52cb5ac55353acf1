"""`recommender login …`: who may open a shop's console."""

import sys
import uuid
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import click

from recommender.cli.common import emit, json_option, make_services
from recommender.shops import accounts

_shop_option = click.option("--shop", "shop_id", required=True, help="Id of the shop.")
_email_option = click.option("--email", required=True, help="Address that the person logs in with.")


def _password_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--password-stdin",
        is_flag=True,
        help="Read the password from standard input, where a file may be; else it is asked for.",
    )(command)


@click.group()
def login() -> None:
    """Give people access to a shop's console, and take it away."""


@login.command("add")
@_shop_option
@_email_option
@_password_option
@json_option
def add_login(shop_id: str, email: str, password_stdin: bool, as_json: bool) -> None:
    """Give a person access to a shop's console; asks for the password without echo."""
    password = _read_password(from_stdin=password_stdin)
    services = make_services(service="login")
    services.shops.by_id(shop_id)
    added = accounts.add_user(
        shop_id,
        email,
        password,
        database=services.database,
        now=services.now(),
        user_id=f"user_{uuid.uuid4().hex[:12]}",
    )
    emit(asdict(added), as_json=as_json, text=lambda: f"{added.email} may open {shop_id}'s console")


@login.command("list")
@_shop_option
@json_option
def list_logins(shop_id: str, as_json: bool) -> None:
    """List who may open a shop's console."""
    services = make_services(service="login")
    services.shops.by_id(shop_id)
    found = accounts.list_logins(shop_id, database=services.database)
    emit(
        {"logins": [asdict(one) for one in found]},
        as_json=as_json,
        text=lambda: (
            "\n".join(f"{one.email}  since {one.created_at:%Y-%m-%d}" for one in found)
            or "No logins"
        ),
    )


@login.command("password")
@_shop_option
@_email_option
@_password_option
@json_option
def password(shop_id: str, email: str, password_stdin: bool, as_json: bool) -> None:
    """Set a login's new password; whoever is logged in by it is logged out."""
    new = _read_password(from_stdin=password_stdin)
    services = make_services(service="login")
    accounts.set_password(shop_id, email, new, database=services.database)
    emit({"changed": email}, as_json=as_json, text=lambda: f"{email} has a new password")


@login.command("remove")
@_shop_option
@_email_option
@json_option
def remove(shop_id: str, email: str, as_json: bool) -> None:
    """Take a login away; whoever is logged in by it is logged out."""
    services = make_services(service="login")
    accounts.remove_user(shop_id, email, database=services.database)
    emit(
        {"removed": email},
        as_json=as_json,
        text=lambda: f"{email} may not open {shop_id}'s console any more",
    )


def _read_password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    told: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return told
