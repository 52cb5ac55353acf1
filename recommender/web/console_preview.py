"""Try it: the slate a shopper would get, with the present setting and with another one.

Nothing is recorded: no visitor is named, and the path comes from the address of the page.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import sqlalchemy as sa
import uuid_utils

from recommender import tables
from recommender.billing.wording import amount
from recommender.catalog.snapshot import CatalogueSnapshot
from recommender.errors import UnavailableError
from recommender.paths import PathKind, PathStep, path_of
from recommender.ports import VisitorState, WhoAsks
from recommender.records import Event, Placement, PlacementSetting, Shop, SlateItem
from recommender.serving.fallback import Fallback
from recommender.serving.model import Model
from recommender.serving.recommend import SlateAnswer, SlateRequest, recommend
from recommender.training.evaluation import HEAD_SHARE
from recommender.web.console_models import origin_of
from recommender.web.reasons import LANGUAGES, reason_text

if TYPE_CHECKING:
    from recommender.bootstrap import Services

MOST_FOUND = 8
MOST_PATH = 20
BUDGET_MS = 2_000
"""Staff may wait for what a shopper may not."""

_FALLBACKS: dict[str, str] = {
    Fallback.NO_MODEL: "No model is trained yet: these are the newest items.",
    Fallback.DEADLINE: "The machine was too busy for the model: these are popular items.",
    Fallback.TOO_FEW: "Too few items fit: the widget stays hidden here.",
    Fallback.FAILED: "The slate could not be made; shoppers would see nothing.",
}


@dataclass(frozen=True, slots=True)
class Trial:
    """What the shop's owner wants to see.

    Attributes:
        path: Item ids that the imagined shopper saw, newest first. In the cart they are what
            the cart holds; elsewhere the newest is the page's item.
        category: Of the page, for the category placement.
        dial: The other setting of the tail dial, 0–1.
        present: The placement's own setting, to name it; None when nothing is known of it.
    """

    placement: Placement
    path: tuple[str, ...] = ()
    category: str = ""
    dial: float = 0.0
    present: float | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """One place of a slate as the page prints it.

    Attributes:
        origin: Which model counted most.
        score_bar: Score beside the slate's best, 0–100.
        is_tail: Whether it lies outside the most popular items, None while no model can tell.
        moved: Against the present slate: `new`, `up 2`, `down 1`; empty when equal.
    """

    item_id: str
    title: str
    price: str
    reason: str
    origin: str
    is_tail: bool | None
    score_bar: float = 0.0
    moved: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """One slate.

    Attributes:
        tail: How many of its items come from the tail, in words; empty while nobody can tell.
        note: Why it is empty or made otherwise.
    """

    head: str
    items: list[Shown]
    tail: str
    note: str


class _Tail:
    """Which items lie outside the most popular `HEAD_SHARE`, as training counts them."""

    def __init__(self, model: Model | None) -> None:
        self._model = model
        if model is not None:
            known = max(1, math.ceil(HEAD_SHARE * np.count_nonzero(model.popularity)))
            head = np.argsort(-model.popularity, kind="stable")[:known]
            self._head = set(head.tolist())

    def has(self, item_id: str) -> bool | None:
        if self._model is None:
            return None
        return not self._head.intersection(self._model.vocabulary.rows([item_id]).tolist())


class _ToldPath:
    """The visitors, as a slate needs them: one path, and nothing is remembered."""

    def __init__(self, path: Sequence[str]) -> None:
        self._path = path_of(PathStep(item_id, PathKind.VIEW, 0) for item_id in path)

    def visitor_states(self, asked: Sequence[WhoAsks]) -> list[VisitorState | UnavailableError]:
        return [VisitorState(recent=self._path) for _ in asked]

    def record_exposure(self, event: Event) -> None:
        raise AssertionError("a preview was about to be recorded")


def compare(shop: Shop, trial: Trial, services: "Services") -> list[Column]:
    """Return the slate as it is now, and as it would be at the other setting of the dial."""
    now = shop.placements[trial.placement]
    other = replace(now, tail_ppm=round(trial.dial * 1_000_000))
    before = _ask(shop, now, trial, services)
    after = _ask(shop, other, trial, services)
    places = {item.item_id: place for place, item in enumerate(before.slate.items)}
    tail = _Tail(services.models.get(shop.shop_id))
    present = "Now" if trial.present is None else f"Now, at {trial.present:.3g}"
    return [
        _column(present, before, places, tail),
        _column(f"At {trial.dial:.3g}", after, places, tail),
    ]


def _ask(shop: Shop, setting: PlacementSetting, trial: Trial, services: "Services") -> SlateAnswer:
    in_cart = trial.placement is Placement.CART
    on_page = trial.path[:1] if trial.placement is Placement.PRODUCT else ()
    request = SlateRequest(
        placement=trial.placement,
        item_id=on_page[0] if on_page else "",
        cart=trial.path if in_cart else (),
        category=trial.category,
        preview=True,
    )
    # What is switched off can be tried before it is switched on.
    placements = {**shop.placements, trial.placement: replace(setting, enabled=True)}
    (answer,) = recommend(
        [(replace(shop, placements=placements), request)],
        hot_state=_ToldPath(() if in_cart else trial.path[len(on_page) :]),
        catalogues=services.catalogues,
        models=services.models,
        now=services.now(),
        monotonic=time.monotonic,
        new_id=lambda: str(uuid_utils.uuid7()),
        budget_ms=BUDGET_MS,
    )
    return answer


def _column(head: str, answer: SlateAnswer, before: Mapping[str, int], tail: _Tail) -> Column:
    items = answer.slate.items
    best = max((item.score for item in items), default=0.0) or 1.0
    shown = [
        replace(
            _shown(item, answer.catalogue, tail),
            score_bar=round(100 * max(item.score, 0.0) / best, 1),
            moved=_moved(item.item_id, place, before),
        )
        for place, item in enumerate(items)
    ]
    why = answer.slate.fallback
    if not shown and why != Fallback.FAILED:
        why = Fallback.TOO_FEW
    counted = sum(item.is_tail is True for item in shown)
    told = (
        f"{counted} of {len(shown)} from the tail" if shown and shown[0].is_tail is not None else ""
    )
    return Column(head, shown, told, _FALLBACKS.get(why, ""))


def _shown(item: SlateItem, catalogue: CatalogueSnapshot, tail: _Tail) -> Shown:
    known = catalogue.get(item.item_id)
    about = catalogue.get(item.reason_item_id) if item.reason_item_id else None
    return Shown(
        item_id=item.item_id,
        title=known.title if known else item.item_id,
        price="" if known is None else amount(known.price_minor, known.currency),
        reason=reason_text(item.reason, about.title if about else "", LANGUAGES[0]),
        origin=origin_of(item.reason),
        is_tail=tail.has(item.item_id),
    )


def _moved(item_id: str, place: int, before: Mapping[str, int]) -> str:
    if item_id not in before:
        return "new"
    steps = before[item_id] - place
    return "" if not steps else f"up {steps}" if steps > 0 else f"down {-steps}"


def find_items(shop_id: str, text: str, *, database: sa.Engine) -> list[tuple[str, str]]:
    """Return id and title of the items whose title has every word of `text`, or whose id it is."""
    rows = tables.items.c
    if not text.split():
        return []
    words = [rows.title.icontains(word, autoescape=True) for word in text.split()[:8]]
    found = (
        sa.select(rows.item_id, rows.title)
        .where(rows.shop_id == shop_id, sa.or_(rows.item_id == text.strip(), sa.and_(*words)))
        .order_by(rows.available.desc(), sa.func.length(rows.title), rows.item_id)
        .limit(MOST_FOUND)
    )
    with database.connect() as connection:
        return [(row.item_id, row.title) for row in connection.execute(found)]


def titles(shop_id: str, item_ids: Sequence[str], *, database: sa.Engine) -> dict[str, str]:
    """Return the titles of those ids that the catalogue has, in the order asked for."""
    rows = tables.items.c
    asked = sa.select(rows.item_id, rows.title).where(
        rows.shop_id == shop_id, rows.item_id.in_(item_ids)
    )
    with database.connect() as connection:
        known = {row.item_id: row.title for row in connection.execute(asked)}
    return {item_id: known[item_id] for item_id in item_ids if item_id in known}


def categories(shop_id: str, *, database: sa.Engine) -> list[str]:
    """Return the shop's largest categories by name, at most 200."""
    rows = tables.items.c
    largest = (
        sa.select(rows.category)
        .where(rows.shop_id == shop_id, rows.category != "")
        .group_by(rows.category)
        .order_by(sa.func.count().desc(), rows.category)
        .limit(200)
    )
    with database.connect() as connection:
        return sorted(connection.execute(largest).scalars())
