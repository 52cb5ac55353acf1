"""The page "Rules": what the shop's owner pins, prefers, avoids and never shows."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import sqlalchemy as sa
from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from recommender import tables
from recommender.catalog.rules import fits
from recommender.catalog.update_rules import delete_rule, list_rules, put_rules
from recommender.errors import InvalidInputError, NotFoundError
from recommender.records import Placement, Rule, RuleAction, Shop
from recommender.web.console_figures import moment
from recommender.web.console_rule_form import ACTIONS, RuleForm, read_rule_form, typed_rule
from recommender.web.console_session import current_visit, render_page, signed_in
from recommender.web.console_settings import NAMES
from recommender.web.context import services
from recommender.web.rule_words import rule_sentence, rule_standing

blueprint = Blueprint("rules", __name__, url_prefix="/rules")
_EMPTY = RuleForm({"action": RuleAction.PIN.value, "position": "1", "factor": ""}, {})
_MOST_TITLES = 500
_STANDINGS = {"on": "in force", "off": "switched off", "planned": "planned", "over": "over"}


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One rule in the list.

    Attributes:
        standing: In words.
        is_on: Whether it holds now.
    """

    rule: Rule
    sentence: str
    standing: str
    is_on: bool
    changed: str


@blueprint.get("")
@signed_in
def show() -> str:
    """Show the rules, and the form for a new one or one that is changed."""
    asked = request.args.get("edit")
    return _page(_EMPTY if asked is None else typed_rule(_rule(asked), current_visit().shop))


@blueprint.post("")
@signed_in
def add() -> AnyResponse | tuple[str, int]:
    """Store a new rule or a changed one, or show what is wrong with it."""
    shop = current_visit().shop
    places = request.form.getlist("placements")
    changed = request.form.get("rule_id", "")
    # Rules are listed by their ids, so these begin with the time.
    rule_id = changed or f"rule-{services().now():%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
    is_active = _rule(changed).active if changed else True
    read = read_rule_form(request.form, places, shop, rule_id)
    faults = _unknown_items(read, shop) if isinstance(read, Rule) else read
    if isinstance(read, Rule) and not faults:
        try:
            _store(replace(read, active=is_active))
        except InvalidInputError as error:
            faults = {"name": str(error)}
        else:
            return redirect(url_for(".show", saved=rule_id), code=303)
    return _page(RuleForm(request.form, faults, frozenset(places))), 422


@blueprint.post("/<rule_id>/switch")
@signed_in
def switch(rule_id: str) -> AnyResponse:
    """Switch a rule on or off."""
    _store(replace(_rule(rule_id), active=request.form.get("active") == "1"))
    return redirect(url_for(".show"), code=303)


@blueprint.post("/<rule_id>/delete")
@signed_in
def delete(rule_id: str) -> AnyResponse:
    """Delete a rule."""
    shop_id = current_visit().shop.shop_id
    delete_rule(shop_id, rule_id, database=services().database, hot_state=services().state)
    return redirect(url_for(".show"), code=303)


def _page(form: RuleForm) -> str:
    shop = current_visit().shop
    rules = _rules(shop)
    saved = next((rule for rule in rules if rule.rule_id == request.args.get("saved")), None)
    return render_page(
        "rules",
        rows=_rows(rules, shop),
        form=form,
        actions=ACTIONS,
        names={placement.value: NAMES[placement] for placement in Placement},
        saved=saved is not None,
        n_meant=None if saved is None else _count(saved, shop),
    )


def _rows(rules: Iterable[Rule], shop: Shop) -> list[RuleRow]:
    rules = list(rules)
    titles = _titles({one for rule in rules for one in rule.match.item_ids}, shop)
    now = services().now()
    rows = []
    for rule in rules:
        standing = rule_standing(rule, now)
        by = f" by {rule.changed_by}" if "@" in rule.changed_by else " over the API"
        when = moment(rule.changed_at, shop) if rule.changed_at else ""
        rows.append(
            RuleRow(
                rule=rule,
                sentence=rule_sentence(rule, shop, titles),
                standing=_STANDINGS[standing],
                is_on=standing == "on",
                changed=f"Changed {when}{by}",
            )
        )
    return rows


def _rules(shop: Shop) -> tuple[Rule, ...]:
    return list_rules(shop.shop_id, database=services().database)


def _rule(rule_id: str) -> Rule:
    rules = {rule.rule_id: rule for rule in _rules(current_visit().shop)}
    if rule_id not in rules:
        raise NotFoundError("This rule was deleted meanwhile", code="unknown-rule")
    return rules[rule_id]


def _store(rule: Rule) -> None:
    put_rules(
        [rule],
        database=services().database,
        hot_state=services().state,
        shop_id=rule.shop_id,
        changed_by=current_visit().user.email,
        now=services().now(),
    )


def _unknown_items(rule: Rule, shop: Shop) -> dict[str, str]:
    """Return a fault for items that the catalogue lacks: here they are typing mistakes."""
    known = _titles(rule.match.item_ids, shop)
    unknown = [item_id for item_id in rule.match.item_ids[:_MOST_TITLES] if item_id not in known]
    if not unknown:
        return {}
    return {"item_ids": f"There is no item {', '.join(unknown[:3])} in your catalogue."}


def _titles(item_ids: Iterable[str], shop: Shop) -> Mapping[str, str]:
    wanted = sorted(item_ids)[:_MOST_TITLES]
    items = tables.items.c
    query = sa.select(items.item_id, items.title).where(
        items.shop_id == shop.shop_id, items.item_id.in_(wanted)
    )
    with services().database.connect() as connection:
        return {row.item_id: row.title for row in connection.execute(query)}


def _count(rule: Rule, shop: Shop) -> int:
    catalogue = services().catalogues.get(shop.shop_id)
    return sum(fits(rule.match, item) for item in catalogue.items())
