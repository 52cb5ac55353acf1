"""`recommender demo`: everything on this machine, with a demo shop on real orders."""

import socket
import sys
from contextlib import closing
from functools import partial
from pathlib import Path

import click

from recommender.bootstrap import Services, bootstrap
from recommender.cli.common import make_progress
from recommender.config import Settings
from recommender.demo.load import prepare_demo, settle_past_months
from recommender.demo.notes import DemoNotes, demo_folder
from recommender.demo.register import SHOP_NAME, storefront_url
from recommender.errors import RecommenderError, UnavailableError
from recommender.supervise import ChildSpec, run_all
from recommender.telemetry import configure_logging, get_logger


@click.command()
def demo() -> None:
    """Run everything with a demo shop until Ctrl-C; its data stays for the next time.

    The first start imports a year of real orders, lets simulated shoppers loose, trains, and
    measures the uplift: about half a minute. The shop's own pages open on the next port.
    """
    configure_logging(service="demo")
    settings = Settings.from_environ()
    _require_free_port(settings)
    services = bootstrap(settings)
    notes = _prepare(services)
    run_all(
        settings,
        extra=[storefront_child(settings)],
        on_ready=partial(_when_ready, services=services, notes=notes),
    )


def storefront_child(settings: Settings) -> ChildSpec:
    """Return the process that serves the demo's shop, one port above the service."""
    config = demo_folder(settings.home) / "storefront.json"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    options = {
        "--bind": f"{host}:{settings.port + 1}",
        "--worker-class": "gthread",
        "--threads": "8",
        "--log-level": "warning",
    }
    named = [text for pair in options.items() for text in pair]
    app = f"recommender.demo.storefront:serve_app({str(config)!r})"
    return ChildSpec(
        "storefront", (sys.executable, "-m", "gunicorn", "--no-control-socket", *named, app)
    )


def _prepare(services: Services) -> DemoNotes:
    with make_progress() as bar:
        task = bar.add_task("Looking for the demo shop", total=5)

        def tell(step: str) -> None:
            bar.update(task, description=step, advance=1)

        return prepare_demo(services, tell=tell)


def _when_ready(settings: Settings, *, services: Services, notes: DemoNotes) -> None:
    _print_addresses(settings, notes)
    try:
        settle_past_months(services, notes)
    except RecommenderError as error:
        # The shop and its console work without; a later start tries again.
        get_logger().warning("months-not-settled", code=error.code, reason=str(error))


def _require_free_port(settings: Settings) -> None:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    for port in (settings.port, settings.port + 1):
        try:
            with closing(socket.create_server((settings.host, port), family=family)):
                pass
        except OSError as error:
            raise UnavailableError(
                f"Port {port} of {settings.host} cannot be used: {error.strerror}; "
                "set RECOMMENDER_PORT",
                code="address-taken",
            ) from error


def _print_addresses(settings: Settings, notes: DemoNotes) -> None:
    public = settings.public_url
    lines = [
        "",
        f"  {SHOP_NAME}",
        f"  The shop      {storefront_url(settings)}",
        f"  Its console   {public}/console",
        f"     login      {notes.email}",
        f"     password   {notes.password}",
        f"  API           {public}/docs",
        f"  Data          {_short(settings.home)}",
        "",
        "  Orders are real ones of 2011 (CC BY 4.0), moved in time by whole weeks. The shoppers",
        f"  of the eight weeks to {notes.last_on} are simulated; the console says so.",
        "  Ctrl-C ends it, nothing is lost.",
        "",
    ]
    click.echo("\n".join(lines))


def _short(path: Path) -> str:
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
