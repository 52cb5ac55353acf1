"""What a user can meet is documented: settings, error codes, commands."""

import re
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


def error_codes() -> set[str]:
    """Collect the codes that appear in the source."""
    pattern = re.compile(
        r"""(?:(?<!\w)code\s*=\s*|_?Rejected(?:Error)?\(\s*|Rejection\(\s*index,\s*|_Fault\(\s*)"""
        r""""([a-z]+(?:-[a-z]+)*)\""""
    )
    found: set[str] = set()
    for path in (ROOT / "recommender").rglob("*.py"):
        if path.parent.name == "serving":  # its codes are reasons for shoppers
            continue
        found.update(pattern.findall(path.read_text()))
    return found


def test_every_command_is_in_the_readme_or_the_commands_page() -> None:
    text = (ROOT / "docs" / "commands.md").read_text()
    for name in group.list_commands(None):
        assert f"`recommender {name}" in text
