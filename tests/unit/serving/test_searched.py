"""What was searched in vain: items with its words, whatever else their titles say."""

import itertools

import numpy as np

from planted import catalogue_item
from recommender.serving.searched import answering
from recommender.training.content import content_arrays

COLOURS, THINGS = ("blue", "red", "green"), ("scarf", "mug", "lamp")
TITLES = {
    f"{number:04d}": f"{colour.title()} {thing}, extra large, model {number}"
    for number, (colour, thing) in enumerate(
        itertools.islice(itertools.cycle(itertools.product(COLOURS, THINGS)), 900)
    )
}
IDS = np.array([item_id.encode() for item_id in TITLES])
CONTENT = content_arrays(IDS, [catalogue_item(one, title=TITLES[one]) for one in TITLES])
EVERYTHING = np.ones(len(IDS), np.bool_)


def titles(term: str, allowed: np.ndarray = EVERYTHING, n: int = 12) -> list[str]:
    rows, resemblances = answering(CONTENT, term, allowed, n)
    assert (np.diff(resemblances) <= 0).all()
    return [TITLES[IDS[row].decode()] for row in rows]


def test_items_with_all_known_words_answer_though_one_word_is_in_no_title() -> None:
    found = titles("SCARF zzz blue")
    assert len(found) == 12
    assert all(title.startswith("Blue scarf") for title in found)


def test_what_is_not_allowed_does_not_answer() -> None:
    blue_scarves = np.array([title.startswith("Blue scarf") for title in TITLES.values()])
    found = titles("blue scarf", ~blue_scarves)
    assert found
    assert all(title.startswith("Blue ") != (" scarf" in title) for title in found), "one of two"


def test_a_rare_word_outweighs_a_common_one() -> None:
    assert titles("lamp 13")[0] == TITLES["0013"]


def test_words_of_no_title_find_nothing() -> None:
    assert titles("zzz qqq") == titles("") == []
