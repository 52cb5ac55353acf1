import os
import sys

import pytest

from recommender.cli.background import in_background

ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="other systems know no idle work")


@ON_LINUX
def test_background_work_gives_way_and_its_caller_does_not():
    before = os.sched_getscheduler(0)
    assert in_background(lambda: os.sched_getscheduler(0)) == os.SCHED_IDLE
    assert os.sched_getscheduler(0) == before != os.SCHED_IDLE


def test_a_failure_in_the_background_reaches_the_caller():
    with pytest.raises(ZeroDivisionError):
        in_background(lambda: 1 / 0)
