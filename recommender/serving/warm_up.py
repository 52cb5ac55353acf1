"""Put a model through whole rankings before shoppers meet it.

What comes first is slow: machine code is fetched or made, and pages of the artifact are brought
in. In goes a model that serves nobody yet; nothing is recorded.
"""

import datetime as dt
import time
from collections.abc import Sequence

from recommender.catalog.snapshot import CatalogueSnapshot
from recommender.errors import UnavailableError
from recommender.paths import Path, PathKind, PathStep, path_of
from recommender.ports import VisitorState, WhoAsks
from recommender.records import Event, Placement, Shop
from recommender.serving.model import Model
from recommender.serving.recommend import SlateRequest, recommend

PATH_ITEMS = 10
ROUNDS = 4
"""Paths tried, spread over the vocabulary."""
BUDGET_MS = 60_000


def warm_up(shop: Shop, model: Model, catalogue: CatalogueSnapshot, *, now: dt.datetime) -> None:
    """Answer a few requests of every placement, for paths all over the vocabulary."""
    model.newcomers(model.view(catalogue)).warm_up()
    for path in _paths(model):
        steps = path_of(PathStep(item, PathKind.VIEW, int(now.timestamp())) for item in path)
        item = catalogue.get(path[0])
        for placement in Placement:
            request = SlateRequest(
                placement=placement,
                item_id=path[0] if placement is Placement.PRODUCT else "",
                cart=path[:2] if placement is Placement.CART else (),
                category=item.category if item else "",
                search_term=item.title if item else "",
                preview=True,
            )
            recommend(
                [(shop, request)],
                hot_state=_Path(steps),
                catalogues=_OnlyCatalogue(catalogue),
                models=_OnlyModel(model),
                now=now,
                monotonic=time.monotonic,
                new_id=str,
                budget_ms=BUDGET_MS,
            )


def _paths(model: Model) -> list[tuple[str, ...]]:
    """Return paths of items that lie next to each other in the vocabulary."""
    n_items = len(model.vocabulary)
    starts = range(0, n_items, max(1, n_items // ROUNDS))
    return [
        tuple(
            model.vocabulary.item_id(row) for row in range(start, min(start + PATH_ITEMS, n_items))
        )
        for start in starts
    ]


class _Path:
    """A visitor who has walked a path."""

    def __init__(self, recent: Path) -> None:
        self._recent = recent

    def visitor_states(self, asked: Sequence[WhoAsks]) -> list[VisitorState | UnavailableError]:
        return [VisitorState(self._recent) for _ in asked]

    def record_exposure(self, event: Event) -> None:
        del event


class _OnlyCatalogue:
    def __init__(self, catalogue: CatalogueSnapshot) -> None:
        self._catalogue = catalogue

    def get(self, shop_id: str, at_least_revision: int = 0) -> CatalogueSnapshot:
        del shop_id, at_least_revision
        return self._catalogue


class _OnlyModel:
    def __init__(self, model: Model) -> None:
        self._model = model

    def get(self, shop_id: str) -> Model:
        del shop_id
        return self._model
