import itertools
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shopfront import ids

from planted import BEGAN_AT, GROUPS, catalogue_item
from recommender.catalog.eligibility import is_showable
from recommender.events.identity import pseudonym
from recommender.records import EventType, Phase, Placement, Stratum
from recommender.telemetry import FAILED_OPEN_TOTAL
from recommender.training.artifact import ArtifactStore

A, B = GROUPS["a"], GROUPS["b"]
EVERY_ITEM = [*A, *B]


def letters(answer) -> set[str]:
    return {item_id[0] for item_id in ids(answer)}


def controlled(front) -> None:
    nobody = Stratum("shop", 4, "salt", 0, BEGAN_AT)
    front.shop = replace(front.shop, strata=(*front.shop.strata, nobody))


@pytest.mark.parametrize("group", [A, B], ids=["a", "b"])
@pytest.mark.parametrize(
    ("placement", "page"),
    [
        (Placement.HOME, {}),
        (Placement.PRODUCT, {"item_id": 0}),
        (Placement.CART, {"cart": (0, 1)}),
        (Placement.SEARCH, {"search_term": "nothing like it"}),
    ],
)
def test_every_placement_follows_the_path(front, placement, page, group):
    named = {
        name: tuple(group[row] for row in value) if name == "cart" else value
        for name, value in page.items()
    }
    if "item_id" in named:
        named["item_id"] = group[named["item_id"]]
    answer = front.ask(placement, path=(group[1], group[0]), **named)
    assert len(ids(answer)) == 4
    assert letters(answer) == {group[0][0]}
    assert not set(ids(answer)) & set(group[:2]), "neither in hand nor seen"


def test_what_answers_to_a_search_comes_first_and_the_path_fills_the_rest(front):
    answer = front.ask(Placement.SEARCH, path=(A[1], A[0]), search_term=f"nice {B[3]}")
    first, *others = answer.slate.items
    assert (first.item_id, first.reason) == (B[3], "searched")
    assert {item.item_id[0] for item in others} == {"a"}
    assert all(item.reason != "searched" for item in others)
    assert ids(front.ask(Placement.HOME, path=(A[1], A[0]), search_term=B[3]))[0] != B[3]


def test_a_search_shows_nothing_that_may_not_be_shown(front):
    front.sell_out(B[3])
    assert B[3] not in ids(front.ask(Placement.SEARCH, path=(A[1], A[0]), search_term=B[3]))
    seen = ids(front.ask(Placement.SEARCH, path=(A[1], A[0]), search_term=A[1]))
    assert A[1] not in seen, "the visitor has met it"


def test_the_next_request_knows_the_newest_click(front):
    assert letters(front.ask(path=(A[2], A[1]))) == {"a"}
    moved_on = ids(front.ask(path=(B[2], B[1], B[0], A[2], A[1])))
    assert moved_on[0][0] == "b"
    assert sum(item_id[0] == "b" for item_id in moved_on) >= 2


def test_without_path_the_home_page_shows_what_is_popular(front):
    answer = front.ask()
    assert letters(answer) == {"a", "b"}
    assert {item.reason for item in answer.slate.items} == {"popular"}
    assert answer.slate.fallback == ""


def test_the_cart_asks_for_what_is_bought_with_all_of_it(front):
    answer = front.ask(Placement.CART, cart=(A[0], A[1]))
    assert letters(answer) == {"a"}
    assert not set(ids(answer)) & {A[0], A[1]}
    mixed = front.ask(Placement.CART, cart=(A[0], B[0]), n=8)
    assert letters(mixed) == {"a", "b"}


def test_a_category_shows_its_own_items_only_ordered_by_the_path(front):
    front.stock(*(catalogue_item(item, category="x") for item in (A[3], A[4], B[5], B[6])))
    front.setting(Placement.CATEGORY, tail_ppm=0)
    answer = front.ask(Placement.CATEGORY, path=(B[4], B[3]), category="x")
    assert set(ids(answer)) == {A[3], A[4], B[5], B[6]}
    assert set(ids(answer)[:2]) == {B[5], B[6]}
    nobody = front.ask(Placement.CATEGORY, category="x")
    assert {item.reason for item in nobody.slate.items} == {"category"}


def test_a_category_nobody_visits_is_shown_all_the_same(front):
    front.stock(*(catalogue_item(item, category="dusty") for item in A[-3:]))
    assert set(ids(front.ask(Placement.CATEGORY, category="dusty"))) == set(A[-3:])
    assert ids(front.ask(Placement.CATEGORY, category="unheard of")) == []


def test_what_is_sold_out_is_gone_on_the_next_request(front):
    page = {"placement": Placement.PRODUCT, "item_id": A[0]}
    first, *others = ids(front.ask(**page))
    front.sell_out(first)
    again = ids(front.ask(**page))
    assert first not in again
    assert set(others) <= set(again)
    front.stock(catalogue_item(first))
    assert first in ids(front.ask(**page))


def test_seen_items_come_back_only_where_the_shop_wants_them(front):
    assert A[1] not in ids(front.ask(path=(A[0], A[1])))
    front.setting(Placement.HOME, allow_seen=True, n=len(EVERY_ITEM))
    assert A[1] in ids(front.ask(path=(A[0], A[1])))


def test_what_the_page_shows_or_the_cart_holds_never_comes_back(front):
    for placement in (Placement.PRODUCT, Placement.CART, Placement.HOME):
        front.setting(placement, allow_seen=True)
    path = (A[2], A[1], A[0])
    on_page = ids(front.ask(Placement.PRODUCT, path=path, item_id=A[2], n=12))
    assert A[2] not in on_page
    assert {A[0], A[1]} <= set(on_page), "seen before, and the shop allows it"
    held = ids(front.ask(Placement.CART, path=path, cart=(A[5],), n=12))
    assert held
    assert not set(held) & {*path, A[5]}, "a cart asks for what is missing, not for what was seen"


def test_reasons_name_what_moved_the_score(front):
    answer = front.ask(Placement.PRODUCT, path=(A[1], A[0]), item_id=A[1])
    for item in answer.slate.items:
        assert item.reason in {"viewed", "bought_together", "similar", "history"}
        assert (item.reason == "history") == (item.reason_item_id == "")
        assert item.reason_item_id in {"", A[0], A[1]}


def test_reasons_follow_the_one_source_that_speaks(front, store, trained, models):
    arrays, meta = trained
    blends = {task: {"weights": {"follows": 1.0}, "beta": 0.0} for task in meta["blends"]}
    later = front.now
    store.publish("shop", store.write("shop", arrays, {**meta, "blends": blends}, created_at=later))
    front.setting(Placement.PRODUCT, tail_ppm=0)
    answer = front.ask(Placement.PRODUCT, item_id=A[0])
    assert ids(answer)[0] == A[1], "the walk goes from 0 to 1"
    assert {(item.reason, item.reason_item_id) for item in answer.slate.items} == {("viewed", A[0])}


def test_the_dial_moves_a_slate_towards_the_tail(front):
    def popularity(tail_ppm: int) -> float:
        front.setting(Placement.CART, tail_ppm=tail_ppm)
        slates = [ids(front.ask(Placement.CART, cart=(item_id,))) for item_id in EVERY_ITEM]
        model = front.models.get("shop")
        rows = model.vocabulary.rows(itertools.chain.from_iterable(slates))
        return float(model.popularity[rows].sum())

    steps = [popularity(tail_ppm) for tail_ppm in range(0, 1_000_001, 200_000)]
    assert steps == sorted(steps, reverse=True)
    assert steps[0] > steps[-1]


def test_without_model_the_newest_items_answer(front, tmp_path):
    front.models._store = ArtifactStore(tmp_path / "empty")
    answer = front.ask()
    assert (ids(answer), answer.slate.fallback) == (B[:-5:-1], "no-model")
    assert {item.reason for item in answer.slate.items} == {"newest"}
    front.sell_out(B[-1])
    assert B[-1] not in ids(front.ask())
    in_category = front.ask(Placement.CATEGORY, category="a", item_id=A[-1])
    assert ids(in_category) == A[-2:-6:-1]
    assert {item.reason for item in in_category.slate.items} == {"newest"}


def test_an_empty_shop_gets_an_empty_slate(front, tmp_path):
    front.models._store = ArtifactStore(tmp_path / "empty")
    front.catalogue = type(front.catalogue)()
    answer = front.ask(visitor_id="v")
    assert (ids(answer), answer.arm, answer.slate.fallback) == ([], "", "no-model")


@pytest.mark.parametrize("late_after", [1, 2])
def test_when_time_is_up_popular_items_answer(front, late_after):
    ticks = itertools.chain([0.0] * late_after, itertools.repeat(1.0))
    front.seconds = lambda: next(ticks)
    answer = front.ask(Placement.PRODUCT, item_id=A[0], visitor_id="v")
    assert answer.slate.fallback == "deadline"
    assert len(ids(answer)) == 4
    assert A[0] not in ids(answer)
    assert front.hot_state.exposures[0].slate_id == answer.slate.slate_id


def test_a_late_category_stays_within_the_category(front):
    ticks = itertools.chain([0.0], itertools.repeat(1.0))
    front.seconds = lambda: next(ticks)
    assert letters(front.ask(Placement.CATEGORY, category="b")) == {"b"}


def test_a_hot_state_that_is_down_costs_the_path_not_the_page(front):
    failed = FAILED_OPEN_TOTAL.labels(part="hot-state")._value
    before = failed.get()
    front.hot_state.down = True
    answer = front.ask(Placement.PRODUCT, item_id=A[0])
    assert letters(answer) == {"a"}
    assert failed.get() == before + 1


def test_an_exposure_that_is_not_stored_changes_neither_arm(front):
    failed = FAILED_OPEN_TOTAL.labels(part="exposure")._value
    before = failed.get()
    front.hot_state.down = True
    treated = front.ask(Placement.PRODUCT, item_id=A[0], visitor_id="v")
    assert (treated.arm, len(ids(treated)) > 0) == ("treatment", True)
    controlled(front)
    control = front.ask(Placement.PRODUCT, item_id=A[0], visitor_id="w")
    assert (control.arm, ids(control)) == ("control", [])
    assert failed.get() == before + 2


def test_any_fault_of_ours_is_an_empty_slate(front):
    failed = FAILED_OPEN_TOTAL.labels(part="recommend")._value
    before = failed.get()
    front.models = None
    answer = front.ask(visitor_id="v")
    assert (ids(answer), answer.slate.fallback, answer.arm) == ([], "failed", "")
    assert failed.get() == before + 1


def test_a_switched_off_placement_is_silent(front):
    front.setting(Placement.HOME, enabled=False)
    answer = front.ask(visitor_id="v")
    assert (ids(answer), answer.slate.fallback) == ([], "placement-off")
    assert front.hot_state.asked == 0


def test_too_few_items_show_nothing_in_either_arm(front):
    front.sell_out(*EVERY_ITEM[1:])
    answer = front.ask(visitor_id="v")
    assert (ids(answer), answer.arm, answer.slate.fallback) == ([], "", "too-few")
    assert front.hot_state.exposures == []
    assert ids(front.ask(visitor_id="v", n=1)) == [A[0]], "the page asked for one"


def test_both_arms_are_recorded_alike_and_the_control_sees_nothing(front):
    treated = front.ask(Placement.PRODUCT, item_id=A[0], visitor_id="v")
    controlled(front)
    control = front.ask(Placement.PRODUCT, item_id=A[0], visitor_id="w")
    assert (treated.arm, treated.shown) == ("treatment", True)
    assert (control.arm, control.shown, ids(control)) == ("control", False, [])
    first, second = front.hot_state.exposures
    assert [item.item_id for item in second.items] == ids(treated), "the slate there would be"
    assert (first.arm, first.stratum) == ("treatment", 3)
    assert (second.arm, second.stratum) == ("control", 4)
    for event, answer, visitor in ((first, treated, "v"), (second, control, "w")):
        assert event.type is EventType.EXPOSURE
        assert event.visitor == pseudonym(front.shop.visitor_key, visitor)
        assert event.slate_id == answer.slate.slate_id != event.event_id
        assert event.placement == "product"
        assert event.occurred_at == event.received_at == front.now
        assert event.day == front.now.date()


def test_in_an_a_a_stretch_nobody_is_shown_anything_and_exposures_go_on(front):
    silent = Stratum("shop", 4, "salt", 500_000, BEGAN_AT, Phase.A_A)
    front.shop = replace(front.shop, strata=(*front.shop.strata, silent))
    answers = [front.ask(Placement.HOME, visitor_id=f"v{number}") for number in range(20)]
    assert {answer.arm for answer in answers} == {"control", "treatment"}
    assert not any(answer.shown or ids(answer) for answer in answers)
    exposed = [event for event in front.hot_state.exposures if event.stratum == 4]
    assert {event.arm for event in exposed} == {"control", "treatment"}
    assert all(event.items for event in exposed)


def test_an_exposure_is_recorded_once_per_visitor_and_placement(front):
    for _ in range(3):
        front.ask(visitor_id="v")
    front.ask(Placement.PRODUCT, item_id=A[0], visitor_id="v")
    front.ask(visitor_id="w")
    assert [event.placement for event in front.hot_state.exposures] == ["home", "product", "home"]


@pytest.mark.parametrize("who", [{"visitor_id": ""}, {"visitor_id": "v", "preview": True}])
def test_without_consent_or_in_a_preview_there_is_no_experiment(front, who):
    controlled(front)
    answer = front.ask(Placement.PRODUCT, item_id=A[0], **who)
    assert (answer.arm, answer.shown, len(ids(answer))) == ("", True, 4)
    assert front.hot_state.exposures == []


def test_the_slate_does_not_depend_on_the_arm(front):
    shown = front.ask(Placement.HOME, path=(A[0],), visitor_id="v")
    controlled(front)
    front.hot_state.exposures.clear()
    front.ask(Placement.HOME, path=(A[0],), visitor_id="v")
    (ghost,) = front.hot_state.exposures
    assert [item.item_id for item in ghost.items] == ids(shown)


STOCK = st.dictionaries(
    st.sampled_from(EVERY_ITEM),
    st.fixed_dictionaries(
        {
            "available": st.booleans(),
            "group_id": st.sampled_from(["", "", "g", "h"]),
            "brand": st.sampled_from(["", "x"]),
        }
    ),
    max_size=24,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    placement=st.sampled_from(list(Placement)),
    path=st.lists(st.sampled_from([*EVERY_ITEM, "gone"]), max_size=6, unique=True),
    cart=st.lists(st.sampled_from([*EVERY_ITEM, "gone"]), max_size=3, unique=True),
    item_id=st.sampled_from(["", "gone", *EVERY_ITEM]),
    n=st.integers(1, 30),
    stock=STOCK,
)
def test_no_slate_breaks_a_rule(front, placement, path, cart, item_id, n, stock):
    front.stock(*(catalogue_item(item) for item in EVERY_ITEM))
    front.stock(*(catalogue_item(item, **changes) for item, changes in stock.items()))
    answer = front.ask(
        placement, path=tuple(path), cart=tuple(cart), item_id=item_id, n=n, category="a"
    )
    shown = ids(answer)
    assert answer.slate.fallback in ("", "too-few")
    assert len(shown) <= n
    assert len(set(shown)) == len(shown)
    assert not set(shown) & {*path, *cart, item_id}
    items = [answer.catalogue.get(item) for item in shown]
    assert all(item is not None and is_showable(item) for item in items)
    groups = [item.group_id for item in items if item.group_id]
    assert len(set(groups)) == len(groups)
    if placement is Placement.CATEGORY:
        assert {item.category for item in items} <= {"a"}


def test_a_fault_in_reading_visitors_costs_the_path_not_the_page(front, monkeypatch):
    def broken(asked):
        raise RuntimeError("nobody foresaw it")

    monkeypatch.setattr(front.hot_state, "visitor_states", broken)
    assert ids(front.ask(visitor_id="v", item_id="a0"))
