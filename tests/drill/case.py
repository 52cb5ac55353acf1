"""What a case is, what it gets, and what it tells."""

import contextlib
import copy
import random
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from drill.checker import Verdict, settle_books
from drill.journal import Journal
from drill.load import Load
from drill.service import Service


class Standing:
    """One service for all cases that only send; started when first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._service: Service | None = None

    def service(self) -> Service:
        if self._service is None:
            self._service = Service(Path(tempfile.mkdtemp(prefix="rcd-", dir=self._folder)))
            self._service.prepare(0)
            self._service.start()
        self._service.wait_ready()
        return self._service

    def close(self) -> None:
        if self._service is not None:
            self._service.stop()


class NotExecutedError(Exception):
    """The case cannot be executed here; the text says why."""


@dataclass(slots=True)
class Outcome:
    """What one case did and found.

    Attributes:
        injected: What was done to the service.
        rounds: How often.
        books: Journal against store, over all rounds.
        recovery_seconds: Longest time from a fault to the next acknowledgement; None where
            nothing was interrupted.
        notes: Figures and remarks for the report.
    """

    injected: str = ""
    rounds: int = 0
    books: Verdict = field(default_factory=Verdict)
    recovery_seconds: float | None = None
    notes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    executed_by: str = "drill"

    def check(self, holds: object, fault: str) -> None:
        """Note a broken expectation; the case goes on, to find the others."""
        if not holds:
            self.faults.append(fault)

    def recovered(self, seconds: float) -> None:
        self.recovery_seconds = max(self.recovery_seconds or 0.0, seconds)

    @property
    def all_faults(self) -> list[str]:
        return [*self.faults, *self.books.faults]


@dataclass
class Drill:
    """What a case works with.

    Attributes:
        long: Whether this is the long drill: more rounds, longer outages.
        draw: Chance of this case, from the drill's seed and the case's id.
    """

    folder: Path
    seed: int
    long: bool
    draw: random.Random
    standing: "Standing"
    _journals: int = 0

    def choose(self, short: int, long: int) -> int:
        return long if self.long else short

    @contextlib.contextmanager
    def service(
        self,
        *roles: str,
        n_shops: int = 2,
        n_items: int = 0,
        ready: bool = True,
        **options: object,
    ) -> Iterator[Service]:
        """Give a service with shops, started (`up` unless roles are named) and ready.

        `roles` of a single empty text starts nothing.
        """
        home = Path(tempfile.mkdtemp(prefix="rcd-", dir=self.folder))
        service = Service(home, **options)  # type: ignore[arg-type]
        try:
            service.prepare(n_shops, n_items=n_items, seed=self.seed)
            if roles != ("",):
                service.start(*roles)
                if ready:
                    service.wait_ready()
            yield service
        finally:
            with contextlib.suppress(Exception):
                service.stop(patience_seconds=20)

    def visit(self, *, n_shops: int = 2, n_items: int = 0) -> Service:
        """Give the service that stands through the whole drill, with shops of this case's own.

        For cases that break nothing: they save its start.
        """
        guest = copy.copy(self.standing.service())
        guest.shops = []
        guest.add_shops(n_shops, n_items=n_items, seed=self.draw.getrandbits(32))
        return guest

    def journal(self, service: Service, name: str = "journal") -> Journal:
        self._journals += 1
        return Journal(
            service.home / f"{name}-{self._journals}-{self.draw.getrandbits(24):06x}.jsonl"
        )

    def load(self, service: Service, journal: Journal, **options: object) -> Load:
        # Another seed for each load: order ids must not come twice.
        options.setdefault("seed", self.draw.getrandbits(48))
        return Load(service.address, journal, service.shops, **options)  # type: ignore[arg-type]

    def close_books(
        self, outcome: Outcome, service: Service, *journals: Journal, seconds: float = 90.0
    ) -> None:
        """Compare journals with the store and add what is found to the outcome."""
        outcome.books.add(
            settle_books(service, *(journal.path for journal in journals), seconds=seconds)
        )


Work = Callable[[Drill], Outcome]


@dataclass(frozen=True, slots=True)
class Case:
    """One executable case of the catalogue.

    Attributes:
        short: Whether a short drill may draw it: a few seconds.
    """

    case_id: str
    work: Work
    short: bool


CASES: dict[str, Case] = {}


def case(case_id: str, *, short: bool = False) -> Callable[[Work], Work]:
    """Register the function as the execution of a case of the catalogue."""

    def register(work: Work) -> Work:
        assert case_id not in CASES, case_id
        CASES[case_id] = Case(case_id, work, short)
        return work

    return register
