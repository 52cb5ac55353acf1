"""Every language says everything, and names the item where English does."""

import pytest

from recommender.web.words import WORDS, words_of

ENGLISH = WORDS["en"]


@pytest.mark.parametrize("language", sorted(WORDS))
def test_a_language_has_all_words(language: str) -> None:
    words = WORDS[language]
    assert words.widget.keys() == ENGLISH.widget.keys()
    assert words.reasons.keys() == ENGLISH.reasons.keys()
    assert all(
        text.strip() == text != "" for text in [*words.widget.values(), *words.reasons.values()]
    )
    naming = {code for code, text in words.reasons.items() if "{title}" in text}
    assert naming == {"viewed", "bought_together", "similar"}
    for text in words.reasons.values():
        assert text.format(title="Mug").count("Mug") == text.count("{title}")


def test_a_language_that_nobody_speaks_is_answered_in_english() -> None:
    assert words_of("FR-ca") is WORDS["fr"]
    for unknown in ("xx", "", "é-FR"):
        assert words_of(unknown) is ENGLISH
