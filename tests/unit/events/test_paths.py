"""A visitor's path, and those of several browsers, as bytes and back."""

from recommender.paths import Path, PathKind, PathStep, joined, path_of

DAY = 86_400


def viewed(*steps: tuple[str, int]) -> Path:
    return path_of(PathStep(item, PathKind.VIEW, at) for item, at in steps)


def test_steps_come_back_as_they_were_packed() -> None:
    step, other = PathStep("mug ✓", PathKind.CART, 12), PathStep("pot", PathKind.ORDER, 9)
    assert path_of([step, other]).steps == (step, other)


def test_a_bare_id_of_an_earlier_release_is_a_view_of_unknown_age() -> None:
    assert Path.of([b"mug"]).steps == (PathStep("mug", PathKind.VIEW, 0),)


def test_the_newest_of_all_browsers_come_first() -> None:
    phone, laptop = viewed(("d", 4), ("b", 2)), viewed(("c", 3), ("a", 1))
    assert joined([phone, laptop], 9).item_ids == ("d", "c", "b", "a")
    assert joined([phone, laptop], 2).item_ids == ("d", "c")


def test_an_item_met_on_two_browsers_on_one_day_is_one_step() -> None:
    phone, laptop = viewed(("a", DAY + 9), ("b", 5)), viewed(("a", DAY + 2), ("a", 3))
    assert joined([phone, laptop], 9).steps == (
        PathStep("a", PathKind.VIEW, DAY + 9),
        PathStep("b", PathKind.VIEW, 5),
        PathStep("a", PathKind.VIEW, 3),
    )
