from dataclasses import replace
from typing import Any

import pytest

from recommender.records import Placement, PlacementSetting
from recommender.shops.placements import placement_faults

SETTING = PlacementSetting(Placement.HOME, title={"fr": "Pour vous", "pt-BR": "Para você"})


def test_what_makes_sense_has_no_faults() -> None:
    assert placement_faults(SETTING) == {}
    assert placement_faults(replace(SETTING, n=50, n_min=50, tail_ppm=1_000_000)) == {}
    assert placement_faults(replace(SETTING, n=1, n_min=0, rotation_ppm=0)) == {}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"n": 0, "n_min": 0}, "n"),
        ({"n": 51}, "n"),
        ({"n": 4, "n_min": 5}, "n_min"),
        ({"n_min": -1}, "n_min"),
        ({"tail_ppm": 1_000_001}, "tail_ppm"),
        ({"rotation_ppm": -1}, "rotation_ppm"),
        ({"exploration_ppm": 1_000_001}, "exploration_ppm"),
        ({"title": {"French": "Pour vous"}}, "title"),
        ({"title": {"fr": "x" * 81}}, "title"),
        ({"title": {"fr": "two\nlines"}}, "title"),
        ({"title": {"fr": ""}}, "title"),
    ],
)
def test_each_fault_is_told_at_its_field(changes: dict[str, Any], field: str) -> None:
    assert list(placement_faults(replace(SETTING, **changes))) == [field]


def test_all_faults_are_told_at_once() -> None:
    faulty = replace(SETTING, n=0, n_min=1, tail_ppm=-1)
    assert list(placement_faults(faulty)) == ["n", "n_min", "tail_ppm"]
