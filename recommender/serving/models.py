"""The artifacts that serve in this process, and their replacement while requests run.

A thread looks at the pointers of the shops in use about once a second, loads and checks what is
new beside the requests, and swaps it in whole. A damaged artifact changes nothing.
"""

import os
import threading
import weakref
from collections.abc import Mapping
from typing import Any

from recommender.catalog.snapshot import CatalogueSnapshot
from recommender.errors import InconsistentError, NotFoundError
from recommender.serving.rules import CatalogueView, Vocabulary
from recommender.telemetry import FAILED_OPEN_TOTAL, get_logger
from recommender.training.artifact import Artifact, ArtifactStore
from recommender.training.blend import Blend, log_popularity
from recommender.training.fitting import TASKS
from recommender.training.scoring import nested_arrays

POLL_SECONDS = 1.0


class Model:
    """One artifact, ready to answer; safe for threads.

    Attributes:
        sources: Learned arrays by source name.
        blends: Blend by task, see `fitting.TASKS`.
        log_popularity: log(1 + total popularity) by row of the vocabulary.
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
    return {task: Blend(**meta["blends"][task]) for task in TASKS}


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
        _start_over_after_fork(self)

    def _start_over(self) -> None:
        # After a fork the parent's locks may be held for ever, and its thread does not exist.
        self._models: dict[str, Model | None] = {}
        self._refused: set[str] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    def get(self, shop_id: str) -> Model | None:
        """Return a shop's model, None when nothing was published; only the first call reads."""
        if shop_id not in self._models:
            with self._lock:
                self._ensure_thread()
                if shop_id not in self._models:
                    self._models[shop_id] = self._newest(shop_id, None)
        return self._models[shop_id]

    def refresh(self) -> None:
        """Look at the pointers of all shops in use once, and swap in what is new."""
        for shop_id, model in list(self._models.items()):
            newest = self._newest(shop_id, model)
            if newest is not None and newest is not model:
                if model is not None:
                    newest.warm(model)
                self._models[shop_id] = newest

    def close(self) -> None:
        """End the thread."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _newest(self, shop_id: str, model: Model | None) -> Model | None:
        """Return the published model, or the one before it when that is damaged."""
        for pointed in (self._store.current, self._store.previous):
            artifact_id = pointed(shop_id)
            if artifact_id is None or (model and artifact_id == model.artifact_id):
                return model
            if artifact_id not in self._refused:
                newer = self._load(shop_id, artifact_id)
                if newer is not None:
                    return newer
            if model is not None:
                return model
        return None

    def _load(self, shop_id: str, artifact_id: str) -> Model | None:
        log = get_logger().bind(shop_id=shop_id, artifact_id=artifact_id)
        try:
            model = Model(self._store.load(shop_id, artifact_id))
        except (InconsistentError, NotFoundError) as error:
            self._refused.add(artifact_id)
            FAILED_OPEN_TOTAL.labels(part="artifact").inc()
            log.warning("model-refused", code=error.code, detail=str(error))
            return None
        log.info("model-loaded")
        return model

    def _ensure_thread(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._poll, name="models", daemon=True)
            self._thread.start()

    def _poll(self) -> None:
        while not self._stopping.wait(self._poll_seconds):
            try:
                self.refresh()
            except Exception:
                # What serves goes on serving; the next look may succeed.
                FAILED_OPEN_TOTAL.labels(part="artifact").inc()
                get_logger().exception("models-not-refreshed")


def _start_over_after_fork(models: LoadedModels) -> None:
    known = weakref.ref(models)

    def _start_over() -> None:
        if (inherited := known()) is not None:
            inherited._start_over()

    os.register_at_fork(after_in_child=_start_over)
