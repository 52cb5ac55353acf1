"""How the hot state is laid out for one visitor: names of keys, and steps as bytes and back.

Must not know the server.
"""

from collections.abc import Sequence

from recommender.ports import PathKind, PathStep

DAY_SECONDS = 86_400

_KINDS = {"v": PathKind.VIEW, "c": PathKind.CART, "o": PathKind.ORDER}
_LETTERS = {kind: letter for letter, kind in _KINDS.items()}


def recent_key(shop_id: str, visitor: str) -> str:
    """Name the list of a visitor's steps, newest first."""
    return f"recent:{shop_id}:{visitor}"


def pages_key(shop_id: str, visitor: str) -> str:
    """Name the counter of a visitor's pages."""
    return f"pages:{shop_id}:{visitor}"


def exposed_key(shop_id: str, visitor: str, placement: str) -> str:
    """Name the flag of an exposure within the last day."""
    return f"exposed:{shop_id}:{visitor}:{placement}"


def devices_key(shop_id: str, visitor: str) -> str:
    """Name the text of a person's other browsers, parted by commas."""
    return f"devices:{shop_id}:{visitor}"


def latest_key(shop_id: str) -> str:
    """Name the list of entries that a shop's technician can watch."""
    return f"latest:{shop_id}"


def packed_step(step: PathStep) -> str:
    """Return a step as it is stored."""
    # No item id has a NUL: events with one are rejected.
    return f"{step.item_id}\0{_LETTERS[step.kind]}{step.at_seconds}"


def path_of(packed: Sequence[bytes]) -> tuple[PathStep, ...]:
    """Return stored steps in their order, each item once for each kind and day."""
    return _once_a_day([_step(raw) for raw in packed])


def joined_path(paths: Sequence[Sequence[bytes]], limit: int) -> tuple[PathStep, ...]:
    """Return the newest steps of several browsers as one path, newest first."""
    steps = [_step(raw) for packed in paths for raw in packed]
    # A stable order: of steps of one second those of the first browser come first.
    return _once_a_day(sorted(steps, key=lambda step: -step.at_seconds))[:limit]


def _step(raw: bytes) -> PathStep:
    item_id, _, told = raw.decode().partition("\0")
    # An earlier release kept the bare id.
    return PathStep(
        item_id,
        _KINDS[told[0]] if told else PathKind.VIEW,
        int(told[1:]) if told else 0,
    )


def _once_a_day(steps: Sequence[PathStep]) -> tuple[PathStep, ...]:
    path: dict[tuple[str, PathKind, int], PathStep] = {}
    for step in steps:
        # A page that is loaded again and again is one step, as it is one interaction.
        path.setdefault((step.item_id, step.kind, step.at_seconds // DAY_SECONDS), step)
    return tuple(path.values())
