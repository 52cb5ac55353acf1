"""What all commands share: services, one JSON object on stdout, progress on stderr."""

import os
import pwd
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click
import orjson

from recommender.bootstrap import Services, bootstrap
from recommender.config import Settings
from recommender.shops.acting import act_as
from recommender.telemetry import configure_logging

if TYPE_CHECKING:
    from rich.progress import Progress

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def make_services(*, service: str) -> Services:
    """Configure logging for this command and build its services."""
    configure_logging(service=service)
    act_as(f"{_user_name()} ({service})")
    return bootstrap(Settings.from_environ())


def _user_name() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user need not have a name
        return f"user {os.getuid()}"


def emit(result: Mapping[str, Any], *, as_json: bool, text: Callable[[], str]) -> None:
    """Print a result on stdout, as one JSON object or as text for a person."""
    if as_json:
        click.echo(orjson.dumps(dict(result), option=orjson.OPT_NON_STR_KEYS).decode())
    else:
        click.echo(text())


def make_progress() -> "Progress":
    """Return a progress bar on stderr; silent unless stderr is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    )
