"""Statements about one order → what they come to together, whatever order they came in. Pure.

Every telling has a revision, and of the same thing the highest revision counts. A cancellation
takes back what refunds have left. A refund may come before its order, a payment before the order's
creation, an old state after a newer one: the result depends on the set of statements alone.
"""

from collections.abc import Iterable
from dataclasses import replace

from recommender.events.order_marks import is_test
from recommender.records import OrderFact, OrderKind, Source

IMPORTED_REVISION = -1
"""A file has no authority over the shop's server: anything signed comes later."""


def fold_order(facts: Iterable[OrderFact]) -> tuple[OrderFact, ...]:
    """Return what one order comes to: the order, its refunds, and what a cancellation took back.

    An order that was told as a test first is a test for good, and nothing but it is left.

    An order that never was anything but cancelled, such as one that was never paid, leaves only
    its refunds; refunds without their order stand alone until it comes.

    Args:
        facts: All statements about one order, one for each kind, id and revision. A state of the
            order that is cancelled comes as an order and a cancellation of the same revision.
    """
    told = sorted(facts, key=lambda fact: (fact.kind.value, fact.fact_id, fact.revision))
    refunds = _refunds([fact for fact in told if fact.kind is OrderKind.REFUND])
    states = [fact for fact in told if fact.kind is OrderKind.ORDER]
    cancels = [fact for fact in told if fact.kind is OrderKind.CANCEL]
    if states and is_test(_first_marks(states)):
        return (replace(_newest(states), kind=OrderKind.TEST),)
    void = {fact.revision for fact in cancels}
    stood = [fact.revision for fact in states if fact.revision not in void]
    if not stood:
        return refunds
    order = _newest(states)
    cancel = next((fact for fact in cancels if fact.revision > stood[-1]), None)
    if cancel is None:
        return (order, *refunds)
    left_minor = max(0, order.net_minor - sum(fact.net_minor for fact in refunds))
    return (order, *refunds, replace(cancel, net_minor=left_minor, visitor=""))


def _refunds(told: list[OrderFact]) -> tuple[OrderFact, ...]:
    """Return each refund as told last, on the earliest day anybody told of it."""
    newest = {fact.fact_id: fact for fact in told}
    first_at = {
        fact_id: min(fact.placed_at for fact in told if fact.fact_id == fact_id)
        for fact_id in newest
    }
    return tuple(
        replace(fact, placed_at=first_at[fact_id], visitor="") for fact_id, fact in newest.items()
    )


def _newest(states: list[OrderFact]) -> OrderFact:
    """Return the newest statement, with the visitor and keys of whoever may tell them."""
    signed = [fact for fact in states if fact.source is not Source.IMPORT] or states

    def last_told(name: str) -> str:
        return next((told for fact in reversed(signed) if (told := getattr(fact, name))), "")

    return replace(
        states[-1],
        received_at=min(fact.received_at for fact in states),
        visitor=last_told("visitor"),
        order_number=last_told("order_number"),
        cart_key=last_told("cart_key"),
        checkout_key=last_told("checkout_key"),
        email_key=last_told("email_key"),
        marks=_first_marks(states),
    )


def _first_marks(states: list[OrderFact]) -> str:
    """Return the marks of the first telling that a server signed; files know none."""
    return next((fact.marks for fact in states if fact.source is not Source.IMPORT), "")
