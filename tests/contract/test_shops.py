"""Shops in a real database: created whole, found by key, never half."""

import datetime as dt
from dataclasses import replace
from functools import partial

import pytest
import sqlalchemy as sa

from money_world import contract
from recommender import tables
from recommender.errors import (
    InvalidInputError,
    NotAllowedError,
    NotFoundError,
    RecommenderError,
)
from recommender.records import Placement, PlacementSetting, Shop
from recommender.shops import accounts, origins, registry, secret_keys
from recommender.shops.audit import read_audit
from recommender.shops.directory import CACHE_SECONDS, ShopDirectory
from recommender.shops.registry import NewShop

NOW = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)


def test_a_new_shop_is_complete(shop: Shop, new_shop: registry.NewShop) -> None:
    assert shop.shop_id == new_shop.shop_id
    assert set(shop.placements) == set(Placement)
    assert shop.current_stratum.treatment_share_ppm == 500_000
    assert len(shop.visitor_key) == 32


def test_the_secret_key_is_kept_only_as_a_hash(
    database: sa.Engine, new_shop: registry.NewShop
) -> None:
    with database.connect() as connection:
        rows = connection.execute(sa.select(tables.secret_keys)).all()
    assert new_shop.secret_key not in str(rows)
    assert ShopDirectory(database).by_secret_key(new_shop.secret_key).shop_id == new_shop.shop_id


def test_a_second_secret_key_works_beside_the_first(
    database: sa.Engine, new_shop: registry.NewShop
) -> None:
    second = secret_keys.add_secret_key(new_shop.shop_id, database=database, now=NOW)
    directory = ShopDirectory(database)
    assert second != new_shop.secret_key
    for key in (second, new_shop.secret_key):
        assert directory.by_secret_key(key).shop_id == new_shop.shop_id


def test_unknown_keys_open_nothing(database: sa.Engine, new_shop: registry.NewShop) -> None:
    directory = ShopDirectory(database)
    for lookup in (directory.by_public_key, directory.by_secret_key):
        for key in ("", "pk_nobody", new_shop.shop_id, new_shop.secret_key[:-1]):
            with pytest.raises(NotAllowedError):
                lookup(key)
    with pytest.raises(NotFoundError):
        directory.by_id("shop_nobody")


def test_a_known_shop_is_served_while_the_database_is_away(
    database: sa.Engine, new_shop: registry.NewShop
) -> None:
    seconds = [0.0]
    directory = ShopDirectory(database, monotonic=lambda: seconds[0])
    directory.by_public_key(new_shop.public_key)
    broken = sa.create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none")
    directory._database = broken
    seconds[0] = 3600.0
    assert directory.by_public_key(new_shop.public_key).shop_id == new_shop.shop_id


def test_a_faulty_order_names_every_fault(
    database: sa.Engine, shop_order: registry.ShopOrder
) -> None:
    order = replace(shop_order, currency="euro", timezone="Paris", origins=["shop.example"])
    with pytest.raises(InvalidInputError) as caught:
        registry.create_shop(order, database=database, now=NOW)
    for word in ("currency", "timezone", "origins"):
        assert word in str(caught.value)
    assert ShopDirectory(database).all() == []


def test_origins_are_changed_and_pages_follow(database: sa.Engine, new_shop: NewShop) -> None:
    seconds = [0.0]
    directory = ShopDirectory(database, monotonic=lambda: seconds[0])
    change = partial(origins.change_origins, new_shop.shop_id, database=database)
    before = directory.by_public_key(new_shop.public_key).origins
    added = "https://new.example"
    assert change(add=[f"{added}/", *before]) == (*before, added)
    seconds[0] = CACHE_SECONDS
    assert directory.by_public_key(new_shop.public_key).origins == (*before, added)
    for named, code in (
        ({"remove": [*before, added]}, "last-origin"),
        ({"remove": ["https://other.example"]}, "unknown-origin"),
        ({"add": ["https://shop.example/path"]}, "bad-origin"),
    ):
        with pytest.raises(RecommenderError) as caught:
            change(**named)  # type: ignore[arg-type]
        assert caught.value.code == code
    assert change(remove=before) == (added,)
    told = [(one.action, one.detail) for one in read_audit(new_shop.shop_id, database=database)[:3]]
    assert [action for action, _ in told].count("origins.changed") == 2
    assert told[0][1] == {"added": "", "removed": " ".join(before)}


def test_contracts_are_numbered_and_govern_from_their_first_day(
    database: sa.Engine, shop: Shop
) -> None:
    for day in (dt.date(2026, 3, 1), dt.date(2026, 6, 1)):
        registry.add_contract(contract(shop_id=shop.shop_id, starts_on=day), database=database)
    for day, version in (
        (dt.date(2026, 3, 1), 1),
        (dt.date(2026, 5, 31), 1),
        (dt.date(2027, 1, 1), 2),
    ):
        assert registry.current_contract(shop.shop_id, day, database=database).version == version
    with pytest.raises(NotFoundError):
        registry.current_contract(shop.shop_id, dt.date(2026, 2, 28), database=database)
    with pytest.raises(InvalidInputError):
        registry.add_contract(
            contract(shop_id=shop.shop_id, starts_on=dt.date(2026, 6, 1)), database=database
        )


@pytest.mark.parametrize(
    "change",
    [{"rate_bps": 10_001}, {"policy": "free"}, {"order_cap_minor": -1}, {"n_star": 1}],
)
def test_a_contract_outside_its_bounds_is_refused(
    database: sa.Engine, shop: Shop, change: dict[str, object]
) -> None:
    faulty = contract(shop_id=shop.shop_id, starts_on=dt.date(2026, 3, 1), **change)
    with pytest.raises(InvalidInputError):
        registry.add_contract(faulty, database=database)


def test_a_new_share_starts_a_stratum_with_its_own_salt(database: sa.Engine, shop: Shop) -> None:
    registry.start_stratum(shop.shop_id, 900_000, database=database, now=NOW)
    first, second = ShopDirectory(database).by_id(shop.shop_id).strata
    assert (first.stratum, second.stratum) == (1, 2)
    assert first.salt != second.salt
    assert second.treatment_share_ppm == 900_000


def test_a_placement_can_be_changed(database: sa.Engine, shop: Shop) -> None:
    setting = PlacementSetting(Placement.CART, n=4, n_min=1, tail_ppm=0, title={"fr": "Avec"})
    registry.set_placement(shop.shop_id, setting, database=database)
    assert ShopDirectory(database).by_id(shop.shop_id).placements[Placement.CART] == setting
    with pytest.raises(InvalidInputError):
        registry.set_placement(shop.shop_id, replace(setting, n=0), database=database)


def test_logins(database: sa.Engine, shop: Shop) -> None:
    def add(email: str, password: str, user_id: str = "u1") -> accounts.User:
        return accounts.add_user(
            shop.shop_id, email, password, database=database, now=NOW, user_id=user_id
        )

    user = add("Owner@Shop.example", "correct horse battery")
    assert (
        accounts.verify_login(" owner@shop.example", "correct horse battery", database=database)
        == user
    )
    assert (
        accounts.verify_login("owner@shop.example", "wrong horse battery", database=database)
        is None
    )
    assert (
        accounts.verify_login("nobody@shop.example", "correct horse battery", database=database)
        is None
    )
    for email, password, code in (
        ("owner@shop.example", "another long password", "email-taken"),
        ("owner", "another long password", "bad-email"),
        ("second@shop.example", "short", "weak-password"),
    ):
        with pytest.raises(InvalidInputError) as caught:
            add(email, password, "u2")
        assert caught.value.code == code
