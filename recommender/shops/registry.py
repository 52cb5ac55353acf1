"""Create and change shops (verb): validates, writes, and shows each secret once."""

import datetime as dt
import itertools
import re
import secrets
import zoneinfo
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import sqlalchemy as sa

from recommender import tables
from recommender.errors import InvalidInputError, NotFoundError
from recommender.records import Contract, Phase, Placement, PlacementSetting, RateTier, Stratum
from recommender.shops.audit import record_audit
from recommender.shops.keys import public_key, secret_key
from recommender.shops.money import MINOR_LIMIT
from recommender.shops.origins import plain_origin, read_origins
from recommender.shops.placements import placement_faults
from recommender.shops.secret_keys import insert_secret_key
from recommender.shops.signing_secrets import insert_signing_secret

POLICIES = ("gated_midpoint", "proven_minimum", "fair_value")
VAT_CASES = ("by_country", "domestic", "reverse_charge", "outside_eu")
N_STAR_BOUNDS = (100, 1_000_000_000_000)
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
                origins=read_origins(order.origins),
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
        salt = random(16).hex()
        first = Stratum(shop_id, 1, salt, order.treatment_share_ppm, now)
        _insert_stratum(connection, first)
    return new


def start_stratum(
    shop_id: str,
    treatment_share_ppm: int,
    *,
    database: sa.Engine,
    now: dt.datetime,
    phase: Phase = Phase.BY_HAND,
    reason: str = "",
    random: RandomBytes = secrets.token_bytes,
) -> int:
    """Change the treatment share: opens a new stratum with a new salt and returns its number.

    Args:
        reason: Why, for the audit log.
    """
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
        stratum = Stratum(shop_id, number, random(16).hex(), treatment_share_ppm, now, phase.value)
        _insert_stratum(connection, stratum, reason)
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

    No version is ever changed, the database refuses it: what shall be different is a new version.

    Raises:
        InvalidInputError: A term lies outside what can be billed, or the contract starts too
            early for its predecessor to be settled (`contract-order`).
    """
    _check_contract(contract)
    rows = tables.contracts
    with database.begin() as connection:
        last = connection.execute(
            sa.select(rows.c.version, rows.c.starts_on)
            .where(rows.c.shop_id == contract.shop_id)
            .order_by(rows.c.version.desc())
        ).first()
        if last is not None:
            _check_order(connection, contract, last.starts_on)
        numbered = replace(contract, version=last.version + 1 if last is not None else 1)
        terms = asdict(numbered)
        connection.execute(rows.insert().values({**terms, "tiers": list(terms["tiers"])}))
        told = {name: value for name, value in terms.items() if isinstance(value, str | int)}
        del told["shop_id"]
        record_audit(
            connection,
            "contract.created",
            shop_id=contract.shop_id,
            subject=f"version {numbered.version}",
            **told,
            starts_on=numbered.starts_on.isoformat(),
            tiers=" ".join(f"{tier.from_minor}:{tier.rate_bps}" for tier in numbered.tiers),
        )
    return numbered


def _check_order(connection: sa.Connection, contract: Contract, last_starts_on: dt.date) -> None:
    """Refuse a version that would leave its predecessor without a last, settling month."""
    if contract.starts_on <= last_starts_on:
        raise InvalidInputError(
            f"The new contract must start after {last_starts_on}", code="contract-order"
        )
    closed = connection.scalar(
        sa.select(sa.func.max(tables.statements.c.month)).where(
            tables.statements.c.shop_id == contract.shop_id
        )
    )
    month_before = contract.starts_on.replace(day=1) - dt.timedelta(days=1)
    if closed is not None and f"{month_before:%Y-%m}" <= closed:
        raise InvalidInputError(
            f"{closed} is closed already: the month before a new contract must still be open, so "
            "that the old one can settle in it",
            code="contract-order",
        )


def read_contracts(shop_id: str, *, database: sa.Engine) -> list[Contract]:
    """Return all versions of a shop's contract, oldest first."""
    rows = tables.contracts
    query = sa.select(rows).where(rows.c.shop_id == shop_id).order_by(rows.c.version)
    with database.connect() as connection:
        return [_read_contract(row) for row in connection.execute(query)]


def current_contract(shop_id: str, on: dt.date, *, database: sa.Engine) -> Contract:
    """Return the contract that governs a day.

    Raises:
        NotFoundError: No contract of the shop has started by then.
    """
    started = [
        contract
        for contract in read_contracts(shop_id, database=database)
        if contract.starts_on <= on
    ]
    if not started:
        raise NotFoundError(f"No contract of {shop_id} governs {on}", code="no-contract")
    return started[-1]


def _read_contract(row: "sa.Row[Any]") -> Contract:
    tiers = tuple(RateTier(**tier) for tier in row.tiers)
    return Contract(**(dict(row._mapping) | {"tiers": tiers}))


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
        "origins must look like https://shop.example, without a path": order.origins
        and all(map(plain_origin, order.origins)),
    }
    broken = [rule for rule, holds in rules.items() if not holds]
    if broken:
        raise InvalidInputError("; ".join(broken), code="invalid-shop")


def _check_contract(contract: Contract) -> None:
    rules = {
        "rate must lie between 0 and 100 %": 0 <= contract.rate_bps <= 10_000,
        f"policy must be one of {', '.join(POLICIES)}": contract.policy in POLICIES,
        "caps of month and year must lie between 0 and 100 %": 0 <= contract.cap_month_bps <= 10_000
        and 0 <= contract.cap_year_bps <= 10_000,
        "caps and fees must lie between 0 and what can be meant": all(
            0 <= amount_minor < MINOR_LIMIT
            for amount_minor in (
                contract.cap_year_minor,
                contract.order_cap_minor,
                contract.visitor_month_cap_minor,
                contract.licence_month_minor,
                contract.minimum_month_minor,
            )
        ),
        "tiers must rise from above 0, with rates between 0 and 100 %": _tiers_rise(contract.tiers),
        f"vat_case must be one of {', '.join(VAT_CASES)}": contract.vat_case in VAT_CASES,
        "alpha must lie between 0.1 % and 50 %": 1_000 <= contract.alpha_ppm <= 500_000,
        "n_star must lie between 100 and 1,000,000,000,000 visitors": N_STAR_BOUNDS[0]
        <= contract.n_star
        <= N_STAR_BOUNDS[1],
    }
    broken = [rule for rule, holds in rules.items() if not holds]
    if broken:
        raise InvalidInputError("; ".join(broken), code="invalid-contract")


def _tiers_rise(tiers: Sequence[RateTier]) -> bool:
    limits = [0, *(tier.from_minor for tier in tiers), MINOR_LIMIT]
    return all(low < high for low, high in itertools.pairwise(limits)) and all(
        0 <= tier.rate_bps <= 10_000 for tier in tiers
    )


def _insert_stratum(connection: sa.Connection, stratum: Stratum, reason: str = "") -> None:
    connection.execute(tables.strata.insert().values(asdict(stratum)))
    record_audit(
        connection,
        "stratum.started",
        shop_id=stratum.shop_id,
        subject=f"stratum {stratum.stratum}",
        treatment_share_ppm=stratum.treatment_share_ppm,
        salt=stratum.salt,
        phase=str(stratum.phase),
        reason=reason,
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
