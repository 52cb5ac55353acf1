"""Placed slots: which selectors are taken, and what an owner is shown of them."""

from dataclasses import replace

import pytest

from recommender.records import Placement, PlacementSetting
from recommender.shops.widget_settings import as_previewed, sketch, slot_faults
from recommender.widget_records import PlacedSlot, SlotPosition, WidgetSetting
from world import SHOP

SLOT = PlacedSlot("slot_1", "product", ".details")


@pytest.mark.parametrize(
    "selector",
    [
        "#related",
        ".product-page > .details",
        'section[data-section="related"]',
        "main > :nth-child(2)",
        "h1, .title ~ p",
        ".grid:has(> .card)",
        ":is(#a, #b) .c:not(.d)",
        "body.template-product #MainContent",
    ],
)
def test_selectors_that_find_elements_are_taken(selector: str) -> None:
    assert slot_faults(replace(SLOT, selector=selector)) == {}


@pytest.mark.parametrize(
    "selector",
    [
        "",
        "  ",
        "..",
        "div >",
        "a::before",
        "a {color: red}",
        "[x=]",
        ".a\n.b",
        "x" * 301,
        "div:nope(",
    ],
)
def test_others_are_refused_with_a_sentence(selector: str) -> None:
    faults = slot_faults(replace(SLOT, selector=selector))
    assert set(faults) == {"selector"}
    assert faults["selector"].endswith(".")


def test_a_placement_must_be_one() -> None:
    assert set(slot_faults(replace(SLOT, placement="checkout"))) == {"placement"}


@pytest.mark.parametrize(
    ("position", "line"),
    [("before", 0), ("after", 3), ("prepend", 1), ("append", 2), ("replace", 1)],
)
def test_the_sketch_shows_the_mark_where_the_slot_stands(position: str, line: int) -> None:
    lines = sketch(replace(SLOT, position=SlotPosition(position))).splitlines()
    assert [at for at, text in enumerate(lines) if "recommendations" in text] == [line]
    assert "<… .details>" in lines


def test_a_preview_has_everything_switched_on() -> None:
    shop = replace(
        SHOP,
        placements={Placement.HOME: PlacementSetting(Placement.HOME, enabled=False)},
        widget=WidgetSetting(enabled=False, slots=(SLOT,)),
    )
    seen = as_previewed(shop)
    assert seen.placements[Placement.HOME].enabled
    assert seen.widget.enabled
    assert [slot.is_live for slot in seen.widget.slots] == [True]
    assert not shop.widget.enabled, "the shop itself is as it was"
