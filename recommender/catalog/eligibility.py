"""May this item be shown now? Pure."""

from recommender.records import Item


def is_showable(item: Item) -> bool:
    """Tell whether a shopper who clicks the item can buy it."""
    return item.available and item.price_minor > 0
