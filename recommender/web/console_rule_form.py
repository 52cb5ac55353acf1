"""The console's form for a rule ↔ what the API takes, with a sentence at each fault. Pure."""

import datetime as dt
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from recommender.catalog.rule_parsing import Fault, read_rule
from recommender.errors import InvalidInputError
from recommender.records import Placement, Rule, RuleAction, Shop
from recommender.shops.money import format_minor, parse_minor

ACTIONS = {
    RuleAction.PIN: "Pin one item to a place",
    RuleAction.BOOST: "Boost: show more often",
    RuleAction.BURY: "Bury: show less often",
    RuleAction.EXCLUDE: "Exclude: never show",
    RuleAction.INCLUDE_ONLY: "Include only: show nothing else",
}
_FIELD_OF = {
    "price_min_minor": "price_min",
    "price_max_minor": "price_max",
    "match": "categories",
    "name": "name",
}
"""Form field by the API's field, where they differ."""


@dataclass(frozen=True, slots=True)
class RuleForm:
    """What the form shows.

    Attributes:
        values: Text by field name.
        faults: Sentence by field name.
        placements: Placements that are ticked.
    """

    values: Mapping[str, str]
    faults: Mapping[str, str]
    placements: frozenset[str] = frozenset()


def read_rule_form(
    typed: Mapping[str, str], placements: list[str], shop: Shop, rule_id: str
) -> Rule | dict[str, str]:
    """Return the rule that was filled in, or a sentence for each faulty field.

    Only the fields that belong to the chosen action are looked at.

    Args:
        typed: Text by field name.
        placements: Placements that are ticked; none means everywhere.
        shop: Gives currency and time zone.
        rule_id: Id of the new rule.
    """
    faults: dict[str, str] = {}
    raw: dict[str, Any] = {
        "rule_id": rule_id,
        "name": typed.get("name", "").strip(),
        "action": typed.get("action", ""),
        "placements": placements if len(placements) < len(Placement) else [],
        "starts_at": _instant(typed, "starts_at", shop, faults),
        "ends_at": _instant(typed, "ends_at", shop, faults),
        "match": {"item_ids": _lines(typed, "item_ids")},
    }
    if raw["action"] == RuleAction.PIN:
        raw["position"] = _number(typed, "position", faults, whole=True)
    else:
        raw["match"] |= _criteria(typed, shop, faults)
    if raw["action"] in (RuleAction.BOOST, RuleAction.BURY):
        raw["factor"] = _number(typed, "factor", faults)
    read = read_rule(raw, shop)
    if isinstance(read, Rule) and not faults:
        return read
    for fault in read if isinstance(read, list) else []:
        faults.setdefault(_FIELD_OF.get(fault.field, fault.field), _sentence(fault))
    return faults


def typed_rule(rule: Rule, shop: Shop) -> RuleForm:
    """Return the form as if this rule had just been typed: `read_rule_form` gives it back."""
    match = rule.match
    values = {
        "rule_id": rule.rule_id,
        "name": rule.name,
        "action": rule.action.value,
        "position": str(rule.position or ""),
        "factor": _decimal(rule.factor_ppm, 1_000_000),
        "item_ids": "\n".join(match.item_ids),
        "categories": "\n".join(match.categories),
        "brands": "\n".join(match.brands),
        "price_min": _amount(match.price_min_minor, shop),
        "price_max": _amount(match.price_max_minor, shop),
        "margin_min": _decimal(match.margin_min_ppm, 10_000),
        "margin_max": _decimal(match.margin_max_ppm, 10_000),
        "stock_min": "" if match.stock_min is None else str(match.stock_min),
        "stock_max": "" if match.stock_max is None else str(match.stock_max),
        "starts_at": _local(rule.starts_at, shop),
        "ends_at": _local(rule.ends_at, shop),
    }
    return RuleForm(values, {}, frozenset(place.value for place in rule.placements))


def _decimal(number: int | None, parts: int) -> str:
    return "" if number is None else f"{(Decimal(number) / parts).normalize():f}"


def _amount(minor: int | None, shop: Shop) -> str:
    return "" if minor is None else format_minor(minor, shop.currency)


def _local(at: dt.datetime | None, shop: Shop) -> str:
    if at is None:
        return ""
    local = at.astimezone(zoneinfo.ZoneInfo(shop.timezone)).replace(tzinfo=None)
    return local.isoformat(timespec="auto" if local.second or local.microsecond else "minutes")


def _criteria(typed: Mapping[str, str], shop: Shop, faults: dict[str, str]) -> dict[str, Any]:
    return {
        "categories": _lines(typed, "categories"),
        "brands": _lines(typed, "brands"),
        "price_min_minor": _price(typed, "price_min", shop, faults),
        "price_max_minor": _price(typed, "price_max", shop, faults),
        "margin_min": _share(typed, "margin_min", faults),
        "margin_max": _share(typed, "margin_max", faults),
        "stock_min": _number(typed, "stock_min", faults, whole=True),
        "stock_max": _number(typed, "stock_max", faults, whole=True),
    }


def _lines(typed: Mapping[str, str], name: str) -> list[str]:
    return [line.strip() for line in typed.get(name, "").splitlines() if line.strip()]


def _number(
    typed: Mapping[str, str], name: str, faults: dict[str, str], *, whole: bool = False
) -> float | int | None:
    text = typed.get(name, "").strip().replace(",", ".")[:20]
    if not text:
        return None
    try:
        return int(text) if whole else float(text)
    except ValueError:
        example = "a whole number" if whole else "a number such as 1.5"
        faults[name] = f"Please enter {example}."
        return None


def _share(typed: Mapping[str, str], name: str, faults: dict[str, str]) -> float | None:
    percent = _number(typed, name, faults)
    return None if percent is None else percent / 100


def _price(typed: Mapping[str, str], name: str, shop: Shop, faults: dict[str, str]) -> int | None:
    text = typed.get(name, "").strip().replace(",", ".")
    if not text:
        return None
    try:
        return parse_minor(text, shop.currency)
    except InvalidInputError as error:
        faults[name] = _capitalised(str(error))
        return None


def _instant(typed: Mapping[str, str], name: str, shop: Shop, faults: dict[str, str]) -> str | None:
    """Read what a browser's own field for a time gives, in the shop's time zone."""
    text = typed.get(name, "").strip()
    if not text:
        return None
    try:
        local = dt.datetime.fromisoformat(text)
    except ValueError:
        faults[name] = "Please enter a time such as 2026-12-01T00:00."
        return None
    if local.tzinfo is None:
        local = local.replace(tzinfo=zoneinfo.ZoneInfo(shop.timezone))
    return local.isoformat()


def _sentence(fault: Fault) -> str:
    if fault.code == "bad-margin":  # the form asks for percent, the API for a share
        return "Please enter a percentage from −100 to 100."
    return _capitalised(fault.detail)


def _capitalised(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
