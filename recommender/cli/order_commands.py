"""`recommender reconcile` and `recommender orders …`: is what we know of the orders true?"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from recommender.cli.common import emit, json_option, make_services, row_line
from recommender.events import link_orders, reconcile
from recommender.events.order_links import LinkedBy
from recommender.records import Shop
from recommender.shops import webhooks
from recommender.shops.money import format_minor

_SHOWN = 50
_LINK_WORDS = {
    LinkedBy.STATED: "the order named the visitor",
    LinkedBy.PURCHASE: "a browser told the order's number",
    LinkedBy.CART: "by the cart's token",
    LinkedBy.CHECKOUT: "by the checkout's id",
    LinkedBy.EMAIL: "by the hashed e-mail address",
    LinkedBy.NO_KEY: "unlinked: the order tells nothing to find a browser by",
    LinkedBy.KEY_NOT_SEEN: "unlinked: no browser told any of its keys",
    LinkedBy.BEFORE_EVENTS: "unlinked: placed before the shop's pages told anything",
}


@click.command("reconcile")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--shop", "shop_id", required=True, help="Id of the shop.")
@click.option("--month", default="", help="YYYY-MM; otherwise the days that the files cover.")
@click.option("--record", is_flag=True, help="Take the orders missing here in.")
@json_option
def reconcile_files(
    files: tuple[Path, ...], shop_id: str, month: str, record: bool, as_json: bool
) -> None:
    """Compare the orders we know with the shop's own export; status 1 when they differ.

    Reads order lines as `import` does, or one row an order with its number, time and net amount.
    Nothing is changed without --record.
    """
    services = make_services(service="reconcile")
    shop, now = services.shops.by_id(shop_id), services.now()
    outcome = reconcile.reconcile(
        files, shop=shop, database=services.database, now=now, month=month
    )
    recorded = 0
    if record:
        recorded = reconcile.record_missing(
            outcome, shop=shop, database=services.database, stream=services.state, now=now
        )
    report = {"shop_id": shop_id, **reconcile.as_json(outcome), "recorded": recorded}
    emit(report, as_json=as_json, text=lambda: "\n".join(_difference_lines(report, shop)))
    if outcome.differences:
        sys.exit(1)


@click.group()
def orders() -> None:
    """Webhooks of the shop's platform, and how orders find their visitors."""


@orders.command("connect")
@click.option("--shop", "shop_id", required=True)
@click.option(
    "--platform", required=True, type=click.Choice([str(one) for one in webhooks.Platform])
)
@click.option("--secret-stdin", is_flag=True, help="Read the platform's secret from stdin.")
@click.option(
    "--items",
    "item_field",
    default="product",
    show_default=True,
    type=click.Choice([str(one) for one in webhooks.ItemField]),
    help="Which of the platform's ids the catalogue and the events use.",
)
@click.option("--domain", default="", help="The platform's name of the shop, to be checked.")
@json_option
def connect(
    shop_id: str,
    platform: str,
    secret_stdin: bool,
    item_field: str,
    domain: str,
    as_json: bool,
) -> None:
    """Take a platform's webhooks; makes a secret and shows it once unless one is given.

    Shopify makes the secret itself: give it on stdin. The others take ours.
    """
    services = make_services(service="orders")
    shop = services.shops.by_id(shop_id)
    webhook, secret = webhooks.add_webhook(
        shop_id,
        webhooks.NewWebhook(
            webhooks.Platform(platform),
            sys.stdin.readline() if secret_stdin else "",
            webhooks.ItemField(item_field),
            domain,
        ),
        database=services.database,
        service_secret=services.secret,
        now=services.now(),
    )
    address = f"{services.settings.public_url}/v1/webhooks/{platform}?key={shop.public_key}"
    result = {"secret_id": webhook.secret_id, "platform": platform, "address": address}
    if not secret_stdin:
        result["secret"] = secret
    emit(
        result,
        as_json=as_json,
        text=lambda: "\n".join(f"{name}: {value}" for name, value in result.items()),
    )


@orders.command("webhooks")
@click.option("--shop", "shop_id", required=True)
@json_option
def list_webhooks(shop_id: str, as_json: bool) -> None:
    """List the webhook secrets in force."""
    services = make_services(service="orders")
    services.shops.by_id(shop_id)
    rows = [
        {
            "secret_id": one.secret_id,
            "platform": one.platform.value,
            "items": one.item_field.value,
            "domain": one.domain,
            "created_at": one.created_at.isoformat(),
        }
        for one in webhooks.list_webhooks(shop_id, database=services.database)
    ]
    emit(
        {"shop_id": shop_id, "webhooks": rows},
        as_json=as_json,
        text=lambda: "\n".join(f"{row['secret_id']}  {row['platform']}" for row in rows) or "None",
    )


@orders.command("disconnect")
@click.argument("secret_id")
@click.option("--shop", "shop_id", required=True)
@json_option
def disconnect(secret_id: str, shop_id: str, as_json: bool) -> None:
    """Refuse webhooks signed with this secret from now on."""
    services = make_services(service="orders")
    webhooks.revoke_webhook(shop_id, secret_id, database=services.database, now=services.now())
    emit({"revoked": secret_id}, as_json=as_json, text=lambda: f"{secret_id} is refused now")


@orders.command("links")
@click.option("--shop", "shop_id", required=True)
@click.option("--days", default=link_orders.REPORT_DAYS, show_default=True,
              type=click.IntRange(1, 36_500))  # fmt: skip
@json_option
def links(shop_id: str, days: int, as_json: bool) -> None:
    """Show how the orders of the last days found their visitors, and why the others did not."""
    services = make_services(service="orders")
    shop = services.shops.by_id(shop_id)
    report = link_orders.report_links(
        shop_id,
        event_log=services.event_log,
        database=services.database,
        now=services.now(),
        days=days,
    )
    emit(
        {"shop_id": shop_id, **link_orders.as_json(report)},
        as_json=as_json,
        text=lambda: "\n".join(_link_lines(report, shop)),
    )


def _difference_lines(report: Mapping[str, Any], shop: Shop) -> Iterator[str]:
    yield (
        f"{report['starts_on']} to {report['ends_on']}: {report['orders_there']:,} orders in the "
        f"files, {report['orders_here']:,} here"
    )
    for reason, number in report["rejected"].items():
        yield f"{number:,} rows not read: {reason}"
    yield from map(row_line, report["examples"])
    for kind, number in report["differences"].items():
        if number:
            yield f"{kind}: {number:,}"
    for one in report["listed"][:_SHOWN]:
        told = {name: _amount(one[name], shop.currency) for name in ("here", "there")}
        yield f"  {one['kind']}  {one['order_id']}  here {told['here']}, there {told['there']}"
    if not report["listed"]:
        yield "No differences"
    if report["recorded"]:
        yield f"{report['recorded']:,} orders taken in"


def _amount(told: str, currency: str) -> str:
    return f"{format_minor(int(told), currency)} {currency}" if told.isdigit() else told or "–"


def _link_lines(report: link_orders.LinkReport, shop: Shop) -> Iterator[str]:
    share = report.unlinked_share
    yield f"{report.total:,} orders" + ("" if share is None else f", {share:.1%} unlinked")
    for how in LinkedBy:
        if number := report.orders.get(how.value, 0):
            amount = format_minor(report.net_minor[how.value], shop.currency)
            yield f"  {number:,}  {amount} {shop.currency}  {_LINK_WORDS[how]}"
