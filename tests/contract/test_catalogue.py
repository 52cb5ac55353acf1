import datetime as dt
import threading
from dataclasses import replace

import pytest
import sqlalchemy as sa

from recommender import tables
from recommender.catalog.cache import FEW_ITEMS, HEAL_SECONDS, POLL_SECONDS, CatalogueCache
from recommender.catalog.snapshot import CatalogueSnapshot
from recommender.catalog.update import put_items
from recommender.errors import InvalidInputError, NotFoundError, UnavailableError
from recommender.records import Item, Shop

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


class Announcements:
    """The one method of the hot state that a catalogue update uses."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, int]] = []
        self.broken = False

    def announce_catalogue(self, shop_id: str, revision: int) -> None:
        if self.broken:
            raise UnavailableError("the hot state is away")
        self.heard.append((shop_id, revision))


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def announcements() -> Announcements:
    return Announcements()


def item(shop: Shop, item_id: str, **changes: object) -> Item:
    plain = Item(shop.shop_id, item_id, f"Item {item_id}", "/p", "/i", 100, shop.currency, "cat")
    return replace(plain, **changes)  # type: ignore[arg-type]


def put(database: sa.Engine, announcements: Announcements, *items: Item) -> int:
    return put_items(
        items,
        database=database,
        hot_state=announcements,  # type: ignore[arg-type]
        shop_id=items[0].shop_id,
        now=NOW,
    )


def test_items_are_stored_and_their_revision_announced(
    database: sa.Engine, shop: Shop, announcements: Announcements
) -> None:
    assert put(database, announcements, item(shop, "a"), item(shop, "b")) == 1
    assert announcements.heard == [(shop.shop_id, 1)]
    snapshot = CatalogueCache(database).get(shop.shop_id)
    assert snapshot.revision == 1
    stored = {"revision": 1, "first_seen_at": NOW}
    assert list(snapshot.items()) == [item(shop, "a", **stored), item(shop, "b", **stored)]


def test_an_item_keeps_the_instant_it_was_first_seen(
    database: sa.Engine, shop: Shop, announcements: Announcements
) -> None:
    put(database, announcements, item(shop, "a"))
    put_items(
        [item(shop, "a", stock=3, cost_minor=60), item(shop, "b")],
        database=database,
        hot_state=announcements,  # type: ignore[arg-type]
        shop_id=shop.shop_id,
        now=NOW + dt.timedelta(days=1),
    )
    snapshot = CatalogueCache(database).get(shop.shop_id)
    changed, new = snapshot.get("a"), snapshot.get("b")
    assert changed is not None
    assert new is not None
    assert (changed.stock, changed.cost_minor, changed.first_seen_at) == (3, 60, NOW)
    assert (new.stock, new.cost_minor) == (None, None)
    assert new.first_seen_at == NOW + dt.timedelta(days=1)


def test_what_did_not_change_keeps_its_revision(
    database: sa.Engine, shop: Shop, announcements: Announcements
) -> None:
    put(database, announcements, item(shop, "a"), item(shop, "b"))
    changed = item(shop, "b", price_minor=90)
    assert put(database, announcements, item(shop, "a"), changed) == 2
    snapshot = CatalogueCache(database).get(shop.shop_id)
    assert {known.item_id: known.revision for known in snapshot.items()} == {"a": 1, "b": 2}
    assert put(database, announcements, item(shop, "a"), changed) == 2
    assert announcements.heard == [(shop.shop_id, 1), (shop.shop_id, 2)]


def test_the_last_of_a_repeated_id_wins(
    database: sa.Engine, shop: Shop, announcements: Announcements
) -> None:
    put(database, announcements, item(shop, "a"), item(shop, "a", title="Second"))
    (stored,) = CatalogueCache(database).get(shop.shop_id).items()
    assert stored.title == "Second"


def test_more_items_than_a_statement_takes_parameters(
    database: sa.Engine, shop: Shop, announcements: Announcements
) -> None:
    many = [item(shop, f"i{number}") for number in range(33_000)]
    put(database, announcements, *many)
    assert put(database, announcements, *many, item(shop, "new")) == 2
    assert len(CatalogueCache(database).get(shop.shop_id)) == 33_001


def test_items_of_another_shop_or_of_none_are_refused(
    database: sa.Engine, shop: Shop, announcements: Announcements
) -> None:
    with pytest.raises(InvalidInputError):
        put(database, announcements, item(shop, "a"), item(shop, "b", shop_id="other"))
    with pytest.raises(NotFoundError):
        put(database, announcements, item(shop, "a", shop_id="other"))
    assert len(CatalogueCache(database).get(shop.shop_id)) == 0


def test_writers_at_the_same_time_get_revisions_of_their_own(
    database: sa.Engine, shop: Shop, announcements: Announcements
) -> None:
    def write(number: int) -> None:
        put(
            database,
            announcements,
            item(shop, f"t{number}"),
            item(shop, "shared", brand=f"{number}"),
        )

    writers = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(revision for _, revision in announcements.heard) == [1, 2, 3, 4, 5, 6]
    snapshot = CatalogueCache(database).get(shop.shop_id)
    assert snapshot.revision == 6
    assert len(snapshot) == 7


def test_an_announced_revision_is_fetched_at_once(
    database: sa.Engine, shop: Shop, announcements: Announcements
) -> None:
    cache = CatalogueCache(database, monotonic=Clock())
    put(database, announcements, item(shop, "a"))
    assert len(cache.get(shop.shop_id)) == 1
    revision = put(database, announcements, item(shop, "b"))
    assert len(cache.get(shop.shop_id)) == 1
    assert len(cache.get(shop.shop_id, revision)) == 2


def test_a_change_nobody_announced_is_found(
    database: sa.Engine, shop: Shop, announcements: Announcements
) -> None:
    clock = Clock()
    cache = CatalogueCache(database, monotonic=clock)
    put(database, announcements, item(shop, "a"))
    cache.get(shop.shop_id)
    announcements.broken = True
    put(database, announcements, item(shop, "b"))
    clock.seconds += POLL_SECONDS
    assert len(cache.get(shop.shop_id)) == 2
    put(database, announcements, item(shop, "c"))
    clock.seconds += POLL_SECONDS
    assert len(cache.get(shop.shop_id, at_least_revision=1)) == 2
    clock.seconds += HEAL_SECONDS
    assert len(cache.get(shop.shop_id, at_least_revision=1)) == 3


def test_a_snapshot_is_the_same_object_until_something_changes(
    database: sa.Engine, shop: Shop, announcements: Announcements
) -> None:
    clock = Clock()
    cache = CatalogueCache(database, monotonic=clock)
    put(database, announcements, item(shop, "a"))
    first = cache.get(shop.shop_id)
    clock.seconds += POLL_SECONDS
    assert cache.get(shop.shop_id) is first


def test_an_announcement_the_database_lacks_is_followed_once(
    database: sa.Engine, shop: Shop, announcements: Announcements
) -> None:
    put(database, announcements, item(shop, "a"))
    queries: list[str] = []
    sa.event.listen(database, "before_cursor_execute", lambda *args: queries.append(str(args[2])))
    cache = CatalogueCache(database, monotonic=Clock())
    cache.get(shop.shop_id)
    cache.get(shop.shop_id, at_least_revision=9)
    asked = len(queries)
    cache.get(shop.shop_id, at_least_revision=9)
    assert len(queries) == asked


def test_a_database_that_went_back_is_followed(
    database: sa.Engine, shop: Shop, announcements: Announcements
) -> None:
    clock = Clock()
    cache = CatalogueCache(database, monotonic=clock)
    put(database, announcements, item(shop, "a"))
    put(database, announcements, item(shop, "b"))
    assert len(cache.get(shop.shop_id)) == 2
    with database.begin() as connection:
        connection.execute(tables.items.delete().where(tables.items.c.item_id == "b"))
        connection.execute(tables.shops.update().values(catalogue_revision=1))
    clock.seconds += POLL_SECONDS
    assert [known.item_id for known in cache.get(shop.shop_id).items()] == ["a"]


def test_a_broken_database_keeps_the_last_snapshot(
    database: sa.Engine, shop: Shop, announcements: Announcements
) -> None:
    clock = Clock()
    put(database, announcements, item(shop, "a"))
    cache = CatalogueCache(database, monotonic=clock)
    cache.get(shop.shop_id)
    with database.begin() as connection:
        connection.execute(sa.text("ALTER TABLE items RENAME TO away"))
        connection.execute(tables.shops.update().values(catalogue_revision=2))
    clock.seconds += POLL_SECONDS
    assert len(cache.get(shop.shop_id)) == 1
    assert len(CatalogueCache(database).get(shop.shop_id)) == 0
    with database.begin() as connection:
        connection.execute(sa.text("ALTER TABLE away RENAME TO items"))


def test_an_unknown_shop_has_an_empty_catalogue(database: sa.Engine) -> None:
    assert len(CatalogueCache(database).get("nobody")) == 0


class Preparation:
    """What a catalogue read beside the requests is held back for."""

    def __init__(self) -> None:
        self.told: list[int] = []
        self.may_end = threading.Event()

    def __call__(self, shop_id: str, catalogue: CatalogueSnapshot) -> None:
        self.told.append(len(catalogue))
        assert self.may_end.wait(60)


def feed(shop: Shop) -> list[Item]:
    return [item(shop, f"feed-{number}") for number in range(FEW_ITEMS + 1)]


def wait_for_items(cache: CatalogueCache, shop: Shop, number: int) -> None:
    pause = threading.Event()
    while len(cache.get(shop.shop_id)) != number:
        pause.wait(0.001)


def test_a_feed_is_shown_when_it_is_prepared_and_nobody_waits_for_it(
    database: sa.Engine, shop: Shop, announcements: Announcements
) -> None:
    cache = CatalogueCache(database, monotonic=Clock(), patience_seconds=60)
    put(database, announcements, item(shop, "a"))
    assert len(cache.get(shop.shop_id)) == 1, "a small shop is there at once"
    cache.prepare = preparation = Preparation()
    revision = put(database, announcements, *feed(shop))
    assert len(cache.get(shop.shop_id, revision)) == 1
    assert len(cache.get(shop.shop_id, revision)) == 1
    assert cache.is_reading(shop.shop_id)
    preparation.may_end.set()
    wait_for_items(cache, shop, FEW_ITEMS + 2)
    while cache.is_reading(shop.shop_id):
        threading.Event().wait(0.001)
    assert preparation.told == [FEW_ITEMS + 2]
    # A few items are quicker read than handed over.
    revision = put(database, announcements, item(shop, "b"))
    assert len(cache.get(shop.shop_id, revision)) == FEW_ITEMS + 3
    assert preparation.told == [FEW_ITEMS + 2]


def test_only_the_first_requests_wait_for_a_first_catalogue(
    database: sa.Engine, shop: Shop, announcements: Announcements
) -> None:
    clock = Clock()
    cache = CatalogueCache(database, monotonic=clock, patience_seconds=0.001)
    cache.prepare = preparation = Preparation()
    put(database, announcements, *feed(shop))
    assert len(cache.get(shop.shop_id)) == 0
    clock.seconds += 60
    assert len(cache.get(shop.shop_id)) == 0
    preparation.may_end.set()
    assert len(cache.load(shop.shop_id)) == FEW_ITEMS + 1


def test_a_catalogue_that_cannot_be_prepared_is_shown_all_the_same(
    database: sa.Engine, shop: Shop, announcements: Announcements
) -> None:
    cache = CatalogueCache(database, monotonic=Clock(), patience_seconds=60)

    def fail(shop_id: str, catalogue: CatalogueSnapshot) -> None:
        raise ValueError

    cache.prepare = fail
    put(database, announcements, *feed(shop))
    assert len(cache.get(shop.shop_id)) == FEW_ITEMS + 1
