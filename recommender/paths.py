"""What a visitor met, step by step, and the bytes it is kept as. Pure.

A slate reads the bytes in a kernel (`serving.meetings`), so that no object is made for each step;
whoever wants to look at single steps has them unpacked here.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec

DAY_SECONDS = 86_400


class PathKind(StrEnum):
    """What a visitor did with an item of the path."""

    VIEW = "view"
    CART = "cart"
    ORDER = "order"


LETTERS = dict(zip(PathKind, "vco", strict=True))
_KINDS = {letter: kind for kind, letter in LETTERS.items()}


class PathStep(NamedTuple):
    """One item that a visitor met.

    Attributes:
        at_seconds: Unix time; 0 when it is not known any more.
    """

    item_id: str
    kind: PathKind
    at_seconds: int


class Path(msgspec.Struct, frozen=True):
    """A visitor's steps, newest first.

    Attributes:
        packed: Packed steps with two NULs between them, repetitions included.
    """

    packed: bytes = b""

    @classmethod
    def of(cls, packed: Iterable[bytes]) -> "Path":
        """Return the path of packed steps."""
        return cls(_BETWEEN.join(packed))

    @property
    def steps(self) -> tuple[PathStep, ...]:
        """Return the steps in their order, each item once for each kind and day."""
        return _once_a_day(self._unpacked())

    @property
    def item_ids(self) -> tuple[str, ...]:
        """Return the items' ids, those met last first, without repetition."""
        return tuple(dict.fromkeys([step.item_id for step in self._unpacked()]))

    def _unpacked(self) -> Iterator[PathStep]:
        return map(_step, self.packed.split(_BETWEEN) if self.packed else ())


# No item id has a NUL: events with one are rejected.
_BEHIND_ID, _BETWEEN = b"\0", b"\0\0"


def packed_step(step: PathStep) -> bytes:
    """Return a step as `ITEM NUL KIND SECONDS`, with a letter for the kind."""
    return f"{step.item_id}\0{LETTERS[step.kind]}{step.at_seconds}".encode()


def path_of(steps: Iterable[PathStep]) -> Path:
    """Return the path of some steps, newest first."""
    return Path.of(map(packed_step, steps))


def joined(paths: Sequence[Path], limit: int) -> Path:
    """Return the newest steps of several browsers as one path."""
    steps = [step for path in paths for step in path._unpacked()]
    # A stable order: of steps of one second those of the first browser come first.
    return path_of(_once_a_day(sorted(steps, key=lambda step: -step.at_seconds))[:limit])


def _step(raw: bytes) -> PathStep:
    item_id, _, told = (part.decode() for part in raw.partition(_BEHIND_ID))
    # An earlier release kept the bare id.
    return PathStep(
        item_id,
        _KINDS[told[0]] if told else PathKind.VIEW,
        int(told[1:]) if told else 0,
    )


def _once_a_day(steps: Iterable[PathStep]) -> tuple[PathStep, ...]:
    path: dict[tuple[str, PathKind, int], PathStep] = {}
    for step in steps:
        # A page that is loaded again and again is one step, as it is one interaction.
        path.setdefault((step.item_id, step.kind, step.at_seconds // DAY_SECONDS), step)
    return tuple(path.values())
