"""The seams, as the stages see them. Each is an address; see ARCHITECTURE.md.

Control data has no protocol of its own: SQLAlchemy Core is the seam, and the URL chooses the
server.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from recommender.records import Event

if TYPE_CHECKING:
    import pyarrow as pa
    from ibis.expr.types import Table


@dataclass(frozen=True, slots=True)
class StreamEntry:
    """One acknowledged HTTP request's events.

    Attributes:
        position: Place in the stream; grows strictly, never reused.
        events: Events of the request; empty when `damaged` says why they cannot be read.
        raw: The stored bytes, for the rejection record.
    """

    position: int
    events: tuple[Event, ...]
    raw: bytes
    damaged: str = ""


class EventStream(Protocol):
    """Durable queue between the web and the event log."""

    def accept(self, events: Sequence[Event], recent: Mapping[str, Sequence[str]]) -> None:
        """Store events durably, then remember the items each visitor just saw.

        Returns only after the server has synced the events to disk; all of one call are stored
        or none.

        Args:
            events: Events of one shop, at least one.
            recent: Visitor hash → item ids, oldest first, that the next slate shall know.

        Raises:
            UnavailableError: The events are not stored, or nobody can tell.
        """
        ...

    def read(self, after: int, limit: int, block_ms: int = 0) -> list[StreamEntry]:
        """Return at most `limit` entries behind position `after`, oldest first.

        Waits at most `block_ms` for the first one; an empty list means none came.
        """
        ...

    def trim(self, through: int) -> None:
        """Forget entries up to and including position `through`."""
        ...

    def pending(self) -> int:
        """Return the number of entries not yet trimmed."""
        ...


@dataclass(frozen=True, slots=True)
class VisitorState:
    """What the very next request knows of a visitor.

    Attributes:
        recent_items: Item ids, newest first, without repetition.
        exposed: Whether an exposure in this placement was recorded within the last day.
        catalogue_revision: Revision of the shop's catalogue as the last writer announced it.
    """

    recent_items: tuple[str, ...] = ()
    exposed: bool = False
    catalogue_revision: int = 0


class HotState(Protocol):
    """Small facts every worker must see at once."""

    def visitor_state(self, shop_id: str, visitor: str, placement: str) -> VisitorState:
        """Return one visitor's state in one round trip; `visitor` may be empty."""
        ...

    def record_exposure(self, event: Event) -> None:
        """Store the exposure durably and mark the visitor as exposed, together or not at all."""
        ...

    def announce_catalogue(self, shop_id: str, revision: int) -> None:
        """Tell every worker that the shop's catalogue reached `revision`."""
        ...

    def latest_events(self, shop_id: str, limit: int) -> list[Event]:
        """Return the newest accepted events of a shop, newest first, for its technician."""
        ...

    def ping(self) -> None:
        """Raise UnavailableError unless the server answers and its durability settings hold."""
        ...


class EventLog(Protocol):
    """The append-only truth: everything observed, once."""

    def committed_position(self, writer: str) -> int:
        """Return the highest position committed for `writer`, 0 before the first commit."""
        ...

    def append(self, events: Sequence[Event], writer: str, position: int) -> None:
        """Append events and remember `position` for `writer`, in one atomic commit.

        Raises:
            InconsistentError: Another process committed for this writer meanwhile; nothing was
                stored. Read `committed_position` again.
        """
        ...

    def append_table(self, table: "pa.Table", writer: str, position: int) -> None:
        """Append rows that are columns already; otherwise as `append`.

        Args:
            table: Rows of `events.columns.EVENT_SCHEMA`.
        """
        ...

    def events(self, shop_id: str) -> "Table":
        """Return all events of a shop, each event id once, as an Ibis table.

        Columns are those of `events.columns.EVENT_SCHEMA`.
        """
        ...

    def compact(self) -> None:
        """Merge small files; safe beside readers and writers."""
        ...
