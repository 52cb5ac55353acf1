"""When it happened, from the sender's clock, which may be wrong by years. Pure.

A sender that tells when it sent its batch has told how old each event was then; that age is right
whatever the clock shows, and our own clock does the rest.
"""

import datetime as dt

from recommender.events.identity import AHEAD_LIMIT, LATE_LIMIT

_NO_AGE = dt.timedelta(0)


def read_instant(value: object) -> dt.datetime:
    """Read an ISO 8601 text or a Unix time in seconds, milliseconds or microseconds.

    Raises:
        ValueError: It is neither, or no instant of the calendar.
    """
    try:
        if isinstance(value, str) and not value.isdigit():
            told = dt.datetime.fromisoformat(value)
            return told if told.tzinfo else told.replace(tzinfo=dt.UTC)
        if isinstance(value, int | str) and not isinstance(value, bool):
            number = int(value)
            # Told apart by their size, which fits all instants since 1973.
            scale = 1 if number < 10**11 else 10**3 if number < 10**14 else 10**6
            return dt.datetime.fromtimestamp(number / scale, tz=dt.UTC)
    except (OverflowError, OSError) as error:
        raise ValueError("not an instant of the calendar") from error
    raise ValueError("neither a text nor a whole number")


def happened_at(
    told_at: dt.datetime, sent_at: dt.datetime | None, received_at: dt.datetime
) -> dt.datetime:
    """Return when an event happened by our clock: never ahead of it, never older than the limit.

    Args:
        told_at: When it happened by the sender's clock.
        sent_at: When it was sent by the same clock; None when the sender does not say.
        received_at: When it arrived by ours.
    """
    if sent_at is not None:
        age = sent_at - told_at
    elif told_at > received_at + AHEAD_LIMIT:
        age = _NO_AGE
    else:
        age = received_at - told_at
    if _NO_AGE <= age <= LATE_LIMIT:
        return received_at - age
    return received_at if age < _NO_AGE else received_at - LATE_LIMIT
