"""Load the demo shop (verb): real orders, simulated shoppers, training, first statements.

Every step can be repeated; a start that was interrupted goes on where it was.
"""

import contextlib
import datetime as dt
import json
import secrets
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pa_parquet

from recommender import tables
from recommender.adapters.database import migrate
from recommender.bootstrap import Services
from recommender.catalog.load_items import item_of_history, store_items_of_history
from recommender.config import Settings
from recommender.demo.categories import category_of
from recommender.demo.notes import (
    DemoNotes,
    StorefrontConfig,
    demo_folder,
    read_notes,
    write_notes,
    write_private,
)
from recommender.demo.sample import SAMPLE
from recommender.demo.shoppers import MAX_BASKET_MINOR, Baskets
from recommender.demo.simulate import Plan, baskets_of_lines, simulate
from recommender.errors import InvalidInputError
from recommender.events.history import sort_out
from recommender.events.history_orders import HistoricItem
from recommender.events.load_history import load_events, load_orders
from recommender.records import Contract, Item, Shop
from recommender.shops import registry
from recommender.shops.accounts import add_user
from recommender.shops.keys import signing_secret
from recommender.training.train import train
from recommender.uplift.measure import measure

SHOP_NAME = "Larkspur Gifts (demo)"
EMAIL = "owner@larkspur.example"
N_DAYS = 56
N_VISITORS = 60_000
EFFECT_PPM = 150_000
"""Recommendations make a simulated shopper 15 % likelier to buy; the console says so."""
_SEED = 20_111_209
_LAST_REAL_DAY = dt.date(2011, 12, 9)

Tell = Callable[[str], None]


def prepare_demo(services: Services, *, tell: Tell, n_visitors: int = N_VISITORS) -> DemoNotes:
    """Make sure that the demo shop exists and is loaded.

    Args:
        services: Where it lives.
        tell: Told what happens now, for the person who waits.
        n_visitors: Number of simulated shoppers.

    Returns:
        Keys and login of the shop.
    """
    folder = demo_folder(services.settings.home)
    migrate(services.database)
    notes = read_notes(folder) or _create(services, folder)
    shop = services.shops.by_id(notes.shop_id)
    if not notes.is_loaded:
        _load(services, shop, notes, folder, tell, n_visitors)
        notes = replace(notes, is_loaded=True)
        write_notes(folder, notes)
    _keep_origins(services, shop)
    _write_storefront(services.settings, notes, folder)
    return notes


def storefront_url(settings: Settings) -> str:
    """Return the address of the storefront: the service's host, its next port."""
    parts = urlsplit(settings.public_url)
    return f"{parts.scheme}://{parts.hostname}:{settings.port + 1}"


def simulation_plan(last_on: dt.date, n_visitors: int) -> Plan:
    """Return the plan whose last simulated day is `last_on`."""
    first_on = last_on - dt.timedelta(days=N_DAYS - 1)
    return Plan(first_on, last_on, n_visitors, EFFECT_PPM, _SEED)


def shift_weeks(first_on: dt.date) -> int:
    """Return by how many weeks the real orders move, to end less than a week before a day."""
    return ((first_on - _LAST_REAL_DAY).days - 1) // 7


def describe_item(known: HistoricItem, shop: Shop) -> Item:
    """Return an item of the demo shop: the order lines' title and price, and pages of its own."""
    plain = item_of_history(known, shop)
    path = quote(known.item_id, safe="")
    return replace(
        plain,
        url=f"/p/{path}",
        image_url=f"/image/{path}.svg",
        category=category_of(known.title),
        # A delivery service is sold under an ordinary number.
        available="CARRIAGE" not in known.title.upper(),
    )


def _create(services: Services, folder: Path) -> DemoNotes:
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
    # The experiment began with the first simulated day.
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


def _load(
    services: Services, shop: Shop, notes: DemoNotes, folder: Path, tell: Tell, n_visitors: int
) -> None:
    plan = simulation_plan(dt.date.fromisoformat(notes.last_on), n_visitors)
    _agree(services, shop, notes, plan)
    tell("Importing a year of real orders")
    orders = _kept_file(folder / "orders.parquet", partial(_shifted_orders, plan.first_on))
    _import_orders(services, shop, orders)
    tell(f"Sending {n_visitors:,} simulated shoppers through {N_DAYS} days")
    lines = sort_out(
        [(orders.name, pa_parquet.read_table(orders))],
        currency=shop.currency,
        timezone=shop.timezone,
    )
    baskets = baskets_of_lines(lines)
    _write_catalogue(services, shop, baskets, folder)
    shoppers = _kept_file(
        folder / "shoppers.parquet", lambda: simulate(baskets, plan, shop.current_stratum)
    )
    load_events(
        [shoppers],
        shop=shop,
        database=services.database,
        event_log=services.event_log,
        now=services.now(),
    )
    tell("Training")
    train(
        shop,
        event_log=services.event_log,
        database=services.database,
        artifacts=services.artifacts,
        now=services.now(),
    )
    tell("Measuring the uplift")
    _measure(services, shop, plan.last_on)


def _agree(services: Services, shop: Shop, notes: DemoNotes, plan: Plan) -> None:
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


def _import_orders(services: Services, shop: Shop, path: Path) -> None:
    now = services.now()
    load_orders(
        [path],
        shop=shop,
        database=services.database,
        event_log=services.event_log,
        store_items=partial(
            store_items_of_history,
            shop=shop,
            database=services.database,
            hot_state=services.state,
            now=now,
            describe=describe_item,
        ),
        now=now,
    )


def _measure(services: Services, shop: Shop, through: dt.date) -> None:
    measure(
        shop,
        event_log=services.event_log,
        database=services.database,
        contract=registry.current_contract(shop.shop_id, through, database=services.database),
        through=through,
        now=services.now(),
    )


def _shifted_orders(first_on: dt.date) -> Any:
    lines = pa_parquet.read_table(SAMPLE)
    step = pa.scalar(dt.timedelta(weeks=shift_weeks(first_on)))
    place = lines.column_names.index("InvoiceDate")
    moved = pc.add(lines["InvoiceDate"], step.cast(pa.duration("s")))
    return lines.set_column(place, "InvoiceDate", moved)


def _kept_file(path: Path, make: Callable[[], Any]) -> Path:
    """Return a file made once: the import knows a repetition by equal bytes."""
    if not path.exists():
        draft = path.with_suffix(".new")
        pa_parquet.write_table(make(), draft, compression="zstd")
        draft.replace(path)
    return path


def _write_catalogue(services: Services, shop: Shop, baskets: Baskets, folder: Path) -> None:
    """Write the storefront's list of goods, best-selling first."""
    sold = dict(zip(baskets.item_ids.tolist(), np.diff(baskets.by_item.indptr), strict=True))
    items = [item for item in services.catalogues.get(shop.shop_id).items() if item.available]
    ranked = sorted(items, key=lambda item: (-int(sold.get(item.item_id, 0)), item.item_id))
    names = ("item_id", "title", "category", "price_minor", "currency", "url", "image_url")
    goods = [{name: getattr(item, name) for name in names} for item in ranked]
    write_private(folder / "catalogue.json", json.dumps(goods))


def _origins(settings: Settings) -> Sequence[str]:
    url = urlsplit(storefront_url(settings))
    # People type either; to a browser they are different origins.
    loopback = {"127.0.0.1", "localhost"}
    hosts = loopback if url.hostname in loopback else {url.hostname}
    return sorted(f"{url.scheme}://{host}:{url.port}" for host in hosts)


def _keep_origins(services: Services, shop: Shop) -> None:
    """Follow the storefront when the demo starts on another port."""
    wanted = _origins(services.settings)
    if set(wanted) <= set(shop.origins):
        return
    with services.database.begin() as connection:
        connection.execute(
            tables.shops.update()
            .where(tables.shops.c.shop_id == shop.shop_id)
            .values(origins=sorted({*shop.origins, *wanted}))
        )


def _write_storefront(settings: Settings, notes: DemoNotes, folder: Path) -> None:
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
