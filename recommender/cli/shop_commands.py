"""`recommender shop …`: create shops and what belongs to them."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import click

from recommender.cli.common import Number, emit, json_option, make_services
from recommender.cli.login_commands import add_login
from recommender.errors import InvalidInputError
from recommender.records import Contract, Placement, PlacementSetting, RateTier
from recommender.shops import registry
from recommender.shops.keys import signing_secret
from recommender.shops.money import parse_minor
from recommender.shops.origins import change_origins

_SHARE = Number(0, 1)
_VISITORS = click.IntRange(*registry.N_STAR_BOUNDS)


@click.group()
def shop() -> None:
    """Create shops, contracts and logins."""


@shop.command("create")
@click.option("--name", required=True, help="Name of the shop.")
@click.option("--currency", required=True, help="ISO 4217 code, for example EUR.")
@click.option("--country", required=True, help="ISO 3166 code, for example FR.")
@click.option("--timezone", required=True, help="For example Europe/Paris.")
@click.option("--origin", "origins", required=True, multiple=True, help="https://shop.example")
@click.option("--treatment-share", default=0.5, type=_SHARE, show_default=True, help="0 to 1.")
@json_option
def create(treatment_share: float, as_json: bool, **order: object) -> None:
    """Create a shop and show its keys; the secrets are shown this once."""
    services = make_services(service="shop")
    new = registry.create_shop(
        registry.ShopOrder(**order, treatment_share_ppm=_fraction(treatment_share, 1_000_000)),  # type: ignore[arg-type]
        database=services.database,
        now=services.now(),
    )
    result = asdict(new) | {"signing_secret": signing_secret(services.secret, new.shop_id)}
    emit(result, as_json=as_json, text=lambda: _lines(result))


@shop.command("list")
@json_option
def list_shops(as_json: bool) -> None:
    """List all shops."""
    found = make_services(service="shop").shops.all()
    rows = [
        {"shop_id": one.shop_id, "name": one.name, "public_key": one.public_key} for one in found
    ]
    emit(
        {"shops": rows},
        as_json=as_json,
        text=lambda: "\n".join(f"{row['shop_id']}  {row['name']}" for row in rows) or "No shops",
    )


@shop.command("origins")
@click.option("--shop", "shop_id", required=True)
@click.option("--add", multiple=True, metavar="ORIGIN", help="https://shop.example")
@click.option("--remove", multiple=True, metavar="ORIGIN", help="Whose pages are refused then.")
@json_option
def origins(shop_id: str, add: tuple[str, ...], remove: tuple[str, ...], as_json: bool) -> None:
    """List the origins whose pages may use the site key, after adding and removing some."""
    services = make_services(service="shop")
    found = services.shops.by_id(shop_id).origins
    if add or remove:
        found = change_origins(shop_id, add=add, remove=remove, database=services.database)
    emit({"origins": found}, as_json=as_json, text=lambda: "\n".join(found))


@shop.command("contract")
@click.option("--shop", "shop_id", required=True)
@click.option("--starts-on", required=True, help="First day, YYYY-MM-DD.")
@click.option(
    "--rate", default=0.1, type=_SHARE, show_default=True, help="Share of proven extra revenue."
)
@click.option("--policy", default="gated_midpoint", type=click.Choice(registry.POLICIES))
@click.option(
    "--cap-month", default=0.05, type=_SHARE, show_default=True, help="Share of treated revenue."
)
@click.option("--cap-year", default="0", show_default=True, help="Amount; 0 means none.")
@click.option(
    "--cap-year-share", default=0.0, type=_SHARE, help="Share of a year's treated revenue; 0: none."
)
@click.option("--order-cap", default="0", show_default=True, help="Amount; 0 means none.")
@click.option(
    "--visitor-month-cap",
    default="0",
    show_default=True,
    help="Amount that one visitor's orders of a month count at most; 0 means none.",
)
@click.option("--tier", "tiers", multiple=True, metavar="FROM=RATE", help="Rate above an amount.")
@click.option("--licence", default="0", show_default=True, help="Fixed fee of a month.")
@click.option("--minimum", default="0", show_default=True, help="Least a month costs.")
@click.option("--vat-case", default="by_country", type=click.Choice(registry.VAT_CASES))
@click.option("--alpha", default=0.05, type=_SHARE, show_default=True)
@click.option("--n-star", required=True, type=_VISITORS, help="Visitors expected in twelve months.")
@json_option
def contract(
    shop_id: str, starts_on: str, policy: str, n_star: int, as_json: bool, **terms: Any
) -> None:
    """Add the next version of a shop's contract."""
    services = make_services(service="shop")
    currency = services.shops.by_id(shop_id).currency
    stored = registry.add_contract(
        Contract(
            shop_id=shop_id,
            version=0,
            starts_on=_date(starts_on),
            rate_bps=_fraction(terms["rate"], 10_000),
            policy=policy,
            cap_month_bps=_fraction(terms["cap_month"], 10_000),
            cap_year_minor=parse_minor(terms["cap_year"], currency),
            order_cap_minor=parse_minor(terms["order_cap"], currency),
            alpha_ppm=_fraction(terms["alpha"], 1_000_000),
            n_star=n_star,
            currency=currency,
            tiers=tuple(_tier(text, currency) for text in terms["tiers"]),
            cap_year_bps=_fraction(terms["cap_year_share"], 10_000),
            licence_month_minor=parse_minor(terms["licence"], currency),
            minimum_month_minor=parse_minor(terms["minimum"], currency),
            vat_case=terms["vat_case"],
            visitor_month_cap_minor=parse_minor(terms["visitor_month_cap"], currency),
        ),
        database=services.database,
    )
    result = asdict(stored) | {"starts_on": starts_on}
    emit(result, as_json=as_json, text=lambda: f"Contract version {stored.version} of {shop_id}")


# What this command was called before there were others about logins.
shop.add_command(add_login, "user")


@shop.command("share")
@click.option("--shop", "shop_id", required=True)
@click.option("--treatment", required=True, type=_SHARE, help="0 to 1.")
@json_option
def share(shop_id: str, treatment: float, as_json: bool) -> None:
    """Change the treatment share; a new stratum of the experiment starts."""
    services = make_services(service="shop")
    number = registry.start_stratum(
        shop_id, _fraction(treatment, 1_000_000), database=services.database, now=services.now()
    )
    emit({"stratum": number}, as_json=as_json, text=lambda: f"Stratum {number} has started")


@shop.command("placement")
@click.option("--shop", "shop_id", required=True)
@click.option("--placement", required=True, type=click.Choice([str(p) for p in Placement]))
@click.option("--n", type=int, help="Length of the slate.")
@click.option("--n-min", type=int, help="Shorter slates stay hidden.")
@click.option(
    "--allow-seen/--hide-seen", default=None, help="Whether items already seen may come back."
)
@click.option("--tail", help="The tail dial, 0 to 1, or `auto`: what training learned.")
@click.option("--rotation", type=_SHARE, help="Scores this near take turns, 0 to 1.")
@click.option("--exploration", type=_SHARE, help="Most places for items without events, 0 to 1.")
@click.option(
    "--heading", "headings", multiple=True, help="fr=Avec ceci; fr= for the widget's own."
)
@click.option("--enable/--disable", "enabled", default=None, help="Switch it on or off.")
@json_option
def placement(shop_id: str, placement: str, as_json: bool, **changes: Any) -> None:
    """Change how one placement behaves; what is not named stays as it is."""
    services = make_services(service="shop")
    known = Placement(placement)
    current = services.shops.by_id(shop_id).placements.get(known) or PlacementSetting(known)
    setting = _changed(current, **changes)
    registry.set_placement(shop_id, setting, database=services.database)
    emit(asdict(setting), as_json=as_json, text=lambda: f"{placement} of {shop_id} is changed")


def _changed(
    current: PlacementSetting, *, headings: Sequence[str], **changes: Any
) -> PlacementSetting:
    tail = changes.pop("tail")
    if tail is not None:
        current = replace(current, tail_ppm=None if tail == "auto" else _ppm(tail))
    for name in ("rotation", "exploration"):
        share = changes.pop(name)
        changes[f"{name}_ppm"] = None if share is None else _fraction(share, 1_000_000)
    told = {field: value for field, value in changes.items() if value is not None}
    title = dict(current.title)
    for heading in headings:
        language, _, text = heading.partition("=")
        title[language] = text
    return replace(current, **told, title={code: text for code, text in title.items() if text})


def _ppm(text: str) -> int:
    try:
        return _fraction(float(text), 1_000_000)
    except (ValueError, OverflowError) as error:
        raise InvalidInputError(
            f"{text!r} is neither a number nor `auto`", code="bad-value"
        ) from error


def _tier(text: str, currency: str) -> RateTier:
    amount, _, rate = text.partition("=")
    try:
        return RateTier(parse_minor(amount, currency), _fraction(float(rate), 10_000))
    except (ValueError, OverflowError) as error:
        raise InvalidInputError(
            f"--tier is FROM=RATE, such as 500000=0.08, not {text!r}", code="bad-value"
        ) from error


def _fraction(value: float, scale: int) -> int:
    return round(value * scale)


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise InvalidInputError(
            f"{text!r} is not a date like 2026-03-01", code="bad-date"
        ) from error


def _lines(result: Mapping[str, object]) -> str:
    return "\n".join(f"{name:15} {value}" for name, value in result.items())
