"""What a shop's rules mean: which items they match, and which of them hold where and when. Pure.

In come rules and items; out go verdicts. Precedence, where rules disagree:

- what is excluded is not shown, whatever else is said of it;
- a pin stands before include-only: whoever names one item means it;
- of several include-only rules, matching one is enough;
- factors of all boosts and buries that match are multiplied, within `FACTOR_LEAST_PPM` and
  `FACTOR_MOST_PPM`;
- two pins for one place: the one written last has it, the other takes the next free place; of
  two pins for one item the foremost place counts.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from recommender.records import Item, Placement, Rule, RuleAction, RuleMatch

ONE_PPM = 1_000_000
FACTOR_LEAST_PPM, FACTOR_MOST_PPM = 10_000, 100 * ONE_PPM
END_OF_TIME = dt.datetime.max.replace(tzinfo=dt.UTC)

_MARGIN_LEAST_PPM = -1_000 * ONE_PPM
_BEGINNING = dt.datetime.min.replace(tzinfo=dt.UTC)


def margin_ppm(item: Item) -> int | None:
    """Return (price − cost) / price in parts per million, None without a price or a cost."""
    if item.cost_minor is None or item.price_minor <= 0:
        return None
    margin = (item.price_minor - item.cost_minor) * ONE_PPM // item.price_minor
    return max(margin, _MARGIN_LEAST_PPM)


def lineage(path: str) -> list[str]:
    """Return a category path and all above it, the top first, however its `>` are spaced."""
    steps = [step.strip() for step in path.split(">")]
    return [" > ".join(steps[: depth + 1]) for depth in range(len(steps))]


def fits(match: RuleMatch, item: Item) -> bool:
    """Tell whether an item meets every criterion of a match."""
    return (
        (not match.item_ids or item.item_id in match.item_ids)
        and (not match.brands or item.brand in match.brands)
        and (not match.categories or not set(match.categories).isdisjoint(lineage(item.category)))
        and _lies(item.price_minor, match.price_min_minor, match.price_max_minor)
        and _lies(margin_ppm(item), match.margin_min_ppm, match.margin_max_ppm)
        and _lies(item.stock, match.stock_min, match.stock_max)
    )


def _lies(value: int | None, least: int | None, most: int | None) -> bool:
    if least is None and most is None:
        return True
    return (
        value is not None and (least is None or value >= least) and (most is None or value <= most)
    )


@dataclass(frozen=True, slots=True)
class RulesInForce:
    """The rules of one placement over a stretch of time in which none begins or ends.

    Attributes:
        pins: Places from 1 and item ids, in the order of the places; no place and no item twice.
        factors: Boosts and buries.
        valid_from: First instant of the stretch.
        valid_until: First instant behind it.
    """

    pins: tuple[tuple[int, str], ...] = ()
    excludes: tuple[Rule, ...] = ()
    includes: tuple[Rule, ...] = ()
    factors: tuple[Rule, ...] = ()
    valid_from: dt.datetime = _BEGINNING
    valid_until: dt.datetime = END_OF_TIME

    def holds_at(self, instant: dt.datetime) -> bool:
        """Tell whether an instant lies in the stretch."""
        return self.valid_from <= instant < self.valid_until

    def excludes_item(self, item: Item) -> bool:
        """Tell whether an item must not be shown even where it is pinned."""
        return any(fits(rule.match, item) for rule in self.excludes)

    def allows(self, item: Item) -> bool:
        """Tell whether the rules let an item be shown; stock is another matter."""
        if self.includes and not any(fits(rule.match, item) for rule in self.includes):
            return False
        return not self.excludes_item(item)

    def factor(self, item: Item) -> float:
        """Return what an item's score is multiplied by."""
        product = 1.0
        for rule in self.factors:
            if fits(rule.match, item):
                product *= rule.factor_ppm / ONE_PPM
        return min(max(product, FACTOR_LEAST_PPM / ONE_PPM), FACTOR_MOST_PPM / ONE_PPM)


def rules_in_force(rules: Iterable[Rule], placement: Placement, now: dt.datetime) -> RulesInForce:
    """Return what holds in a placement now, and until when nothing changes by itself."""
    mine = [
        rule
        for rule in rules
        if rule.active and (not rule.placements or placement in rule.placements)
    ]
    turns = {instant for rule in mine for instant in (rule.starts_at, rule.ends_at) if instant}
    open_now = [rule for rule in mine if _is_open(rule, now)]
    by_action = {
        action: tuple(rule for rule in open_now if rule.action is action) for action in RuleAction
    }
    return RulesInForce(
        pins=_settle_pins(by_action[RuleAction.PIN]),
        excludes=by_action[RuleAction.EXCLUDE],
        includes=by_action[RuleAction.INCLUDE_ONLY],
        factors=by_action[RuleAction.BOOST] + by_action[RuleAction.BURY],
        valid_from=max((turn for turn in turns if turn <= now), default=_BEGINNING),
        valid_until=min((turn for turn in turns if turn > now), default=END_OF_TIME),
    )


def _is_open(rule: Rule, now: dt.datetime) -> bool:
    return (rule.starts_at is None or rule.starts_at <= now) and (
        rule.ends_at is None or now < rule.ends_at
    )


def _settle_pins(pins: Sequence[Rule]) -> tuple[tuple[int, str], ...]:
    newest_first = sorted(pins, key=lambda pin: pin.rule_id)
    newest_first.sort(key=lambda pin: pin.changed_at or _BEGINNING, reverse=True)
    place_of: dict[str, int] = {}
    taken: set[int] = set()
    for pin in sorted(newest_first, key=lambda pin: pin.position):
        item_id = pin.match.item_ids[0]
        if item_id in place_of:
            continue
        place = pin.position
        while place in taken:
            place += 1
        taken.add(place)
        place_of[item_id] = place
    return tuple(sorted((place, item_id) for item_id, place in place_of.items()))
