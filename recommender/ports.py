"""The seams, as the stages see them. Each is an address; see ARCHITECTURE.md.

Control data has no protocol of its own: SQLAlchemy Core is the seam, and the URL chooses the
server.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from recommender.errors import UnavailableError
from recommender.paths import Path, PathStep
from recommender.records import Event

if TYPE_CHECKING:
    import pyarrow as pa
    from ibis.expr.types import Table


@dataclass(frozen=True, slots=True)
class RefusedEvent:
    """An acknowledged event that cannot be stored as it is.

    Attributes:
        shop_id: The shop it names; empty when it cannot be read.
        event_id: Its id; empty when it cannot be read.
        code: Stable machine-readable reason.
        detail: One sentence on it.
        payload: A stream entry with this event alone, for when it can be stored after all.
    """

    shop_id: str
    event_id: str
    code: str
    detail: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class StreamEntry:
    """One acknowledged HTTP request's events.

    Attributes:
        position: Place in the stream; grows strictly within an epoch, never reused.
        events: Events of the request; empty when `damaged` says why none can be read.
        raw: The stored bytes, for the rejection record.
        refused: Events of the request that cannot be read, while others can.
    """

    position: int
    events: tuple[Event, ...]
    raw: bytes
    damaged: str = ""
    refused: tuple[RefusedEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits in the stream.

    Attributes:
        entries: Entries not yet trimmed.
        oldest_seconds: Age of the oldest; 0 when none waits.
    """

    entries: int
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class DayContent:
    """What the event log holds of one day of one shop.

    Attributes:
        events: Number of events, each once.
        sha256: Hash of the events, whatever files they lie in.
        copies: Copies that were removed.
        log_version: Version of the log in which this holds.
        layout: See `EventLog.day_layouts`.
    """

    day: dt.date
    events: int
    sha256: str
    copies: int
    log_version: int
    layout: str


@dataclass(frozen=True, slots=True)
class Visit:
    """What one batch of events adds to a visitor's state.

    Attributes:
        steps: Items met, oldest first.
        page_views: Pages opened.
    """

    steps: Sequence[PathStep] = ()
    page_views: int = 0


class Batch(NamedTuple):
    """What one request of a browser brings.

    Attributes:
        events: Events of one shop, at least one.
        visits: Visitor hash → what the next slate shall know.
    """

    events: Sequence[Event]
    visits: Mapping[str, Visit]


class EventStream(Protocol):
    """Durable queue between the web and the event log."""

    def accept(self, events: Sequence[Event], visits: Mapping[str, Visit]) -> None:
        """Store events durably, then remember what each visitor just did.

        Returns only after the server has synced the events to disk; all of one call are stored
        or none.

        Args:
            events: Events of one shop, at least one.
            visits: Visitor hash → what the next slate shall know.

        Raises:
            UnavailableError: The events are not stored, or nobody can tell.
        """
        ...

    def accept_each(self, batches: Sequence[Batch]) -> list[UnavailableError | None]:
        """As `accept`, in one round trip for all; return for each why it is not stored."""
        ...

    def read(self, after: int, limit: int, block_ms: int = 0) -> list[StreamEntry]:
        """Return at most `limit` entries behind position `after`, oldest first.

        Waits at most `block_ms` for the first one; an empty list means none came.
        """
        ...

    def epoch(self) -> str:
        """Return the name of the stretch in which positions grow and can be compared.

        Another server, a restart or replaced data begin another one, with positions of its own.
        """
        ...

    def trim(self, through: int, epoch: str = "") -> None:
        """Forget entries up to and including position `through`.

        Raises:
            InconsistentError: `epoch` is given and over; nothing was forgotten.
        """
        ...

    def pending(self) -> int:
        """Return the number of entries not yet trimmed."""
        ...

    def backlog(self) -> Backlog:
        """Return how much waits, and how long already."""
        ...

    def claim(self, owner: str, seconds: float) -> str:
        """Let `owner` read alone for the next `seconds`, unless another does; return who reads.

        Saves others the work; that nothing is stored twice does not depend on it.
        """
        ...

    def release(self, owner: str) -> None:
        """End a claim, so that the next one may read at once."""
        ...

    def payload(self, event: Event) -> bytes:
        """Return a stream entry with this event alone, for its rejection record."""
        ...


class VisitorState(msgspec.Struct, frozen=True):
    """What the very next request knows of a visitor.

    Attributes:
        recent: The visitor's path; an item counts once for each kind and day, as in training.
        exposed: Whether an exposure in this placement was recorded within the last day.
        catalogue_revision: Revision of the shop's catalogue as the last writer announced it.
        page_views: Pages opened since the visitor was last away for a day.
    """

    recent: Path = Path()
    exposed: bool = False
    catalogue_revision: int = 0
    page_views: int = 0


class WhoAsks(NamedTuple):
    """Whose state is wanted.

    Attributes:
        visitor: Visitor hash; empty without consent.
        placement: Where a slate is asked for.
    """

    shop_id: str
    visitor: str = ""
    placement: str = ""


class HotState(Protocol):
    """Small facts every worker must see at once."""

    def visitor_states(self, asked: Sequence[WhoAsks]) -> list[VisitorState | UnavailableError]:
        """Return each one's state, or why it cannot be read, in one round trip for all."""
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

    def check(self, events: Sequence[Event]) -> None:
        """Raise InvalidInputError when one of the events can never be stored; stores nothing."""
        ...

    def append_table(self, table: "pa.Table", writer: str, position: int) -> None:
        """Append rows that are columns already; otherwise as `append`.

        Args:
            table: Rows of `events.columns.EVENT_SCHEMA`.
        """
        ...

    def events(
        self, shop_id: str, *, sealed: Mapping[dt.date, str] = MappingProxyType({})
    ) -> "Table":
        """Return all events of a shop, each event id once, as an Ibis table.

        Columns are those of `events.columns.EVENT_SCHEMA`.

        Args:
            sealed: Layout of days as they were sealed; a day that still has it holds no copies,
                and nobody need look for them.
        """
        ...

    def rows_by_shop(self) -> dict[str, int]:
        """Return how many rows the log has for each shop, copies included, without reading them."""
        ...

    def rows_by_day(self, shop_id: str) -> dict[dt.date, int]:
        """Return how many rows a shop's days have, copies included; column `day` of `events`."""
        ...

    def compact(self) -> None:
        """Merge small files; safe beside readers and writers."""
        ...

    def day_layouts(self, shop_id: str) -> dict[dt.date, str]:
        """Return each day's layout: as long as it is the same, so are the day's events."""
        ...

    def seal(self, shop_id: str, days: Sequence[dt.date]) -> list[DayContent]:
        """Leave each event of these days once, in one file a day, and tell what they hold.

        Raises:
            UnavailableError: Events came meanwhile; call again.
        """
        ...

    def drop(self, shop_id: str, days: Sequence[dt.date]) -> None:
        """Remove all events of these days."""
        ...
