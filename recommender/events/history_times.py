"""Times in exported files → UTC. Pure, columnar.

In comes a column of texts or timestamps, with or without a zone; out go UTC timestamps, null where
nothing can be read. A time without a zone is the shop's local time.
"""

import datetime as dt
import zoneinfo
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recommender.events.columns import UTC_TIME

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LOCAL_TIME = pa.timestamp("us")
_FORMS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d")
_ZONE = r"(?P<sign>[+-])(?P<hours>[01][0-9]):?(?P<minutes>[0-5][0-9])$"
# Time zones differ from UTC by whole quarters of an hour, and change at their beginning.
_QUARTER_US = 15 * 60 * 1_000_000
_MINUTE_US = 60 * 1_000_000


def to_utc(column: Any, timezone: str) -> Any:
    """Read a column of times.

    Args:
        column: Arrow array of timestamps, dates, or ISO 8601 texts ("2010-12-01 08:26:00",
            "2010-12-01T08:26:00.5Z", "2010-12-01 08:26 +0100").
        timezone: The shop's; for times without a zone. Of an hour that a clock change repeats,
            the first is meant.
    """
    column = pa.chunked_array([column]) if isinstance(column, pa.Array) else column
    if pa.types.is_timestamp(column.type) and column.type.tz:
        return column.cast(UTC_TIME)
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return _localise(column.cast(_LOCAL_TIME), timezone)
    texts = pc.utf8_trim_whitespace(column.cast(pa.string()))
    texts = pc.replace_substring_regex(texts, r"^(\S+)T", r"\1 ")
    texts = pc.replace_substring_regex(texts, r"(:[0-9]{2})\.[0-9]+", r"\1")
    texts = pc.replace_substring_regex(texts, r"[Zz]$", "+00:00")
    zone = pc.extract_regex(texts, f" *{_ZONE}")
    bare = pc.replace_substring_regex(texts, r" *[+-][01][0-9]:?[0-5][0-9]$", "")
    is_zoned = pc.and_(pc.is_valid(zone), pc.match_substring(texts, ":"))
    local = _parse(pc.if_else(is_zoned, bare, texts))
    return pc.if_else(is_zoned, _shift(local, zone), _localise(local, timezone))


def _parse(texts: Any) -> Any:
    parsed: Any = pa.scalar(None, _LOCAL_TIME)
    for form in _FORMS:
        parsed = pc.coalesce(parsed, pc.strptime(texts, form, "us", error_is_null=True))
        if parsed.null_count == texts.null_count:
            break
    # The C library reads 30 February as 2 March.
    is_in_calendar = pc.equal(pc.strftime(parsed, "%d"), pc.utf8_slice_codeunits(texts, 8, 10))
    return pc.if_else(is_in_calendar, parsed, None)


def _shift(local: Any, zone: Any) -> Any:
    hours = pc.struct_field(zone, "hours").cast(pa.int64())
    minutes = pc.add(pc.multiply(hours, 60), pc.struct_field(zone, "minutes").cast(pa.int64()))
    is_west = pc.equal(pc.struct_field(zone, "sign"), "-")
    ahead = pc.if_else(is_west, pc.negate(minutes), minutes)
    shifted = pc.subtract(local.cast(pa.int64()), pc.multiply(ahead, _MINUTE_US))
    return shifted.cast(_LOCAL_TIME).cast(UTC_TIME)


def _localise(local: Any, timezone: str) -> Any:
    # Done here, because Arrow's own conversion needs the operating system's list of zones.
    zone = zoneinfo.ZoneInfo(timezone)
    micros = pc.fill_null(local, 0).cast(pa.int64()).to_numpy()
    quarters, place = np.unique(micros // _QUARTER_US, return_inverse=True)
    offsets: NDArray[np.int64] = np.array(
        [_offset_us(int(quarter), zone) for quarter in quarters], np.int64
    )
    utc = pa.array(micros - offsets[place], pa.int64(), mask=pc.is_null(local).to_numpy())
    return pa.chunked_array([utc.cast(_LOCAL_TIME).cast(UTC_TIME)])


def _offset_us(quarter: int, zone: zoneinfo.ZoneInfo) -> int:
    try:
        wall = dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=quarter * _QUARTER_US)  # noqa: DTZ001
        offset = wall.replace(tzinfo=zone).utcoffset() or dt.timedelta()
    except OverflowError:
        offset = dt.timedelta()
    return round(offset.total_seconds() * 1_000_000)
