import contextlib
import threading

import numpy as np
import pytest

from recommender.serving.boards import KEPT, Boards

EVERYTHING = np.ones(8, np.bool_)


def test_requests_one_after_the_other_share_a_board() -> None:
    boards = Boards()
    with boards.lend(8) as first:
        first.touch(np.array([3], np.int32))
        assert first.take(EVERYTHING, np.zeros(0, np.int32)).items.tolist() == [3]
    with boards.lend(5) as second:
        assert second is first, "a larger one serves a smaller shop"
        assert second.candidates.tolist() == []


def test_a_larger_shop_gets_a_larger_board() -> None:
    boards = Boards()
    with boards.lend(5):
        pass
    with boards.lend(8) as board:
        board.touch(np.array([7], np.int32))
        assert board.take(EVERYTHING, np.zeros(0, np.int32)).items.tolist() == [7]


def test_requests_at_the_same_time_do_not_share() -> None:
    boards = Boards()
    with contextlib.ExitStack() as stack:
        lent = [stack.enter_context(boards.lend(8)) for _ in range(3)]
        assert len({id(board) for board in lent}) == 3
    kept = lent[:KEPT]
    assert boards.n_bytes == sum(array.nbytes for board in kept for array in board.state)


def test_what_an_error_left_behind_is_not_lent_again() -> None:
    boards = Boards()

    def fail() -> None:
        with boards.lend(8) as board:
            board.touch(np.array([3], np.int32))
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError):
        fail()
    with boards.lend(8) as board:
        assert board.candidates.tolist() == []


def test_threads_get_boards_of_their_own() -> None:
    boards, in_use, clashes = Boards(), set(), []

    def borrow() -> None:
        for _ in range(300):
            with boards.lend(8) as board:
                if id(board) in in_use:
                    clashes.append(board)
                in_use.add(id(board))
                board.touch(np.array([1], np.int32))
                board.take(EVERYTHING, np.zeros(0, np.int32))
                in_use.discard(id(board))

    threads = [threading.Thread(target=borrow) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clashes == []
