"""Reasons a shopper can read, in the page's language."""

from recommender.web.words import WORDS

LANGUAGES = ("en", *sorted(WORDS.keys() - {"en"}))
"""The first one is spoken to everybody whose language is none of them."""
_WITHOUT_TITLE = "history"


def reason_text(code: str, title: str, language: str) -> str:
    """Return the sentence for a reason code; without a title, one that needs none."""
    texts = WORDS[language].reasons
    text = texts.get(code, texts[_WITHOUT_TITLE])
    if "{title}" not in text:
        return text
    return text.format(title=title) if title else texts[_WITHOUT_TITLE]
