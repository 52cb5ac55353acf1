"""The console script as a user meets it: status, one clear line, help."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from recommender.cli.main import group


def run(home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "recommender", *arguments],
        env={**os.environ, "RECOMMENDER_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    assert run(tmp_path, "migrate").returncode == 0
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("settle", "--month", "2026-13"), 2, "[bad-month]"),
        (("train", "--shop", "shop_nobody"), 1, "[unknown-shop]"),
        (("train", "--colour"), 2, "--colour"),
        (("fly",), 2, "fly"),
        (("import", "nothing.csv", "--shop", "shop_nobody"), 1, "[unknown-shop]"),
    ],
)
def test_a_fault_is_one_line_and_a_status(
    home: Path, arguments: tuple[str, ...], status: int, words: str
) -> None:
    done = run(home, *arguments)
    assert done.returncode == status
    assert words in done.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_failure_is_told_by_the_status(home: Path) -> None:
    made = run(
        home,
        *("shop", "create", "--name", "S", "--currency", "EUR", "--country", "FR"),
        *("--timezone", "Europe/Paris", "--origin", "https://s.example", "--json"),
    )
    assert made.returncode == 0
    shop = json.loads(made.stdout)
    assert shop["secret_key"].startswith("sk_")
    alone = run(home, "train", "--shop", shop["shop_id"], "--json")
    assert (alone.returncode, "nothing-to-learn" in alone.stderr + alone.stdout) == (1, True)
    # Among all shops, one that is new is no failure.
    assert run(home, "train", "--json").returncode == 0


def test_a_faulty_setting_is_named(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "recommender", "shop", "list"],
        env={**os.environ, "RECOMMENDER_HOME": str(tmp_path), "RECOMMENDER_PORT": "eighty"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "RECOMMENDER_PORT" in done.stderr


def test_every_command_explains_itself(tmp_path: Path) -> None:
    for name in group.list_commands(None):
        done = run(tmp_path, name, "--help")
        assert done.returncode == 0
        assert "Usage: recommender" in done.stdout
