"""The page "Widget": its settings, the slots it places by itself, and the preview links."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from recommender.records import Placement
from recommender.shops.change_widget import place_slot, remove_slot, set_widget, switch_slot
from recommender.shops.widget_settings import MOST_SLOTS, sketch, slot_faults
from recommender.web.console_session import current_visit, render_page, signed_in
from recommender.web.console_settings import NAMES
from recommender.web.context import services
from recommender.web.preview_tokens import LIFETIME, preview_token
from recommender.widget_records import ConsentMode, PlacedSlot, SlotPosition

blueprint = Blueprint("widget", __name__, url_prefix="/widget")
POSITIONS = {
    SlotPosition.AFTER: "After it",
    SlotPosition.BEFORE: "Before it",
    SlotPosition.PREPEND: "Inside, at its beginning",
    SlotPosition.APPEND: "Inside, at its end",
    SlotPosition.REPLACE: "In place of its content",
}
CONSENTS = {
    ConsentMode.IMPLIED: "Visitors are known until they refuse",
    ConsentMode.REQUIRED: "Nothing is stored before a visitor agrees",
}
_EMPTY = {"placement": Placement.PRODUCT.value, "position": SlotPosition.AFTER.value}


@dataclass(frozen=True, slots=True)
class SlotRow:
    """One placed slot in the list."""

    slot: PlacedSlot
    placement: str
    position: str
    sketch: str


@blueprint.get("")
@signed_in
def show() -> str:
    """Show the page."""
    return _page(_EMPTY)


@blueprint.get("/<path:_rest>")
@signed_in
def show_again(_rest: str) -> AnyResponse:
    """Lead back from the address of a form that was sent."""
    return redirect(url_for(".show"))


@blueprint.post("")
@signed_in
def change() -> AnyResponse:
    """Store the settings of all pages."""
    typed = request.form
    required = typed.get("consent") == ConsentMode.REQUIRED
    set_widget(
        current_visit().shop.shop_id,
        enabled=bool(typed.get("enabled")),
        consent=ConsentMode.REQUIRED if required else ConsentMode.IMPLIED,
        cart_button=bool(typed.get("cart_button")),
        sandboxed_pixels=bool(typed.get("sandboxed_pixels")),
        database=services().database,
    )
    return redirect(url_for(".show", saved="1"), code=303)


@blueprint.post("/slots")
@signed_in
def place() -> AnyResponse | tuple[str, int]:
    """Place a slot, at first for previews only, or show what is wrong with it."""
    shop, typed = current_visit().shop, request.form
    slot = PlacedSlot(
        slot_id=f"slot_{secrets.token_hex(6)}",
        placement=typed.get("placement", ""),
        selector=typed.get("selector", "").strip(),
        position=_position(typed.get("position", "")),
    )
    faults = slot_faults(slot)
    if len(shop.widget.slots) >= MOST_SLOTS:
        faults["selector"] = f"There are at most {MOST_SLOTS} placed slots."
    if faults:
        return _page(typed, faults), 422
    place_slot(shop.shop_id, slot, database=services().database, now=services().now())
    return redirect(url_for(".show", placed=slot.slot_id, _anchor="slots"), code=303)


@blueprint.post("/slots/<slot_id>/switch")
@signed_in
def switch(slot_id: str) -> AnyResponse:
    """Show a slot to shoppers, or only in previews."""
    is_live = request.form.get("live") == "1"
    shop_id = current_visit().shop.shop_id
    switch_slot(shop_id, slot_id, is_live=is_live, database=services().database)
    return redirect(url_for(".show", _anchor="slots"), code=303)


@blueprint.post("/slots/<slot_id>/remove")
@signed_in
def remove(slot_id: str) -> AnyResponse:
    """Take a slot away."""
    remove_slot(current_visit().shop.shop_id, slot_id, database=services().database)
    return redirect(url_for(".show", _anchor="slots"), code=303)


def _position(typed: str) -> SlotPosition:
    known = {position.value: position for position in SlotPosition}
    return known.get(typed, SlotPosition.AFTER)


def _page(typed: Mapping[str, str], faults: Mapping[str, str] | None = None) -> str:
    shop, now = current_visit().shop, services().now()
    token = preview_token(shop.shop_id, service_secret=services().secret, now=now)
    rows = [
        SlotRow(slot, NAMES[Placement(slot.placement)], POSITIONS[slot.position], sketch(slot))
        for slot in shop.widget.slots
    ]
    return render_page(
        "widget",
        widget=shop.widget,
        consents=CONSENTS,
        rows=rows,
        names=NAMES,
        positions=POSITIONS,
        typed=typed,
        faults=faults or {},
        saved=request.args.get("saved") == "1",
        placed=request.args.get("placed", ""),
        links=[f"{origin}/?recommender=preview&token={token}" for origin in shop.origins],
        debug_links=[f"{origin}/?recommender=debug" for origin in shop.origins],
        hours=int(LIFETIME.total_seconds() // 3600),
    )
