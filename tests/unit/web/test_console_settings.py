from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.records import Placement, PlacementSetting
from recommender.web.console_settings import filled_form, read_form, read_number

SETTING = PlacementSetting(Placement.CART, title={"fr": "Avec ceci", "pt-BR": "Com isto"})

PPM = st.integers(0, 1_000_000)
SETTINGS = st.builds(
    lambda n, share, **fields: PlacementSetting(
        Placement.HOME, n=n, n_min=int(share * n), **fields
    ),
    n=st.integers(1, 50),
    share=st.floats(0, 1),
    allow_seen=st.booleans(),
    enabled=st.booleans(),
    tail_ppm=st.none() | PPM,
    rotation_ppm=PPM,
    exploration_ppm=PPM,
    title=st.dictionaries(
        st.sampled_from(["en", "fr", "pt-BR"]),
        st.text("aé b", min_size=1).map(str.strip),
        max_size=3,
    ).map(lambda title: {code: text for code, text in title.items() if text}),
)


@given(SETTINGS)
def test_a_form_sent_back_untouched_changes_nothing(setting: PlacementSetting) -> None:
    typed = {name: text for name, text in filled_form(setting).values.items() if text}
    assert read_form(typed, setting) == (setting, {})


@pytest.mark.parametrize(
    ("text", "scale", "value"),
    [
        ("0.4", 1_000_000, 400_000),
        ("0,4", 1_000_000, 400_000),
        (" 12 ", 1, 12),
        ("12.0", 1, 12),
        ("12.5", 1, None),
        ("12.5", 10_000, 125_000),
        ("-1", 1, -1),
        ("", 1, None),
        ("1e3", 1, None),
        ("nan", 1, None),
        ("٣", 1, None),
        ("1" * 30, 1, None),
    ],
)
def test_numbers_as_people_type_them(text: str, scale: int, value: int | None) -> None:
    assert read_number(text, scale) == value


@given(st.text())
def test_any_text_is_a_number_or_none(text: str) -> None:
    value = read_number(text, 1_000_000)
    assert value is None or isinstance(value, int)


def test_each_fault_stands_at_its_field_and_the_rest_is_kept() -> None:
    typed = dict(filled_form(SETTING).values) | {"n": "many", "tail": "1.5", "n_min": "1"}
    asked, faults = read_form(typed, SETTING)
    assert faults == {
        "n": "Please enter a whole number.",
        "tail": "The tail dial must lie between 0 and 1.",
    }
    assert asked.n == SETTING.n
    form = filled_form(SETTING, typed, faults)
    assert form.values["n"] == "many"
    assert form.values["tail"] == "1.5"


def test_switches_that_are_not_sent_are_off() -> None:
    typed = dict(filled_form(replace(SETTING, allow_seen=True)).values)
    del typed["enabled"], typed["allow_seen"]
    asked, _ = read_form(typed, SETTING)
    assert not asked.enabled
    assert not asked.allow_seen


def test_headings_of_other_languages_have_a_field_too() -> None:
    fields = {name: text for name, _, text in filled_form(SETTING).headings}
    assert fields["heading-pt-BR"] == "Com isto"
    assert fields["heading-fr"] == "Avec ceci"
    assert fields["heading-de"] == ""


def test_an_emptied_heading_is_taken_away() -> None:
    typed = dict(filled_form(SETTING).values) | {"heading-fr": "  ", "heading-de": " Dazu passt "}
    asked, faults = read_form(typed, SETTING)
    assert faults == {}
    assert asked.title == {"pt-BR": "Com isto", "de": "Dazu passt"}
