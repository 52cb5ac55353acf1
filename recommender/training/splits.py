"""Public evaluation splits (verb): files → what may be learned from, and what is asked.

Knows two layouts: session splits (training sessions, and test prefixes with the next item) and
sequences (one user a line, the last item left out). Must not know which data set a file holds.
"""

import gzip
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recommender.errors import InvalidInputError, NotFoundError
from recommender.training.evaluation import Probe, path_probes, without_repeats
from recommender.training.fitting import before
from recommender.training.interactions import DAY_SECONDS, Interactions, Kind
from recommender.training.source import Query, TrainingSet

TRAIN_FILE = "train_sessions.txt.gz"
TEST_FILE = "test_pairs.tsv.gz"

SPAN_SECONDS = 180 * DAY_SECONDS
"""The files tell the order of sessions and not their times: they are spread evenly over this."""

LEARNING_SHARE = 0.1
"""Newest part of the training sessions that settings and blend are learned on."""

LEARNING_PROBES = 4_000


@dataclass(frozen=True, slots=True)
class Split:
    """One evaluation.

    Attributes:
        known: The part of `training_set` that does not know `learning`.
        learning: Questions by task, for settings and blend.
        test: Questions by task, for the figures alone.
    """

    training_set: TrainingSet
    known: TrainingSet
    learning: Mapping[str, Sequence[Probe]]
    test: Mapping[str, Sequence[Probe]]


def read_sessions(folder: Path) -> Split:
    """Read a session split.

    Args:
        folder: Holds `train_sessions.txt.gz` (a session a line: item ids in click order, sessions
            in time order) and `test_pairs.tsv.gz` (prefix ids, tab, next id).

    Raises:
        NotFoundError: A file is missing.
        InvalidInputError: Code `bad-split`: a line is not as described, or there are too few.
    """
    sessions = list(_id_lines(folder / TRAIN_FILE))
    pairs = list(_pair_lines(folder / TEST_FILE))
    asked = ([*prefix, target] for prefix, target in pairs)
    vocabulary = _vocabulary([*sessions, *asked])
    interactions = _interactions(sessions, vocabulary)
    cut_seconds = int(interactions.at_seconds[int(len(interactions) * (1 - LEARNING_SHARE))])
    training_set = TrainingSet(interactions)
    learning = path_probes(interactions, since_seconds=cut_seconds, limit=LEARNING_PROBES)
    test = [_pair_probe(prefix, target, vocabulary) for prefix, target in pairs]
    return Split(
        training_set,
        before(training_set, cut_seconds),
        {"next": learning, "path": without_repeats(learning)},
        {"next": test, "path": without_repeats(test)},
    )


def read_sequences(path: Path) -> Split:
    """Read users' sequences: the last item of each is asked, items met before stay hidden.

    Settings and blend are learned on the item before the last.

    Args:
        path: One user a line: user id, then item ids in time order; gzip.

    Raises:
        NotFoundError: The file is missing.
        InvalidInputError: Code `bad-split`: a line is not as described, or there are too few.
    """
    users = [line[1:] for line in _id_lines(path) if len(line) > 3]
    _require(len(users) > 1, path, "fewer than two users with three items")
    vocabulary = _vocabulary(users)
    evenly = np.linspace(0, len(users) - 1, min(len(users), LEARNING_PROBES)).astype(int)
    return Split(
        TrainingSet(_interactions([user[:-1] for user in users], vocabulary)),
        TrainingSet(_interactions([user[:-2] for user in users], vocabulary)),
        {"path": _last_probes([users[row][:-1] for row in evenly], vocabulary)},
        {"path": _last_probes(users, vocabulary)},
    )


def _require(holds: bool, path: Path, what: str) -> None:
    if not holds:
        raise InvalidInputError(f"{path.name}: {what}", code="bad-split")


def _id_lines(path: Path) -> Iterator[list[bytes]]:
    for _, line in _lines(path):
        yield line.split()


def _pair_lines(path: Path) -> Iterator[tuple[list[bytes], bytes]]:
    for number, line in _lines(path):
        prefix, tab, target = line.partition(b"\t")
        fits = bool(tab and prefix.split() and len(target.split()) == 1)
        _require(fits, path, f"line {number} is not ids, a tab and one id")
        yield prefix.split(), target.strip()


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield number and text of the lines that are not blank."""
    if not path.is_file():
        raise NotFoundError(f"There is no file {path.name} in {path.parent}")
    try:
        with gzip.open(path) as file:
            yield from (numbered for numbered in enumerate(file, 1) if numbered[1].strip())
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidInputError(f"{path.name}: {error}", code="bad-split") from error


def _vocabulary(lines: Iterable[Sequence[bytes]]) -> dict[bytes, int]:
    ids = sorted({item for line in lines for item in line})
    return {item: row for row, item in enumerate(ids)}


def _rows(items: Sequence[bytes], vocabulary: Mapping[bytes, int]) -> NDArray[np.int32]:
    return np.fromiter((vocabulary[item] for item in items), np.int32, len(items))


def _interactions(
    lines: Sequence[Sequence[bytes]], vocabulary: Mapping[bytes, int]
) -> Interactions:
    """Lay lines out one after the other, each a visitor with one sequence of one-item steps."""
    number = np.repeat(np.arange(len(lines), dtype=np.int32), [len(line) for line in lines])
    n = len(number)
    if n < 2:
        raise InvalidInputError("There is nothing to learn from", code="bad-split")
    return Interactions(
        item_ids=np.array(list(vocabulary), np.bytes_),
        item=np.concatenate([_rows(line, vocabulary) for line in lines]),
        visitor=number,
        kind=np.full(n, Kind.VIEW, np.int8),
        at_seconds=np.arange(n, dtype=np.int64) * SPAN_SECONDS // n,
        step=np.arange(n, dtype=np.int32),
        sequence=number,
    )


def _pair_probe(prefix: Sequence[bytes], target: bytes, vocabulary: Mapping[bytes, int]) -> Probe:
    query = Query.of(_rows(prefix, vocabulary)[::-1])
    return Probe(query, _rows([target], vocabulary), hides_path=False)


def _last_probes(users: Sequence[Sequence[bytes]], vocabulary: Mapping[bytes, int]) -> list[Probe]:
    return without_repeats([_pair_probe(user[:-1], user[-1], vocabulary) for user in users])
