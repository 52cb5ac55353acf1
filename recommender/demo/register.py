"""The demo shop as a tenant (verb): shop, contract, login, and what its storefront must know."""

import contextlib
import datetime as dt
import json
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from urllib.parse import urlsplit

from recommender.billing.parties import put_buyer, put_entity, read_parties
from recommender.billing.vendor import VENDOR, Buyer
from recommender.bootstrap import Services
from recommender.config import Settings
from recommender.demo.notes import DemoNotes, StorefrontConfig, write_notes, write_private
from recommender.demo.shoppers import MAX_BASKET_MINOR
from recommender.demo.simulate import Plan
from recommender.errors import InvalidInputError
from recommender.records import Contract, Shop
from recommender.shops import registry
from recommender.shops.accounts import add_user
from recommender.shops.keys import signing_secret
from recommender.shops.origins import change_origins

SHOP_NAME = "Larkspur Gifts (demo)"
EMAIL = "owner@larkspur.example"
N_DAYS = 56
N_VISITORS = 60_000
EFFECT_PPM = 250_000
"""Recommendations make a simulated shopper 25 % likelier to buy; the console says so.

Large enough to be proven within the five weeks up to the first invoice, whatever the salt."""
_SEED = 20_111_209
_BUYER = Buyer(
    entity_id=VENDOR.entity_id,
    name="Larkspur Gifts Ltd (demo)",
    address=("1 Larkspur Lane",),
    postcode="SW1A 1AA",
    city="London",
    country="GB",
    email=EMAIL,
)


def simulation_plan(last_on: dt.date, n_visitors: int) -> Plan:
    """Return the plan whose last simulated day is `last_on`."""
    first_on = last_on - dt.timedelta(days=N_DAYS - 1)
    return Plan(first_on, last_on, n_visitors, EFFECT_PPM, _SEED)


def storefront_url(settings: Settings) -> str:
    """Return the address of the storefront: the service's host, its next port."""
    parts = urlsplit(settings.public_url)
    return f"{parts.scheme}://{parts.hostname}:{settings.port + 1}"


def create_demo_shop(services: Services, folder: Path) -> DemoNotes:
    """Create the shop and note its keys; its experiment began with the first simulated day."""
    last_on = services.now().date() - dt.timedelta(days=1)
    first_on = simulation_plan(last_on, 1).first_on
    order = registry.ShopOrder(
        name=SHOP_NAME,
        currency="GBP",
        country="GB",
        timezone="Europe/London",
        origins=_origins(services.settings),
        declared_effect_ppm=EFFECT_PPM,
    )
    began_at = dt.datetime.combine(first_on, dt.time.min, tzinfo=dt.UTC)
    new = registry.create_shop(order, database=services.database, now=began_at)
    notes = DemoNotes(
        shop_id=new.shop_id,
        public_key=new.public_key,
        secret_key=new.secret_key,
        signing_secret=signing_secret(services.secret, new.shop_id),
        email=EMAIL,
        password=secrets.token_urlsafe(12),
        cookie_key=secrets.token_hex(16),
        last_on=last_on.isoformat(),
    )
    write_notes(folder, notes)
    return notes


def agree_terms(services: Services, shop: Shop, notes: DemoNotes, plan: Plan) -> None:
    """Add contract and login, unless an interrupted start did."""
    contract = Contract(
        shop_id=shop.shop_id,
        version=0,
        starts_on=plan.first_on,
        rate_bps=1_000,
        policy="gated_midpoint",
        cap_month_bps=500,
        cap_year_minor=0,
        order_cap_minor=MAX_BASKET_MINOR,
        alpha_ppm=50_000,
        n_star=plan.n_visitors,
        currency=shop.currency,
    )
    with contextlib.suppress(InvalidInputError):
        registry.add_contract(contract, database=services.database)
    with contextlib.suppress(InvalidInputError):
        add_user(
            shop.shop_id,
            notes.email,
            notes.password,
            database=services.database,
            now=services.now(),
            user_id=str(uuid.uuid4()),
        )


def keep_parties(services: Services, shop: Shop) -> None:
    """Tell who bills the demo shop; a home of an earlier release does not know."""
    with services.database.connect() as connection:
        if read_parties(connection, shop.shop_id).buyer is not None:
            return
    put_entity(VENDOR, database=services.database, now=services.now())
    put_buyer(shop.shop_id, _BUYER, database=services.database, now=services.now())


def keep_origins(services: Services, shop: Shop) -> None:
    """Follow the storefront when the demo starts on another port."""
    change_origins(shop.shop_id, add=_origins(services.settings), database=services.database)


def write_storefront_config(settings: Settings, notes: DemoNotes, folder: Path) -> None:
    """Tell the storefront where the service is now."""
    outbox = folder / "outbox"
    outbox.mkdir(mode=0o700, exist_ok=True)
    config = StorefrontConfig(
        service_url=settings.public_url,
        public_key=notes.public_key,
        secret_key=notes.secret_key,
        signing_secret=notes.signing_secret,
        outbox=str(outbox),
        catalogue=str(folder / "catalogue.json"),
        cookie_key=notes.cookie_key,
    )
    write_private(folder / "storefront.json", json.dumps(asdict(config), indent=1))


def _origins(settings: Settings) -> Sequence[str]:
    url = urlsplit(storefront_url(settings))
    # People type either; to a browser they are different origins.
    loopback = {"127.0.0.1", "localhost"}
    hosts = loopback if url.hostname in loopback else {url.hostname}
    return sorted(f"{url.scheme}://{host}:{url.port}" for host in hosts)
