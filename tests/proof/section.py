"""What a part of the proof hands to the report."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is simulated.

    Attributes:
        quick: For the test suite: smaller numbers, same code.
        data: Folder with public data sets; None looks beside the checkout.
    """

    seed: int
    quick: bool = False
    data: Path | None = None

    def random(self, *subject: int) -> np.random.Generator:
        """Return the generator of one cell; no cell depends on another."""
        return np.random.default_rng([self.seed, *subject])

    def pick(self, full: int, quick: int) -> int:
        return quick if self.quick else full


@dataclass(frozen=True, slots=True)
class Check:
    """One claim with its figure."""

    claim: str
    found: str
    limit: str
    passed: bool


@dataclass(slots=True)
class Section:
    """One subject of the report."""

    title: str
    text: list[str] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)

    def say(self, paragraph: str) -> None:
        self.text.append(paragraph)

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
        self.text.append("\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]))

    def at_most(self, claim: str, share: float, limit: float) -> None:
        """Check a share against its upper limit."""
        self.checks.append(
            Check(claim, f"{share:.2%}", f"at most {limit:.1%}", bool(share <= limit))
        )

    def check(self, claim: str, found: str, limit: str, passed: object) -> None:
        self.checks.append(Check(claim, found, limit, bool(passed)))
