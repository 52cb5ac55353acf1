"""Load the demo shop (verb): real orders, simulated shoppers, training, first statements.

Every step can be repeated; a start that was interrupted goes on where it was.
"""

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pa_parquet

from recommender.adapters.database import migrate
from recommender.adapters.invoice_pdf import render_invoice
from recommender.billing.settle import settle
from recommender.bootstrap import Services
from recommender.catalog.load_items import item_of_history, store_items_of_history
from recommender.demo.categories import category_of
from recommender.demo.notes import (
    DemoNotes,
    demo_folder,
    read_notes,
    write_notes,
    write_private,
)
from recommender.demo.register import (
    N_DAYS,
    N_VISITORS,
    agree_terms,
    create_demo_shop,
    keep_origins,
    keep_parties,
    simulation_plan,
    write_storefront_config,
)
from recommender.demo.sample import SAMPLE
from recommender.demo.shoppers import Baskets
from recommender.demo.simulate import baskets_of_lines, simulate
from recommender.events.history import sort_out
from recommender.events.history_orders import HistoricItem
from recommender.events.load_history import load_events, load_orders
from recommender.records import Item, Shop
from recommender.shops import registry
from recommender.training.train import train
from recommender.uplift.measure import measure

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
    notes = read_notes(folder) or create_demo_shop(services, folder)
    shop = services.shops.by_id(notes.shop_id)
    if not notes.is_loaded:
        _load(services, shop, notes, folder, tell, n_visitors)
        notes = replace(notes, is_loaded=True)
        write_notes(folder, notes)
    keep_parties(services, shop)
    keep_origins(services, shop)
    write_storefront_config(services.settings, notes, folder)
    return notes


def settle_past_months(services: Services, notes: DemoNotes) -> None:
    """Close every month that is over: statements, and an invoice once the uplift is proven."""
    shop = services.shops.by_id(notes.shop_id)
    day = simulation_plan(dt.date.fromisoformat(notes.last_on), 1).first_on
    while day < services.now().date().replace(day=1):
        settle(
            shop,
            f"{day:%Y-%m}",
            event_log=services.event_log,
            database=services.database,
            render_invoice=render_invoice,
            now=services.now(),
        )
        day = (day.replace(day=1) + dt.timedelta(days=31)).replace(day=1)


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


def _load(
    services: Services, shop: Shop, notes: DemoNotes, folder: Path, tell: Tell, n_visitors: int
) -> None:
    plan = simulation_plan(dt.date.fromisoformat(notes.last_on), n_visitors)
    agree_terms(services, shop, notes, plan)
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
        catalogue=services.catalogues.get(shop.shop_id).items(),
        database=services.database,
        artifacts=services.artifacts,
        now=services.now(),
    )
    tell("Measuring the uplift")
    _measure(services, shop, plan.last_on)


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
