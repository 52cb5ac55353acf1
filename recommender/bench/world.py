"""A home that lives as long as a benchmark: servers, a synthetic shop, a trained model.

Everything is made by the service's own stages and commands. Of the operator's own home only the
kernels' machine code is used.
"""

import contextlib
import datetime as dt
import socket
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from recommender.adapters.database import migrate
from recommender.adapters.embedded_server import running_server
from recommender.bench import synthetic
from recommender.bootstrap import Services, bootstrap
from recommender.catalog.update import put_items
from recommender.catalog.update_rules import put_rules
from recommender.config import Settings
from recommender.records import Shop
from recommender.shops.registry import ShopOrder, create_shop

ORIGIN = "https://shop.example"
SEED = 2026
Tell = Callable[[str], None]
"""Told what happens now, for the person who waits."""

_ITEMS_PER_CALL = 20_000


@contextlib.contextmanager
def temporary_services() -> Iterator[Services]:
    """Give services over an empty home with servers of its own; all of it is gone afterwards."""
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="recommender-bench-")))
        redis_url = stack.enter_context(running_server(home / "redis"))
        settings = Settings.from_environ(
            {
                "RECOMMENDER_HOME": str(home),
                "RECOMMENDER_REDIS_URL": redis_url,
                "RECOMMENDER_PORT": str(free_port()),
            }
        )
        services = bootstrap(settings)
        stack.callback(services.database.dispose)
        migrate(services.database)
        yield services


def free_port() -> int:
    """Return a port of the loopback that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def beside(settings: Settings) -> Settings:
    """Return the same settings for a second web server."""
    port = free_port()
    return replace(settings, port=port, public_url=f"http://{settings.host}:{port}")


def make_shop(services: Services, n_items: int) -> Shop:
    """Make a shop with goods and rules; all visitors are treated, for control slates cost less."""
    order = ShopOrder(
        name="Synthetic shop",
        currency="EUR",
        country="FR",
        timezone="Europe/Paris",
        origins=[ORIGIN],
        treatment_share_ppm=1_000_000,
    )
    new = create_shop(order, database=services.database, now=services.now())
    items = list(synthetic.goods(new.shop_id, n_items, order.currency, SEED))
    for start in range(0, n_items, _ITEMS_PER_CALL):
        put_items(
            items[start : start + _ITEMS_PER_CALL],
            database=services.database,
            hot_state=services.state,
            shop_id=new.shop_id,
            now=services.now(),
        )
    put_rules(
        synthetic.house_rules(new.shop_id),
        database=services.database,
        hot_state=services.state,
        shop_id=new.shop_id,
        changed_by="bench",
        now=services.now(),
    )
    return services.shops.by_id(new.shop_id)


def write_events(services: Services, shop: Shop, n_events: int, n_items: int) -> None:
    """Write a synthetic past, up to last midnight, into the event log."""
    midnight = services.now().replace(hour=0, minute=0, second=0, microsecond=0)
    ends_at = midnight - dt.timedelta(seconds=1)
    chunks = synthetic.event_tables(shop.shop_id, n_events, n_items, ends_at, SEED)
    for position, chunk in enumerate(chunks, start=1):
        services.event_log.append_table(chunk, f"bench:{shop.shop_id}", position)
