"""Cases that other tests execute: browsers, pure money, parsers. The drill runs those tests."""

import subprocess
import sys
from pathlib import Path

from drill.case import Drill, NotExecutedError, Outcome, case

ROOT = Path(__file__).parents[2]
WIDGET = "tests/browser/widget"
NODES: dict[str, tuple[str, tuple[str, ...]]] = {
    "51": ("every route, every id of another shop, all keys", ("tests/contract/test_border.py",)),
    "60": ("known bots, headless browsers, empty names", ("tests/unit/events/test_bots.py",)),
    "62": ("bombs and entities in feeds", ("tests/contract/test_feeds.py",)),
    "63": ("archives with traversal, links, bombs", ("tests/contract/test_feeds.py",)),
    "64": (
        "loopback in all spellings, redirects, names that change",
        ("tests/contract/test_guarded_fetch.py",),
    ),
    "65": (
        "script in every text of the catalogue, in Chromium",
        (
            f"{WIDGET}/test_widget_drawing.py::test_hostile_texts_are_texts",
            f"{WIDGET}/test_widget_drawing.py::test_a_strict_content_security_policy_is_kept",
        ),
    ),
    "66": ("pages that override, block, paste twice", (f"{WIDGET}/test_widget_harmless.py",)),
    "67": (
        "the service refuses, hangs, answers HTML",
        (
            f"{WIDGET}/test_widget_harmless.py::test_a_failing_service_leaves_the_page_whole",
            f"{WIDGET}/test_widget_delivery.py",
        ),
    ),
    "68": (
        "cells that begin like formulas",
        ("tests/unit/billing/test_evidence.py", "tests/unit/web/test_console_daily.py"),
    ),
    "71": ("wrong passwords, forged forms, cookies", ("tests/contract/console/test_console.py",)),
    "72": ("schemathesis against the description", ("tests/contract/test_openapi_fuzz.py",)),
    "73": (
        "generated texts and documents into every parser",
        ("tests/unit/events/test_parsing.py", "tests/unit/web/test_strict_json.py"),
    ),
    "81": ("zones, daylight saving, months", ("tests/unit/billing/test_months.py",)),
    "83": (
        "refunds after the close, more than the order, settled by credit note",
        ("tests/contract/test_settle.py",),
    ),
    "84": ("orders edited, cancelled, late", ("tests/unit/events/test_order_fold.py",)),
    "85": (
        "currencies with 0, 2 and 3 decimals, exact amounts",
        ("tests/unit/shops/test_money.py", "tests/unit/billing/test_pricing.py"),
    ),
    "89": (
        "no effect, few buyers, an empty arm, a skewed split",
        ("tests/unit/billing/test_pricing.py", "tests/unit/uplift/test_integrity.py"),
    ),
}


def run_nodes(injected: str, nodes: tuple[str, ...]) -> Outcome:
    """Run tests by their names; missing ones are no execution."""
    missing = [node for node in nodes if not (ROOT / node.partition("::")[0]).exists()]
    if missing:
        raise NotExecutedError(f"{missing[0]} does not exist")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *nodes],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr[-200:]
    if done.returncode == 0 and "passed" not in last:
        raise NotExecutedError(f"skipped: {last}")
    outcome = Outcome(injected, rounds=1, executed_by=" ".join(nodes))
    outcome.check(done.returncode == 0, f"{last}")
    outcome.notes.append(last.strip("= "))
    return outcome


def _register(case_id: str, injected: str, nodes: tuple[str, ...]) -> None:
    @case(case_id)
    def work(drill: Drill) -> Outcome:
        del drill
        return run_nodes(injected, nodes)


for _case_id, (_injected, _nodes) in NODES.items():
    _register(_case_id, _injected, _nodes)
