"""The artifacts that serve in this process, and their replacement while requests run.

A thread looks at the pointers of the shops in use about once a second, loads and checks what is
new beside the requests, and swaps it in whole. A damaged artifact changes nothing.
"""

import os
import threading
from collections.abc import Mapping
from typing import Any

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from recommender.catalog.snapshot import CatalogueSnapshot
from recommender.errors import InconsistentError, RecommenderError
from recommender.serving.rules import CatalogueView, Vocabulary
from recommender.telemetry import FAILED_OPEN_TOTAL, get_logger
from recommender.training.artifact import Artifact, ArtifactStore
from recommender.training.blend import Blend, log_popularity
from recommender.training.scoring import nested_arrays

POLL_SECONDS = 1.0


class Model:
    """One artifact, ready to answer; safe for threads.

    Attributes:
        sources: Learned arrays by source name.
        blends: Blend by task, `path` and `basket`.
        log_popularity: log(1 + total popularity) by row.
    """

    def __init__(self, artifact: Artifact) -> None:
        """Open an artifact.

        Raises:
            InconsistentError: Code `damaged-artifact`: it lacks something, or names an item
                beyond its vocabulary.
        """
        self.artifact_id = artifact.artifact_id
        try:
            self.vocabulary = Vocabulary(artifact.arrays["item_ids"])
            self.sources = nested_arrays(artifact.arrays, len(self.vocabulary))
            self.blends = _read_blends(artifact.meta)
            self.log_popularity = log_popularity(self.sources)
        except (KeyError, TypeError) as error:
            raise InconsistentError(
                f"Artifact {artifact.artifact_id} lacks {error}", code="damaged-artifact"
            ) from error
        self._view: CatalogueView | None = None

    def view(self, catalogue: CatalogueSnapshot) -> CatalogueView:
        """Return the catalogue aligned to the vocabulary; quick unless the catalogue changed."""
        view = self._view
        if view is None or view.catalogue.revision != catalogue.revision:
            view = CatalogueView(self.vocabulary, catalogue, view)
            self._view = view
        return view

    def warm(self, old: "Model") -> None:
        """Align the catalogue that `old` saw last, so that no request has to."""
        if old._view is not None:
            self.view(old._view.catalogue)


def _read_blends(meta: Mapping[str, Any]) -> dict[str, Blend]:
    return {task: Blend(**meta["blends"][task]) for task in ("path", "basket")}


class LoadedModels:
    """Published models by shop; starts its thread at first use, anew in every forked process.

    Args:
        store: Where trainings publish.
        poll_seconds: Pause between two looks at the pointers.
    """

    def __init__(self, store: ArtifactStore, *, poll_seconds: float = POLL_SECONDS) -> None:
        self._store = store
        self._poll_seconds = poll_seconds
        self._start_over()

    def _start_over(self) -> None:
        self._pid = 0
        self._models: dict[str, Model | None] = {}
        self._refused: dict[str, str] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    def get(self, shop_id: str) -> Model | None:
        """Return a shop's model, None when nothing was published; only the first call reads."""
        if self._pid != os.getpid():
            self._start()
        if shop_id not in self._models:
            with self._lock:
                if shop_id not in self._models:
                    self._models[shop_id] = self._newer(shop_id, None)
        return self._models[shop_id]

    def refresh(self) -> None:
        """Look at the pointers of all shops in use once, and swap in what is new."""
        for shop_id, model in list(self._models.items()):
            newer = self._newer(shop_id, model)
            if newer is not None and newer is not model:
                if model is not None:
                    newer.warm(model)
                self._models[shop_id] = newer

    def close(self) -> None:
        """End the thread."""
        self._stopping.set()

    def _newer(self, shop_id: str, model: Model | None) -> Model | None:
        try:
            artifact_id = self._store.current(shop_id)
            known = (model.artifact_id if model else None, self._refused.get(shop_id))
            if artifact_id is None or artifact_id in known:
                return model
            newer = Model(self._store.load(shop_id, artifact_id))
        except (RecommenderError, OSError) as error:
            self._refuse(shop_id, artifact_id, error)
            return model
        get_logger().info("model-loaded", shop_id=shop_id, artifact_id=artifact_id)
        return newer

    def _start(self) -> None:
        # What a parent process had before the fork is not to be trusted: its locks may be held
        # for ever, and its thread does not exist here.
        self._start_over()
        self._pid = os.getpid()
        threading.Thread(target=self._poll, name="models", daemon=True).start()

    def _poll(self) -> None:
        while not self._stopping.wait(self._poll_seconds):
            self.refresh()
