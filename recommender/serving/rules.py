"""The catalogue and the shop's rules along an artifact's vocabulary, ready for a request. Pure.

Everything a request needs is an array by row; it is made when the catalogue, a rule or a rule's
window changes, not when somebody asks.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.catalog.eligibility import is_showable
from recommender.catalog.rules import (
    FACTOR_LEAST_PPM,
    FACTOR_MOST_PPM,
    ONE_PPM,
    RulesInForce,
    rules_in_force,
)
from recommender.catalog.snapshot import CatalogueSnapshot
from recommender.records import Item, Placement, Rule
from recommender.serving.columns import Columns, Vocabulary, item_hash, taken
from recommender.serving.slates import Candidates, product_codes

__all__ = ["CatalogueView", "PlacementRules", "Vocabulary"]

FEW_ITEMS = 16
"""Up to so many changed items are judged one by one, which is quicker than array by array."""
KEPT_DIALS = 4
"""Settings of the tail dial whose arrays are kept; the console tries many beside the learned."""
AHEAD_SECONDS = 5.0
"""So long before a rule's window opens or closes the arrays for it are made."""


@dataclass(frozen=True, slots=True)
class PlacementRules:
    """What the rules make of a vocabulary in one placement.

    Attributes:
        in_force: The rules; they judge items beyond the vocabulary (`allows`, `factor`).
        allowed: Whether the item of each row may be shown, stock included; shape (vocabulary,).
        factor: What its score is multiplied by, float32; shape (vocabulary,).
        pins: Places from 1, and ids of items that may be shown there; within the vocabulary or
            beyond it.
        worth: By setting of the tail dial, what `worth_at` has made.
    """

    in_force: RulesInForce
    allowed: NDArray[np.bool_]
    factor: NDArray[np.float32]
    pins: tuple[tuple[int, str], ...]
    worth: dict[float, NDArray[np.float32]] = field(default_factory=dict, compare=False)

    def worth_at(
        self, dial: float, discounts: Callable[[float], NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        """Return what a score is multiplied by; 0 where the item may not be shown.

        One number an item, as each array more is memory that every candidate waits for.

        Args:
            discounts: What the dial alone says, shape (vocabulary,); asked once.
        """
        worth = self.worth.get(dial)
        if worth is None:
            worth = discounts(dial) * self.factor
            worth[~self.allowed] = 0
            if len(self.worth) >= KEPT_DIALS:
                self.worth.clear()
            self.worth[dial] = worth
        return worth

    @property
    def valid_until(self) -> dt.datetime:
        """Return the next instant at which a rule's window opens or closes."""
        return self.in_force.valid_until


class CatalogueView:
    """A catalogue as a vocabulary sees it; safe for threads.

    Attributes:
        catalogue: What is seen.
    """

    __slots__ = (
        "_categories",
        "_columns",
        "_coming",
        "_no_factor",
        "_placements",
        "_vocabulary",
        "catalogue",
    )

    def __init__(
        self,
        vocabulary: Vocabulary,
        catalogue: CatalogueSnapshot,
        before: "CatalogueView | None" = None,
    ) -> None:
        """Align a catalogue.

        Args:
            before: View on an earlier revision, of this vocabulary or another: then only what
                changed since, or was not in it, is looked up.
        """
        self.catalogue = catalogue
        self._vocabulary = vocabulary
        self._categories: dict[str, NDArray[np.int32]] = {}
        self._placements: dict[Placement, PlacementRules] = {}
        self._coming: dict[Placement, PlacementRules] = {}
        if before is not None and before.catalogue.revision <= catalogue.revision:
            self._follow(before)
        else:
            self._columns: Columns = Columns(len(vocabulary))
            self._no_factor: NDArray[np.float32] = np.ones(len(vocabulary), np.float32)
            self._columns.write(vocabulary, catalogue.items())

    @property
    def showable(self) -> NDArray[np.bool_]:
        """Return whether the item of each row is in stock and has an address and a price."""
        return self._columns.showable

    @property
    def nbytes(self) -> int:
        """Return the size of the arrays."""
        compiled = [*self._placements.values(), *self._coming.values()]
        arrays = {
            id(one): one
            for rules in compiled
            for one in (rules.allowed, rules.factor, *list(rules.worth.values()))
        }
        return self._columns.nbytes + sum(array.nbytes for array in arrays.values())

    def category(self, name: str) -> NDArray[np.int32]:
        """Return the rows of a category's items."""
        if name not in self.catalogue.by_category:
            return np.zeros(0, np.int32)
        if name not in self._categories:
            self._categories[name] = self._vocabulary.rows(self.catalogue.by_category[name])
        return self._categories[name]

    def rules(self, placement: Placement, now: dt.datetime) -> PlacementRules:
        """Return what the rules make of the vocabulary now.

        Made at the first call after a rule or its window changed; `prepare` makes the latter
        beforehand.
        """
        for known in (self._placements.get(placement), self._coming.get(placement)):
            if known is not None and known.in_force.holds_at(now):
                self._placements[placement] = known
                return known
        made = self._compile(rules_in_force(self.catalogue.rules, placement, now))
        self._placements[placement] = made
        return made

    def prepare(self, now: dt.datetime) -> None:
        """Make what the next seconds need, beside the requests."""
        for placement, known in list(self._placements.items()):
            coming = self._coming.get(placement)
            begins_at = known.valid_until
            if begins_at > now + dt.timedelta(seconds=AHEAD_SECONDS):
                continue
            if coming is None or not coming.in_force.holds_at(begins_at):
                in_force = rules_in_force(self.catalogue.rules, placement, begins_at)
                self._coming[placement] = self._compile(in_force)

    def products(self, rows: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return what `slates.product_code` says of items of the vocabulary."""
        return self._columns.products[rows]

    def candidates(self, rows: NDArray[np.integer], scores: NDArray[np.float32]) -> Candidates:
        """Return items of the vocabulary as candidates for a slate."""
        return Candidates(scores, *taken(rows, self.facts))

    @property
    def facts(self) -> tuple[NDArray[Any], ...]:
        """Return `slates.Candidates.facts` of the whole vocabulary."""
        columns = self._columns
        return columns.products, columns.categories, columns.brands, self._vocabulary.hashes

    def candidates_beyond(self, items: Sequence[Item], scores: NDArray[np.float32]) -> Candidates:
        """Return items of the catalogue as candidates, also those the vocabulary lacks."""
        categories, brands = self._columns.category_codes, self._columns.brand_codes
        return Candidates(
            scores,
            product_codes(items),
            np.array([categories.get(item.category, 0) for item in items], np.int32),
            np.array([brands.get(item.brand, 0) for item in items], np.int32),
            np.array([item_hash(item.item_id) for item in items], np.uint32),
        )

    def _follow(self, before: "CatalogueView") -> None:
        is_same = before._vocabulary is self._vocabulary
        if is_same:
            self._columns, self._no_factor = before._columns.copy(), before._no_factor
        else:
            self._move(before)
        changed = self.catalogue.changed_since(before.catalogue.revision)
        rows = self._columns.write(self._vocabulary, changed)
        if before.catalogue.rules_revision != self.catalogue.rules_revision:
            return
        if not is_same:
            for placement, known in before._placements.items():
                self._placements[placement] = self._compile(known.in_force)
            return
        corrected: dict[int, PlacementRules] = {}
        for placement, known in before._placements.items():
            if id(known) not in corrected:
                corrected[id(known)] = self._corrected(known, rows)
            self._placements[placement] = corrected[id(known)]

    def _move(self, before: "CatalogueView") -> None:
        rows = self._vocabulary.rows_in(before._vocabulary)
        self._columns = before._columns.moved(rows)
        self._no_factor = np.ones(len(rows), np.float32)
        ids = (self._vocabulary.item_id(row) for row in np.flatnonzero(rows < 0).tolist())
        found = (self.catalogue.get(item_id) for item_id in ids)
        self._columns.write(self._vocabulary, (item for item in found if item is not None))

    def _compile(self, in_force: RulesInForce) -> PlacementRules:
        for known in [*self._placements.values(), *self._coming.values()]:
            if known.in_force == in_force:  # another placement with the same rules
                return known
        allowed, factor = self.showable, self._no_factor
        if in_force.includes or in_force.excludes:
            allowed = self._allowed(in_force, slice(None))
        if in_force.factors:
            factor = self._factor(in_force, slice(None))
        return PlacementRules(in_force, allowed, factor, self._pins(in_force))

    def _corrected(self, known: PlacementRules, rows: NDArray[np.int32]) -> PlacementRules:
        """Return compiled rules after the items of some rows changed."""
        in_force = known.in_force
        allowed, factor = self.showable, self._no_factor
        items = [self.catalogue.get(self._vocabulary.item_id(row)) for row in rows[:FEW_ITEMS]]
        one_by_one = [item for item in items if item] if len(rows) <= FEW_ITEMS else None
        if in_force.includes or in_force.excludes:
            allowed = known.allowed.copy()
            allowed[rows] = (
                self._allowed(in_force, rows)
                if one_by_one is None
                else [is_showable(item) and in_force.allows(item) for item in one_by_one]
            )
        if in_force.factors:
            factor = known.factor.copy()
            factor[rows] = (
                self._factor(in_force, rows)
                if one_by_one is None
                else [in_force.factor(item) for item in one_by_one]
            )
        return PlacementRules(in_force, allowed, factor, self._pins(in_force))

    def _allowed(
        self, in_force: RulesInForce, rows: NDArray[np.int32] | slice
    ) -> NDArray[np.bool_]:
        allowed = self.showable[rows]
        if in_force.includes:
            included = [self._matching(rule, rows) for rule in in_force.includes]
            allowed = allowed & np.logical_or.reduce(included)
        for rule in in_force.excludes:
            allowed = allowed & ~self._matching(rule, rows)
        return allowed

    def _factor(
        self, in_force: RulesInForce, rows: NDArray[np.int32] | slice
    ) -> NDArray[np.float32]:
        product = np.ones(len(self._vocabulary))[rows]
        for rule in in_force.factors:
            product[self._matching(rule, rows)] *= rule.factor_ppm / ONE_PPM
        least, most = FACTOR_LEAST_PPM / ONE_PPM, FACTOR_MOST_PPM / ONE_PPM
        return product.clip(least, most).astype(np.float32)

    def _matching(self, rule: Rule, rows: NDArray[np.int32] | slice) -> NDArray[np.bool_]:
        return self._columns.matching(rule.match, self._vocabulary, rows)

    def _pins(self, in_force: RulesInForce) -> tuple[tuple[int, str], ...]:
        items = ((place, self.catalogue.get(item_id)) for place, item_id in in_force.pins)
        return tuple(
            (place, item.item_id)
            for place, item in items
            if item is not None and is_showable(item) and not in_force.excludes_item(item)
        )
