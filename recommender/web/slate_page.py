"""A slate as HTML, for shops that draw on their own server and for e-mails.

In comes the question of `GET /v1/recommendations`, answered by the same code; out goes a fragment
that needs no style sheet and no script. Control visitors get an empty one, recorded all the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from flask import render_template

from recommender.errors import InvalidInputError
from recommender.records import Item, Placement, Shop
from recommender.serving.recommend import SlateAnswer
from recommender.web.prices import written_price
from recommender.web.reasons import reason_text
from recommender.web.slate_endpoint import decide, language_of, read_request
from recommender.web.words import WORDS

if TYPE_CHECKING:
    from recommender.bootstrap import Services

PATH = "/v1/recommendations.html"
_VARIANTS = {"list": "slate/list.html", "email": "slate/email.html"}


@dataclass(frozen=True, slots=True)
class Card:
    """One item as the fragment shows it.

    Attributes:
        url: Absolute http(s) address, empty when the catalogue has no such.
        image: The same for the picture.
        price: In the language's own way; empty when it cannot be written.
    """

    item_id: str
    title: str
    url: str
    image: str
    price: str
    reason: str


def answer_page(services: "Services", shop: Shop, arguments: Mapping[str, str]) -> str:
    """Return a slate as HTML, empty where nothing is to be shown.

    Raises:
        InvalidInputError: An argument cannot be read.
    """
    template = _VARIANTS.get(arguments.get("variant", "list"))
    if template is None:
        raise InvalidInputError(
            f"variant must be one of {', '.join(_VARIANTS)}", code="unknown-variant"
        )
    (answer,) = decide(services, [read_request(services, shop, arguments)])
    if not answer.shown or not answer.slate.items:
        return ""
    language = language_of(arguments)
    return render_template(
        template,
        heading=_heading(shop, Placement(arguments["placement"]), language),
        cards=_cards(answer, shop.origins[0], language),
        slate_id=answer.slate.slate_id,
        language=language,
    )


def _heading(shop: Shop, placement: Placement, language: str) -> str:
    setting = shop.placements.get(placement)
    own = setting.title if setting is not None else {}
    return own.get(language) or WORDS[language].widget["heading"]


def _cards(answer: SlateAnswer, base: str, language: str) -> list[Card]:
    catalogue = answer.catalogue
    cards = []
    for place in answer.slate.items:
        item = catalogue.get(place.item_id)
        if item is not None:
            about = catalogue.get(place.reason_item_id) if place.reason_item_id else None
            reason = reason_text(place.reason, about.title if about else "", language)
            cards.append(_card(item, base, language, reason))
    return cards


def _card(item: Item, base: str, language: str, reason: str) -> Card:
    return Card(
        item_id=item.item_id,
        title=item.title,
        url=web_address(item.url, base),
        image=web_address(item.image_url, base),
        price=written_price(item.price_minor, item.currency, language),
        reason=reason,
    )


def web_address(url: str, base: str) -> str:
    """Return an absolute http(s) address, empty for what is none.

    Args:
        url: From the catalogue, absolute or relative to the shop.
        base: Origin of the shop.
    """
    try:
        absolute = urljoin(f"{base}/", url.strip())
        parts = urlsplit(absolute)
    except ValueError:
        return ""
    return absolute if url.strip() and parts.scheme in {"http", "https"} and parts.netloc else ""
