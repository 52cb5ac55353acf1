"""The visitors of a run: each has a path, told to the service as a browser tells it."""

from collections.abc import Sequence

import numpy as np

from recommender.bench import requests, world
from recommender.bench.load import Load, drive
from recommender.bench.synthetic import uuid7_texts
from recommender.bench.web_process import WebProcess
from recommender.bootstrap import Services
from recommender.errors import UnavailableError
from recommender.records import Shop

SLATE_TEXTS = {'"title":': requests.SLATE_ITEMS, '"price_minor":': requests.SLATE_ITEMS}
"""What stands in a right answer, and how often."""
OF_THE_MODELS = '"fallback":""'


class Audience:
    """Visitors of one shop.

    Args:
        n_regular: Visitors who have seen a slate today.
        n_new: Visitors who have not.

    Attributes:
        regular: Slate request of each regular visitor.
        new: Slate request of each of the others.
    """

    def __init__(
        self,
        services: Services,
        shop: Shop,
        *,
        n_items: int,
        n_regular: int,
        n_new: int = 0,
        connections: int,
    ) -> None:
        self._shop = shop
        self._now_ms = int(services.now().timestamp() * 1000)
        self._connections = connections
        self._paths = requests.visitor_paths(n_regular + n_new, n_items, world.SEED)
        asked = [
            requests.slate_request(shop, f"visitor-{number}", path)
            for number, path in enumerate(self._paths)
        ]
        self.regular, self.new = asked[:n_regular], asked[n_regular:]

    def arrive(self, web: WebProcess) -> None:
        """Tell the service every visitor's path, and give the regular ones a first slate.

        Raises:
            UnavailableError: It does not take or answer them all.
        """
        told = Load(
            host=web.settings.host,
            port=web.settings.port,
            requests=self._tellings(),
            expected_status=202,
            expected_texts={'"status":"accepted"': requests.PATH_ITEMS},
            connections=self._connections,
        )
        for load in (told, self.load(web, self.regular)):
            failures = drive(load).failures
            if failures:
                raise UnavailableError(
                    f"The shop does not answer as it should: {failures}", code="bench-unprepared"
                )

    def load(
        self,
        web: WebProcess,
        asked: Sequence[str],
        *,
        seconds: float = 0.0,
        per_second: float = 0.0,
        slates: bool = True,
    ) -> Load:
        """Return a load of slate requests.

        Args:
            slates: Whether the answers are to be slates.
        """
        return Load(
            host=web.settings.host,
            port=web.settings.port,
            requests=asked,
            expected_texts=SLATE_TEXTS if slates else {},
            noted_text=OF_THE_MODELS,
            connections=self._connections,
            seconds=seconds,
            per_second=per_second,
        )

    def _tellings(self) -> list[str]:
        instants = np.full(len(self._paths) * requests.PATH_ITEMS, self._now_ms)
        ids = iter(uuid7_texts(instants, np.random.default_rng([world.SEED, 5])).to_pylist())
        return [
            requests.events_request(
                self._shop,
                f"visitor-{number}",
                path[: requests.PATH_ITEMS],
                [next(ids) for _ in range(requests.PATH_ITEMS)],
            )
            for number, path in enumerate(self._paths)
        ]
