"""Store a shop's rules (verb): every change is a new revision of its catalogue.

So a rule reaches all workers on the same way, and as fast, as a stock-out.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

import sqlalchemy as sa

from recommender import tables
from recommender.catalog.update import announce, move_revision
from recommender.errors import InvalidInputError, NotFoundError, UnavailableError
from recommender.ports import HotState
from recommender.records import Placement, Rule, RuleAction, RuleMatch
from recommender.shops.audit import record_audit

MAX_RULES = 500
"""Rules of one shop; each costs a look at every item of its catalogue when it changes."""

_LISTS = ("item_ids", "categories", "brands")


def read_rules(connection: sa.Connection, shop_id: str) -> tuple[Rule, ...]:
    """Return a shop's rules in the order of their ids."""
    rows = connection.execute(
        sa.select(tables.rules)
        .where(tables.rules.c.shop_id == shop_id)
        .order_by(tables.rules.c.rule_id)
    )
    return tuple(_read_rule(row._mapping) for row in rows)


def list_rules(shop_id: str, *, database: sa.Engine) -> tuple[Rule, ...]:
    """Return a shop's rules in the order of their ids.

    Raises:
        UnavailableError: The database does not answer.
    """
    try:
        with database.connect() as connection:
            return read_rules(connection, shop_id)
    except sa.exc.OperationalError as error:
        raise _away() from error


def put_rules(
    rules: Sequence[Rule],
    *,
    database: sa.Engine,
    hot_state: HotState,
    shop_id: str,
    changed_by: str,
    now: dt.datetime,
) -> int:
    """Insert or overwrite rules of one shop, all of them or none.

    Args:
        rules: Rules of this shop; the last one wins where an id repeats.
        database: Control data.
        hot_state: Told of the new revision.
        shop_id: The shop.
        changed_by: Who does it, kept with each rule.
        now: Becomes `changed_at`.

    Returns:
        The revision of the shop's catalogue afterwards.

    Raises:
        InvalidInputError: Code `too-many-rules`, or a rule belongs to another shop; nothing was
            stored.
        NotFoundError: There is no such shop.
        UnavailableError: The database does not answer; nothing was stored.
    """
    if any(rule.shop_id != shop_id for rule in rules):
        raise InvalidInputError("A rule belongs to another shop", code="wrong-shop")
    rows = [_row(rule, changed_by, now) for rule in {rule.rule_id: rule for rule in rules}.values()]

    def write(connection: sa.Connection) -> None:
        tables.upsert(connection, tables.rules, rows)
        count = sa.select(sa.func.count()).where(tables.rules.c.shop_id == shop_id)
        if connection.execute(count).scalar_one() > MAX_RULES:
            raise InvalidInputError(
                f"A shop has at most {MAX_RULES} rules; delete some first", code="too-many-rules"
            )
        stored = ", ".join(row["rule_id"] for row in rows)
        record_audit(connection, "rules.stored", shop_id=shop_id, subject=stored, count=len(rows))

    return _change(write, database, hot_state, shop_id)


def delete_rule(shop_id: str, rule_id: str, *, database: sa.Engine, hot_state: HotState) -> int:
    """Delete one rule and return the revision of the shop's catalogue afterwards.

    Raises:
        NotFoundError: Code `unknown-rule`: the shop has no such rule.
        UnavailableError: The database does not answer; nothing was deleted.
    """

    def write(connection: sa.Connection) -> None:
        mine = tables.rules.c.shop_id == shop_id
        gone = connection.execute(
            tables.rules.delete()
            .where(mine, tables.rules.c.rule_id == rule_id)
            .returning(tables.rules.c.rule_id)
        ).all()
        if not gone:
            raise NotFoundError(f"There is no rule {rule_id[:60]}", code="unknown-rule")
        record_audit(connection, "rule.deleted", shop_id=shop_id, subject=rule_id)

    return _change(write, database, hot_state, shop_id)


def _change(
    write: Callable[[sa.Connection], None],
    database: sa.Engine,
    hot_state: HotState,
    shop_id: str,
) -> int:
    try:
        with database.begin() as connection:
            # The shop's row is locked first, as for items.
            revision = move_revision(connection, shop_id, +1)
            write(connection)
            connection.execute(
                tables.shops.update()
                .where(tables.shops.c.shop_id == shop_id)
                .values(rules_revision=revision)
            )
    except sa.exc.OperationalError as error:
        raise _away() from error
    announce(hot_state, shop_id, revision)
    return revision


def _away() -> UnavailableError:
    return UnavailableError("The control database does not answer", code="database-unavailable")


def _row(rule: Rule, changed_by: str, now: dt.datetime) -> dict[str, Any]:
    values: dict[str, Any] = {field.name: getattr(rule, field.name) for field in fields(rule)}
    return values | {
        "action": rule.action.value,
        "match": {name: value for name, value in asdict(rule.match).items() if value is not None},
        "placements": [placement.value for placement in rule.placements],
        "changed_by": changed_by,
        "changed_at": now,
    }


def _read_rule(row: Mapping[Any, Any]) -> Rule:
    match = dict(row["match"]) | {name: tuple(row["match"].get(name, ())) for name in _LISTS}
    values = dict(row) | {
        "action": RuleAction(row["action"]),
        "match": RuleMatch(**match),
        "placements": tuple(Placement(placement) for placement in row["placements"]),
    }
    return Rule(**values)
