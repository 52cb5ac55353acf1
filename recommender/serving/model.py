"""One artifact, ready to answer. Pure."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.catalog.snapshot import CatalogueSnapshot
from recommender.errors import InconsistentError
from recommender.paths import PathKind
from recommender.records import Item
from recommender.serving.boards import BOARDS
from recommender.serving.newcomers import Newcomers
from recommender.serving.rules import KEPT_DIALS, CatalogueView, PlacementRules, Vocabulary
from recommender.training.artifact import Artifact
from recommender.training.blend import Blend, discount, log_popularity
from recommender.training.board import Board
from recommender.training.content import CONTENT, check_content
from recommender.training.fitting import TASKS
from recommender.training.pasts import Past, past_of
from recommender.training.scoring import Scorer, nested_arrays
from recommender.training.soundness import check_pasts, check_source, check_vocabulary


class Model:
    """One artifact, ready to answer; safe for threads.

    Attributes:
        sources: Learned arrays by source name.
        scorer: The same, ready to score queries.
        weights: Weights of the sources by task, see `fitting.TASKS`, in `scoring.SOURCES`' order.
        kind_weights: What a meeting counts by its kind, see `ports.PathKind`.
        popularity: log(1 + interactions) by row of the vocabulary, float32.
        mapped_bytes: Size of the artifact's arrays, whose pages all processes share.
    """

    def __init__(self, artifact: Artifact) -> None:
        """Open an artifact.

        Raises:
            InconsistentError: Code `damaged-artifact`: it lacks something, or its arrays lead
                beyond themselves.
        """
        self.artifact_id = artifact.artifact_id
        self.mapped_bytes = artifact.mapped_bytes
        try:
            self.vocabulary = Vocabulary(artifact.arrays["item_ids"])
            self.sources = nested_arrays(artifact.arrays, len(self.vocabulary))
            check_vocabulary(artifact.arrays["item_ids"])
            for name, own in self.sources.items():
                check_source(name, own, len(self.vocabulary))
            check_pasts(artifact.arrays, len(self.vocabulary))
            self._pasts = {
                name: array for name, array in artifact.arrays.items() if name.startswith("past_")
            }
            self._blends = _read_blends(artifact.meta)
            self.weights = {task: blend.vector() for task, blend in self._blends.items()}
            self.kind_weights = dict(zip(PathKind, artifact.meta["kind_weights"], strict=True))
            self.popularity = log_popularity(self.sources)
            self.scorer = Scorer(self.sources)
            check_content(self.sources[CONTENT.name], len(self.vocabulary))
        except (KeyError, TypeError) as error:
            raise InconsistentError(
                f"Artifact {artifact.artifact_id} lacks {error}", code="damaged-artifact"
            ) from error
        self._view: CatalogueView | None = None
        self._coming: tuple[CatalogueView, Newcomers] | None = None
        self._discounts: dict[float, NDArray[np.float32]] = {}
        self._newcomers = (Newcomers(self.sources[CONTENT.name], self.vocabulary), -1)

    @property
    def private_bytes(self) -> int:
        """Return the size of what this process alone keeps for the model."""
        own = self.popularity.nbytes + sum(_array_bytes(self._discounts.values()))
        return own + (self._view.nbytes if self._view else 0)

    def past(self, visitor: str) -> Past:
        """Return what a known visitor did before the training."""
        return past_of(self._pasts, visitor)

    def board(self) -> AbstractContextManager[Board]:
        """Lend scratch space for one request."""
        return BOARDS.lend(len(self.vocabulary))

    def worth(self, task: str, tail_ppm: int | None, rules: PlacementRules) -> NDArray[np.float32]:
        """Return what tail dial and rules multiply scores with, shape (vocabulary,).

        Args:
            tail_ppm: The dial, parts per million of 1; None takes what was learned.
            rules: Of a view of this model.
        """
        dial = self._blends[task].dial if tail_ppm is None else tail_ppm / 1_000_000
        return rules.worth_at(dial, self._discount)

    def _discount(self, dial: float) -> NDArray[np.float32]:
        discounts = self._discounts.get(dial)
        if discounts is None:
            discounts = discount(self.sources, dial)
            if len(self._discounts) >= KEPT_DIALS:
                self._discounts.clear()
            self._discounts[dial] = discounts
        return discounts

    def view(self, catalogue: CatalogueSnapshot) -> CatalogueView:
        """Return the catalogue aligned to the vocabulary; quick unless the catalogue changed."""
        view = self._view
        if view is None or view.catalogue.revision != catalogue.revision:
            coming, self._coming = self._coming, None
            if coming is not None and coming[0].catalogue.revision == catalogue.revision:
                view, newcomers = coming
                self._newcomers = (newcomers, catalogue.revision)
            else:
                view = CatalogueView(self.vocabulary, catalogue, view)
            self._view = view
        return view

    def align(self, catalogue: CatalogueSnapshot) -> None:
        """Make what requests will need of a catalogue that they do not see yet."""
        view = CatalogueView(self.vocabulary, catalogue, self._view)
        newcomers, _ = self._newcomers_of(view)
        self._coming = (view, newcomers)

    def newcomers(self, view: CatalogueView) -> Newcomers:
        """Return the items of a view that arrived after the training."""
        self._newcomers = self._newcomers_of(view)
        return self._newcomers[0]

    def _newcomers_of(self, view: CatalogueView) -> tuple[Newcomers, int]:
        known, revision = self._newcomers
        catalogue = view.catalogue
        if revision >= catalogue.revision:
            return known, revision
        # At first only the ids are gone through: reading every item takes a second of the
        # interpreter from the requests beside it.
        changed = self._strangers(catalogue) if revision < 0 else catalogue.changed_since(revision)
        return known.with_changes(changed), catalogue.revision

    def _strangers(self, catalogue: CatalogueSnapshot) -> Iterator[Item]:
        found = map(catalogue.get, self.vocabulary.lacking(catalogue))
        return (item for item in found if item is not None)

    def look_ahead(self, now: dt.datetime) -> None:
        """Make what a rule's window, about to open or close, asks for, before a request does."""
        if self._view is not None:
            self._view.prepare(now)

    def warm(self, old: "Model") -> None:
        """Align the catalogue that `old` saw last, so that no request has to."""
        if old._view is not None:
            self._view = CatalogueView(self.vocabulary, old._view.catalogue, old._view)
            self.newcomers(self._view)


def _read_blends(meta: Mapping[str, Any]) -> dict[str, Blend]:
    return {task: Blend(**meta["blends"][task]) for task in TASKS}


def _array_bytes(values: Iterable[Any]) -> Iterable[int]:
    for value in values:
        if isinstance(value, np.ndarray):
            yield value.nbytes
        elif isinstance(value, dict):
            yield from _array_bytes(value.values())
