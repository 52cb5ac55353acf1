"""What a page shows and a visitor met, read by one kernel: the same as step by step."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recommender.paths import DAY_SECONDS, Path, PathKind, PathStep, packed_step
from recommender.serving.columns import Vocabulary
from recommender.serving.meetings import meet

KNOWN_IDS = ["mug", "mug-1", "pot", "tasse é", "x" * 40]
NOW_SECONDS = 20 * DAY_SECONDS
WEIGHTS = {PathKind.VIEW: 1.0, PathKind.CART: 3.0, PathKind.ORDER: 5.0}
PATH_SHARE = 0.5

VOCABULARY = Vocabulary(np.array(sorted(item_id.encode() for item_id in KNOWN_IDS)))
NOBODY = Vocabulary(np.array([], np.bytes_))
ALL_MET = (
    np.ones(len(KNOWN_IDS), np.int32),
    np.zeros(len(KNOWN_IDS) + 1, np.int64),
    np.zeros(0, np.int32),
    np.zeros(0, np.float32),
)
RESEMBLED = (np.zeros((0, 1), np.int32), np.zeros((0, 1), np.float32))

item_ids = st.sampled_from([*KNOWN_IDS, "ghost", "gh"])
times = st.sampled_from(
    [0, 1, 60, 61, DAY_SECONDS - 1, DAY_SECONDS, NOW_SECONDS - 5, NOW_SECONDS + 9]
)
steps = st.builds(PathStep, item_ids, st.sampled_from(PathKind), times)
bare = item_ids.map(str.encode)
paths = st.lists(steps.map(packed_step) | bare, max_size=12).map(Path.of)


def told(cart: list[str], shown: str, path: Path):
    own = [item_id.encode() for item_id in [*cart, *([shown] if shown else [])]]
    rows, lacking, oldest_seconds, query, stand_ins = meet(
        np.frombuffer(b"".join(own) + path.packed, np.uint8),
        np.array([len(one) for one in own], np.int64),
        len(cart),
        np.array(list(WEIGHTS.values())),
        PATH_SHARE,
        NOW_SECONDS,
        VOCABULARY.index,
        NOBODY.index,
        ALL_MET,
        RESEMBLED,
    )
    assert not stand_ins.size
    return rows.tolist(), lacking, oldest_seconds, [column.tolist() for column in query]


def meetings(cart: list[str], shown: str, path: Path) -> list[tuple[str, float, int, float]]:
    """Return id, weight, steps and days since of all that was met, one by one."""
    met = [(item_id, WEIGHTS[PathKind.CART], 0, 0.0) for item_id in cart]
    place = min(len(cart), 1)
    if shown and shown != next((step.item_id for step in path.steps), ""):
        met.append((shown, WEIGHTS[PathKind.VIEW], place, 0.0))
        place += 1
    before = None
    for step in path.steps:
        place += before is not None and before != step.at_seconds
        before = step.at_seconds
        ago = max(NOW_SECONDS - before, 0) / DAY_SECONDS if before else 0.0
        met.append((step.item_id, WEIGHTS[step.kind] * PATH_SHARE, place, ago))
    return met


@given(st.lists(item_ids, max_size=3), st.sampled_from(["", *KNOWN_IDS, "ghost"]), paths)
def test_all_that_was_met_is_told_as_step_by_step(cart: list[str], shown: str, path: Path) -> None:
    rows, lacking, oldest_seconds, query = told(cart, shown, path)
    expected = meetings(cart, shown, path)
    assert rows == VOCABULARY.places([one[0] for one in expected]).tolist()
    assert lacking == rows.count(-1)
    met = [one for one, row in zip(expected, rows, strict=True) if row >= 0]
    known, weights, places, ages_days = query
    assert known == [row for row in rows if row >= 0]
    assert weights == [one[1] for one in met]
    assert places == [one[2] for one in met]
    assert np.allclose(ages_days, [one[3] for one in met])
    last = path.steps[-1:]
    assert oldest_seconds == (last[0].at_seconds if last else np.iinfo(np.int64).max)


@given(st.binary(max_size=60))
def test_no_bytes_lead_the_kernel_astray(packed: bytes) -> None:
    rows, _, _, query = told([], "pot", Path(packed))
    assert len(rows) <= packed.count(b"\0\0") + 2
    assert {len(column) for column in query} == {len(rows) - rows.count(-1)}
