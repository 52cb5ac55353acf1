"""A drawing of a product from its title and category: the orders came without pictures. Pure.

`data/drawings.json` holds colours and patterns by the words that call for them, and a shape for
each category: outlines in a square of 240, filled bodies and the lines drawn over them.
"""

import hashlib
import html
import json
import re
from pathlib import Path

_INK = "#4a4542"
_DATA = json.loads((Path(__file__).parent / "data" / "drawings.json").read_text())
_COLOURS: dict[str, str] = _DATA["colours"]
_PATTERN_OF = {word: name for name, words in _DATA["patterns"].items() for word in words.split()}


def draw(item_id: str, title: str, category: str) -> str:
    """Return an SVG picture, always the same for the same product.

    The category decides shape and background; words of the title decide colour and pattern.
    """
    words = re.findall(r"[a-z]+", title.lower())
    drawn = hashlib.sha256(item_id.encode()).digest()
    hue = hashlib.sha256(category.encode()).digest()[0] * 360 // 256
    colour = next((_COLOURS[word] for word in words if word in _COLOURS), None)
    colour = colour or list(_COLOURS.values())[drawn[0] % len(_COLOURS)]
    pattern = next((_PATTERN_OF[word] for word in words if word in _PATTERN_OF), "")
    shape = _DATA["drawings"].get(category) or _DATA["drawings"][""]
    body, lines = shape["body"], shape["lines"]
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 240 240" role="img">'
        f"<title>{html.escape(title)}</title>{_pattern(pattern, colour)}"
        f'<rect width="240" height="240" fill="hsl({hue} 32% {90 + drawn[1] % 4}%)"/>'
        f'<ellipse cx="120" cy="200" rx="76" ry="7" fill="{_INK}" fill-opacity=".1"/>'
        f'<g stroke-linejoin="round" stroke-linecap="round" stroke-width="4" stroke="{_INK}">'
        f'<path d="{body}" fill="{colour}"/>'
        f'<path d="{body}" fill="{"url(#p)" if pattern else "none"}"/>'
        f'<path d="{lines}" fill="none"/></g></svg>'
    )


def _pattern(name: str, colour: str) -> str:
    if not name:
        return ""
    is_pale = int(colour[1:3], 16) + int(colour[3:5], 16) + int(colour[5:7], 16) > 600
    ink = "#c4473a" if is_pale else "#ffffff"
    return (
        '<defs><pattern id="p" width="20" height="20" patternUnits="userSpaceOnUse" '
        f'patternTransform="scale(1.2)" fill="{ink}" fill-opacity=".75" stroke="none">'
        f"{_DATA['motifs'][name]}</pattern></defs>"
    )
