import pytest

from planted import basket, interactions_of, sessions_of
from recommender.training.board import Board
from recommender.training.repeats import PRIOR, REPEATS
from recommender.training.scoring import fit_source
from recommender.training.source import Query, TrainingSet


def fitted(interactions, fade=(1.0, 1.0), powers=(1.0, 1.0)):
    return fit_source(REPEATS, TrainingSet(interactions), {"fade": fade, "powers": powers}, seed=0)


def test_the_rate_is_the_share_of_occurrences_that_came_back():
    arrays = fitted(sessions_of("abac", "a", "b"))
    # Seven meetings, one came back: a's first. Each item is given PRIOR more at 1/6 … 1/7.
    average = 1 / 6
    expected = [
        (1 + PRIOR * average) / (3 + PRIOR),
        (0 + PRIOR * average) / (2 + PRIOR),
        (0 + PRIOR * average) / (1 + PRIOR),
    ]
    assert arrays["rate"].tolist() == pytest.approx(expected)


def test_orders_of_one_customer_repeat_each_other_and_a_basket_does_not():
    staple = [
        line
        for number in range(4)
        for line in basket(f"o{number}", "v", "milk", f"sofa{number}", at=number * 86_400)
    ]
    interactions = interactions_of(staple)
    rate = dict(zip(interactions.item_ids.astype(str), fitted(interactions)["rate"], strict=True))
    # Milk came back after three of four orders.
    assert rate["milk"] > 0.5 > rate["sofa0"]


def test_the_path_itself_is_scored_by_what_it_weighs_and_its_rate():
    interactions = sessions_of("abac", "a", "b")
    arrays = fitted(interactions, fade=(0.5, 1.0), powers=(2.0, 1.0))
    board = Board(2, 3)
    REPEATS.score(arrays, Query.of([1, 0, 1]), board, 1)
    # b now and two steps ago: 1 + 1/4; a one step ago: 1/2.
    expected = {0: 0.5**2 * arrays["rate"][0], 1: 1.25**2 * arrays["rate"][1]}
    found = dict(zip(board.candidates.tolist(), board.written[1].tolist(), strict=True))
    assert found == pytest.approx(expected)
    assert not board.parts[0].any()


def test_a_power_of_zero_leaves_the_rate_out():
    arrays = fitted(sessions_of("aba", "b"), powers=(1.0, 0.0))
    board = Board(1, 2)
    REPEATS.score(arrays, Query.of([1, 0]), board, 0)
    assert board.parts[0].tolist() == [1, 1]
