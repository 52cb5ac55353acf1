"""Paths of several browsers, as bytes of the hot state."""

from recommender.adapters.visitor_keys import joined_path, packed_step, path_of
from recommender.ports import PathKind, PathStep

DAY = 86_400


def packed(*steps: tuple[str, int]) -> list[bytes]:
    return [packed_step(PathStep(item, PathKind.VIEW, at)).encode() for item, at in steps]


def ids(path: tuple[PathStep, ...]) -> list[str]:
    return [step.item_id for step in path]


def test_a_step_comes_back_as_it_was_packed() -> None:
    step = PathStep("mug ✓", PathKind.CART, 12)
    assert path_of([packed_step(step).encode()]) == (step,)


def test_a_bare_id_of_an_earlier_release_is_a_view_of_unknown_age() -> None:
    assert path_of([b"mug"]) == (PathStep("mug", PathKind.VIEW, 0),)


def test_the_newest_of_all_browsers_come_first() -> None:
    phone, laptop = packed(("d", 4), ("b", 2)), packed(("c", 3), ("a", 1))
    assert ids(joined_path([phone, laptop], 9)) == ["d", "c", "b", "a"]
    assert ids(joined_path([phone, laptop], 2)) == ["d", "c"]


def test_an_item_met_on_two_browsers_on_one_day_is_one_step() -> None:
    phone, laptop = packed(("a", DAY + 9), ("b", 5)), packed(("a", DAY + 2), ("a", 3))
    assert joined_path([phone, laptop], 9) == (
        PathStep("a", PathKind.VIEW, DAY + 9),
        PathStep("b", PathKind.VIEW, 5),
        PathStep("a", PathKind.VIEW, 3),
    )
