"""Who and when: pseudonyms, event ids and the partition an event lives in. Pure."""

import datetime as dt
import hashlib
import hmac
import uuid
from collections.abc import Callable

LATE_LIMIT = dt.timedelta(days=7)
AHEAD_LIMIT = dt.timedelta(hours=1)

_MILLISECOND = dt.timedelta(milliseconds=1)
_LATE_MS = LATE_LIMIT // _MILLISECOND
_AHEAD_MS = AHEAD_LIMIT // _MILLISECOND
_DAY_MS = dt.timedelta(days=1) // _MILLISECOND
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_EPOCH_DAY = _EPOCH.toordinal()
_CUSTOMER = "customer:"
_BROWSER = "browser:"


def pseudonym(visitor_key: bytes, visitor_id: str) -> str:
    """Return the keyed hash under which a browser is stored.

    Args:
        visitor_key: The shop's key, 32 bytes; without it the hash leads nowhere.
        visitor_id: The browser's own id; empty stays empty.

    Returns:
        HMAC-SHA256 cut to 128 bits, 32 hexadecimal digits.
    """
    # Whatever a browser calls itself, it never gets the hash of a customer.
    own = _BROWSER + visitor_id if visitor_id.startswith((_CUSTOMER, _BROWSER)) else visitor_id
    return _keyed_hash(visitor_key, own) if visitor_id else ""


def customer_pseudonym(visitor_key: bytes, customer_id: str) -> str:
    """Return the keyed hash under which a shop's customer is stored; otherwise as `pseudonym`."""
    return _keyed_hash(visitor_key, _CUSTOMER + customer_id) if customer_id else ""


def _keyed_hash(visitor_key: bytes, text: str) -> str:
    return hmac.digest(visitor_key, text.encode(), "sha256").hex()[:32]


def derived_event_id(occurred_at: dt.datetime, *parts: str) -> str:
    """Make the UUIDv7 that the same fact gets every time it is told.

    Source: RFC 9562, 5.7; its 74 random bits are here the SHA-256 of `parts`, so that a second
    import or a resent order is recognised as the same event.
    """
    digest = hashlib.sha256("\x1f".join(parts).encode()).digest()
    random_bits = int.from_bytes(digest[:10], "big") & ((1 << 74) - 1)
    milliseconds = int(occurred_at.timestamp() * 1000) & ((1 << 48) - 1)
    high = (milliseconds << 16) | (7 << 12) | (random_bits >> 62)
    low = (0b10 << 62) | (random_bits & ((1 << 62) - 1))
    return str(uuid.UUID(int=(high << 64) | low))


def event_id_of_day(
    given: str, told_at: dt.datetime, received_at: dt.datetime, shop_id: str
) -> str:
    """Make the UUIDv7 for a sender's id that is no UUID: one all day, whatever else is told.

    The day is the one told, so that a resend after midnight is recognised; the day of receipt
    where that would not lead to a partition of its own, see `partition_day`.
    """
    # What lies far off may have no midnight in the calendar.
    day = _midnight(told_at if abs(told_at - received_at) <= LATE_LIMIT else received_at)
    if not -LATE_LIMIT <= day - received_at <= AHEAD_LIMIT:
        day = _midnight(received_at)
    return derived_event_id(day, shop_id, given)


def _midnight(instant: dt.datetime) -> dt.datetime:
    return dt.datetime.combine(instant.astimezone(dt.UTC), dt.time.min, dt.UTC)


def partition_day(event_id: str, received_at: dt.datetime) -> dt.date:
    """Return the event-log partition of an event, the same for every resend of it.

    The day comes from the id itself, so duplicates always meet in one partition. An id whose
    time is implausible (older than `LATE_LIMIT`, ahead by more than `AHEAD_LIMIT`, not version 7)
    goes to the day of receipt, and a resend of it is then recognised only within that day.
    """
    return partition_days(received_at)(event_id)


def partition_days(received_at: dt.datetime) -> Callable[[str], dt.date]:
    """Return `partition_day` for all events that are received at one instant."""
    received_ms = (received_at - _EPOCH) // _MILLISECOND
    earliest_ms, latest_ms = received_ms - _LATE_MS, received_ms + _AHEAD_MS
    received_on = received_at.date()
    midnight_ms = received_ms - received_ms % _DAY_MS
    # Ids sort like their times, so what was made today need not be read.
    today_from, now = _id_start(midnight_ms), _id_start(received_ms)

    def day(event_id: str) -> dt.date:
        if today_from <= event_id < now:
            return received_on
        milliseconds = _id_milliseconds(event_id)
        if milliseconds is not None and earliest_ms <= milliseconds <= latest_ms:
            return dt.date.fromordinal(_EPOCH_DAY + milliseconds // _DAY_MS)
        return received_on

    return day


def _id_start(milliseconds: int) -> str:
    digits = f"{milliseconds:012x}"
    return f"{digits[:8]}-{digits[8:]}"


def _id_milliseconds(event_id: str) -> int | None:
    digits = event_id.replace("-", "")
    # Version in the 13th digit, variant of RFC 9562 in the 17th: `uuid.UUID` costs ten times as
    # much, for every event.
    if len(digits) != 32 or digits[12] != "7" or digits[16] not in "89abAB":
        return None
    return int(digits[:12], 16)
