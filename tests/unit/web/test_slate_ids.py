"""Ids of slates: however many are made, their times are those of the clock."""

import time
import uuid

from recommender.web.slate_endpoint import new_id

BURST = 5_000


def test_ids_of_a_burst_grow_and_do_not_run_ahead_of_the_clock() -> None:
    ids = [new_id() for _ in range(BURST)]
    assert ids == sorted(set(ids))
    last = uuid.UUID(ids[-1])
    assert last.version == 7
    # The first 48 bits are milliseconds; days and the age of exposures go by them.
    assert last.int >> 80 <= time.time_ns() // 1_000_000
