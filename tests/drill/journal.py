"""What the load generator sent, and what it was told: one fsynced line each, before and after.

The journal is the drill's own truth. It survives the death of the drill, and the checker reads
nothing else.
"""

import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any


class Fate(StrEnum):
    """What the sender knows of one event or order after its last attempt."""

    ACKNOWLEDGED = "acknowledged"
    REJECTED = "rejected"
    REFUSED = "refused"
    """The request as a whole was answered 4xx: never to be sent again."""
    UNKNOWN = "unknown"
    """No answer, or 5xx, on every attempt so far."""


@dataclass(slots=True)
class Sent:
    """One event or order as the journal has it."""

    shop_id: str
    kind: str
    fate: Fate = Fate.UNKNOWN
    attempts: int = 0
    code: str = ""


@dataclass(slots=True)
class Books:
    """The whole journal: id → what became of it."""

    sent: dict[str, Sent] = field(default_factory=dict)

    def ids(self, kind: str, *fates: Fate, shop_id: str = "") -> set[str]:
        return {
            one
            for one, entry in self.sent.items()
            if entry.kind == kind
            and (not fates or entry.fate in fates)
            and (not shop_id or entry.shop_id == shop_id)
        }


class Journal:
    """Appends to a file and syncs each line; safe for threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._lock = threading.Lock()
        self._next = path.stat().st_size  # numbers of an earlier run stay below

    def sending(self, kind: str, shop_id: str, ids: Sequence[str]) -> int:
        """Note an attempt that is about to be made; return its number."""
        with self._lock:
            self._next += 1
            number = self._next
        self._write({"n": number, "kind": kind, "shop": shop_id, "ids": list(ids)})
        return number

    def answered(self, number: int, status: int | None, told: Mapping[str, str]) -> None:
        """Note the reply: HTTP status (None for no answer) and each id's own status."""
        self._write({"n": number, "status": status, "told": dict(told)})

    def close(self) -> None:
        os.close(self._file)

    def _write(self, line: Mapping[str, Any]) -> None:
        os.write(self._file, json.dumps(line, separators=(",", ":")).encode() + b"\n")
        os.fdatasync(self._file)


def read_journal(*paths: Path) -> Books:
    """Replay journals into books; a torn last line was never acted on."""
    books = Books()
    for path in paths:
        attempts: dict[int, tuple[str, list[str]]] = {}
        for line in _lines(path):
            if "kind" in line:
                attempts[line["n"]] = (line["shop"], line["ids"])
                for one in line["ids"]:
                    entry = books.sent.setdefault(one, Sent(line["shop"], line["kind"]))
                    entry.attempts += 1
            else:
                _settle(books, attempts[line["n"]][1], line["status"], line["told"])
    return books


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    for raw in path.read_bytes().splitlines():
        try:
            yield json.loads(raw)
        except ValueError:
            return


def _settle(books: Books, ids: Sequence[str], status: int | None, told: Mapping[str, str]) -> None:
    for one in ids:
        entry = books.sent[one]
        if entry.fate is Fate.ACKNOWLEDGED:
            continue  # nothing said later takes an acknowledgement back
        if told.get(one) == "accepted":
            entry.fate = Fate.ACKNOWLEDGED
        elif one in told:
            entry.fate, entry.code = Fate.REJECTED, told[one]
        elif status is not None and 400 <= status < 500 and status not in (408, 425, 429):
            entry.fate, entry.code = Fate.REFUSED, str(status)
