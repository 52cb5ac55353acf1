"""What a user can meet is documented: settings, error codes, commands."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from recommender.cli.main import group
from recommender.config import Settings

ROOT = Path(__file__).parents[2]


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs" / "settings.md").read_text()
    for field in fields(Settings):
        assert f"`RECOMMENDER_{field.name.upper()}`" in text


def test_every_error_code_is_documented() -> None:
    text = (ROOT / "docs" / "errors.md").read_text()
    missing = sorted(code for code in error_codes() if f"`{code}`" not in text)
    assert missing == []
    # A problem's type points at the one place.
    heads = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    told = Counter(code for head in heads for code in re.findall("`([^`]+)`", head))
    assert [code for code, times in told.items() if times > 1] == []


_FORMED = {
    "missing-": ("missing-id", "missing-title", "missing-url"),
    "bad-": ("bad-price", "bad-cost", "bad-order-id", "bad-refund-id"),
}
"""Codes that are put together from a field's name, by what they begin with."""
_TELLS_FIRST = {"Rejected", "_Rejected", "_RejectedError", "_Fault"}
_TELLS_SECOND = {"Rejection", "problem", "_problem"}
_CODE = re.compile("[a-z]+(?:-[a-z]+)*")


def error_codes() -> set[str]:
    """Collect the codes that appear in the source."""
    found: set[str] = set()
    for path in (ROOT / "recommender").rglob("*.py"):
        if path.parent.name == "serving":  # its codes are reasons for shoppers
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            for told in _told(node):
                found.update(_codes(told))
    return found


def _told(node: ast.AST) -> Iterator[ast.expr]:
    """Yield the expressions of a node that are an error's code."""
    match node:
        case ast.keyword(arg="code", value=value):
            yield value
        case ast.Assign(targets=[ast.Name(id=name)], value=value) if _names_codes(name):
            yield value
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value) if _names_codes(
            name
        ):
            yield value
        case ast.Call(func=ast.Name(id=name), args=[first, *others]):
            if name in _TELLS_FIRST:
                yield first
            if name in _TELLS_SECOND:
                yield from others[:1]


def _names_codes(name: str) -> bool:
    # Rows of files are judged by a list of rules, each with its code.
    return name in {"code", "rules"} or name.lower().endswith(
        ("_code", "_by_code", "code_by_status")
    )


def _codes(told: ast.expr) -> Iterator[str]:
    """Yield every code that an expression can come to."""
    match told:
        case ast.IfExp(body=one, orelse=other) | ast.BoolOp(values=[one, other]):
            yield from _codes(one)
            yield from _codes(other)
        case ast.JoinedStr(values=[ast.Constant(value=str(beginning)), *_]):
            yield from _FORMED[beginning]
        case ast.Constant(value=str(text)) if _CODE.fullmatch(text):
            yield text
        case ast.Dict() | ast.List():
            parts = list(ast.iter_child_nodes(told))
            cells = [cell for row in parts if isinstance(row, ast.Tuple) for cell in row.elts]
            for one in [*parts, *cells]:
                yield from _codes(one) if isinstance(one, ast.Constant) else ()


def test_every_command_is_in_the_readme_or_the_commands_page() -> None:
    text = (ROOT / "docs" / "commands.md").read_text()
    for name in group.list_commands(None):
        assert f"`recommender {name}" in text
