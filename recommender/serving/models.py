"""The models that serve in this process: taken up, replaced and let go while requests run.

A thread looks at the pointers of the shops in use about once a second, loads and checks what is
new beside the requests, warms it up, and swaps it in whole. A damaged artifact changes nothing.
When models and catalogues outgrow the memory limit, the shop that was asked for longest ago is let
go; a request that holds its model keeps it, and the shop's next request takes it up again.
"""

import os
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from typing import Protocol

from recommender.catalog.snapshot import CatalogueSnapshot
from recommender.errors import InconsistentError, NotFoundError
from recommender.serving.boards import BOARDS
from recommender.serving.model import Model
from recommender.telemetry import (
    FAILED_OPEN_TOTAL,
    MODEL_EVICTIONS_TOTAL,
    MODEL_MAPPED_BYTES,
    MODEL_PRIVATE_BYTES,
    MODELS_LOADED,
    get_logger,
)
from recommender.training.artifact import ArtifactStore

__all__ = ["HeldCatalogues", "LoadedModels", "Model", "NoCatalogues"]

POLL_SECONDS = 1.0
LIMIT_BYTES = 2 << 30


class HeldCatalogues(Protocol):
    """The catalogues that this process keeps, see `catalog.cache.CatalogueCache`."""

    def held(self) -> Mapping[str, tuple[int, float]]:
        """Return private bytes and monotonic second of the last use, by shop."""
        ...

    def forget(self, shop_id: str) -> None:
        """Let a shop's catalogue go."""
        ...


class NoCatalogues:
    """Stands for catalogues that nobody counts."""

    def held(self) -> Mapping[str, tuple[int, float]]:
        """Return nothing."""
        return {}

    def forget(self, shop_id: str) -> None:
        """Do nothing."""


def _stay_cold(shop_id: str, model: Model) -> None:
    del shop_id, model


def _stay_as_it_is(model: Model) -> None:
    del model


class LoadedModels:
    """Published models by shop; starts its thread at first use, anew in every forked process.

    A shop's first model is read by a thread of its own, as all who wait behind a request would
    wait for it too.

    Args:
        store: Where trainings publish.
        catalogues: Counted with the models, and let go with them.
        limit_bytes: Most that models and catalogues may take, mapped pages included; the shop
            asked for last is kept even above it.
        warm_up: Told of each new model before it is swapped in.
        look_ahead: Told of each model at each look, to make what its next requests need.
        poll_seconds: Pause between two looks at the pointers.
        patience_seconds: So long the request that asks for a shop first waits for its model;
            None waits until it is there.
    """

    def __init__(
        self,
        store: ArtifactStore,
        *,
        catalogues: HeldCatalogues | None = None,
        limit_bytes: int = LIMIT_BYTES,
        warm_up: Callable[[str, Model], None] = _stay_cold,
        look_ahead: Callable[[Model], None] = _stay_as_it_is,
        poll_seconds: float = POLL_SECONDS,
        patience_seconds: float | None = None,
    ) -> None:
        self._store = store
        self._catalogues = catalogues or NoCatalogues()
        self._limit_bytes = limit_bytes
        self._warm_up = warm_up
        self._look_ahead = look_ahead
        self._poll_seconds = poll_seconds
        self._patience_seconds = patience_seconds
        self._start_over()
        _start_over_after_fork(self)

    def _start_over(self) -> None:
        # After a fork the parent's locks may be held for ever, and its thread does not exist.
        self._models: dict[str, Model | None] = {}
        self._used_at: dict[str, float] = {}
        self._refused: set[str] = set()
        self._lock = threading.Lock()
        self._taking_up: dict[str, threading.Thread] = {}
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    def get(self, shop_id: str) -> Model | None:
        """Return a shop's model; None when nothing was published, or it is not read yet."""
        self._used_at[shop_id] = time.monotonic()
        try:
            return self._models[shop_id]
        except KeyError:
            return self._await(shop_id, self._patience_seconds)

    def load(self, shop_id: str) -> Model | None:
        """Return a shop's model, however long its first reading takes."""
        self._used_at[shop_id] = time.monotonic()
        return self._models.get(shop_id) or self._await(shop_id, None)

    def align(self, shop_id: str, catalogue: CatalogueSnapshot) -> None:
        """Have a shop's model make what requests will need of a coming catalogue."""
        model = self._models.get(shop_id)
        if model is not None:
            model.align(catalogue)

    def refresh(self) -> None:
        """Look at the pointers of all shops in use once, and swap in what is new."""
        for shop_id, model in list(self._models.items()):
            newest = self._newest(shop_id, model)
            if newest is not None and newest is not model:
                if model is not None:
                    newest.warm(model)
                self._prepare(shop_id, newest)
                with self._lock:
                    if shop_id in self._models:
                        self._models[shop_id] = newest
            if newest is not None:
                self._look_ahead(newest)
        self.make_room()

    def make_room(self) -> bool:
        """Let go what was not asked for longest, until the rest is within the limit.

        Returns:
            Whether anything had to go.
        """
        with self._lock:
            held = self._held()
            total = sum(size for size, _ in held.values())
            oldest_first = sorted(held, key=lambda shop_id: held[shop_id][1])
            gone = 0
            while total > self._limit_bytes and gone < len(held) - 1:
                shop_id = oldest_first[gone]
                self._let_go(shop_id)
                total -= held[shop_id][0]
                gone += 1
            self._tell_size()
        return gone > 0

    def close(self) -> None:
        """End the thread."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _await(self, shop_id: str, patience_seconds: float | None) -> Model | None:
        with self._lock:
            self._ensure_thread()
            taking_up = self._taking_up.get(shop_id)
            if asks_first := taking_up is None:
                taking_up = threading.Thread(target=self._take_up, args=(shop_id,), daemon=True)
                self._taking_up[shop_id] = taking_up
                taking_up.start()
        if asks_first or patience_seconds is None:
            taking_up.join(patience_seconds)
        return self._models.get(shop_id)

    def _take_up(self, shop_id: str) -> None:
        try:
            self._models[shop_id] = self._newest(shop_id, None)
        except Exception:
            # The next request tries again.
            FAILED_OPEN_TOTAL.labels(part="artifact").inc()
            get_logger().exception("model-not-taken-up", shop_id=shop_id)
        finally:
            self._taking_up.pop(shop_id, None)
        self.make_room()

    def _held(self) -> dict[str, tuple[int, float]]:
        held = dict(self._catalogues.held())
        for shop_id, model in list(self._models.items()):
            if model is not None:
                size, used_at = held.get(shop_id, (0, 0.0))
                size += model.private_bytes + model.mapped_bytes
                held[shop_id] = (size, max(used_at, self._used_at.get(shop_id, 0.0)))
        return held

    def _let_go(self, shop_id: str) -> None:
        for known in (self._models, self._used_at):
            known.pop(shop_id, None)
        self._catalogues.forget(shop_id)
        MODEL_EVICTIONS_TOTAL.inc()
        get_logger().info("shop-let-go", shop_id=shop_id)

    def _tell_size(self) -> None:
        loaded = [model for model in self._models.values() if model is not None]
        catalogues = sum(size for size, _ in self._catalogues.held().values())
        MODELS_LOADED.set(len(loaded))
        own = BOARDS.n_bytes + sum(model.private_bytes for model in loaded)
        MODEL_PRIVATE_BYTES.set(catalogues + own)
        MODEL_MAPPED_BYTES.set(sum(model.mapped_bytes for model in loaded))

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

    def _prepare(self, shop_id: str, model: Model) -> None:
        try:
            self._warm_up(shop_id, model)
        except Exception:
            # A cold model serves too; only its first request is slower.
            FAILED_OPEN_TOTAL.labels(part="warm-up").inc()
            get_logger().exception("model-not-warmed-up", shop_id=shop_id)

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
