"""A shop's front for tests of serving: everything `recommend` needs, in memory where it may be."""

import datetime as dt
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from planted import BEGAN_AT, catalogue_item
from recommender.catalog.snapshot import CatalogueSnapshot
from recommender.errors import UnavailableError
from recommender.events.identity import derived_event_id, pseudonym
from recommender.paths import PathKind, PathStep, path_of
from recommender.ports import VisitorState, WhoAsks
from recommender.records import Event, Item, Placement, Shop
from recommender.serving.models import LoadedModels
from recommender.serving.recommend import SlateAnswer, SlateRequest, recommend

NOW = BEGAN_AT + dt.timedelta(days=30)
PATH_ENDED_SECONDS = int(NOW.timestamp()) - 30
"""A visitor's newest view; the others were a minute apart."""


class RememberingHotState:
    """Keeps a visitor's items and exposures in memory; down when told."""

    def __init__(self) -> None:
        self.recent: dict[str, tuple[str, ...]] = {}
        self.exposures: list[Event] = []
        self.catalogue_revision = 0
        self.down = False
        self.asked = 0

    def visitor_states(self, asked: Sequence[WhoAsks]) -> list[VisitorState | UnavailableError]:
        try:
            self._answer()
        except UnavailableError as error:
            return [error] * len(asked)
        return [self._state(who.visitor, who.placement) for who in asked]

    def _state(self, visitor: str, placement: str) -> VisitorState:
        exposed = any(
            (event.visitor, event.placement) == (visitor, placement) for event in self.exposures
        )
        return VisitorState(
            recent=path_of(
                PathStep(item_id, PathKind.VIEW, PATH_ENDED_SECONDS - 60 * steps)
                for steps, item_id in enumerate(self.recent.get(visitor, ()))
            ),
            exposed=bool(visitor) and exposed,
            catalogue_revision=self.catalogue_revision,
        )

    def record_exposure(self, event: Event) -> None:
        self._answer()
        self.exposures.append(event)

    def _answer(self) -> None:
        self.asked += 1
        if self.down:
            raise UnavailableError("Redis does not answer")


@dataclass
class Shopfront:
    """Everything `recommend` needs, for one shop."""

    shop: Shop
    models: LoadedModels
    hot_state: RememberingHotState = field(default_factory=RememberingHotState)
    catalogue: CatalogueSnapshot = field(default_factory=CatalogueSnapshot)
    now: dt.datetime = NOW
    seconds: Callable[[], float] = field(default_factory=lambda: itertools.repeat(0.0).__next__)
    ids: Iterator[int] = field(default_factory=itertools.count)

    def get(self, shop_id: str, at_least_revision: int = 0) -> CatalogueSnapshot:
        return self.catalogue

    def stock(self, *changes: Item) -> None:
        """Change items of the catalogue."""
        revision = self.catalogue.revision + 1
        changed = [replace(item, revision=revision) for item in changes]
        self.catalogue = self.catalogue.with_changes(changed, revision)

    def sell_out(self, *item_ids: str) -> None:
        self.stock(*(catalogue_item(item_id, available=False) for item_id in item_ids))

    def setting(self, placement: Placement, **changes: Any) -> None:
        changed = replace(self.shop.placements[placement], **changes)
        self.shop = replace(self.shop, placements={**self.shop.placements, placement: changed})

    def ask(
        self, placement: Placement = Placement.HOME, path: tuple[str, ...] = (), **request: Any
    ) -> SlateAnswer:
        """Ask for a slate; `path` is what the visitor saw, newest first."""
        visitor_id = request.pop("visitor_id", "")
        if path:
            visitor_id = visitor_id or "treated-0"
            self.hot_state.recent[self.pseudonym(visitor_id)] = path
        (answer,) = recommend(
            [(self.shop, SlateRequest(placement, visitor_id=visitor_id, **request))],
            hot_state=self.hot_state,
            catalogues=self,
            models=self.models,
            now=self.now,
            monotonic=self.seconds,
            new_id=lambda: derived_event_id(self.now, str(next(self.ids))),
        )
        return answer

    def pseudonym(self, visitor_id: str) -> str:
        return pseudonym(self.shop.visitor_key, visitor_id)


def ids(answer: SlateAnswer) -> list[str]:
    return [item.item_id for item in answer.slate.items]
