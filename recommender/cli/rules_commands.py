"""`recommender rules …`: list, store and delete a shop's rules."""

import sys
from pathlib import Path

import click
import orjson

from recommender.catalog.rule_parsing import parse_rule, rule_document
from recommender.catalog.update_rules import delete_rule, list_rules, put_rules
from recommender.cli.common import emit, json_option, make_services
from recommender.errors import InvalidInputError
from recommender.records import Rejection, Rule
from recommender.web.rule_words import rule_sentence, rule_standing


@click.group()
def rules() -> None:
    """Say what slates pin, boost, bury, exclude, or show only."""


@rules.command("list")
@click.option("--shop", "shop_id", required=True, help="Id of the shop.")
@json_option
def show(shop_id: str, as_json: bool) -> None:
    """List a shop's rules, each as a sentence."""
    services = make_services(service="rules")
    shop = services.shops.by_id(shop_id)
    found = list_rules(shop_id, database=services.database)
    now = services.now()
    emit(
        {"rules": [rule_document(rule) for rule in found]},
        as_json=as_json,
        text=lambda: (
            "\n".join(
                f"{rule_standing(rule, now):8} {rule.rule_id}: {rule_sentence(rule, shop, {})}"
                for rule in found
            )
            or "No rules"
        ),
    )


@rules.command("put")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--shop", "shop_id", required=True, help="Id of the shop.")
@json_option
def put(file: Path, shop_id: str, as_json: bool) -> None:
    """Create or overwrite rules from a JSON file, "-" for standard input; all of them or none.

    The file holds {"rules": [...]} as `rules list --json` prints it.
    """
    services = make_services(service="rules")
    shop = services.shops.by_id(shop_id)
    parsed = [parse_rule(element, shop, index) for index, element in enumerate(_elements(file))]
    for outcome in parsed:
        if isinstance(outcome, Rejection):
            raise InvalidInputError(
                f"Rule {outcome.index + 1}: {outcome.detail}", code=outcome.code
            )
    stated = [outcome for outcome in parsed if isinstance(outcome, Rule)]
    revision = put_rules(
        stated,
        database=services.database,
        hot_state=services.state,
        shop_id=shop_id,
        changed_by="command",
        now=services.now(),
    )
    emit(
        {"accepted": len(stated), "revision": revision},
        as_json=as_json,
        text=lambda: f"{len(stated)} rules of {shop_id} are stored",
    )


@rules.command("delete")
@click.argument("rule_id")
@click.option("--shop", "shop_id", required=True, help="Id of the shop.")
@json_option
def delete(rule_id: str, shop_id: str, as_json: bool) -> None:
    """Delete one rule."""
    services = make_services(service="rules")
    services.shops.by_id(shop_id)
    revision = delete_rule(shop_id, rule_id, database=services.database, hot_state=services.state)
    emit(
        {"rule_id": rule_id, "revision": revision},
        as_json=as_json,
        text=lambda: f"Rule {rule_id} of {shop_id} is deleted",
    )


def _elements(file: Path) -> list[object]:
    try:
        body = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        document = orjson.loads(body)
    except (OSError, orjson.JSONDecodeError) as error:
        raise InvalidInputError(f"{file} is no readable JSON: {error}", code="bad-file") from error
    elements = document.get("rules") if isinstance(document, dict) else document
    if not isinstance(elements, list) or not elements:
        raise InvalidInputError(f'{file} must hold {{"rules": […]}}', code="not-a-batch")
    return elements
