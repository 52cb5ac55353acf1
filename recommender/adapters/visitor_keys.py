"""How the hot state is laid out for one visitor: names of keys. Must not know the server."""


def recent_key(shop_id: str, visitor: str) -> str:
    """Name the list of a visitor's steps, newest first."""
    return f"recent:{shop_id}:{visitor}"


def pages_key(shop_id: str, visitor: str) -> str:
    """Name the counter of a visitor's pages."""
    return f"pages:{shop_id}:{visitor}"


def exposed_key(shop_id: str, visitor: str, placement: str) -> str:
    """Name the flag of an exposure within the last day."""
    return f"exposed:{shop_id}:{visitor}:{placement}"


def devices_key(shop_id: str, visitor: str) -> str:
    """Name the text of a person's other browsers, parted by commas."""
    return f"devices:{shop_id}:{visitor}"


def latest_key(shop_id: str) -> str:
    """Name the list of entries that a shop's technician can watch."""
    return f"latest:{shop_id}"
