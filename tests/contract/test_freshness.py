"""How soon what happens is in the slates: clocks are driven, nothing waits."""

import dataclasses
import datetime as dt
from collections.abc import Iterator, Sequence

import pytest
import uuid_utils
from msgspec import structs
from test_refresh import events_of

from planted import GROUPS, catalogue_item, two_groups, views
from recommender.bootstrap import Services
from recommender.catalog.cache import POLL_SECONDS, CatalogueCache
from recommender.catalog.update import put_items
from recommender.cli.jobs import RefreshWatch, train_shop
from recommender.errors import UnavailableError
from recommender.events.identity import pseudonym
from recommender.events.visits import visits_of
from recommender.ports import WhoAsks
from recommender.records import Event, Item, Placement, Shop
from recommender.serving.recommend import SlateAnswer, SlateRequest, recommend

A, B = GROUPS["a"], GROUPS["b"]
NEW = "new-item"
VISITOR = "v1"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: both databases announce and follow revisions alike, as tested elsewhere."""
    return sqlite_url


@pytest.fixture(autouse=True)
def _models_end(services: Services) -> Iterator[None]:
    yield
    services.models.close()


@pytest.fixture
def seller(services: Services, shop: Shop) -> Shop:
    """A shop with a catalogue and a trained model, where everybody is treated."""
    services.event_log.append(events_of(shop.shop_id, two_groups(150)), "test", 1)
    services.now.advance(days=40)  # type: ignore[attr-defined]
    stock(services, shop, *map(catalogue_item, [*A, *B]))
    train_shop(services, shop)
    everyone = dataclasses.replace(shop.current_stratum, treatment_share_ppm=1_000_000)
    # Where what was seen may come again, behaviour outweighs what the items are like; and luck
    # plays no part.
    steady = {"rotation_ppm": 0, "exploration_ppm": 0, "allow_seen": True}
    home = dataclasses.replace(shop.placements[Placement.HOME], **steady)
    placements = {**shop.placements, Placement.HOME: home}
    return dataclasses.replace(shop, strata=(everyone,), placements=placements)


def stock(services: Services, shop: Shop, *items: Item) -> None:
    """Tell the service of items, as the shop's own server does."""
    put_items(
        [dataclasses.replace(item, shop_id=shop.shop_id, revision=0) for item in items],
        database=services.database,
        hot_state=services.state,
        shop_id=shop.shop_id,
        now=services.now(),
    )


def click(services: Services, shop: Shop, *item_ids: str) -> None:
    """Have the visitor look at items, ten seconds each, as a page's beacon tells it."""
    visitor = pseudonym(shop.visitor_key, VISITOR)
    for item_id in item_ids:
        services.now.advance(seconds=10)  # type: ignore[attr-defined]
        (seen,) = events_of(shop.shop_id, views(visitor, item_id))
        at = services.now()
        event = structs.replace(
            seen, event_id=str(uuid_utils.uuid7()), occurred_at=at, received_at=at, day=at.date()
        )
        services.state.accept([event], visits_of([event]))


def ask(
    services: Services, shop: Shop, placement: Placement = Placement.HOME, **more: object
) -> SlateAnswer:
    collaborators: dict[str, object] = {
        "hot_state": services.state,
        "catalogues": services.catalogues,
        "models": services.models,
        "now": services.now(),
        "monotonic": lambda: 0.0,
        "new_id": lambda: str(uuid_utils.uuid7()),
    }
    request = SlateRequest(placement, visitor_id=VISITOR, n=6)
    (answer,) = recommend([(shop, request)], **(collaborators | more))  # type: ignore[arg-type]
    return answer


def shown(answer: SlateAnswer) -> Sequence[str]:
    return [item.item_id for item in answer.slate.items]


def test_the_visitor_s_own_click_is_in_the_next_slate(services: Services, seller: Shop) -> None:
    click(services, seller, A[0], A[1])
    assert {item[0] for item in shown(ask(services, seller))[:4]} == {"a"}
    click(services, seller, B[0], B[1])
    assert "b" in {item[0] for item in shown(ask(services, seller))[:4]}


def test_what_was_just_seen_is_not_shown_again(services: Services, seller: Shop) -> None:
    home = dataclasses.replace(seller.placements[Placement.HOME], allow_seen=False)
    seller = dataclasses.replace(seller, placements={Placement.HOME: home})
    click(services, seller, A[0])
    seen = shown(ask(services, seller))[0]
    click(services, seller, seen)
    assert not {A[0], seen} & set(shown(ask(services, seller)))


def test_what_sold_out_is_gone_from_the_next_slate(services: Services, seller: Shop) -> None:
    click(services, seller, A[0])
    gone = shown(ask(services, seller))[0]
    stock(services, seller, catalogue_item(gone, available=False))
    assert gone not in shown(ask(services, seller))
    stock(services, seller, catalogue_item(gone))
    assert gone in shown(ask(services, seller))


def test_a_stock_out_that_nobody_announced_is_seen_within_a_second(
    services: Services, seller: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis was away when the shop told it."""
    seconds = [0.0]
    catalogues = CatalogueCache(services.database, monotonic=lambda: seconds[0])
    click(services, seller, A[0])
    gone = shown(ask(services, seller, catalogues=catalogues))[0]

    def away(_shop_id: str, _revision: int) -> None:
        raise UnavailableError("away")

    with monkeypatch.context() as broken:
        broken.setattr(services.state, "announce_catalogue", away, raising=True)
        stock(services, seller, catalogue_item(gone, available=False))
    # Without any announcement at all the poll is what finds it.
    silent = Silent(services)
    seconds[0] += POLL_SECONDS
    assert POLL_SECONDS <= 1.0
    assert gone not in shown(ask(services, seller, catalogues=catalogues, hot_state=silent))


class Silent:
    """The hot state of a server that was restored empty: it knows of no revision."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def visitor_states(self, asked: Sequence[WhoAsks]) -> list[object]:
        known = self._services.state.visitor_states(asked)
        return [structs.replace(one, catalogue_revision=0) for one in known]

    def record_exposure(self, event: Event) -> None:
        self._services.state.record_exposure(event)


def test_a_new_item_is_in_the_catalogue_of_the_next_slate(services: Services, seller: Shop) -> None:
    assert NEW not in ask(services, seller).catalogue
    stock(services, seller, catalogue_item(NEW))
    assert NEW in ask(services, seller).catalogue


def test_a_shop_without_a_model_shows_its_newest_item_first(services: Services, shop: Shop) -> None:
    stock(services, shop, *(catalogue_item(item) for item in A))
    stock(services, shop, catalogue_item(NEW))
    everyone = dataclasses.replace(shop.current_stratum, treatment_share_ppm=1_000_000)
    answer = ask(services, dataclasses.replace(shop, strata=(everyone,)))
    assert answer.slate.fallback == "no-model"
    assert shown(answer)[0] == NEW


def test_what_others_did_in_the_last_quarter_hour_is_in_the_slates(
    services: Services, seller: Shop
) -> None:
    watch = RefreshWatch(services)
    click(services, seller, A[0])
    assert B[11] not in shown(ask(services, seller))
    at = int((services.now() - dt.timedelta(minutes=14)).timestamp() - 1_772_442_000)
    paths = [
        line
        for number in range(50)
        for line in views(f"late-{number}", A[0], B[11], at=at + number)
    ]
    services.event_log.append(events_of(seller.shop_id, paths), "test", 2)
    services.now.advance(minutes=1)  # type: ignore[attr-defined]
    watch.refresh_changed()
    services.models.refresh()
    assert B[11] in shown(ask(services, seller))
