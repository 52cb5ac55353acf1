"""The page "Orders": do they find their visitors, and do they agree with the shop's own list?"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import sqlalchemy as sa
from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from recommender import tables
from recommender.billing import wording
from recommender.errors import InvalidInputError
from recommender.events.link_orders import REPORT_DAYS, LinkReport, read_link_report
from recommender.events.order_links import LinkedBy
from recommender.events.reconciliations import DifferenceKind, read_reconciliations
from recommender.records import OrderKind, Shop
from recommender.shops.webhooks import (
    ItemField,
    NewWebhook,
    Platform,
    add_webhook,
    list_webhooks,
    revoke_webhook,
)
from recommender.web.console_figures import moment
from recommender.web.console_session import current_visit, render_page, signed_in
from recommender.web.context import services

blueprint = Blueprint("orders", __name__, url_prefix="/orders")
_SHOWN = 20
_MAX_TYPED = 300
PLATFORM_NAMES = {
    Platform.SHOPIFY: "Shopify",
    Platform.WOOCOMMERCE: "WooCommerce",
    Platform.PRESTASHOP: "PrestaShop",
}
ITEM_NAMES = {
    ItemField.PRODUCT: "the product’s id",
    ItemField.VARIANT: "the variant’s id",
    ItemField.SKU: "the article number (SKU)",
}
_LINK_NAMES = {
    LinkedBy.STATED: "The order named the visitor",
    LinkedBy.PURCHASE: "The page after the purchase told the order’s number",
    LinkedBy.CART: "By the cart’s token",
    LinkedBy.CHECKOUT: "By the checkout’s id",
    LinkedBy.EMAIL: "By the hashed e-mail address",
    LinkedBy.NO_KEY: "Not linked: the order tells nothing to find a browser by",
    LinkedBy.KEY_NOT_SEEN: "Not linked: no browser told any of its keys (no consent, blocked "
    "script, or ordered by telephone)",
    LinkedBy.BEFORE_EVENTS: "Not linked: placed before your pages told anything",
}
_DIFFERENCE_NAMES = {
    DifferenceKind.MISSING_HERE: "missing here",
    DifferenceKind.MISSING_THERE: "missing in your list",
    DifferenceKind.OTHER_AMOUNT: "another amount",
    DifferenceKind.OTHER_DATE: "another day",
    DifferenceKind.REFUND_MISSING_HERE: "refunded in your list, not here",
    DifferenceKind.REFUND_MISSING_THERE: "refunded here, not in your list",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A webhook secret just added; a made one is shown this once."""

    address: str
    secret: str


@blueprint.get("")
@signed_in
def show() -> str:
    """Show how the orders stand."""
    return _page()


@blueprint.post("/webhooks")
@signed_in
def connect() -> str | tuple[str, int]:
    """Take a platform's webhooks from now on, and show the address and a secret we made."""
    shop = current_visit().shop
    typed = {name: value[:_MAX_TYPED] for name, value in request.form.items()}
    told = typed.get("secret", "").strip()
    try:
        platform = Platform(typed.get("platform", ""))
        _, secret = add_webhook(
            shop.shop_id,
            NewWebhook(platform, told, ItemField(typed.get("items", "product"))),
            database=services().database,
            service_secret=services().secret,
            now=services().now(),
        )
    except (InvalidInputError, ValueError) as error:
        fault = str(error) if isinstance(error, InvalidInputError) else "Please choose a platform."
        return _page(fault=fault), 422
    return _page(added=Shown(_address(platform, shop), "" if told else secret))


@blueprint.post("/webhooks/<secret_id>/revoke")
@signed_in
def disconnect(secret_id: str) -> AnyResponse:
    """Refuse a webhook secret from now on."""
    shop = current_visit().shop
    revoke_webhook(shop.shop_id, secret_id, database=services().database, now=services().now())
    return redirect(url_for(".show", _anchor="platform"), code=303)


def _page(*, added: Shown | None = None, fault: str = "") -> str:
    shop = current_visit().shop
    found = list_webhooks(shop.shop_id, database=services().database)
    return render_page(
        "orders",
        links=_links(read_link_report(shop.shop_id, database=services().database), shop),
        reconciliations=_reconciliations(shop),
        conflicts=_conflicts(shop),
        overdrawn=_overdrawn(shop),
        arrived=_arrived(shop),
        report_days=REPORT_DAYS,
        faults=_faults(shop),
        webhooks=[
            {
                "secret_id": one.secret_id,
                "platform": PLATFORM_NAMES[one.platform],
                "items": ITEM_NAMES[one.item_field],
                "since": moment(one.created_at, shop),
                "address": _address(one.platform, shop),
            }
            for one in found
        ],
        platforms={platform.value: name for platform, name in PLATFORM_NAMES.items()},
        item_fields={field.value: name for field, name in ITEM_NAMES.items()},
        added=added,
        fault=fault,
    )


def _address(platform: Platform, shop: Shop) -> str:
    public_url = services().settings.public_url
    return f"{public_url}/v1/webhooks/{platform.value}?key={shop.public_key}"


def _links(report: LinkReport | None, shop: Shop) -> dict[str, Any] | None:
    if report is None or report.unlinked_share is None:
        return None
    return {
        "total": report.total,
        "unlinked": wording.percent(report.unlinked_share),
        "days": (report.ends_at - report.starts_at).days,
        "at": moment(report.ends_at, shop),
        "rows": [
            {
                "name": _LINK_NAMES[how],
                "orders": report.orders[how.value],
                "amount": wording.amount(report.net_minor[how.value], shop.currency),
                "bar": 100 * report.orders[how.value] / report.total,
                "is_linked": how.is_linked,
            }
            for how in LinkedBy
            if report.orders.get(how.value)
        ],
        "examples": [
            (order_id, moment(dt.datetime.fromisoformat(at), shop))
            for order_id, at, _ in report.examples[:_SHOWN]
        ],
    }


def _reconciliations(shop: Shop) -> list[dict[str, Any]]:
    return [
        {
            "at": moment(row["finished_at"], shop),
            "file": row["file_name"],
            "days": _days(row["starts_on"], row["ends_on"]),
            "here": row["report"]["orders_here"],
            "there": row["report"]["orders_there"],
            "differences": [
                (_DIFFERENCE_NAMES[DifferenceKind(kind)], number)
                for kind, number in row["report"]["differences"].items()
                if number
            ],
            "listed": [_difference(one, shop) for one in row["report"]["listed"][:_SHOWN]],
        }
        for row in read_reconciliations(shop.shop_id, database=services().database)
    ]


def _days(first: dt.date, last: dt.date) -> str:
    return f"{first}" if first == last else f"{first} to {last}"


def _difference(one: Mapping[str, str], shop: Shop) -> dict[str, str]:
    def shown(told: str) -> str:
        return wording.amount(int(told), shop.currency) if told.isdigit() else told or "–"

    return {
        "order_id": one["order_id"],
        "what": _DIFFERENCE_NAMES[DifferenceKind(one["kind"])],
        "here": shown(one["here"]),
        "there": shown(one["there"]),
    }


def _conflicts(shop: Shop) -> list[dict[str, str]]:
    rows = tables.order_conflicts.c
    orders, cancels = tables.orders.alias(), tables.orders.alias()
    query = (
        sa.select(
            rows.kind,
            rows.fact_id,
            rows.body,
            rows.received_at,
            orders.c.net_minor,
            cancels.c.kind.label("cancel"),
        )
        .outerjoin(orders, _same(orders, rows.kind))
        .outerjoin(cancels, sa.and_(rows.kind == OrderKind.ORDER, _same(cancels, OrderKind.CANCEL)))
        .where(rows.shop_id == shop.shop_id)
        .order_by(rows.received_at.desc())
        .limit(_SHOWN)
    )
    with services().database.connect() as connection:
        return [
            {
                "what": f"{row.kind} {row.fact_id}",
                "told": wording.amount(orjson.loads(row.body).get("net_minor", 0), shop.currency),
                "counts": _counts(row.net_minor, shop, is_cancelled=row.cancel is not None),
                "at": moment(row.received_at, shop),
            }
            for row in connection.execute(query)
        ]


def _same(orders: sa.FromClause, kind: object) -> sa.ColumnElement[bool]:
    """Match a row of that kind with what a conflict is about."""
    rows = tables.order_conflicts.c
    return sa.and_(
        orders.c.shop_id == rows.shop_id,
        orders.c.kind == kind,
        orders.c.fact_id == rows.fact_id,
    )


def _counts(net_minor: int | None, shop: Shop, *, is_cancelled: bool) -> str:
    if is_cancelled:
        return "nothing: cancelled"
    return "–" if net_minor is None else wording.amount(net_minor, shop.currency)


def _overdrawn(shop: Shop) -> list[dict[str, str]]:
    """Return orders of which more was given back than they came to."""
    orders, back = tables.orders.alias(), tables.orders.alias()
    given = sa.func.sum(back.c.net_minor)
    query = (
        sa.select(orders.c.order_id, orders.c.net_minor, given.label("given_minor"))
        .join(
            back,
            sa.and_(
                back.c.shop_id == orders.c.shop_id,
                back.c.order_id == orders.c.order_id,
                back.c.kind != OrderKind.ORDER,
            ),
        )
        .where(orders.c.shop_id == shop.shop_id, orders.c.kind == OrderKind.ORDER)
        .group_by(orders.c.order_id, orders.c.net_minor, orders.c.placed_at)
        .having(given > orders.c.net_minor)
        .order_by(orders.c.placed_at.desc())
        .limit(_SHOWN)
    )
    with services().database.connect() as connection:
        return [
            {
                "order_id": row.order_id,
                "net": wording.amount(row.net_minor, shop.currency),
                "given": wording.amount(int(row.given_minor), shop.currency),
            }
            for row in connection.execute(query)
        ]


def _arrived(shop: Shop) -> int:
    rows = tables.orders.c
    query = sa.select(sa.func.count()).where(
        rows.shop_id == shop.shop_id, rows.kind == OrderKind.ORDER
    )
    with services().database.connect() as connection:
        return connection.execute(query).scalar_one()


def _faults(shop: Shop) -> list[dict[str, str]]:
    rows = tables.order_faults.c
    query = (
        sa.select(tables.order_faults)
        .where(rows.shop_id == shop.shop_id)
        .order_by(rows.received_at.desc())
        .limit(_SHOWN)
    )
    with services().database.connect() as connection:
        return [
            {
                "what": f"{row.platform} {row.topic} {row.order_id}",
                "why": f"{row.detail} [{row.code}]",
                "at": moment(row.received_at, shop),
            }
            for row in connection.execute(query)
        ]
