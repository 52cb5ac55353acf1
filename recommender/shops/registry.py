"""Create and change shops (verb): validates, writes, and shows each secret once."""

import datetime as dt
import re
import secrets
import zoneinfo
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import sqlalchemy as sa

from recommender import tables
from recommender.errors import InvalidInputError, NotFoundError
from recommender.records import Contract, Placement, PlacementSetting
from recommender.shops.audit import record_audit
from recommender.shops.keys import public_key, secret_key
from recommender.shops.placements import placement_faults
from recommender.shops.secret_keys import insert_secret_key
from recommender.shops.signing_secrets import insert_signing_secret

POLICIES = ("gated_midpoint", "proven_minimum")
RandomBytes = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class ShopOrder:
    """What the vendor fills in for a new shop.

    Attributes:
        origins: Web origins of the shop, `https://shop.example` without a path.
        treatment_share_ppm: Share of visitors who see recommendations, parts per million.
        declared_effect_ppm: True effect of simulated shoppers; None for a real shop.
    """

    name: str
    currency: str
    country: str
    timezone: str
    origins: Sequence[str]
    treatment_share_ppm: int = 500_000
    declared_effect_ppm: int | None = None


@dataclass(frozen=True, slots=True)
class NewShop:
    """A shop just created; the secret key is never shown again."""

    shop_id: str
    public_key: str
    secret_key: str


def create_shop(
    order: ShopOrder,
    *,
    database: sa.Engine,
    now: dt.datetime,
    random: RandomBytes = secrets.token_bytes,
) -> NewShop:
    """Create a shop with keys, all placements and its first stratum.

    Raises:
        InvalidInputError: Names every field that is wrong.
    """
    _check(order)
    shop_id = f"shop_{random(6).hex()}"
    new = NewShop(shop_id, public_key(random(15)), secret_key(random(32)))
    with database.begin() as connection:
        connection.execute(
            tables.shops.insert().values(
                shop_id=shop_id,
                name=order.name.strip(),
                currency=order.currency,
                country=order.country,
                timezone=order.timezone,
                public_key=new.public_key,
                visitor_key=random(32),
                origins=list(order.origins),
                declared_effect_ppm=order.declared_effect_ppm,
                created_at=now,
            )
        )
        record_audit(connection, "shop.created", shop_id=shop_id, subject=order.name.strip())
        insert_secret_key(connection, shop_id, new.secret_key, now)
        insert_signing_secret(connection, shop_id, now)
        connection.execute(
            tables.placements.insert(),
            [_placement_row(shop_id, PlacementSetting(placement)) for placement in Placement],
        )
        _insert_stratum(connection, shop_id, 1, random, order.treatment_share_ppm, now)
    return new


def start_stratum(
    shop_id: str,
    treatment_share_ppm: int,
    *,
    database: sa.Engine,
    now: dt.datetime,
    random: RandomBytes = secrets.token_bytes,
) -> int:
    """Change the treatment share: opens a new stratum with a new salt and returns its number."""
    if not 0 <= treatment_share_ppm <= 1_000_000:
        raise InvalidInputError("The treatment share must lie between 0 and 1")
    with database.begin() as connection:
        last = connection.execute(
            sa.select(sa.func.max(tables.strata.c.stratum)).where(
                tables.strata.c.shop_id == shop_id
            )
        ).scalar_one()
        if last is None:
            raise NotFoundError(f"There is no shop {shop_id}", code="unknown-shop")
        number = int(last) + 1
        _insert_stratum(connection, shop_id, number, random, treatment_share_ppm, now)
    return number


def set_placement(shop_id: str, setting: PlacementSetting, *, database: sa.Engine) -> None:
    """Overwrite how one placement of a shop behaves; the web follows within seconds.

    Raises:
        InvalidInputError: Code `invalid-placement`: says every field that is wrong.
    """
    faults = placement_faults(setting)
    if faults:
        raise InvalidInputError(" ".join(faults.values()), code="invalid-placement")
    with database.begin() as connection:
        row = _placement_row(shop_id, setting)
        tables.upsert(connection, tables.placements, [row])
        told = {name: value for name, value in row.items() if isinstance(value, int)}
        record_audit(
            connection,
            "placement.changed",
            shop_id=shop_id,
            subject=setting.placement.value,
            **told,
        )


def add_contract(contract: Contract, *, database: sa.Engine) -> Contract:
    """Store the next version of a shop's contract and return it with its number.

    Raises:
        InvalidInputError: A term lies outside what can be billed, or the contract starts
            before its predecessor.
    """
    _check_contract(contract)
    rows = tables.contracts
    with database.begin() as connection:
        last = connection.execute(
            sa.select(rows.c.version, rows.c.starts_on)
            .where(rows.c.shop_id == contract.shop_id)
            .order_by(rows.c.version.desc())
        ).first()
        if last is not None and contract.starts_on <= last.starts_on:
            raise InvalidInputError(
                f"The new contract must start after {last.starts_on}", code="contract-order"
            )
        numbered = replace(contract, version=last.version + 1 if last is not None else 1)
        values = {column.name: getattr(numbered, column.name) for column in rows.columns}
        connection.execute(rows.insert().values(values))
        record_audit(
            connection,
            "contract.created",
            shop_id=contract.shop_id,
            subject=f"version {numbered.version}",
            starts_on=numbered.starts_on.isoformat(),
            rate_bps=numbered.rate_bps,
            policy=numbered.policy,
        )
    return numbered


def current_contract(shop_id: str, on: dt.date, *, database: sa.Engine) -> Contract:
    """Return the contract that governs a day.

    Raises:
        NotFoundError: No contract of the shop has started by then.
    """
    rows = tables.contracts
    with database.connect() as connection:
        row = connection.execute(
            sa.select(rows)
            .where(rows.c.shop_id == shop_id, rows.c.starts_on <= on)
            .order_by(rows.c.version.desc())
        ).first()
    if row is None:
        raise NotFoundError(f"No contract of {shop_id} governs {on}", code="no-contract")
    return Contract(**row._mapping)


def _check(order: ShopOrder) -> None:
    rules = {
        "name must not be empty": 0 < len(order.name.strip()) <= 200,
        "currency must be three capital letters (ISO 4217)": re.fullmatch(
            "[A-Z]{3}", order.currency
        ),
        "country must be two capital letters (ISO 3166)": re.fullmatch("[A-Z]{2}", order.country),
        "timezone must be a name like Europe/Paris": order.timezone
        in zoneinfo.available_timezones(),
        "treatment share must lie between 0 and 1": 0 <= order.treatment_share_ppm <= 1_000_000,
        "origins must look like https://shop.example": order.origins
        and all(is_origin(origin) for origin in order.origins),
    }
    broken = [rule for rule, holds in rules.items() if not holds]
    if broken:
        raise InvalidInputError("; ".join(broken), code="invalid-shop")


def is_origin(text: str) -> bool:
    """Tell whether a text is a bare web origin: scheme, host, perhaps a port, nothing more."""
    parts = urlsplit(text)
    bare = f"{parts.scheme}://{parts.netloc}"
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and text == bare


def _check_contract(contract: Contract) -> None:
    rules = {
        "rate must lie between 0 and 100 %": 0 <= contract.rate_bps <= 10_000,
        f"policy must be one of {', '.join(POLICIES)}": contract.policy in POLICIES,
        "monthly cap must lie between 0 and 100 %": 0 <= contract.cap_month_bps <= 10_000,
        "caps must not be negative": min(contract.cap_year_minor, contract.order_cap_minor) >= 0,
        "alpha must lie between 0.1 % and 50 %": 1_000 <= contract.alpha_ppm <= 500_000,
        "n_star must be at least 100 visitors": contract.n_star >= 100,
    }
    broken = [rule for rule, holds in rules.items() if not holds]
    if broken:
        raise InvalidInputError("; ".join(broken), code="invalid-contract")


def _insert_stratum(
    connection: sa.Connection,
    shop_id: str,
    number: int,
    random: RandomBytes,
    treatment_share_ppm: int,
    now: dt.datetime,
) -> None:
    connection.execute(
        tables.strata.insert().values(
            shop_id=shop_id,
            stratum=number,
            salt=random(16).hex(),
            treatment_share_ppm=treatment_share_ppm,
            starts_at=now,
        )
    )
    record_audit(
        connection,
        "stratum.started",
        shop_id=shop_id,
        subject=f"stratum {number}",
        treatment_share_ppm=treatment_share_ppm,
    )


def _placement_row(shop_id: str, setting: PlacementSetting) -> dict[str, object]:
    return {
        "shop_id": shop_id,
        "placement": setting.placement.value,
        "n": setting.n,
        "n_min": setting.n_min,
        "allow_seen": setting.allow_seen,
        "tail_ppm": setting.tail_ppm,
        "enabled": setting.enabled,
        "title": setting.title,
        "rotation_ppm": setting.rotation_ppm,
        "exploration_ppm": setting.exploration_ppm,
    }
