"""`recommender evaluate` on tiny splits written for it."""

import csv
import datetime as dt
import gzip
import json
from collections import Counter
from math import ceil
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

from commands import called
from planted import BEGAN_AT

N_ITEMS = 60
METRICS = ("hit_rate", "mrr", "ndcg", "tail_share", "coverage", "gini")
MEASURED = ("fit_seconds", "query_ms_p50", "query_ms_p99", "peak_rss_mb", "target_tail_share")


def run(*arguments: str) -> Result:
    return called("evaluate", *arguments, environ={})


def measured(*arguments: str) -> dict:
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def walk(rng: np.random.Generator, length: int) -> list[str]:
    """A walk along the ring of all items, from a popular place most often."""
    start = int(rng.geometric(0.08)) % N_ITEMS
    return [f"{100 + (start + step) % N_ITEMS}" for step in range(length)]


def packed(path: Path, lines: list[str]) -> Path:
    path.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode()))
    return path


@pytest.fixture(scope="module")
def sessions() -> list[list[str]]:
    rng = np.random.default_rng(8)
    return [walk(rng, 5) for _ in range(200)]


@pytest.fixture(scope="module")
def pairs() -> list[tuple[list[str], str]]:
    rng = np.random.default_rng(9)
    paths = [walk(rng, 4) for _ in range(50)]
    onward = [(path[:3], path[3]) for path in paths]
    return onward + [(path[:3], path[0]) for path in paths[:10]]


@pytest.fixture(scope="module")
def folder(sessions, pairs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("split")
    packed(folder / "train_sessions.txt.gz", [" ".join(session) for session in sessions])
    packed(
        folder / "test_pairs.tsv.gz", [f"{' '.join(prefix)}\t{target}" for prefix, target in pairs]
    )
    return folder


@pytest.fixture(scope="module")
def of_sessions(folder: Path) -> dict:
    return measured("--split", str(folder))


def tail_of(sessions: list[list[str]]) -> set[str]:
    """What the most-clicked fifth of the training items leaves; of equals the first are taken."""
    clicks = Counter(item for session in sessions for item in session)
    order = sorted(clicks, key=lambda item: (-clicks[item], item))
    return set(order[ceil(0.2 * len(order)) :])


def test_a_session_split_gives_the_promised_figures(of_sessions, sessions, pairs):
    for name in METRICS:
        assert 0 <= of_sessions[f"{name}@20"] <= 1
    assert all(of_sessions[name] >= 0 for name in MEASURED)
    assert of_sessions["query_ms_p50"] <= of_sessions["query_ms_p99"]
    assert of_sessions["n_probes"] == len(pairs)
    assert of_sessions["task"] == "next"
    tail = tail_of(sessions)
    share = np.mean([target in tail for _, target in pairs])
    assert of_sessions["target_tail_share"] == pytest.approx(share)
    # Five of six questions are answered by the next item of the ring.
    assert of_sessions["hit_rate@20"] > 0.8
    assert of_sessions["mrr@20"] > 0.6


def test_every_single_model_stands_beside_the_blend(of_sessions):
    comparison = of_sessions["comparison"]
    assert comparison["n_probes"] == of_sessions["n_probes"]
    names = {f"{name}@20" for name in METRICS}
    assert {"follows", "sessions", "similar", "history", "popular"} <= set(comparison["sources"])
    assert set(comparison["sources"]) == set(of_sessions["blend"])
    for metrics in [comparison["blend"], *comparison["sources"].values()]:
        assert names <= set(metrics)
    for name in names:
        assert comparison["blend"][name] == pytest.approx(of_sessions[name])
    dials = [step["dial"] for step in comparison["tail_dial"]]
    assert (dials[0], dials[-1]) == (0, 1)
    assert comparison["blend"]["ndcg@20"] > comparison["sources"]["popular"]["ndcg@20"]


def test_without_repeats_only_new_items_are_asked_for(folder, pairs):
    found = measured("--split", str(folder), "--repeat-free", "--quick")
    asked = [(prefix, target) for prefix, target in pairs if target not in prefix]
    assert (found["task"], found["n_probes"]) == ("path", len(asked))
    assert found["mrr@20"] > 0.9, "the ring goes on to the next item"
    assert "comparison" not in found


def test_the_dial_is_what_was_asked_for_and_moves_to_the_tail(folder, of_sessions):
    found = measured("--split", str(folder), "--tail", "1", "--quick")
    assert found["dial"] == 1
    curve = {step["dial"]: step for step in of_sessions["comparison"]["tail_dial"]}
    for name in METRICS:
        assert found[f"{name}@20"] == pytest.approx(curve[1.0][f"{name}@20"])
    assert found["tail_share@20"] > curve[0.0]["tail_share@20"]


def test_sequences_ask_for_each_users_last_item_among_ten(tmp_path):
    rng = np.random.default_rng(3)
    users = [walk(rng, 6) for _ in range(150)]
    path = packed(
        tmp_path / "users.txt.gz",
        [f"u{number} {' '.join(user)}" for number, user in enumerate(users)],
    )
    found = measured("--sequences", str(path), "--quick")
    assert {f"{name}@10" for name in METRICS} <= set(found)
    assert not [name for name in found if name.endswith("@20")]
    assert all(found[name] >= 0 for name in MEASURED)
    assert (found["task"], found["n_probes"]) == ("path", len(users))
    assert found["hit_rate@10"] > 0.9
    assert found["ndcg@10"] > 0.8


def test_an_order_history_is_told_to_a_person(tmp_path):
    rng = np.random.default_rng(4)
    path = tmp_path / "orders.csv"
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(("order_id", "item_id", "placed_at", "customer_id"))
        for number in range(150):
            at = BEGAN_AT + dt.timedelta(hours=5 * number)
            for item in walk(rng, 3):
                out.writerow((f"o{number}", item, at.isoformat(), f"c{number % 12}"))
    done = run("--orders", str(path))
    assert done.exit_code == 0, done.stderr
    told = done.stdout
    for word in ("hit_rate@20", "ndcg@20", "follows", "popular", "blend at tail dial", "0.60"):
        assert word in told
    # Thirty of the hundred and fifty orders are newer than the cut.
    assert "next, 30 probes" in told


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ((), 2, "[missing-argument]"),
        (("--split", "here", "--sequences", "there"), 2, "[missing-argument]"),
        (("--split", "nowhere"), 1, "train_sessions.txt.gz in nowhere [not-found]"),
        (("--sequences", "nothing.gz"), 1, "[not-found]"),
        (("--orders", "nothing.csv"), 2, "[unreadable-file]"),
        (("--split", "here", "--tail", "1.5"), 2, "--tail"),
    ],
)
def test_wrong_use_is_one_line(arguments, status, words):
    done = run(*arguments)
    assert done.exit_code == status
    assert words in done.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_bad_line_is_named_by_file_and_number(folder, tmp_path):
    train = "train_sessions.txt.gz"
    (tmp_path / train).write_bytes((folder / train).read_bytes())
    packed(tmp_path / "test_pairs.tsv.gz", ["100 101\t102", "103 104"])
    done = run("--split", str(tmp_path), "--json")
    assert (done.exit_code, done.stdout) == (2, "")
    (line,) = done.stderr.strip().splitlines()
    assert "test_pairs.tsv.gz: line 2" in line
    assert "[bad-split]" in line
