"""A placement's settings: record → form, form → record with a sentence at each fault. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from recommender.records import Placement, PlacementSetting
from recommender.shops.placements import ONE_PPM, placement_faults

NAMES = {
    Placement.HOME: "Home page",
    Placement.PRODUCT: "Product page",
    Placement.CART: "Cart",
    Placement.CATEGORY: "Category page",
    Placement.SEARCH: "Search without result",
}
SHORT_NAMES = {
    Placement.HOME: "Home",
    Placement.PRODUCT: "Product",
    Placement.CART: "Cart",
    Placement.CATEGORY: "Category",
    Placement.SEARCH: "Search",
}
"""For the picture, where five of them stand beside each other on a phone."""

LANGUAGES = {
    "en": "English",
    "de": "German",
    "es": "Spanish",
    "fr": "French",
    "it": "Italian",
    "nl": "Dutch",
    "pl": "Polish",
    "pt": "Portuguese",
}
"""Those that the widget speaks; a heading in any other language is kept and can be changed."""

_HEADING = "heading-"


@dataclass(frozen=True, slots=True)
class Form:
    """What the fields show.

    Attributes:
        values: Text by field name.
        faults: Sentence by field name.
        headings: Field name, language's name and text of each heading.
    """

    values: Mapping[str, str]
    faults: Mapping[str, str]
    headings: list[tuple[str, str, str]]


def filled_form(
    setting: PlacementSetting,
    typed: Mapping[str, str] | None = None,
    faults: Mapping[str, str] | None = None,
) -> Form:
    """Return the form of a setting, or of what was `typed` into it last."""
    values = dict(typed) if typed is not None else _texts(setting)
    languages = LANGUAGES | {code: code for code in setting.title if code not in LANGUAGES}
    headings = [
        (f"{_HEADING}{code}", name, values.get(f"{_HEADING}{code}", ""))
        for code, name in languages.items()
    ]
    return Form(values, faults or {}, headings)


def _texts(setting: PlacementSetting) -> dict[str, str]:
    return {
        "enabled": "on" if setting.enabled else "",
        "n": str(setting.n),
        "n_min": str(setting.n_min),
        "allow_seen": "on" if setting.allow_seen else "",
        "tail": "" if setting.tail_ppm is None else f"{Decimal(setting.tail_ppm) / ONE_PPM:f}",
        "rotation": f"{Decimal(setting.rotation_ppm) / 10_000:f}",
        "exploration": f"{Decimal(setting.exploration_ppm) / 10_000:f}",
        **{f"{_HEADING}{code}": text for code, text in setting.title.items()},
    }


_FIELDS = {
    "n": "n",
    "n_min": "n_min",
    "tail_ppm": "tail",
    "rotation_ppm": "rotation",
    "exploration_ppm": "exploration",
    "title": "heading",
}
"""Form field by field of the record."""

_SCALES = {"n": 1, "n_min": 1, "tail_ppm": ONE_PPM, "rotation_ppm": 10_000}
_SCALES["exploration_ppm"] = 10_000


def read_form(
    typed: Mapping[str, str], current: PlacementSetting
) -> tuple[PlacementSetting, dict[str, str]]:
    """Return the setting that was asked for, and what is wrong with it, by form field.

    A field that cannot be read keeps its current value. An empty dial follows the training.
    """
    faults: dict[str, str] = {}
    numbers: dict[str, Any] = {}
    for field, scale in _SCALES.items():
        text = typed.get(_FIELDS[field], "")
        value = read_number(text, scale)
        if field == "tail_ppm" and not text.strip():
            numbers[field] = None
        elif value is None:
            whole = "a whole number" if scale == 1 else "a number such as 0.3"
            faults[_FIELDS[field]] = f"Please enter {whole}."
        else:
            numbers[field] = value
    asked = replace(
        current,
        enabled=bool(typed.get("enabled")),
        allow_seen=bool(typed.get("allow_seen")),
        title=_headings(typed),
        **numbers,
    )
    for field, fault in placement_faults(asked).items():
        faults.setdefault(_FIELDS[field], fault)
    return asked, faults


def _headings(typed: Mapping[str, str]) -> dict[str, str]:
    told = {
        name.removeprefix(_HEADING): text.strip()
        for name, text in typed.items()
        if name.startswith(_HEADING)
    }
    return {code: text for code, text in told.items() if text}


def read_number(text: str, scale: int) -> int | None:
    """Return `text` × `scale` as a whole number, None when it is no such number.

    A decimal comma is as good as a point; digits finer than the scale are rounded.
    """
    plain = text.strip().replace(",", ".")
    if not re.fullmatch(r"-?[0-9]{1,6}(\.[0-9]{1,12})?", plain):
        return None
    value = Decimal(plain) * scale
    if scale == 1 and value % 1:
        return None
    return round(value)
