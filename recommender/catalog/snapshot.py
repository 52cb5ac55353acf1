"""A shop's catalogue at one revision, held in memory for the shopper's request. Pure.

Items are kept packed, because a process holds hundreds of thousands of them and a request looks
at a few: those are unpacked when asked for.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from recommender.catalog.packing import pack, packed_fragments, packed_title, unpack
from recommender.records import Item, Rule

_REMEMBERED_CHANGES = 64
_REMEMBERED_IDS = 1_000
_ITEM_OVERHEAD_BYTES = 240
"""What an item takes beside its packed text: the key, its place in the table and in its group."""


@dataclass(frozen=True, slots=True)
class CatalogueSnapshot:
    """Items of one shop with everything a slate needs ready-made; never changes.

    Attributes:
        revision: Revision of the shop's catalogue this snapshot shows; 0 is an empty one.
        by_category: Category → ids of all its items, also those not showable now; items
            without a category are left out.
        rules: The shop's rules, also those not in force now.
        rules_revision: Revision at which the rules changed last.
    """

    revision: int = 0
    by_category: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: MappingProxyType({}), repr=False
    )
    _packed: dict[str, bytes] = field(default_factory=dict, repr=False)
    _packed_bytes: int = field(default=0, repr=False)
    rules: tuple[Rule, ...] = ()
    rules_revision: int = 0
    _changes: tuple[tuple[int, tuple[str, ...]], ...] = field(default=(), repr=False)

    def get(self, item_id: str) -> Item | None:
        """Return an item, or None when the catalogue has none of this id."""
        packed = self._packed.get(item_id)
        return None if packed is None else unpack(packed)

    def fragments(self, item_ids: Iterable[str]) -> list[bytes]:
        """Return the beginnings of items' JSON objects in a slate.

        Each has `id`, `title`, `url`, `image`, `price_minor`, `currency` and lacks the closing
        brace, so that the reason can be appended: `fragment + b',"reason":"viewed"}'`.

        Raises:
            KeyError: The catalogue lacks one of them.
        """
        # All are found before one is read: so the processor waits for several at a time.
        return packed_fragments(list(map(self._packed.__getitem__, item_ids)))

    def titles_json(self, item_ids: Iterable[str]) -> list[bytes]:
        """Return items' titles as JSON, without quotation marks; empty for an unknown item."""
        found = list(map(self._packed.get, item_ids))
        return [b"" if packed is None else packed_title(packed) for packed in found]

    def items(self) -> Iterator[Item]:
        """Yield all items, in the order in which their ids became known."""
        return map(unpack, self._packed.values())

    def newest(self, limit: int) -> Iterator[Item]:
        """Yield the items whose ids became known last, the newest first."""
        return map(unpack, itertools.islice(reversed(self._packed.values()), limit))

    @property
    def n_bytes(self) -> int:
        """Return about how much memory the catalogue takes."""
        return self._packed_bytes + _ITEM_OVERHEAD_BYTES * len(self._packed)

    def __contains__(self, item_id: object) -> bool:
        return item_id in self._packed

    def __len__(self) -> int:
        return len(self._packed)

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def changed_since(self, revision: int) -> Iterable[Item]:
        """Return the items that changed behind a revision of this catalogue.

        Costs their number when the change is recent and small, else the whole catalogue.
        """
        if revision >= self.revision:
            return ()
        if any(base == revision for base, _ in self._changes):
            ids = {one for base, ids in self._changes if base >= revision for one in ids}
            return [unpack(self._packed[item_id]) for item_id in ids]
        return (item for item in self.items() if item.revision > revision)

    def with_rules(self, rules: tuple[Rule, ...], revision: int) -> "CatalogueSnapshot":
        """Return the catalogue with other rules, which changed at `revision`."""
        return replace(self, rules=rules, rules_revision=revision)

    def with_changes(self, changes: Iterable[Item], revision: int) -> "CatalogueSnapshot":
        """Return the catalogue after some items were added or changed.

        Costs the changed items, plus a flat copy of the lookup tables.
        """
        packed, size = self._packed.copy(), self._packed_bytes
        moves = _Moves()
        changed = []
        for item in changes:
            before = packed.get(item.item_id)
            moves.note(item, None if before is None else unpack(before).category)
            packed[item.item_id] = after = pack(item)
            size += len(after) - len(before or b"")
            changed.append(item.item_id)
        return replace(
            self,
            revision=revision,
            by_category=MappingProxyType(moves.regroup(self.by_category)),
            _packed=packed,
            _packed_bytes=size,
            _changes=self._remember(changed),
        )

    def _remember(self, ids: Sequence[str]) -> tuple[tuple[int, tuple[str, ...]], ...]:
        if len(ids) > _REMEMBERED_IDS:
            return ()
        return (*self._changes[1 - _REMEMBERED_CHANGES :], (self.revision, tuple(ids)))


class _Moves:
    """Which items came into which category, or left it."""

    def __init__(self) -> None:
        self._category: dict[str, str] = {}
        self._touched: dict[str, set[str]] = {}

    def note(self, item: Item, category_before: str | None) -> None:
        if category_before == item.category:
            return
        self._category[item.item_id] = item.category
        for category in {item.category, category_before} - {None, ""}:
            self._touched.setdefault(str(category), set()).add(item.item_id)

    def regroup(self, before: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        groups = dict(before)
        for category, ids in self._touched.items():
            stay = [item_id for item_id in groups.get(category, ()) if item_id not in ids]
            come = sorted(item_id for item_id in ids if self._category[item_id] == category)
            groups[category] = (*stay, *come)
        return {category: ids for category, ids in groups.items() if ids}
