import os
import subprocess
import sys

import pytest

from recommender.cli.background import in_background, spare_memory

ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere niceness is a process's")


def politeness() -> tuple[int, int]:
    """Scheduling policy and niceness of this thread."""
    return os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0)


@ON_LINUX
def test_background_work_gives_way_and_its_caller_does_not():
    before = politeness()
    assert in_background(politeness) == (os.SCHED_IDLE, 19)
    assert politeness() == before != (os.SCHED_IDLE, 19)


def test_a_failure_in_the_background_reaches_the_caller():
    with pytest.raises(ZeroDivisionError):
        in_background(lambda: 1 / 0)


@ON_LINUX
def test_memory_comes_in_small_pages() -> None:
    """In a process of its own, as it cannot be taken back."""
    tell = "print(open('/proc/self/status').read())"
    done = subprocess.run(
        [sys.executable, "-c", f"from {spare_memory.__module__} import *; spare_memory(); {tell}"],
        capture_output=True,
        text=True,
        check=True,
    )
    told = dict(line.split(":\t", 1) for line in done.stdout.splitlines() if ":\t" in line)
    # Kernels before 5.0 do not tell.
    assert told.get("THP_enabled", "0") == "0"
