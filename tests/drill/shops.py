"""The shops of a drill, made by the service's own stages."""

import random
from dataclasses import dataclass

from recommender.bench import synthetic
from recommender.bootstrap import Services
from recommender.catalog.update import put_items
from recommender.shops.keys import signing_secret
from recommender.shops.registry import ShopOrder, create_shop

ORIGIN = "https://shop.example"


@dataclass(frozen=True, slots=True)
class DrillShop:
    """What the clients of one shop know."""

    shop_id: str
    public_key: str
    secret_key: str
    signing_secret: str
    origin: str
    item_ids: tuple[str, ...] = ()


def make_shop(services: Services, number: int, *, n_items: int = 0, seed: int = 0) -> DrillShop:
    """Create a shop; all its visitors are treated, so that slates have items."""
    origin = f"https://shop-{number}.example"
    order = ShopOrder(
        name=f"Drill {number}",
        currency="EUR",
        country="FR",
        timezone="Europe/Paris",
        origins=[origin],
        treatment_share_ppm=1_000_000,
    )
    draw = random.Random(f"{seed}-{number}-{services.settings.home}")
    new = create_shop(order, database=services.database, now=services.now(), random=draw.randbytes)
    items = list(synthetic.goods(new.shop_id, n_items, order.currency, seed))
    if items:
        put_items(
            items,
            database=services.database,
            hot_state=services.state,
            shop_id=new.shop_id,
            now=services.now(),
        )
    return DrillShop(
        new.shop_id,
        new.public_key,
        new.secret_key,
        signing_secret(services.secret, new.shop_id),
        origin,
        tuple(item.item_id for item in items),
    )
