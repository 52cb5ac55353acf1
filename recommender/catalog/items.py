"""One product as a shop describes it → `Item`, or a `Rejection` that says why not. Pure.

In comes a mapping with our names, Google Merchant Center's names, or both; a feed's spelling of
them ("g:image link") is accepted. Must not know where the mapping came from.
"""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from recommender import tables
from recommender.errors import InvalidInputError
from recommender.records import Item, Rejection, Shop
from recommender.shops.money import MINOR_LIMIT, parse_minor

STOCK_LIMIT = 10**12
MAX_IGNORED = 50
_MAX_NAME = 60

# Every name that is read, by our own; of several in one mapping the first counts.
_NAMES = {
    "item_id": ("item_id", "id"),
    "title": ("title", "name"),
    "url": ("url", "link"),
    "image_url": ("image_url", "image_link", "image"),
    "currency": ("currency",),
    "price_minor": ("price_minor",),
    "price": ("price",),
    "sale_price": ("sale_price",),
    "sale_price_effective_date": ("sale_price_effective_date",),
    "category": ("category", "product_type"),
    "brand": ("brand",),
    "group_id": ("group_id", "item_group_id"),
    "available": ("available", "availability"),
    "cost_minor": ("cost_minor",),
    "cost": ("cost", "cost_of_goods_sold"),
    "stock": ("stock", "quantity"),
}
_READ = {name for names in _NAMES.values() for name in names}

# What shoppers can order, by schema.org's and Merchant Center's words without case and signs.
_AVAILABLE = {"instock", "limitedavailability", "onlineonly", "preorder", "presale", "backorder"}
_NOT_AVAILABLE = {"outofstock", "soldout", "discontinued", "instoreonly"}
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_URL_UNSAFE = re.compile(r"[\s\\\"<>]")
_WHOLE = re.compile(r"-?[0-9]{1,30}")
_PRICE = re.compile(r"(?P<before>[A-Z]{3})?\s*(?P<amount>[^A-Z]*?)\s*(?P<after>[A-Z]{3})?")


def parse_item(raw: object, shop: Shop, index: int) -> Item | Rejection:
    """Read one product.

    Args:
        raw: Mapping of field name to value. Needed are an id (`item_id`, `id`), a title
            (`title`, `name`), an address (`url`, `link`) and a price (`price_minor` as whole
            minor units, or `price` as "12.00", "12.00 EUR" or a number). Known besides:
            `image_url`/`image_link`/`image`, `sale_price`, `availability`/`available`,
            `category`/`product_type`, `brand`, `group_id`/`item_group_id`, `cost_minor` or
            `cost`/`cost_of_goods_sold` (as the price), `stock`/`quantity` (a whole number; an
            oversold item's negative one counts as 0).
        shop: Decides the currency.
        index: Place in the batch, for the rejection.
    """
    if not isinstance(raw, Mapping):
        return Rejection(index, "wrong-type", "an item is an object with named fields")
    fields = {_field_name(name): value for name, value in raw.items()}
    try:
        return Item(
            shop_id=shop.shop_id,
            item_id=_required(fields, "item_id"),
            title=_required(fields, "title"),
            url=_url(fields, "url", required=True),
            image_url=_url(fields, "image_url", required=False),
            price_minor=_price_minor(fields, shop.currency),
            currency=shop.currency,
            category=_text(fields, "category"),
            brand=_text(fields, "brand"),
            group_id=_text(fields, "group_id"),
            available=_available(fields),
            cost_minor=_cost_minor(fields, shop.currency),
            stock=_stock(fields),
        )
    except InvalidInputError as error:
        return Rejection(index, error.code, str(error))


def ignored_fields(rows: Iterable[object]) -> list[str]:
    """Return the names that `parse_item` did not read in these rows, `MAX_IGNORED` at most."""
    told = dict.fromkeys(name for row in rows if isinstance(row, Mapping) for name in row)
    ignored = [name for name in map(str, told) if name and _field_name(name) not in _READ]
    return [name[:_MAX_NAME] for name in ignored[:MAX_IGNORED]]


def _field_name(name: object) -> str:
    return str(name).strip().lower().removeprefix("g:").replace(" ", "_")


def _first(fields: Mapping[str, object], name: str) -> object:
    told = (fields.get(alias) for alias in _NAMES[name])
    return next((value for value in told if value not in (None, "")), None)


def _text(fields: Mapping[str, object], name: str) -> str:
    value = _first(fields, name)
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise InvalidInputError(f"{name} must be text", code="wrong-type")
    text = " ".join(value.split())
    if _UNSAFE.search(text):
        raise InvalidInputError(f"{name} contains control characters", code="bad-text")
    limit = tables.items.c[name].type.length  # type: ignore[attr-defined]
    if len(text) > limit:
        raise InvalidInputError(f"{name} is longer than {limit} characters", code="too-long")
    return text


def _required(fields: Mapping[str, object], name: str) -> str:
    text = _text(fields, name)
    if not text:
        code = "missing-id" if name == "item_id" else f"missing-{name}"
        raise InvalidInputError(f"{' or '.join(_NAMES[name])} is missing", code=code)
    return text


def _url(fields: Mapping[str, object], name: str, *, required: bool) -> str:
    url = _required(fields, name) if required else _text(fields, name)
    if url and not _is_web_address(url):
        raise InvalidInputError(
            f"{name} must start with https://, http:// or one slash", code="bad-url"
        )
    return url


def _is_web_address(url: str) -> bool:
    # Browsers read a backslash as a slash, so "/\\host" would lead to another site.
    if _URL_UNSAFE.search(url):
        return False
    if url.startswith("/"):
        return not url.startswith("//")
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc


def _price_minor(fields: Mapping[str, object], currency: str) -> int:
    stated = _text(fields, "currency") if "currency" in fields else currency
    if stated != currency:
        raise InvalidInputError(
            f"the price is in {stated}, the shop sells in {currency}", code="wrong-currency"
        )
    minor = _whole(_first(fields, "price_minor"))
    if minor is None:
        minor = _major_amount(_shelf_price(fields), currency, "price")
    minor = _amount(minor, "price")
    if minor < 0:
        raise InvalidInputError("the price is negative", code="negative-price")
    return minor


def _cost_minor(fields: Mapping[str, object], currency: str) -> int | None:
    minor = _whole(_first(fields, "cost_minor"))
    major = _first(fields, "cost")
    if minor is None and major is None:
        return None
    cost = _amount(_major_amount(major, currency, "cost") if minor is None else minor, "cost")
    if cost < 0:
        raise InvalidInputError("the cost is negative", code="bad-cost")
    return cost


def _stock(fields: Mapping[str, object]) -> int | None:
    stock = _whole(_first(fields, "stock"))
    if isinstance(stock, float) and stock.is_integer():
        stock = int(stock)  # a column with gaps comes as fractions
    if stock is None:
        return None
    if not isinstance(stock, int) or isinstance(stock, bool) or abs(stock) >= STOCK_LIMIT:
        raise InvalidInputError("stock must be a whole number of units", code="bad-stock")
    return max(stock, 0)


def _whole(value: object) -> object:
    """Return the number that a text of digits states: a CSV file has only text."""
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value.strip())
    return value


def _amount(minor: object, name: str) -> int:
    if not isinstance(minor, int) or isinstance(minor, bool) or abs(minor) >= MINOR_LIMIT:
        raise InvalidInputError(
            f"{name}_minor must be a whole number of minor units", code=f"bad-{name}"
        )
    return minor


def _shelf_price(fields: Mapping[str, object]) -> object:
    # A sale with an effective date may not have begun, or be over: then the price stands.
    sale_price = None
    if not fields.get("sale_price_effective_date"):
        sale_price = _first(fields, "sale_price")
    price = _first(fields, "price") if sale_price is None else sale_price
    if price is None:
        raise InvalidInputError("price or price_minor is missing", code="missing-price")
    return price


def _major_amount(amount: object, currency: str, name: str) -> int:
    if isinstance(amount, str):
        found = _PRICE.fullmatch(amount.strip()[:60])
        named = {found["before"], found["after"]} - {None} if found else set()
        if named - {currency}:
            raise InvalidInputError(
                f"the {name} is in {named.pop()}, the shop sells in {currency}",
                code="wrong-currency",
            )
        amount = found["amount"] if found else amount
    try:
        return parse_minor(amount, currency)
    except InvalidInputError as error:
        raise InvalidInputError(f"{name}: {error}", code=f"bad-{name}") from error


def _available(fields: Mapping[str, object]) -> bool:
    value = _first(fields, "available")
    if value is None or isinstance(value, bool):
        return value is not False
    word = re.sub(r"[^a-z]", "", str(value).rsplit("/", 1)[-1].lower())
    if word in _AVAILABLE | {"true", "yes"}:
        return True
    if word in _NOT_AVAILABLE | {"false", "no"}:
        return False
    raise InvalidInputError(
        "availability must be in_stock, out_of_stock, preorder or backorder",
        code="bad-availability",
    )
