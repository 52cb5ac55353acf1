"""Recommend (verb): request → slate within a time budget, with the exposure of both arms.

The slate is decided before the arm is looked at, so that both arms' exposures mean the same: here
a slate would have been. Must not know HTTP, nor how a slate looks.
"""

import datetime as dt
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from recommender.catalog.eligibility import is_showable
from recommender.catalog.rules import rules_in_force
from recommender.catalog.snapshot import CatalogueSnapshot
from recommender.errors import RecommenderError, UnavailableError
from recommender.events.identity import partition_day, pseudonym
from recommender.experiments.assignment import assign
from recommender.ports import VisitorState, WhoAsks
from recommender.records import (
    Arm,
    Event,
    EventItem,
    EventType,
    Item,
    Phase,
    Placement,
    PlacementSetting,
    Shop,
    Slate,
    SlateItem,
    Source,
)
from recommender.serving.candidates import SlateRequest, ask
from recommender.serving.exploration import count_places
from recommender.serving.fallback import Fallback, newest_items, popular_items
from recommender.serving.model import Model
from recommender.serving.ranking import Wishes, rank
from recommender.serving.slates import rotation
from recommender.shops.acting import for_shop
from recommender.telemetry import FAILED_OPEN_TOTAL, get_logger

__all__ = ["SlateAnswer", "SlateRequest", "recommend"]


class Catalogues(Protocol):
    """Where the shops' catalogues come from, see `catalog.cache.CatalogueCache`."""

    def get(self, shop_id: str, at_least_revision: int = 0) -> CatalogueSnapshot: ...


class Models(Protocol):
    """Where the shops' models come from, see `serving.models.LoadedModels`."""

    def get(self, shop_id: str) -> Model | None: ...


class Visitors(Protocol):
    """What a slate needs of `ports.HotState`."""

    def visitor_states(self, asked: Sequence[WhoAsks]) -> list[VisitorState | UnavailableError]: ...

    def record_exposure(self, event: Event) -> None: ...


class SlateAnswer(msgspec.Struct, frozen=True):
    """What the page gets.

    Attributes:
        slate: What may be shown; empty for the control arm, and for both in an A/A stretch.
        arm: The visitor's arm, empty when the request is not part of the experiment.
        shown: False for the control arm, and in an A/A stretch.
        catalogue: The catalogue that the slate was made from.
    """

    slate: Slate
    arm: str
    shown: bool
    catalogue: CatalogueSnapshot


_UNKNOWN = VisitorState()
_NO_CATALOGUE = CatalogueSnapshot()


@dataclass(slots=True)
class _Work:
    """One request on its way, with what was found out about it."""

    request: SlateRequest
    shop: Shop
    hot_state: Visitors
    now: dt.datetime
    new_id: Callable[[], str]
    is_late: Callable[[], bool]
    state: VisitorState = _UNKNOWN
    catalogue: CatalogueSnapshot = _NO_CATALOGUE
    slate_id: str = field(init=False)
    setting: PlacementSetting = field(init=False)
    visitor: str = field(init=False)

    def __post_init__(self) -> None:
        placement = self.request.placement
        self.slate_id = self.new_id()
        self.setting = self.shop.placements.get(placement) or PlacementSetting(placement)
        self.visitor = pseudonym(self.shop.visitor_key, self.request.visitor_id)

    @property
    def n(self) -> int:
        return self.request.n or self.setting.n

    @property
    def may_show(self) -> Callable[[Item], bool]:
        """Return the test that an item passes when no model looks at it."""
        seen = () if self.setting.allow_seen else self.state.recent.item_ids
        hidden = {*self.request.in_hand, *seen}
        rules = rules_in_force(self.catalogue.rules, self.request.placement, self.now)
        return lambda item: item.item_id not in hidden and is_showable(item) and rules.allows(item)

    def answer(
        self, items: tuple[SlateItem, ...], fallback: str, arm: str = "", *, shown: bool = True
    ) -> SlateAnswer:
        slate = Slate(self.slate_id, items, str(fallback))
        return SlateAnswer(slate, str(arm), shown, self.catalogue)


def recommend(
    asked: Sequence[tuple[Shop, SlateRequest]],
    *,
    hot_state: Visitors,
    catalogues: Catalogues,
    models: Models,
    now: dt.datetime,
    monotonic: Callable[[], float],
    new_id: Callable[[], str],
    budget_ms: int = 50,
) -> list[SlateAnswer]:
    """Make slates for visitors of whom all is read at once.

    Never raises for a fault on our side: at worst a slate is empty.

    A visitor with consent is part of the experiment when the slate has enough items; the first
    such slate a day in each placement is recorded as an exposure, in both arms, before it is
    answered.

    Args:
        asked: Whose page asks for what.
        now: Time of the exposures.
        monotonic: Clock of the time budget, in seconds.
        new_id: Makes UUIDs of version 7, for slates and exposures.
        budget_ms: Time after which no further step begins and popular items answer.
    """
    ends_at = monotonic() + budget_ms / 1000
    works = [
        _Work(request, shop, hot_state, now, new_id, lambda: monotonic() > ends_at)
        for shop, request in asked
    ]
    if enabled := [work for work in works if work.setting.enabled]:
        _look_up(enabled, hot_state)
    answers = [_answer(work, catalogues, models) for work in works]
    in_trial = (one.slate.items for one in answers if one.shown and one.arm)
    count_places(list(itertools.chain.from_iterable(in_trial)))
    return answers


def _look_up(works: Sequence[_Work], hot_state: Visitors) -> None:
    """Find out who the visitors are, and what is known of them."""
    asked = [WhoAsks(work.shop.shop_id, work.visitor, work.request.placement) for work in works]
    states: Sequence[object] = [None] * len(asked)
    try:
        states = hot_state.visitor_states(asked)
    except Exception:
        get_logger().exception("visitors-not-read")
    for work, state in zip(works, states, strict=True):
        if isinstance(state, VisitorState):
            work.state = state
        else:
            # The page's own facts still make a slate.
            FAILED_OPEN_TOTAL.labels(part="hot-state").inc()


def _answer(work: _Work, catalogues: Catalogues, models: Models) -> SlateAnswer:
    if not work.setting.enabled:
        return work.answer((), Fallback.PLACEMENT_OFF)
    try:
        with for_shop(work.shop.shop_id):
            work.catalogue = catalogues.get(work.shop.shop_id, work.state.catalogue_revision)
            items, fallback = _decide(work, models)
        return _expose(work, items, fallback)
    except Exception:
        # A shop's page never waits for, or shows, a mistake of ours.
        FAILED_OPEN_TOTAL.labels(part="recommend").inc()
        get_logger().exception("slate-failed", shop_id=work.shop.shop_id)
        return work.answer((), Fallback.FAILED)


def _decide(work: _Work, models: Models) -> tuple[tuple[SlateItem, ...], str]:
    """Return the slate's items and the name of the fallback that made them."""
    model = models.get(work.shop.shop_id)
    if model is None:
        return _newest(work), Fallback.NO_MODEL
    if work.is_late():
        return _popular(work, model), Fallback.DEADLINE
    setting, request = work.setting, work.request
    view = model.view(work.catalogue)
    newcomers = model.newcomers(view)
    question = ask(
        request,
        work.state.recent,
        model.past(work.visitor),
        model,
        newcomers,
        allow_seen=setting.allow_seen,
        now=work.now,
    )
    rules = view.rules(request.placement, work.now)
    if work.is_late():
        return _popular(work, model), Fallback.DEADLINE
    wishes = Wishes(
        n=work.n,
        placement=request.placement,
        tail_ppm=setting.tail_ppm,
        category=request.category if request.placement is Placement.CATEGORY else None,
        search_term=request.search_term if request.placement is Placement.SEARCH else "",
        rotation=rotation(work.visitor, str(work.state.page_views), setting.rotation_ppm),
        exploration_ppm=setting.exploration_ppm,
        slate_id=work.slate_id,
    )
    return rank(question, model, view, rules, newcomers, wishes), ""


def _newest(work: _Work) -> tuple[SlateItem, ...]:
    return newest_items(
        work.catalogue,
        placement=work.request.placement,
        category=work.request.category,
        may_show=work.may_show,
        n=work.n,
    )


def _popular(work: _Work, model: Model) -> tuple[SlateItem, ...]:
    if work.request.placement is Placement.CATEGORY:
        return _newest(work)
    return popular_items(model, work.catalogue, may_show=work.may_show, n=work.n)


def _expose(work: _Work, items: tuple[SlateItem, ...], fallback: str) -> SlateAnswer:
    if len(items) < min(work.setting.n_min, work.n):
        return work.answer((), fallback or Fallback.TOO_FEW)
    if not work.visitor or work.request.preview:
        return work.answer(items, fallback)
    arm = assign(work.request.visitor_id, work.shop.current_stratum)
    if not work.state.exposed:
        try:
            work.hot_state.record_exposure(_exposure(work, items, arm))
        except RecommenderError:
            # The failure does not depend on the arm, so leaving it out biases nothing.
            FAILED_OPEN_TOTAL.labels(part="exposure").inc()
    if arm is Arm.CONTROL or work.shop.current_stratum.phase == Phase.A_A:
        return work.answer((), fallback, arm, shown=False)
    return work.answer(items, fallback, arm)


def _exposure(work: _Work, items: tuple[SlateItem, ...], arm: Arm) -> Event:
    event_id = work.new_id()
    return Event(
        shop_id=work.shop.shop_id,
        event_id=event_id,
        type=EventType.EXPOSURE,
        visitor=work.visitor,
        occurred_at=work.now,
        received_at=work.now,
        day=partition_day(event_id, work.now),
        source=Source.SERVER,
        items=tuple(EventItem(item.item_id) for item in items),
        placement=work.request.placement.value,
        arm=arm.value,
        stratum=work.shop.current_stratum.stratum,
        slate_id=work.slate_id,
    )
