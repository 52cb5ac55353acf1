"""What shoppers read that no shop wrote: a file of `static/words` for each language."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

FOLDER = Path(__file__).resolve().parents[2] / "static" / "words"


@dataclass(frozen=True, slots=True)
class Words:
    """One language.

    Attributes:
        widget: Heading and labels, as the widget names them.
        reasons: Sentence by reason code; `{title}` is the item that the reason names.
    """

    widget: Mapping[str, str]
    reasons: Mapping[str, str]


def _read(path: Path) -> Words:
    told = orjson.loads(path.read_bytes())
    reasons = told.pop("reasons")
    return Words(told, reasons)


WORDS: Mapping[str, Words] = {path.stem: _read(path) for path in sorted(FOLDER.glob("??.json"))}
"""By language, two letters."""


def words_of(language: str) -> Words:
    """Return the words of a page's language, BCP 47; English for one that nobody speaks."""
    return WORDS.get(language[:2].lower()) or WORDS["en"]
