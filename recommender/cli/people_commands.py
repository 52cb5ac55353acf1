"""`recommender erase` and `recommender export`: what a shopper may ask of the shop."""

from pathlib import Path
from typing import Any

import click
import orjson

from recommender.bootstrap import Services
from recommender.cli.common import emit, json_option, make_services
from recommender.errors import InvalidInputError, UnavailableError
from recommender.events.erase import Stores, erase, finish_erasures
from recommender.events.export_visitor import export_visitor
from recommender.events.subjects import Subject, browser, customer
from recommender.training.forgetting import VisitorPasts

_shop_option = click.option("--shop", "shop_id", required=True, help="Id of the shop.")
_visitor_option = click.option("--visitor", help="The browser's id, as its cookie has it.")
_customer_option = click.option("--customer", help="The shop's own id of the customer.")


@click.command("erase")
@_shop_option
@_visitor_option
@_customer_option
@click.option(
    "--purge",
    is_flag=True,
    help="Delete the event log's old files now: a training or report that reads them fails.",
)
@json_option
def erase_visitor(
    shop_id: str, visitor: str | None, customer: str | None, purge: bool, as_json: bool
) -> None:
    """Erase one browser, or a customer with all browsers, from every store.

    Orders and amounts stay without their link. A second time is harmless.
    """
    services = make_services(service="erase")
    subject = _subject(services, shop_id, visitor, customer)
    report: dict[str, Any] = {"shop_id": shop_id, "visitors": len(subject.hashes)}
    try:
        erase(
            subject,
            database=services.database,
            hot_state=services.people,
            file=services.tombstone_file,
            now=services.now(),
        )
        report["hot_state"] = "erased"
    except UnavailableError as error:
        # The scheduler repeats it until the server answers.
        report["hot_state"] = f"waits: {error}"
    report["finished"] = finish(services, purge=purge)
    emit(report, as_json=as_json, text=lambda: _told(report))


@click.command("export")
@_shop_option
@_visitor_option
@_customer_option
@click.option("--output", type=click.Path(path_type=Path), help="File to write instead of stdout.")
def export(shop_id: str, visitor: str | None, customer: str | None, output: Path | None) -> None:
    """Print everything held of one browser, or of a customer, as one JSON object."""
    services = make_services(service="export")
    held = export_visitor(
        _subject(services, shop_id, visitor, customer),
        database=services.database,
        event_log=services.event_log,
        stream=services.state,
        hot_state=services.people,
        pasts=VisitorPasts(services.artifacts),
        now=services.now(),
    )
    text = orjson.dumps(held, option=orjson.OPT_INDENT_2)
    if output is None:
        click.echo(text.decode())
    else:
        output.touch(mode=0o600)
        output.write_bytes(text + b"\n")


def finish(services: Services, *, purge: bool = False) -> int:
    """Take erased visitors out of event log and artifacts; return how many are done with."""
    from recommender.adapters.log_eraser import LogEraser

    return finish_erasures(
        database=services.database,
        hot_state=services.people,
        stores=Stores(LogEraser(services.settings.lake_url), VisitorPasts(services.artifacts)),
        now=services.now(),
        at_once=purge,
    )


def _subject(
    services: Services, shop_id: str, visitor_id: str | None, customer_id: str | None
) -> Subject:
    shop = services.shops.by_id(shop_id)
    if (visitor_id is None) == (customer_id is None):
        raise InvalidInputError("Name either --visitor or --customer", code="missing-argument")
    if visitor_id is not None:
        return browser(shop, visitor_id)
    return customer(shop, str(customer_id), database=services.database)


def _told(report: dict[str, Any]) -> str:
    rest = "" if report["finished"] else "; old files of the event log go within an hour"
    return (
        f"Erased {report['visitors']} visitors of {report['shop_id']} "
        f"(hot state: {report['hot_state']}{rest})"
    )
