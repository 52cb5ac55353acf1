"""What all commands share: services, one JSON object on stdout, progress on stderr."""

import math
import os
import pwd
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click
import orjson

from recommender.adapters.database import require_schema
from recommender.bootstrap import Services, bootstrap
from recommender.config import Settings
from recommender.errors import InvalidInputError
from recommender.shops.acting import act_as
from recommender.telemetry import configure_logging

if TYPE_CHECKING:
    from rich.progress import Progress

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


class Number(click.FloatRange):
    """A finite number within bounds; click's own range takes `nan`, whatever the bounds."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number, or fail with a sentence."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a usable number.", param, ctx)
        return number


def read_text(raw: bytes, name: str) -> str:
    """Return a file's text.

    Raises:
        InvalidInputError: Code `not-utf-8`, naming the file and the line.
    """
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InvalidInputError(
            f"{name} is not UTF-8 text (line {line}): save it as UTF-8", code="not-utf-8"
        ) from error


def make_services(*, service: str, with_schema: bool = True) -> Services:
    """Configure logging for this command and build its services.

    Args:
        service: Name of the command, for logs and the audit log.
        with_schema: Whether the control database must have the schema of this release.
    """
    configure_logging(service=service)
    act_as(f"{_user_name()} ({service})")
    services = bootstrap(Settings.from_environ())
    if with_schema:
        require_schema(services.database)
    return services


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


def row_line(fault: Mapping[str, Any]) -> str:
    """Return a file's row that was not taken as one line."""
    file = f"{fault['file']}, " if "file" in fault else ""
    detail = f": {fault['detail']}" if "detail" in fault else ""
    return f"  {file}row {fault['row']}{detail} [{fault['code']}]"


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
