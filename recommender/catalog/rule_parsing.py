"""One rule as a shop states it ↔ `Rule`, or every field that is wrong with a sentence. Pure.

Nothing is guessed: an unknown field is an error, because a criterion that was misspelt would let
a rule mean more items than its author thinks.
"""

import datetime as dt
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from recommender import tables
from recommender.catalog.items import STOCK_LIMIT
from recommender.catalog.rules import FACTOR_LEAST_PPM, FACTOR_MOST_PPM, ONE_PPM, lineage
from recommender.errors import InvalidInputError
from recommender.records import Placement, Rejection, Rule, RuleAction, RuleMatch, Shop
from recommender.shops.money import MINOR_LIMIT

MAX_LISTED = 1_000
MAX_POSITION = 50

_RULE_FIELDS = {
    *("rule_id", "name", "action", "match", "placements"),
    *("factor", "position", "starts_at", "ends_at", "active"),
    # What GET answers may be sent back as it is.
    *("changed_by", "changed_at"),
}
_MATCH_FIELDS = {
    *("item_ids", "categories", "brands", "price_min_minor", "price_max_minor"),
    *("margin_min", "margin_max", "stock_min", "stock_max"),
}
_RULE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one field.

    Attributes:
        field: Name of the field, empty for the whole.
        detail: A sentence; it does not name the field.
    """

    field: str
    code: str
    detail: str


def parse_rule(raw: object, shop: Shop, index: int) -> Rule | Rejection:
    """Read one rule of a batch, see `read_rule` for its fields."""
    read = read_rule(raw, shop)
    if isinstance(read, Rule):
        return read
    fault = read[0]
    named = f"{fault.field}: {fault.detail}" if fault.field else fault.detail
    return Rejection(index, fault.code, named)


def read_rule(raw: object, shop: Shop) -> Rule | list[Fault]:
    """Read one rule, or say everything that is wrong with it.

    Args:
        raw: Mapping with `rule_id`, `action` (`pin`, `boost`, `bury`, `exclude`,
            `include_only`) and `match`; for a pin `position` from 1, for boost and bury
            `factor`. Optional: `name`, `placements`, `starts_at`, `ends_at` (ISO 8601 with a
            time zone), `active`. `match` has `item_ids`, `categories`, `brands` (lists),
            `price_min_minor`, `price_max_minor`, `margin_min`, `margin_max` (−1 to 1),
            `stock_min`, `stock_max`; at least one of them.
        shop: Whose rule it is.
    """
    if not isinstance(raw, Mapping):
        return [Fault("", "wrong-type", "a rule is an object with named fields")]
    form = _Form(raw, _RULE_FIELDS)
    stated = raw.get("match")
    if stated is not None and not isinstance(stated, Mapping):
        return [Fault("match", "wrong-type", "it is an object with named fields")]
    criteria = _Form(stated or {}, _MATCH_FIELDS)
    rule = Rule(
        shop_id=shop.shop_id,
        rule_id=form.read("rule_id", _rule_id, ""),
        name=form.read("name", _name, ""),
        action=form.read("action", _action, RuleAction.EXCLUDE),
        match=_read_match(criteria),
        placements=form.read("placements", _placements, ()),
        factor_ppm=form.read("factor", _factor_ppm, ONE_PPM),
        position=form.read("position", _position, 0),
        starts_at=form.read("starts_at", _instant, None),
        ends_at=form.read("ends_at", _instant, None),
        active=form.read("active", _flag, True),
    )
    faults = [*form.faults, *criteria.faults]
    return faults or _contradictions(rule) or rule


def rule_document(rule: Rule) -> dict[str, Any]:
    """Return a rule as `read_rule` reads it, with who changed it last and when."""
    match = rule.match
    criteria = {
        "item_ids": list(match.item_ids),
        "categories": list(match.categories),
        "brands": list(match.brands),
        "price_min_minor": match.price_min_minor,
        "price_max_minor": match.price_max_minor,
        "margin_min": _share(match.margin_min_ppm),
        "margin_max": _share(match.margin_max_ppm),
        "stock_min": match.stock_min,
        "stock_max": match.stock_max,
    }
    is_weighted = rule.action in (RuleAction.BOOST, RuleAction.BURY)
    return {
        "rule_id": rule.rule_id,
        "name": rule.name,
        "action": rule.action.value,
        "match": {name: value for name, value in criteria.items() if value not in (None, [])},
        "placements": [placement.value for placement in rule.placements],
        "factor": rule.factor_ppm / ONE_PPM if is_weighted else None,
        "position": rule.position or None,
        "starts_at": rule.starts_at.isoformat() if rule.starts_at else None,
        "ends_at": rule.ends_at.isoformat() if rule.ends_at else None,
        "active": rule.active,
        "changed_by": rule.changed_by,
        "changed_at": rule.changed_at.isoformat() if rule.changed_at else None,
    }


def _share(ppm: int | None) -> float | None:
    return None if ppm is None else ppm / ONE_PPM


class _Form:
    """Fields read one by one, with the faults met on the way."""

    def __init__(self, fields: Mapping[Any, Any], known: set[str]) -> None:
        self._fields = fields
        self.faults = [
            Fault(str(name)[:60], "unknown-field", "there is no such field")
            for name in fields
            if name not in known
        ]
        if "rule_id" in known and fields.get("rule_id") in (None, ""):
            self.faults.append(Fault("rule_id", "bad-rule-id", "it is missing"))
        if "action" in known and fields.get("action") in (None, ""):
            self.faults.append(Fault("action", "bad-action", "it is missing"))

    def read(self, name: str, parse: Callable[[Any], _Value], default: _Value) -> _Value:
        value = self._fields.get(name)
        if value in (None, ""):
            return default
        try:
            return parse(value)
        except InvalidInputError as error:
            self.faults.append(Fault(name, error.code, str(error)))
            return default


def _read_match(form: _Form) -> RuleMatch:
    return RuleMatch(
        item_ids=form.read("item_ids", _texts("item_id"), ()),
        categories=form.read("categories", _paths, ()),
        brands=form.read("brands", _texts("brand"), ()),
        price_min_minor=form.read("price_min_minor", _price_minor, None),
        price_max_minor=form.read("price_max_minor", _price_minor, None),
        margin_min_ppm=form.read("margin_min", _margin_ppm, None),
        margin_max_ppm=form.read("margin_max", _margin_ppm, None),
        stock_min=form.read("stock_min", _stock, None),
        stock_max=form.read("stock_max", _stock, None),
    )


def _contradictions(rule: Rule) -> list[Fault]:
    match, faults = rule.match, []
    if rule.action is RuleAction.PIN:
        faults += _pin_faults(rule)
    elif match == RuleMatch():
        faults.append(Fault("match", "empty-match", "the rule must say which items it means"))
    elif rule.position:
        faults.append(Fault("position", "bad-position", "only a pin has a position"))
    faults += _factor_faults(rule)
    for name, least, most in (
        ("price_max_minor", match.price_min_minor, match.price_max_minor),
        ("margin_max", match.margin_min_ppm, match.margin_max_ppm),
        ("stock_max", match.stock_min, match.stock_max),
    ):
        if least is not None and most is not None and least > most:
            faults.append(Fault(name, "bad-range", "it lies below its minimum"))
    if rule.starts_at and rule.ends_at and rule.starts_at >= rule.ends_at:
        faults.append(Fault("ends_at", "bad-window", "the rule must end after it starts"))
    return faults


def _pin_faults(rule: Rule) -> list[Fault]:
    faults = []
    if rule.match != RuleMatch(item_ids=rule.match.item_ids) or len(rule.match.item_ids) != 1:
        faults.append(
            Fault("item_ids", "bad-pin", "a pin names exactly one item id and no other criterion")
        )
    if not rule.position:
        faults.append(Fault("position", "bad-position", "a pin needs a position from 1"))
    return faults


def _factor_faults(rule: Rule) -> list[Fault]:
    wanted = {
        RuleAction.BOOST: (rule.factor_ppm > ONE_PPM, "a boost needs a factor above 1"),
        RuleAction.BURY: (rule.factor_ppm < ONE_PPM, "a bury needs a factor below 1"),
    }
    is_right, sentence = wanted.get(
        rule.action, (rule.factor_ppm == ONE_PPM, "only boost and bury have a factor")
    )
    return [] if is_right else [Fault("factor", "bad-factor", sentence)]


def _rule_id(value: object) -> str:
    if not isinstance(value, str) or not _RULE_ID.fullmatch(value):
        raise InvalidInputError(
            "it must be 1 to 60 letters, digits, points, dashes or underscores", code="bad-rule-id"
        )
    return value


def _name(value: object) -> str:
    return _text(value, tables.rules.c.name)


def _text(value: object, column: Any) -> str:
    if not isinstance(value, str):
        raise InvalidInputError("it must be text", code="wrong-type")
    text = " ".join(value.split())
    if not text or _UNSAFE.search(text):
        raise InvalidInputError("it is empty or contains control characters", code="bad-text")
    if len(text) > column.type.length:
        raise InvalidInputError(
            f"it is longer than {column.type.length} characters", code="too-long"
        )
    return text


def _texts(column: str) -> Callable[[object], tuple[str, ...]]:
    def read(value: object) -> tuple[str, ...]:
        if not isinstance(value, list | tuple):
            raise InvalidInputError("it must be a list of texts", code="wrong-type")
        if len(value) > MAX_LISTED:
            raise InvalidInputError(f"it has more than {MAX_LISTED} members", code="too-long")
        return tuple(dict.fromkeys(_text(one, tables.items.c[column]) for one in value))

    return read


def _paths(value: object) -> tuple[str, ...]:
    return tuple(dict.fromkeys(lineage(path)[-1] for path in _texts("category")(value)))


def _action(value: object) -> RuleAction:
    if not isinstance(value, str) or value not in set(RuleAction):
        raise InvalidInputError(f"it must be one of {', '.join(RuleAction)}", code="bad-action")
    return RuleAction(value)


def _placements(value: object) -> tuple[Placement, ...]:
    if not isinstance(value, list | tuple):
        raise InvalidInputError("it must be a list", code="wrong-type")
    if any(not isinstance(one, str) or one not in set(Placement) for one in value):
        raise InvalidInputError(f"it may hold {', '.join(Placement)}", code="unknown-placement")
    return tuple(placement for placement in Placement if placement in value)


def _factor_ppm(value: object) -> int:
    factor_ppm = round(_number(value, "bad-factor") * ONE_PPM)
    if not FACTOR_LEAST_PPM <= factor_ppm <= FACTOR_MOST_PPM:
        raise InvalidInputError(
            f"it must lie between {FACTOR_LEAST_PPM / ONE_PPM:g} and {FACTOR_MOST_PPM / ONE_PPM:g}",
            code="bad-factor",
        )
    return factor_ppm


def _margin_ppm(value: object) -> int:
    margin = _number(value, "bad-margin")
    if not -1 <= margin <= 1:
        raise InvalidInputError("it must lie between -1 and 1", code="bad-margin")
    return round(margin * ONE_PPM)


def _number(value: object, code: str) -> float:
    # Written so that NaN is refused as well.
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < 1e9:
        raise InvalidInputError("it must be a number", code=code)
    return value


def _position(value: object) -> int:
    return _whole(value, 1, MAX_POSITION, "bad-position")


def _price_minor(value: object) -> int:
    return _whole(value, 0, MINOR_LIMIT - 1, "bad-price")


def _stock(value: object) -> int:
    return _whole(value, 0, STOCK_LIMIT - 1, "bad-stock")


def _whole(value: object, least: int, most: int, code: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise InvalidInputError(f"it must be a whole number from {least} to {most}", code=code)
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidInputError("it must be true or false", code="wrong-type")
    return value


def _instant(value: object) -> dt.datetime:
    try:
        instant = dt.datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None or not 2000 <= instant.year < 3000:
        raise InvalidInputError(
            "it must be a time with its zone, such as 2026-12-01T00:00:00Z", code="bad-time"
        )
    return instant.astimezone(dt.UTC)
