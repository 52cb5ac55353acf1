"""Which settings of the widget and which placed slots make sense. Pure."""

from dataclasses import replace

from cssselect2 import SelectorError, compile_selector_list

from recommender.records import Placement, Shop
from recommender.widget_records import PlacedSlot, SlotPosition

MOST_SLOTS = 30
MOST_SELECTOR_CHARACTERS = 300
_MARK = "<!-- recommendations -->"


def slot_faults(slot: PlacedSlot) -> dict[str, str]:
    """Return what is wrong: field of `PlacedSlot` → a sentence; empty when all is well."""
    faults = {
        "placement": ""
        if slot.placement in set(Placement)
        else f"A placement is one of {', '.join(Placement)}.",
        "selector": _selector_fault(slot.selector),
    }
    return {field: fault for field, fault in faults.items() if fault}


def _selector_fault(selector: str) -> str:
    if not selector.strip():
        return "Please enter a CSS selector such as #related or .product-page > .details."
    if len(selector) > MOST_SELECTOR_CHARACTERS or not selector.isprintable():
        return f"A selector is one line of at most {MOST_SELECTOR_CHARACTERS} characters."
    try:
        parsed = compile_selector_list(selector)
    except SelectorError as error:
        return f"This is no CSS selector: {_told(error)}."
    if any(one.pseudo_element for one in parsed):
        return "A selector must find an element; ::before and the like are none."
    return ""


def _told(error: SelectorError) -> str:
    """Return the parser's sentence; its first argument may be a token."""
    return str(error.args[-1]).partition(", got <")[0].strip(" .") or "it cannot be read"


def sketch(slot: PlacedSlot) -> str:
    """Return lines of HTML that show where a slot stands, for a person to read."""
    start, end = f"<… {slot.selector}>", "</…>"
    inside = {
        SlotPosition.PREPEND: [_MARK, "its content"],
        SlotPosition.APPEND: ["its content", _MARK],
        SlotPosition.REPLACE: [f"{_MARK} in place of its content"],
    }.get(slot.position, ["its content"])
    lines = [start, *(f"  {line}" for line in inside), end]
    if slot.position is SlotPosition.BEFORE:
        lines.insert(0, _MARK)
    if slot.position is SlotPosition.AFTER:
        lines.append(_MARK)
    return "\n".join(lines)


def as_previewed(shop: Shop) -> Shop:
    """Return the shop with everything switched on, as its owner sees it in a preview."""
    placements = {
        placement: replace(setting, enabled=True) for placement, setting in shop.placements.items()
    }
    slots = tuple(replace(slot, is_live=True) for slot in shop.widget.slots)
    return replace(
        shop, placements=placements, widget=replace(shop.widget, enabled=True, slots=slots)
    )
