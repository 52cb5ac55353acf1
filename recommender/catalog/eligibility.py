"""May this item be shown now? Pure."""

from recommender.records import Item


def is_showable(item: Item) -> bool:
    """Tell whether a shopper who clicks the item can buy it.

    An item known only from old orders has no address yet, and leads nowhere.
    """
    return item.available and item.stock != 0 and item.price_minor > 0 and bool(item.url)
