"""Reasons as shoppers read them."""

import pytest

from recommender.serving.fallback import NEWEST
from recommender.web.reasons import LANGUAGES, reason_text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("code", ["viewed", "bought_together", "similar"])
def test_a_reason_names_the_item_it_comes_from(language: str, code: str) -> None:
    assert "Blue mug" in reason_text(code, "Blue mug", language)
    assert "{" not in reason_text(code, "", language)


def test_a_title_is_not_a_template() -> None:
    assert reason_text("viewed", "{0} {title}", "en") == "Because you viewed {0} {title}"


def test_an_unknown_code_still_reads_well() -> None:
    assert reason_text("new-source", "", "en") == reason_text("history", "", "en")


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_shown_before_anything_is_learned_is_not_called_popular(language: str) -> None:
    claims = {reason_text(code, "", language) for code in ("popular", "category", "history")}
    assert reason_text(NEWEST, "", language) not in claims
