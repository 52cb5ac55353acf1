"""A shop and a language → what the widget must know before it does anything. Pure."""

from typing import Any

from recommender.agreements import Phase
from recommender.records import Shop
from recommender.shops.money import exponent
from recommender.web.prices import price_patterns
from recommender.web.words import words_of


def widget_config(shop: Shop, language: str) -> dict[str, Any]:
    """Return the body of `GET /v1/config`; nothing in it is secret or personal.

    Args:
        shop: Whose pages ask.
        language: Of the page, BCP 47; its words come along.
    """
    stratum, widget = shop.current_stratum, shop.widget
    return {
        "shop": shop.name,
        "currency": shop.currency,
        "currency_decimals": exponent(shop.currency),
        "price_patterns": price_patterns(shop.currency, language),
        "enabled": widget.enabled,
        "consent": widget.consent.value,
        "cart_button": widget.cart_button,
        "stratum": {
            "stratum": stratum.stratum,
            "salt": stratum.salt,
            "treatment_share_ppm": stratum.treatment_share_ppm,
            "silent": stratum.phase == Phase.A_A,
        },
        "placements": {
            placement.value: {
                "n": setting.n,
                "n_min": setting.n_min,
                "enabled": setting.enabled,
                "title": setting.title,
            }
            for placement, setting in shop.placements.items()
        },
        "slots": [
            {
                "placement": slot.placement,
                "selector": slot.selector,
                "position": slot.position.value,
            }
            for slot in widget.slots
            if slot.is_live
        ],
        "words": words_of(language).widget,
    }
