"""The records that travel between stages: the product on one page.

Frozen, without behaviour beyond reading themselves. Units are in the names: `_minor` is money in
the currency's minor unit, `_at` an aware UTC instant, `_on` a date, `_share` a number 0–1.
"""

import datetime as dt
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

import msgspec

from recommender.agreements import Contract, Phase, RateTier, Stratum
from recommender.widget_records import WidgetSetting

# What stands elsewhere and travels beside these.
__all__ = ["Contract", "Phase", "RateTier", "Stratum"]


class EventType(StrEnum):
    """What a visitor did. GA4's names are ours where GA4 has a name."""

    PAGE_VIEW = "page_view"
    VIEW_ITEM = "view_item"
    VIEW_LIST = "view_item_list"
    SELECT_ITEM = "select_item"
    ADD_TO_CART = "add_to_cart"
    REMOVE_FROM_CART = "remove_from_cart"
    SEARCH = "search"
    PURCHASE = "purchase"
    """The browser saw a purchase: links a visitor to an order, never counts as money."""
    ORDER = "order"
    """The shop's server (or its history) states an order: the truth."""
    EXPOSURE = "exposure"
    """The first moment a slate could influence a visitor; recorded in both arms."""
    RENDERED = "rendered"
    """The page had a slate in time: drawn, or in the control arm ready to be; see 0021."""
    IMPRESSION = "impression"
    """A slate was on screen: half its pixels for one second."""
    LINK = "link"
    """The browser knows a key that an order will carry; `order_id` holds its keyed hash."""


class Arm(StrEnum):
    """Which side of the experiment a visitor is on."""

    CONTROL = "control"
    TREATMENT = "treatment"


class Placement(StrEnum):
    """Where on the shop's pages a slate stands."""

    HOME = "home"
    PRODUCT = "product"
    CART = "cart"
    CATEGORY = "category"
    SEARCH = "search"
    """Shown when a search found nothing."""


class Source(StrEnum):
    """Who told us of an event."""

    BROWSER = "browser"
    SERVER = "server"
    IMPORT = "import"


# The two records of which every request makes many: as structs they are made and written in a tenth
# of the time (docs/decisions/0029). They never stand in a ring, so the collector need not look.
class EventItem(msgspec.Struct, frozen=True, gc=False):
    """One item inside an event."""

    item_id: str
    quantity: int = 1
    price_minor: int | None = None


class Event(msgspec.Struct, frozen=True, gc=False):
    """One observed fact, as it is stored for ever.

    Attributes:
        shop_id: The tenant.
        event_id: UUID made where the event happened (version 7: time-ordered); the key of
            deduplication together with `shop_id`.
        type: What happened.
        visitor: Keyed hash of the visitor's id, or empty without consent.
        occurred_at: When it happened by the sender's clock, clamped to what is plausible.
        received_at: When we acknowledged it; the truth for billing.
        day: Partition of the event log, see `events.identity.partition_day`.
        source: Who told us.
        items: Items concerned.
        placement: Where the slate stood, for slate events.
        arm: Arm of the visitor: of exposures, and of what browsers tell; empty elsewhere.
        stratum: Stratum of the experiment, where there is an arm.
        slate_id: Slate concerned.
        order_id: The shop's order number, for purchases and orders.
        search_term: What was searched.
        session: Shop's or browser's session, when told.
        page: Path of the page, without query.
        bot: Version and reason of the rule that took the sender for a program; empty for people.
    """

    shop_id: str
    event_id: str
    type: EventType
    visitor: str
    occurred_at: dt.datetime
    received_at: dt.datetime
    day: dt.date
    source: Source
    items: tuple[EventItem, ...] = ()
    placement: str = ""
    arm: str = ""
    stratum: int = 0
    slate_id: str = ""
    order_id: str = ""
    search_term: str = ""
    session: str = ""
    page: str = ""
    bot: str = ""


ADDED_FIELDS = frozenset({"bot"})
"""Texts of an event that the first release did not have; empty in what it stored."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why one element of a batch was not taken; the others were.

    Attributes:
        index: Place of the element in the batch, from 0.
        code: Stable machine-readable reason.
        detail: One sentence for the person who sent it.
        event_id: The element's id, when it had a readable one.
    """

    index: int
    code: str
    detail: str
    event_id: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """A recommendable unit of a shop's catalogue.

    Attributes:
        category: Path in the shop's own tree, `Shoes > Running`.
        group_id: Shared by the variants of one product, empty without variants.
        revision: Grows with every change in the shop's catalogue; orders changes for readers.
        cost_minor: What one unit costs the shop; None when it does not tell.
        stock: Units that can be sold; None when the shop does not count.
        first_seen_at: When the item became known; None before it is stored.
    """

    shop_id: str
    item_id: str
    title: str
    url: str
    image_url: str
    price_minor: int
    currency: str
    category: str = ""
    brand: str = ""
    group_id: str = ""
    available: bool = True
    revision: int = 0
    cost_minor: int | None = None
    stock: int | None = None
    first_seen_at: dt.datetime | None = None


class OrderKind(StrEnum):
    """What an order fact says."""

    ORDER = "order"
    REFUND = "refund"
    CANCEL = "cancel"
    TEST = "test"
    """An order that tries out the checkout; told as an order that is marked so."""


@dataclass(frozen=True, slots=True)
class OrderFact:
    """One signed statement of the shop about money.

    Attributes:
        fact_id: The shop's id of this statement: order number, or refund number.
        order_id: Order it is about.
        net_minor: Revenue without tax and shipping; a refund carries a positive amount that
            is subtracted.
        placed_at: When the order was placed, or the refund made.
        visitor: Keyed hash of the visitor, empty while unlinked.
        body_hash: SHA-256 of the canonical statement; another body under the same id and revision
            is a conflict.
        revision: Which telling of the same thing this is; the highest one counts.
        source: Who told; a file has no authority over the shop's server.
        order_number: The order's number as people read it, where it differs from its id.
        cart_key: Keyed hash of the cart's token; so `checkout_key` and `email_key`.
        marks: Keyed hashes of what else is known of the order, a space between them; see
            `events.order_marks`.
    """

    shop_id: str
    kind: OrderKind
    fact_id: str
    order_id: str
    net_minor: int
    currency: str
    placed_at: dt.datetime
    received_at: dt.datetime
    visitor: str
    body_hash: str
    items: tuple[EventItem, ...] = ()
    revision: int = 0
    source: Source = Source.SERVER
    order_number: str = ""
    cart_key: str = ""
    checkout_key: str = ""
    email_key: str = ""
    marks: str = ""


@dataclass(frozen=True, slots=True)
class PlacementSetting:
    """How one placement of one shop behaves.

    Attributes:
        n: Length of the slate.
        n_min: Below this the widget hides.
        allow_seen: Whether items of the visitor's recent path may come back.
        tail_ppm: The tail dial, in parts per million of 1 (0 = pure relevance); None takes what
            training learned for this shop.
        title: Heading by language code; the widget has its own when empty.
        rotation_ppm: How far scores may differ for two items to change places between page
            views, as a part of the higher one (0 = never).
        exploration_ppm: Largest part of slate places that items without events may take.
    """

    placement: Placement
    n: int = 8
    n_min: int = 2
    allow_seen: bool = False
    tail_ppm: int | None = None
    enabled: bool = True
    title: dict[str, str] = field(default_factory=dict)
    rotation_ppm: int = 100_000
    exploration_ppm: int = 50_000


class RuleAction(StrEnum):
    """What a shop's rule does to the items it matches."""

    PIN = "pin"
    """One item stands at a place of its own."""
    BOOST = "boost"
    """The score is multiplied by a factor above 1."""
    BURY = "bury"
    """The score is multiplied by a factor below 1."""
    EXCLUDE = "exclude"
    """Never shown."""
    INCLUDE_ONLY = "include_only"
    """Nothing else is shown; of several such rules, matching one is enough."""


@dataclass(frozen=True, slots=True)
class RuleMatch:
    """Which items a rule means: those that meet every criterion stated here.

    A list is met by any of its members. Bounds are inclusive. An item whose cost or stock is
    not known meets no bound on margin or stock.

    Attributes:
        categories: Paths, steps joined by ` > `; each also means everything below it (`Shoes`
            means `Shoes > Running`).
        margin_min_ppm: Bound of (price − cost) / price, in parts per million.
    """

    item_ids: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    brands: tuple[str, ...] = ()
    price_min_minor: int | None = None
    price_max_minor: int | None = None
    margin_min_ppm: int | None = None
    margin_max_ppm: int | None = None
    stock_min: int | None = None
    stock_max: int | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """A shop's own will about what its slates show.

    Attributes:
        rule_id: Chosen by the shop; unique within it.
        match: Items it means; for a pin exactly one item id and nothing else.
        placements: Where it holds; everywhere when empty.
        factor_ppm: Of boost and bury, in parts per million; 1,000,000 otherwise.
        position: Place of a pin in the slate, from 1; 0 otherwise.
        starts_at: First instant it holds; None means always until `ends_at`.
        ends_at: First instant it no longer holds; None means for ever.
        active: False while switched off.
        changed_by: Who wrote it last: a login's address, or the means (`api`, `command`).
        changed_at: When; None before it is stored.
    """

    shop_id: str
    rule_id: str
    name: str
    action: RuleAction
    match: RuleMatch = field(default_factory=RuleMatch)
    placements: tuple[Placement, ...] = ()
    factor_ppm: int = 1_000_000
    position: int = 0
    starts_at: dt.datetime | None = None
    ends_at: dt.datetime | None = None
    active: bool = True
    changed_by: str = ""
    changed_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Shop:
    """A tenant as the web sees it, without secrets.

    Attributes:
        visitor_key: Key of the hash that makes visitor ids pseudonymous, 32 bytes.
        origins: Origins whose pages may use the public key, `https://shop.example`.
        strata: All strata so far, oldest first; the last one assigns.
        declared_effect_ppm: True relative effect of simulated shoppers; None for a real shop.
    """

    shop_id: str
    name: str
    currency: str
    country: str
    timezone: str
    public_key: str
    visitor_key: bytes
    origins: tuple[str, ...]
    placements: dict[Placement, PlacementSetting]
    strata: tuple[Stratum, ...]
    declared_effect_ppm: int | None = None
    widget: WidgetSetting = field(default_factory=WidgetSetting)

    @property
    def current_stratum(self) -> Stratum:
        """Return the stratum that assigns visitors now."""
        return self.strata[-1]


class SlateItem(NamedTuple):
    """One recommended item as the shopper gets it."""

    item_id: str
    score: float
    reason: str
    """Stable code: `viewed`, `bought_together`, `similar`, `history`, `category`, `popular`;
    `repeat` for what the visitor met before, `chosen` for a pin, `new` for an item that is being
    tried out, `searched` for one that answers to the words of a search."""
    reason_item_id: str = ""


class Slate(msgspec.Struct, frozen=True):
    """An ordered list of recommended items for one request.

    Attributes:
        fallback: Name of the fallback that answered, empty when the models did.
    """

    slate_id: str
    items: tuple[SlateItem, ...]
    fallback: str = ""


@dataclass(frozen=True, slots=True)
class DailySum:
    """What one arm did on one day: all that the estimate ever sees of visitors.

    Sums are additive over days. A visitor counts on the day of the first exposure; an order
    counts on the day it was placed, when that is after the first exposure.

    Attributes:
        visitors: Visitors first exposed on this day.
        orders: Orders placed, less none.
        revenue_minor: Net revenue, refunds subtracted on the day they were made.
        revenue_squares: Growth on this day of Σ over visitors of (revenue so far)², in
            minor units squared.
        converted: Visitors whose first order after exposure fell on this day.
        covariate_minor: Σx over visitors first exposed on this day, where x is what a visitor
            spent before the first exposure; so `covariate_squares`, Σx².
        covariate_products: Growth on this day of Σ over visitors of x · (revenue so far).
    """

    day: dt.date
    stratum: int
    arm: Arm
    visitors: int
    orders: int
    converted: int
    revenue_minor: int
    revenue_squares: int
    covariate_minor: int = 0
    covariate_squares: int = 0
    covariate_products: int = 0
