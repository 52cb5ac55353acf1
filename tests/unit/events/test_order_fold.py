"""What one order comes to depends on the statements alone, not on when they arrive."""

import datetime as dt
import itertools

from hypothesis import given
from hypothesis import strategies as st

from recommender.events.order_fold import IMPORTED_REVISION, fold_order
from recommender.records import OrderFact, OrderKind, Source

START = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
ORDER, REFUND, CANCEL = OrderKind.ORDER, OrderKind.REFUND, OrderKind.CANCEL


def fact(
    kind: OrderKind,
    revision: int = 0,
    net_minor: int = 0,
    name: str = "A",
    hour: int = 0,
    **more: str,
) -> OrderFact:
    source = Source.IMPORT if revision == IMPORTED_REVISION else Source.SERVER
    at = START + dt.timedelta(hours=hour)
    return OrderFact("shop_1", kind, name, "A", net_minor, "EUR", at, at, more.get("visitor", ""),
                     "hash", (), revision, source, cart_key=more.get("cart_key", ""),
                     marks=more.get("marks", ""))  # fmt: skip


def kept(facts: list[OrderFact]) -> int:
    """Revenue that is left in the end."""
    return sum(one.net_minor if one.kind is ORDER else -one.net_minor for one in fold_order(facts))


def test_the_newest_revision_of_an_order_counts() -> None:
    (order,) = fold_order([fact(ORDER, 0, 500), fact(ORDER, 2, 700), fact(ORDER, 1, 600)])
    assert (order.net_minor, order.revision) == (700, 2)


def test_a_cancellation_takes_back_what_refunds_left() -> None:
    told = [fact(ORDER, 0, 500), fact(REFUND, 0, 120, "R1", 1), fact(CANCEL, 1, hour=2)]
    order, refund, cancel = fold_order(told)
    assert (order.net_minor, refund.net_minor, cancel.net_minor) == (500, 120, 500 - 120)
    assert cancel.placed_at == START + dt.timedelta(hours=2)


def test_a_refund_told_of_a_cancelled_order_is_not_taken_twice() -> None:
    assert kept([fact(ORDER, 0, 500), fact(CANCEL, 1), fact(REFUND, 0, 500, "R1")]) == 0


def test_a_cancelled_order_that_is_placed_again_counts_again() -> None:
    assert (
        kept([fact(ORDER, 1, 500), fact(ORDER, 2, 500), fact(CANCEL, 2), fact(ORDER, 3, 400)])
        == 400
    )


def test_the_first_of_several_cancelled_states_dates_the_cancellation() -> None:
    states = [fact(ORDER, 1, 500)]
    for revision, hour in ((2, 5), (3, 9)):
        states += [fact(ORDER, revision, 500), fact(CANCEL, revision, hour=hour)]
    assert fold_order(states)[-1].placed_at == START + dt.timedelta(hours=5)


def test_an_order_that_was_never_paid_leaves_nothing() -> None:
    assert fold_order([fact(ORDER, 1, 500), fact(CANCEL, 1)]) == ()


def test_a_refund_before_its_order_stands_alone_until_it_comes() -> None:
    (refund,) = fold_order([fact(REFUND, 0, 120, "R1")])
    assert (refund.kind, refund.order_id) == (REFUND, "A")


def test_a_refund_counts_as_told_last_on_the_earliest_day_told() -> None:
    told = [fact(REFUND, 7, 120, "R1", 9), fact(REFUND, 3, 100, "R1", 4)]
    (refund,) = fold_order(told)
    assert (refund.net_minor, refund.placed_at) == (120, START + dt.timedelta(hours=4))


def test_the_shops_server_counts_over_a_file_and_takes_over_the_visitor() -> None:
    imported = fact(ORDER, IMPORTED_REVISION, 480, visitor="customer")
    (order,) = fold_order([imported, fact(ORDER, 0, 500, visitor="browser")])
    assert (order.net_minor, order.visitor) == (500, "browser")
    (keyed,) = fold_order([imported, fact(ORDER, 0, 500, cart_key="k")])
    assert (keyed.visitor, keyed.cart_key) == ("", "k"), "a customer is no browser: the key leads"
    (alone,) = fold_order([imported])
    assert alone.visitor == "customer"


def test_an_edit_that_does_not_name_the_visitor_keeps_the_link() -> None:
    (order,) = fold_order([fact(ORDER, 0, 500, visitor="browser"), fact(ORDER, 1, 400)])
    assert (order.net_minor, order.visitor) == (400, "browser")


statements = st.lists(
    st.builds(
        fact,
        kind=st.sampled_from(list(OrderKind)),
        revision=st.integers(-1, 4),
        net_minor=st.integers(0, 1_000),
        hour=st.integers(0, 48),
        visitor=st.sampled_from(["", "v1", "v2"]),
    ),
    max_size=8,
    unique_by=lambda one: (one.kind, one.revision),
)


@given(statements, st.randoms(use_true_random=False))
def test_any_order_of_arrival_gives_the_same_result(told: list[OrderFact], random: object) -> None:
    shuffled = list(told)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert fold_order(told) == fold_order(shuffled)
    assert len({(one.kind, one.fact_id) for one in fold_order(told)}) == len(fold_order(told))


@given(statements)
def test_a_cancelled_order_never_leaves_more_than_nothing(told: list[OrderFact]) -> None:
    folded = fold_order(told)
    if any(one.kind is CANCEL for one in folded):
        assert kept(told) <= 0
        assert any(one.kind is ORDER for one in folded)


def test_every_permutation_of_a_real_life_comes_to_the_same() -> None:
    life = [
        fact(ORDER, 1, 500),
        fact(ORDER, 2, 650),
        fact(REFUND, 0, 100, "R1", 3),
        fact(REFUND, 1, 90, "R1", 3),
        fact(CANCEL, 3, hour=6),
    ]
    results = {fold_order(permuted) for permuted in itertools.permutations(life)}
    assert len(results) == 1
    assert kept(life) == 650 - 90 - 560


def test_only_the_first_telling_marks_an_order() -> None:
    """Whoever marks an order later may know what it did to the comparison."""
    first, later = fact(ORDER, 0, 500, marks="a b"), fact(ORDER, 3, 400, marks="test c")
    (order,) = fold_order([later, first])
    assert (order.kind, order.net_minor, order.marks) == (ORDER, 400, "a b")
    (test,) = fold_order([fact(ORDER, 0, 500, marks="test"), later, fact(REFUND, 0, 10, "R")])
    assert (test.kind, test.net_minor) == (OrderKind.TEST, 400)
    imported = fact(ORDER, IMPORTED_REVISION, 500)
    assert fold_order([imported, fact(ORDER, 0, 500, marks="test")])[0].kind is OrderKind.TEST
