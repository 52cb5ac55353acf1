"""Reasons a shopper can read, in the shop's language."""

_TEXTS = {
    "en": {
        "viewed": "Because you viewed {title}",
        "bought_together": "Often bought with {title}",
        "similar": "Similar to {title}",
        "history": "Picked for you",
        "category": "Popular in this category",
        "popular": "Popular right now",
        "new": "Worth discovering",
        "repeat": "You know this one",
        "chosen": "Chosen by the shop",
    },
    "fr": {
        "viewed": "Parce que vous avez regardé {title}",
        "bought_together": "Souvent acheté avec {title}",
        "similar": "Semblable à {title}",
        "history": "Choisi pour vous",
        "category": "Apprécié dans cette catégorie",
        "popular": "Apprécié en ce moment",
        "new": "À découvrir",
        "repeat": "Vous le connaissez déjà",
        "chosen": "Choisi par la boutique",
    },
}
LANGUAGES = tuple(_TEXTS)
_WITHOUT_TITLE = "history"


def reason_text(code: str, title: str, language: str) -> str:
    """Return the sentence for a reason code; without a title, one that needs none."""
    texts = _TEXTS[language]
    text = texts.get(code, texts[_WITHOUT_TITLE])
    if "{title}" not in text:
        return text
    return text.format(title=title) if title else texts[_WITHOUT_TITLE]
