"""The console script as a user meets it: status, one clear line, help."""

import datetime as dt
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from commands import called
from recommender.cli.main import group
from recommender.training.artifact import ArtifactStore


def run(home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "recommender", *arguments],
        env={**os.environ, "RECOMMENDER_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def call(home: Path, *arguments: str, stdin: str = "") -> Result:
    return called(*arguments, environ={"RECOMMENDER_HOME": str(home)}, stdin=stdin)


def create_shop(home: Path, *origins: str) -> str:
    words = (word for origin in origins for word in ("--origin", origin))
    made = call(
        home,
        *("shop", "create", "--name", "S", "--currency", "EUR", "--country", "FR"),
        *("--timezone", "Europe/Paris", *words, "--json"),
    )
    shop_id: str = json.loads(made.stdout)["shop_id"]
    return shop_id


@pytest.fixture(scope="module")
def migrated_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    assert run(home, "migrate").returncode == 0
    return home


@pytest.fixture
def home(migrated_home: Path, tmp_path: Path) -> Path:
    return shutil.copytree(migrated_home, tmp_path / "home")


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
    made = call(
        home,
        *("shop", "create", "--name", "S", "--currency", "EUR", "--country", "FR"),
        *("--timezone", "Europe/Paris", "--origin", "https://s.example", "--json"),
    )
    assert made.exit_code == 0
    shop = json.loads(made.stdout)
    assert shop["secret_key"].startswith("sk_")
    alone = call(home, "train", "--shop", shop["shop_id"], "--json")
    assert (alone.exit_code, "nothing-to-learn" in alone.stderr + alone.stdout) == (1, True)
    # Among all shops, one that is new is no failure.
    assert call(home, "train", "--json").exit_code == 0


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
    done = run(tmp_path, "--help")
    assert done.returncode == 0
    for name in group.list_commands(None):
        assert f"\n  {name} " in done.stdout
        explained = CliRunner().invoke(group, [name, "--help"], prog_name="recommender")
        assert explained.exit_code == 0
        assert f"Usage: recommender {name}" in explained.stdout


def test_a_placement_keeps_what_is_not_named(home: Path) -> None:
    named = ("shop", "placement", "--shop", create_shop(home, "https://s.example"))
    cart = (*named, "--placement", "cart", "--json")
    first = call(home, *cart, "--n", "5", "--tail", "0.4", "--heading", "fr=Avec ceci", "--disable")
    assert first.exit_code == 0, first.stderr
    changed = json.loads(call(home, *cart, "--allow-seen", "--heading", "de=Dazu").stdout)
    assert changed["n"] == 5
    assert changed["tail_ppm"] == 400_000
    assert changed["title"] == {"fr": "Avec ceci", "de": "Dazu"}
    assert changed["allow_seen"]
    assert not changed["enabled"]
    emptied = json.loads(call(home, *cart, "--heading", "fr=", "--enable", "--tail", "auto").stdout)
    assert emptied["tail_ppm"] is None
    assert emptied["title"] == {"de": "Dazu"}
    assert emptied["enabled"]
    refused = call(home, *cart, "--n", "1", "--tail", "1.5")
    assert refused.exit_code == 2
    assert "The smallest number" in refused.stderr
    assert "tail dial must lie between 0 and 1. [invalid-placement]" in refused.stderr


def test_the_way_back_to_the_previous_artifact(home: Path) -> None:
    made = call(
        home,
        *("shop", "create", "--name", "S", "--currency", "EUR", "--country", "FR"),
        *("--timezone", "Europe/Paris", "--origin", "https://s.example", "--json"),
    )
    shop_id = json.loads(made.stdout)["shop_id"]
    nothing = call(home, "artifact", "back", "--shop", shop_id)
    assert nothing.exit_code == 1
    assert "[no-previous-artifact]" in nothing.stderr
    assert "Nothing was trained yet" in call(home, "artifact", "list", "--shop", shop_id).stdout
    store = ArtifactStore(home / "artifacts")
    first, second = (
        store.write(
            shop_id,
            {"item_ids": np.array([b"a", b"b"])},
            {},
            created_at=dt.datetime(2026, 3, day, tzinfo=dt.UTC),
        )
        for day in (2, 3)
    )
    store.publish(shop_id, first)
    store.publish(shop_id, second)
    back = call(home, "artifact", "back", "--shop", shop_id, "--json")
    assert json.loads(back.stdout) == {"shop_id": shop_id, "current": first, "previous": second}
    assert store.current(shop_id) == first
    listed = json.loads(call(home, "artifact", "list", "--shop", shop_id, "--json").stdout)
    assert listed["artifacts"] == [
        {"artifact": first, "role": "current"},
        {"artifact": second, "role": "previous"},
    ]


def test_reconcile_and_orders_speak_json_and_a_status(home: Path) -> None:
    shop = ("--shop", create_shop(home, "https://s.example"))
    connected = json.loads(
        call(home, "orders", "connect", *shop, "--platform", "woocommerce", "--json").stdout
    )
    assert len(connected["secret"]) == 64
    listed = call(home, "orders", "webhooks", *shop)
    assert connected["secret_id"] in listed.stdout
    assert connected["secret"] not in listed.stdout
    (home / "list.csv").write_text("Order,Date,Net\nA,2026-03-20 11:00,12.50\n")
    files = ("reconcile", str(home / "list.csv"), *shop)
    differing = call(home, *files, "--record", "--json")
    assert differing.exit_code == 1
    report = json.loads(differing.stdout)
    assert (report["differences"]["missing-here"], report["recorded"]) == (1, 1)
    agreeing = call(home, *files)
    assert (agreeing.exit_code, "No differences" in agreeing.stdout) == (0, True)
    (home / "list.csv").write_text("Order,Date,Net\nA,2026-03-20,12.50\nB,22/11/2026,1\nC,,1\n")
    told = call(home, *files).stdout
    assert "list.csv, row 2: '22/11/2026' is no time such as 2026-11-20 14:30 [bad-time]" in told
    assert "list.csv, row 3: '' is no time" in told
    (home / "list.csv").write_text("Order,Date,Net\nB,22/11/2026,1\n")
    none = call(home, *files)
    assert "No row of these files is an order: list.csv, row 1: '22/11/2026' is no" in none.stderr
    links = json.loads(call(home, "orders", "links", *shop, "--days", "10000", "--json").stdout)
    assert links["orders"] == {"before-events": 1}


def test_logins_are_given_changed_and_taken_away(home: Path) -> None:
    named = ("--shop", create_shop(home, "https://s.example"))

    def login(deed: str, email: str, password: str = "") -> Result:
        words = ("--email", email, *(["--password-stdin"] if password else []))
        return call(home, "login", deed, *named, *words, stdin=f"{password}\n")

    for email in ("a@s.example", "b@s.example"):
        assert login("add", email, "correct horse battery").exit_code == 0
    assert "taken" in login("add", "a@s.example", "correct horse battery").stderr
    assert "weak-password" in login("password", "a@s.example", "short").stderr
    assert login("password", "A@s.example", "another long password").exit_code == 0
    assert login("remove", "b@s.example").exit_code == 0
    gone = login("remove", "b@s.example")
    assert (gone.exit_code, "[unknown-login]" in gone.stderr) == (1, True)
    listed = json.loads(call(home, "login", "list", *named, "--json").stdout)["logins"]
    assert [one["email"] for one in listed] == ["a@s.example"]
    log = json.loads(call(home, "audit", "list", *named, "--json").stdout)["entries"]
    told = [(one["action"], one["subject"]) for one in log[:2]]
    assert told == [("user.removed", "b@s.example"), ("user.password-set", "a@s.example")]


def test_origins_are_listed_and_changed(home: Path) -> None:
    named = ("shop", "origins", "--shop", create_shop(home, "http://127.0.0.1:8795/"))
    assert call(home, *named).stdout == "http://127.0.0.1:8795\n"
    moved = call(home, *named, "--remove", "http://127.0.0.1:8795/", "--add", "https://s.example")
    assert moved.stdout == "https://s.example\n"
    assert "[last-origin]" in call(home, *named, "--remove", "https://s.example").stderr


def test_wrong_input_is_one_line_and_no_traceback(home: Path, tmp_path: Path) -> None:
    shop = ("--shop", create_shop(home, "https://s.example"))
    latin = tmp_path / "old.csv"
    latin.write_bytes("transaction_id,date\nMüller,x\n".encode("latin-1"))
    plan = ("plan", "--visitors-per-month", "1000", "--conversion", "2", "--basket", "80")
    contract = ("shop", "contract", *shop, "--starts-on", "2027-01-01")
    wrong = {
        ("payments", "import", str(latin)): "old.csv is not UTF-8 text (line 2)",
        ("exclusions", "change", *shop, "--add-staff", str(latin)): "[not-utf-8]",
        ("buyer", "set", *shop, str(latin)): "[not-utf-8]",
        ("backup", "/dev/null/x"): "/dev/null/x/database: Not a directory [bad-path]",
        (*plan, "--visitors-per-month", "nan"): "'--visitors-per-month': nan",
        (*plan, "--seed", "-1"): "'--seed'",
        (*contract, "--n-star", "9" * 20): "'--n-star'",
        (*contract, "--n-star", "5000", "--rate", "inf"): "'--rate'",
        (*contract, "--n-star", "5000", "--tier", "1=inf"): "[bad-value]",
        ("shop", "create", "--treatment-share", "nan"): "'--treatment-share': nan",
        ("orders", "links", *shop, "--days", "9999999999"): "'--days'",
    }
    for words, told in wrong.items():
        done = call(home, *words)
        assert done.exit_code == 2, (words, done.stderr)
        assert told in done.stderr.splitlines()[-1], (words, done.stderr)
    nowhere = call(Path("/dev/null/x"), "shop", "list")
    assert (nowhere.exit_code, nowhere.stderr) == (
        2,
        "Error: /dev/null/x: Not a directory [bad-path]\n",
    )


def test_a_home_without_a_schema_says_what_to_do(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for words in (("shop", "list"), ("audit", "list")):
        done = call(home, *words)
        assert (done.exit_code, done.stdout) == (1, "")
        assert "has no tables yet: run `recommender migrate` [schema-missing]" in done.stderr
    assert call(home, "migrate").exit_code == 0
    assert call(home, "shop", "list").stdout == "No shops\n"
    with closing(sqlite3.connect(home / "control.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '0001'")
    assert "is of an earlier release: run" in call(home, "shop", "list").stderr
