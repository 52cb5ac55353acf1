"""Scratch space for requests, shared by all models of a process.

A board has room for every item of a vocabulary, but only what requests wrote on takes memory. Even
so, one for each thread and model would be many; requests at work at one time are few, so that they
share a few.
"""

import contextlib
from collections.abc import Iterator

from recommender.training.board import Board
from recommender.training.scoring import new_board

KEPT = 4
"""Boards kept for the next requests, one for each thread of a web worker."""


class Boards:
    """Boards that are not in use; safe for threads and after fork."""

    def __init__(self) -> None:
        self._free: list[Board] = []

    @contextlib.contextmanager
    def lend(self, n_items: int) -> Iterator[Board]:
        """Lend a clean board for a vocabulary of at least `n_items`; the borrower leaves it clean.

        One that an error left in use is not lent again.
        """
        try:
            board = self._free.pop()
        except IndexError:
            board = new_board(n_items)
        if board.parts.shape[1] < n_items:
            board = new_board(n_items)
        yield board
        # A new one costs less than its size: the pages that are never touched are never made.
        if len(self._free) < KEPT:
            self._free.append(board)

    @property
    def n_bytes(self) -> int:
        """Return the size of the boards that are not in use."""
        return sum(array.nbytes for board in list(self._free) for array in board.state)


BOARDS = Boards()
