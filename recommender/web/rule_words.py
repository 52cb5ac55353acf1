"""A rule as a sentence that its shop's owner would write. Pure."""

import datetime as dt
import zoneinfo
from collections.abc import Callable, Iterator, Mapping, Sequence

from recommender.billing.wording import amount, day, percent
from recommender.catalog.rules import ONE_PPM
from recommender.records import Placement, Rule, RuleAction, RuleMatch, Shop

PLACES = {
    Placement.HOME: "the home page",
    Placement.PRODUCT: "product pages",
    Placement.CART: "the cart",
    Placement.CATEGORY: "category pages",
    Placement.SEARCH: "searches without result",
}
_LISTED = 4


def rule_sentence(rule: Rule, shop: Shop, titles: Mapping[str, str]) -> str:
    """Say what a rule does.

    Like this: "Pin “Red mug” at place 1 on product pages until 1 December 2026."

    Args:
        rule: The rule.
        shop: Gives currency and time zone.
        titles: Title by item id; an item without one is called by its id.
    """
    parts = [_deed(rule, _items_meant(rule.match, shop, titles)), _places(rule.placements)]
    parts += _window(rule, shop)
    return " ".join(part for part in parts if part) + "."


def rule_standing(rule: Rule, now: dt.datetime) -> str:
    """Say whether a rule holds now: `on`, `off`, `planned` or `over`."""
    if not rule.active:
        return "off"
    if rule.ends_at is not None and rule.ends_at <= now:
        return "over"
    return "planned" if rule.starts_at is not None and rule.starts_at > now else "on"


def _deed(rule: Rule, items: str) -> str:
    factor = f"{rule.factor_ppm / ONE_PPM:g}"
    return {
        RuleAction.PIN: f"Pin {items} at place {rule.position}",
        RuleAction.BOOST: f"Boost (×{factor}) {items}",
        RuleAction.BURY: f"Bury (×{factor}) {items}",
        RuleAction.EXCLUDE: f"Never show {items}",
        RuleAction.INCLUDE_ONLY: f"Show only {items}",
    }[rule.action]


def _items_meant(match: RuleMatch, shop: Shop, titles: Mapping[str, str]) -> str:
    named = ", ".join(f"“{titles.get(one, one)}”" for one in match.item_ids[:_LISTED])
    if len(match.item_ids) > _LISTED:
        named += f" and {len(match.item_ids) - _LISTED} more items"
    parts = [named or "items"]
    if match.categories:
        parts.append(f"in {_either(match.categories)}")
    if match.brands:
        parts.append(f"of {_either(match.brands)}")
    bounds = " and ".join(_bounds(match, shop))
    if bounds:
        parts.append(f"with {bounds}")
    return " ".join(parts)


def _bounds(match: RuleMatch, shop: Shop) -> Iterator[str]:
    def price(minor: int) -> str:
        return amount(minor, shop.currency)

    def margin(ppm: int) -> str:
        return percent(ppm / ONE_PPM, 0 if ppm % 10_000 == 0 else 1)

    def stock(units: int) -> str:
        return f"{units:,}"

    yield from _between("a price", match.price_min_minor, match.price_max_minor, price)
    yield from _between("a margin", match.margin_min_ppm, match.margin_max_ppm, margin)
    yield from _between("a stock", match.stock_min, match.stock_max, stock)


def _between(
    what: str, least: int | None, most: int | None, write: Callable[[int], str]
) -> Iterator[str]:
    if least is not None and most is not None:
        yield f"{what} from {write(least)} to {write(most)}"
    elif least is not None:
        yield f"{what} of {write(least)} or more"
    elif most is not None:
        yield f"{what} of {write(most)} or less"


def _either(names: Sequence[str]) -> str:
    shown = [f"“{name}”" for name in names[:_LISTED]]
    if len(names) > _LISTED:
        shown.append(f"{len(names) - _LISTED} more")
    return " or ".join(shown)


def _places(placements: Sequence[Placement]) -> str:
    if not placements:
        return "everywhere"
    *others, last = (PLACES[placement] for placement in placements)
    return f"on {', '.join(others)} and {last}" if others else f"on {last}"


def _window(rule: Rule, shop: Shop) -> Iterator[str]:
    if rule.starts_at is not None:
        yield f"from {_when(rule.starts_at, shop)}"
    if rule.ends_at is not None:
        yield f"until {_when(rule.ends_at, shop)}"


def _when(instant: dt.datetime, shop: Shop) -> str:
    local = instant.astimezone(zoneinfo.ZoneInfo(shop.timezone))
    clock = f", {local:%H:%M}" if (local.hour, local.minute) != (0, 0) else ""
    return f"{day(local.date())}{clock}"
