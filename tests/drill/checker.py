"""The books: what the journal says against what the service stored.

I1  every acknowledged event is stored exactly once, or rejected with a reason, never neither
I2  what was never answered is stored at most once
I3  nothing stored was never sent, nothing carries another shop's id
I4  acknowledged = stored + rejected, per shop, once the stream is empty
orders: every acknowledged order is one row of the ledger, with its own net amount
"""

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from drill.journal import Books, Fate, read_journal
from drill.service import Service


@dataclass(slots=True)
class Verdict:
    """What a comparison found; `faults` is empty when all identities hold."""

    sent: int = 0
    acknowledged: int = 0
    lost: int = 0
    doubled: int = 0
    stored_unanswered: int = 0
    faults: list[str] = field(default_factory=list)

    def add(self, other: "Verdict") -> None:
        self.sent += other.sent
        self.acknowledged += other.acknowledged
        self.lost += other.lost
        self.doubled += other.doubled
        self.stored_unanswered += other.stored_unanswered
        self.faults += other.faults


def settle_books(service: Service, *journals: Path, seconds: float = 90.0) -> Verdict:
    """Wait until everything acknowledged has arrived (or time is up), then compare."""
    books = read_journal(*journals)
    deadline = time.monotonic() + seconds
    while True:
        verdict = compare(service, books)
        if (not verdict.lost and not service.pending()) or time.monotonic() > deadline:
            return compare(service, books)
        time.sleep(0.3)


def compare(service: Service, books: Books) -> Verdict:
    """Compare the journal with event log, rejections and ledger, as they are now."""
    verdict = Verdict(sent=len(books.sent))
    every_event = books.ids("event")
    rejected = _rejected_payloads(service)
    for shop in service.shops:
        stored = service.stored(shop.shop_id)
        _compare_events(verdict, books, shop.shop_id, stored, rejected, every_event)
        _compare_orders(verdict, books, shop.shop_id, service)
    return verdict


def _compare_events(
    verdict: Verdict,
    books: Books,
    shop_id: str,
    rows: Counter[tuple[str, str]],
    rejected: str,
    every_event: set[str],
) -> None:
    stored: Counter[str] = Counter()
    for (event_id, source), count in rows.items():
        if source == "browser":
            stored[event_id] += count
        elif count > 1:
            verdict.doubled += 1
            verdict.faults.append(f"I1: {source} event {event_id} stored {count} times")
    acknowledged = books.ids("event", Fate.ACKNOWLEDGED, shop_id=shop_id)
    missing = {one for one in acknowledged - stored.keys() if one not in rejected}
    doubled = {one for one, count in stored.items() if count > 1}
    doubled |= {one for one in acknowledged & stored.keys() if rejected and one in rejected}
    foreign = stored.keys() - books.ids("event", shop_id=shop_id)
    refused = stored.keys() & books.ids("event", Fate.REJECTED, Fate.REFUSED, shop_id=shop_id)
    verdict.acknowledged += len(acknowledged)
    verdict.lost += len(missing)
    verdict.doubled += len(doubled)
    verdict.stored_unanswered += len(stored.keys() - acknowledged)
    for name, found in (
        ("I1: lost", missing),
        ("I1: doubled", doubled),
        ("I3: of another shop", foreign & every_event),
        ("I3: never sent", foreign - every_event),
        ("I1: stored though refused", refused),
    ):
        if found:
            verdict.faults.append(f"{name}: {len(found)} of {shop_id}, e.g. {min(found)}")


def _compare_orders(verdict: Verdict, books: Books, shop_id: str, service: Service) -> None:
    found = Counter(
        row[0]
        for row in service.rows(
            "SELECT order_id FROM orders WHERE shop_id = :shop AND kind = 'order'", shop=shop_id
        )
    )
    acknowledged = books.ids("order", Fate.ACKNOWLEDGED, shop_id=shop_id)
    missing, foreign = acknowledged - found.keys(), found.keys() - books.ids("order")
    doubled = {one for one, count in found.items() if count > 1}
    verdict.acknowledged += len(acknowledged)
    verdict.lost += len(missing)
    verdict.doubled += len(doubled)
    for name, ids in (("lost", missing), ("doubled", doubled), ("never sent", foreign)):
        if ids:
            verdict.faults.append(f"orders {name}: {len(ids)} of {shop_id}, e.g. {min(ids)}")


def _rejected_payloads(service: Service) -> str:
    return "\n".join(str(row[0]) for row in service.rows("SELECT payload FROM rejections"))
