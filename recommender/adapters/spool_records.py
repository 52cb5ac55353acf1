"""Records of a spool file. Pure.

A record is a mark that stands in no text, length, CRC-32 of the bytes, CRC-32 of all that, and the
bytes. What a crash tore, or a disk changed, fails its sums: only that record is left out, and
reading goes on at the next mark.
"""

import struct
import zlib
from dataclasses import dataclass

# No byte of it stands in valid UTF-8, so no entry can hold what looks like a record.
_MARK = b"\xff\xfe\xfd\xfc"
_FIELDS = struct.Struct("<4sII")
_HEAD_BYTES = _FIELDS.size + 4


@dataclass(frozen=True, slots=True)
class SpoolContents:
    """What a spool file holds.

    Attributes:
        entries: The sound records, in the order of writing.
        damaged: Places at which a record was and can be read no more; a torn end is none.
    """

    entries: tuple[bytes, ...]
    damaged: int


def encode_record(entry: bytes) -> bytes:
    """Return an entry as it stands in a spool file."""
    fields = _FIELDS.pack(_MARK, len(entry), zlib.crc32(entry))
    return fields + _sum(fields) + entry


def read_spool_file(data: bytes) -> SpoolContents:
    """Return the sound records of a spool file, whatever became of the others."""
    entries = []
    damaged = 0
    position = 0
    while position < len(data):
        entry = _record_at(data, position)
        if entry is not None:
            entries.append(entry)
            position += _HEAD_BYTES + len(entry)
            continue
        following = _next_record(data, position + 1)
        if following < 0:
            # A torn end was never acknowledged; a whole record that fails its sum was.
            damaged += not _is_torn(data[position:])
            break
        damaged += 1
        position = following
    return SpoolContents(tuple(entries), damaged)


def _record_at(data: bytes, position: int) -> bytes | None:
    length = _length_at(data, position)
    if length is None:
        return None
    start = position + _HEAD_BYTES
    entry = data[start : start + length]
    _, _, checksum = _FIELDS.unpack_from(data, position)
    return entry if len(entry) == length and zlib.crc32(entry) == checksum else None


def _length_at(data: bytes, position: int) -> int | None:
    """Return the length that a sound head tells, None without one."""
    fields = data[position : position + _FIELDS.size]
    if data[position + _FIELDS.size : position + _HEAD_BYTES] != _sum(fields):
        return None
    mark, length, _ = _FIELDS.unpack(fields)
    return int(length) if mark == _MARK else None


def _next_record(data: bytes, start: int) -> int:
    """Return where the next sound record begins, -1 without any."""
    while (start := data.find(_MARK, start)) >= 0:
        if _record_at(data, start) is not None:
            return start
        start += 1
    return -1


def _is_torn(rest: bytes) -> bool:
    """Tell whether a file's end is the beginning of a record whose end was not written."""
    if len(rest) < _HEAD_BYTES:
        return rest.startswith(_MARK) or _MARK.startswith(rest)
    length = _length_at(rest, 0)
    return length is not None and len(rest) < _HEAD_BYTES + length


def _sum(fields: bytes) -> bytes:
    return zlib.crc32(fields).to_bytes(4, "little")
