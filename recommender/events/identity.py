"""Who and when: pseudonyms, event ids and the partition an event lives in. Pure."""

import datetime as dt
import hashlib
import hmac
import uuid

LATE_LIMIT = dt.timedelta(days=7)
AHEAD_LIMIT = dt.timedelta(hours=1)


def pseudonym(visitor_key: bytes, visitor_id: str) -> str:
    """Return the keyed hash under which a visitor is stored.

    Args:
        visitor_key: The shop's key, 32 bytes; without it the hash leads nowhere.
        visitor_id: The browser's or the shop's own id; empty stays empty.

    Returns:
        HMAC-SHA256 cut to 128 bits, 32 hexadecimal digits.
    """
    if not visitor_id:
        return ""
    return hmac.digest(visitor_key, visitor_id.encode(), "sha256").hex()[:32]


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


def id_instant(event_id: str) -> dt.datetime | None:
    """Return the instant inside a UUIDv7, or None for any other UUID."""
    value = uuid.UUID(event_id)
    if value.version != 7:
        return None
    return dt.datetime.fromtimestamp((value.int >> 80) / 1000, tz=dt.UTC)


def partition_day(event_id: str, received_at: dt.datetime) -> dt.date:
    """Return the event-log partition of an event, the same for every resend of it.

    The day comes from the id itself, so duplicates always meet in one partition. An id whose
    time is implausible (older than `LATE_LIMIT`, ahead by more than `AHEAD_LIMIT`, not version 7)
    goes to the day of receipt, and a resend of it is then recognised only within that day.
    """
    made_at = id_instant(event_id)
    if made_at is None or not received_at - LATE_LIMIT <= made_at <= received_at + AHEAD_LIMIT:
        return received_at.date()
    return made_at.date()
