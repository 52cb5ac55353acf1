"""The code that docs/guides tell shop owners to paste, so that tests paste exactly that."""

import re
from pathlib import Path

from widget_stub import SITE_KEY

GUIDES = Path(__file__).resolve().parents[3] / "docs/guides"
SERVICE = "https://recommender.example"
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_EXPRESSION = re.compile(r"\{\{\s*(.*?)\s*\}\}")


def code(guide: str, holding: str, *, api: str) -> str:
    """Return the one block of a guide that holds some text, with the address and key filled in.

    Args:
        guide: Name of the file without its ending.
        holding: Text that no other block of the guide holds.
        api: Origin of the service.
    """
    blocks = _FENCED.findall((GUIDES / f"{guide}.md").read_text(encoding="utf-8"))
    [found] = [text for _, text in blocks if holding in text]
    return str(found).replace(SERVICE, api).replace("pk_…", SITE_KEY)


def rendered_liquid(template: str, values: dict[str, str], *, page_type: str) -> str:
    """Return what Shopify makes of a template: expressions from a table, one kind of condition.

    Args:
        template: Liquid with `{{ expression }}` and `{%- if request.page_type == … -%}`.
        values: Expression → text; one that is missing is an error.
        page_type: Blocks for other types of pages are left out.
    """
    parts = re.split(
        r"\{%- if request\.page_type == '(\w+)' -%\}(.*?)\{%- endif -%\}", template, flags=re.DOTALL
    )
    kept = [
        part if n % 3 == 0 else part if n % 3 == 2 and parts[n - 1] == page_type else ""
        for n, part in enumerate(parts)
    ]
    return _EXPRESSION.sub(lambda found: values[found[1]], "".join(kept))


def printed_by_php(source: str) -> str:
    """Return what a snippet of PHP prints: what stands outside of it, and what it echoes."""
    outside = re.findall(r"\?>(.*?)<\?php", source, flags=re.DOTALL)
    return "".join(outside + re.findall(r"(?:echo|return) '(<.*?>)';", source))
