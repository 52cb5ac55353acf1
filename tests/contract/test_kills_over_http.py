"""Pages send while workers, ingester and Valkey are killed: nothing lost, nothing doubled."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter

import uuid_utils

from processes import Up, wait_until
from recommender.adapters.event_log import DeltaEventLog
from recommender.config import Settings

VICTIMS = ("gunicorn", "recommender ingest", "valkey-server")
KILLS = 9
CLIENTS = 3
BATCH = 4


class Page:
    """A browser that sends each batch until it reads the answer, as the widget does."""

    def __init__(self, address: str, key: str) -> None:
        self.url = f"{address}/v1/events?{urllib.parse.urlencode({'key': key})}"
        self.acknowledged: list[str] = []
        self.refusals: set[int] = set()

    def send_until(self, stop: threading.Event) -> None:
        while not stop.is_set():
            ids = [str(uuid_utils.uuid7()) for _ in range(BATCH)]
            body = json.dumps([{"event_id": one, "type": "page_view"} for one in ids]).encode()
            while not self._is_acknowledged(body, ids):
                stop.wait(0.05)

    def _is_acknowledged(self, body: bytes, ids: list[str]) -> bool:
        try:
            with urllib.request.urlopen(self.url, data=body, timeout=10) as answer:
                told = json.load(answer)["events"]
        except (OSError, ValueError) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()
                self.refusals.add(error.code)
            return False
        assert [entry["event_id"] for entry in told] == ids
        self.acknowledged += ids
        return True


def create_shop(settings: Settings) -> dict[str, str]:
    options = {
        "name": "Shop",
        "currency": "EUR",
        "country": "FR",
        "timezone": "Europe/Paris",
        "origin": "https://shop.example",
    }
    arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
    done = subprocess.run(
        [sys.executable, "-m", "recommender", "shop", "create", *arguments, "--json"],
        env=settings.child_environ(),
        capture_output=True,
        check=True,
        timeout=60,
    )
    return dict(json.loads(done.stdout))


def kill_one(up: Up, victim: str, draw: random.Random) -> None:
    wait_until(lambda: up.pids(victim) and up.is_ready(), seconds=60)
    # The newest is a worker; the oldest gunicorn is their parent.
    pid = draw.choice(up.pids(victim))
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def spooled_events(up: Up) -> float:
    """Return how many events the web took while Redis was away."""
    with urllib.request.urlopen(f"{up.address}/metrics", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if 'outcome="spooled"' in line)


def test_kills_under_load_lose_and_double_nothing(running_up: Up, home_settings: Settings) -> None:
    shop = create_shop(home_settings)
    pages = [Page(running_up.address, shop["public_key"]) for _ in range(CLIENTS)]
    stop = threading.Event()
    threads = [threading.Thread(target=page.send_until, args=(stop,)) for page in pages]
    for thread in threads:
        thread.start()
    draw = random.Random(7)
    try:
        for number in range(KILLS):
            sent = sum(len(page.acknowledged) for page in pages)
            kill_one(running_up, VICTIMS[number % len(VICTIMS)], draw)
            wait_until(
                lambda sent=sent: sum(len(page.acknowledged) for page in pages) > sent + 20,
                seconds=60,
            )
    finally:
        wait_until(running_up.is_ready, seconds=60)
        stop.set()
        for thread in threads:
            thread.join(60)
    acknowledged = {one for page in pages for one in page.acknowledged}
    log = DeltaEventLog(home_settings.lake_url)

    def stored() -> Counter[str]:
        ids = log.events(shop["shop_id"]).select("event_id").to_pyarrow().column("event_id")
        return Counter(ids.to_pylist())

    wait_until(lambda: acknowledged <= stored().keys(), seconds=60)
    assert set(stored().values()) == {1}
    assert spooled_events(running_up), "the kills were felt"
    assert set().union(*(page.refusals for page in pages)) <= {503}, "only what is away may refuse"
