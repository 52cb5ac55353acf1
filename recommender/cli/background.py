"""Work that gives way to everything else on the machine, and leaves it the memory."""

import contextlib
import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
_LARGE_BYTES = 1 << 20
_PR_SET_THP_DISABLE = 41
_NICEST = 19


def in_background(work: Callable[[], T]) -> T:
    """Do some work on what the processors have left over, and return what it returns."""
    # A thread of its own, as nobody but root may take this back; its threads inherit it.
    with ThreadPoolExecutor(1, initializer=_give_way) as pool:
        return pool.submit(work).result()


def spare_memory() -> None:
    """Have large arrays given back when they are freed, and memory handed out in small pages.

    Left alone the C library (glibc) keeps the more the larger the arrays were: half as much again
    in a training. And numpy asks Linux for large pages; a kernel that clears one gives the
    processor to nobody meanwhile, however idle the work is.
    """
    libc = ctypes.CDLL(None)
    with contextlib.suppress(AttributeError):
        libc.mallopt(_M_ARENA_MAX, 2)
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
    with contextlib.suppress(AttributeError):
        libc.prctl(_PR_SET_THP_DISABLE, 1, 0, 0, 0)


def _give_way() -> None:
    # Of this thread alone, on Linux. Whoever wakes goes before idle work at once.
    os.nice(_NICEST)
    if hasattr(os, "SCHED_IDLE"):
        # A sandbox may forbid it; then the work is merely less polite.
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
