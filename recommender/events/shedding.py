"""Which events are taken while stream or spool fill up: what is least worth goes first. Pure."""

from recommender.records import EventType

CROWDED_SHARE = 0.6
"""From here on events are shed that only help models and figures of interest."""
NEARLY_FULL_SHARE = 0.85
"""From here on only what money hangs on is taken."""

_LEAST_WORTH = {
    EventType.RENDERED,
    EventType.IMPRESSION,
    EventType.PAGE_VIEW,
    EventType.VIEW_LIST,
}
# Without it an order has no visitor; the server states orders and exposures itself.
_WORTH_MOST = {EventType.PURCHASE, EventType.LINK}


def is_shed(kind: EventType, full_share: float) -> bool:
    """Tell whether a browser's event of this kind is not taken now.

    Args:
        kind: What happened.
        full_share: How full stream or spool is, the fuller of the two, 0–1.
    """
    if full_share < CROWDED_SHARE:
        return False
    if full_share < NEARLY_FULL_SHARE:
        return kind in _LEAST_WORTH
    return kind not in _WORTH_MOST
