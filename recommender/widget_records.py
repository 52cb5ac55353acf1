"""What a shop has decided about the widget on its pages."""

from dataclasses import dataclass
from enum import StrEnum


class ConsentMode(StrEnum):
    """What a shopper who has said nothing yet agrees to."""

    IMPLIED = "implied"
    """The shop may know its shoppers until they refuse."""
    REQUIRED = "required"
    """Nothing is stored and nobody is counted before a grant."""


class SlotPosition(StrEnum):
    """Where a placed slot stands, seen from the element that its selector finds."""

    BEFORE = "before"
    AFTER = "after"
    PREPEND = "prepend"
    APPEND = "append"
    REPLACE = "replace"
    """The element itself becomes the slot; what it holds stays visible until a strip is drawn."""


@dataclass(frozen=True, slots=True)
class PlacedSlot:
    """A slot that the widget makes, where a page has no markup for it.

    Attributes:
        placement: Value of a `Placement`.
        selector: CSS selector; the first element that it finds counts.
        is_live: Whether shoppers get it; others see it only in a preview.
    """

    slot_id: str
    placement: str
    selector: str
    position: SlotPosition = SlotPosition.AFTER
    is_live: bool = False


@dataclass(frozen=True, slots=True)
class WidgetSetting:
    """The widget's settings that hold for all pages of a shop.

    Attributes:
        enabled: False stops the widget on every page within minutes.
        cart_button: Whether cards have a button for the cart, which the shop's page answers.
        sandboxed_pixels: Whether events are taken from frames without an origin.
        slots: In the order in which they were placed.
    """

    enabled: bool = True
    consent: ConsentMode = ConsentMode.IMPLIED
    cart_button: bool = False
    sandboxed_pixels: bool = False
    slots: tuple[PlacedSlot, ...] = ()
