"""Which items are one product to a shopper: variants, and near-duplicates by their titles. Pure.

Items with a `group_id` are one product when it is equal: the shop says so. Of the others, those
are near-duplicates that have the same brand, the same price band and the same title once words
for colour and size are dropped. A bare number stays: it more often tells two products apart
("Volume 2", "Model 14") than two sizes. It counts as a size with a unit ("500 ml", "42cm"),
behind a word for size ("Size 42"), or alone behind a separator at the end ("Trainer, 42").
"""

import math
import re

from recommender.records import Item

PRICE_BAND = 1.25
"""Prices within one band differ by less than this factor."""

_COLOURS = frozenset(
    # English, German, French, Spanish, Italian, Dutch.
    "black white red green blue yellow orange purple pink brown grey gray beige navy silver gold "
    "golden turquoise ivory cream khaki violet magenta cyan teal bordeaux anthracite charcoal "
    "multicolour multicolor multicoloured assorted "
    "schwarz weiss weiß rot grün blau gelb lila rosa braun grau silber türkis anthrazit bunt "
    "noir noire blanc blanche rouge vert verte bleu bleue jaune rose marron gris grise argent doré "
    "negro negra blanco blanca rojo roja verde azul amarillo naranja morado gris plata dorado "
    "nero nera bianco bianca rosso rossa blu giallo arancione viola grigio argento "
    "zwart wit rood groen blauw geel oranje paars roze bruin grijs zilver goud".split()
)
_SIZES = frozenset(
    "xxs xs s m l xl xxl xxxl 2xl 3xl 4xl 5xl small medium large klein mittel gross groß "
    "petit grand".split()
)
_SIZE_WORDS = "size|grösse|größe|gr|taille|talla|taglia|maat|eu|uk|us"
_UNITS = (
    "mm|cm|m|ml|cl|l|ltr|litre|liter|g|gr|kg|oz|lb|inch|in|ft|gb|tb|mb|w|watt|v|mah|"
    "pack|pcs|pieces|stück|stk|count|ct"
)
_WORD = re.compile(r"[^\W_]+")
_MEASURE = re.compile(
    rf"\b\d+(?:[.,]\d+)?(?:\s*[x×]\s*\d+(?:[.,]\d+)?)*[\s-]*(?:{_UNITS})\b"
    r"|\b\d+(?:[.,]\d+)?(?:\s*[x×]\s*\d+(?:[.,]\d+)?)+\b"
    rf"|\b(?:{_SIZE_WORDS})[\s:.]*\d+(?:[.,]\d+)?\b"
    r"|[,/|(–-]\s*\d+(?:[.,]\d+)?\s*\)?\s*$"
)
_DIGIT = re.compile(r"\d")


def product_key(item: Item) -> str:
    """Return a text that is equal for items a slate should show only one of."""
    if item.group_id:
        return f"group {item.group_id}"
    words = _essence(item.title)
    # One word or none says too little to call two items the same.
    if words.count(" ") < 1 or item.price_minor <= 0:
        return f"item {item.item_id}"
    band = math.floor(math.log(item.price_minor) / math.log(PRICE_BAND))
    return f"title {words} {band} {item.brand}"


def _essence(title: str) -> str:
    text = title.casefold()
    if _DIGIT.search(text):
        text = _MEASURE.sub(" ", text)
    return " ".join(
        word for word in _WORD.findall(text) if word not in _SIZES and word not in _COLOURS
    )
