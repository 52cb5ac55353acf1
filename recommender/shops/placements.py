"""Which settings of a placement make sense. Pure; one sentence for each field that does not."""

import re
from collections.abc import Mapping

from recommender.records import PlacementSetting

MOST_ITEMS = 50
MOST_HEADING_CHARACTERS = 80
MOST_HEADINGS = 40
ONE_PPM = 1_000_000
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")


def placement_faults(setting: PlacementSetting) -> dict[str, str]:
    """Return what is wrong: field of `PlacementSetting` → a sentence; empty when all is well."""
    faults = {
        "n": "" if 1 <= setting.n <= MOST_ITEMS else f"A slate has 1 to {MOST_ITEMS} items.",
        "n_min": ""
        if 0 <= setting.n_min <= setting.n
        else "The smallest number must not be below 0, nor above the number of items.",
        "tail_ppm": _outside(setting.tail_ppm or 0, "The tail dial must lie between 0 and 1."),
        "rotation_ppm": _outside(
            setting.rotation_ppm, "The rotation must lie between 0 and 100 %."
        ),
        "exploration_ppm": _outside(
            setting.exploration_ppm, "The places for new items must lie between 0 and 100 %."
        ),
        "title": _heading_fault(setting.title),
    }
    return {field: fault for field, fault in faults.items() if fault}


def _outside(value_ppm: int, sentence: str) -> str:
    return "" if 0 <= value_ppm <= ONE_PPM else sentence


def _heading_fault(headings: Mapping[str, str]) -> str:
    if len(headings) > MOST_HEADINGS:
        return f"There are at most {MOST_HEADINGS} headings."
    for language, heading in headings.items():
        if not _LANGUAGE.fullmatch(language):
            return f"{language[:20]!r} is not a language code such as en, fr or pt-BR."
        if not heading.isprintable() or not 0 < len(heading) <= MOST_HEADING_CHARACTERS:
            return (
                f"The heading for {language} must be one line of at most "
                f"{MOST_HEADING_CHARACTERS} characters."
            )
    return ""
