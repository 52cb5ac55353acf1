"""Commands that run the service: everything at once, or one role each."""

import contextlib
import os
import sys
from collections.abc import Iterator

import click

from recommender.cli.common import make_services
from recommender.config import COMPILED_READY, Settings, compiled_folder
from recommender.telemetry import configure_logging, get_logger

LOW_PRIORITY = 10
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@click.command()
def up() -> None:
    """Run everything on this machine until Ctrl-C.

    Starts the embedded Redis (unless RECOMMENDER_REDIS_URL is set), brings the database up to
    date, then runs web, ingester and scheduler. Nothing acknowledged is lost when it ends.
    """
    from recommender.supervise import run_all

    configure_logging(service="up")
    run_all(Settings.from_environ(), on_ready=_print_addresses)


def _print_addresses(settings: Settings) -> None:
    click.echo(f"Service  {settings.public_url}")
    click.echo(f"API      {settings.public_url}/docs")
    click.echo(f"Home     {settings.home}")
    click.echo("Ctrl-C ends it.")


@click.command()
@click.option("--listen-fd", type=int, hidden=True, help="Socket that listens already.")
def serve(listen_fd: int | None) -> None:
    """Run the web server."""
    from recommender.adapters.web_server import metrics_environ, serve

    configure_logging(service="web")
    settings = Settings.from_environ()
    warn_without_proxy(settings)
    # Before anything was trained there is time: the scheduler's process does it meanwhile.
    if any((settings.home / "artifacts").glob("*/current")):
        compile_kernels()
    environ = settings.child_environ(**metrics_environ(settings))
    serve(settings, environ, listen_fd=listen_fd)


def compile_kernels() -> None:
    """Compile once for all workers, which would otherwise each do it beside their requests."""
    if (compiled_folder() / COMPILED_READY).exists():
        return
    from recommender.serving.compile_ahead import compile_ahead

    log = get_logger()
    log.info("compiling", advice="this happens once after an installation or update")
    try:
        compile_ahead()
    except Exception:
        # Then the first requests are slow, but they are answered.
        log.exception("not-compiled")


def warn_without_proxy(settings: Settings) -> None:
    """Log a warning when the web server would face the network by itself."""
    if settings.host not in _LOOPBACK and not settings.trust_proxy_hops:
        get_logger().warning(
            "no-proxy",
            advice="Slow clients can block a web server that is open to the network: put a "
            "buffering proxy in front and set RECOMMENDER_TRUST_PROXY_HOPS",
        )


@click.command()
def ingest() -> None:
    """Move acknowledged events into the event log."""
    from recommender.events.ingest import run
    from recommender.supervise import stop_on_signals
    from recommender.upkeep import start_upkeep

    services = make_services(service="ingest")
    # Where web workers run too, this helps them; after a machine's end it empties their spool.
    start_upkeep(services)
    torn = services.event_log.recover()
    if torn:
        get_logger().warning("torn-commits-discarded", commits=torn)
    with stop_on_signals() as stop:
        run(
            services.state,
            services.event_log,
            database=services.database,
            now=services.now,
            stop=stop,
        )


@click.command()
def schedule() -> None:
    """Run what happens by the clock: training, measuring, settling, tidying."""
    from recommender.cli.jobs import run_schedule
    from recommender.supervise import stop_on_signals

    # Web and ingester go first; set before any thread starts, which would not follow.
    os.nice(LOW_PRIORITY)
    services = make_services(service="schedule")
    with compiling_beside(), stop_on_signals() as stop:
        run_schedule(services, stop=stop)


@contextlib.contextmanager
def compiling_beside() -> Iterator[None]:
    """Have a child compile what serving needs, so that it is there before the first model is."""
    from recommender.adapters.child_process import end_child, start_child

    if (compiled_folder() / COMPILED_READY).exists():
        yield
        return
    child = start_child([sys.executable, "-m", "recommender.serving.compile_ahead"])
    try:
        yield
    finally:
        end_child(child, patience_seconds=1)


@click.command()
def migrate() -> None:
    """Bring the database's schema up to date."""
    from recommender.adapters.database import migrate

    services = make_services(service="migrate", with_schema=False)
    migrate(services.database)
    click.echo("The database is up to date.")
