import numpy as np
import pytest

from recommender.errors import InconsistentError
from recommender.training.soundness import check_source, check_vocabulary

SOUND = {
    # Three items: the first has two neighbours, the second none, the third one.
    "starts": np.array([0, 2, 2, 3], np.int64),
    "ids": np.array([1, 2, 0], np.int32),
    "scores": np.array([0.5, 0.25, 1.0], np.float32),
    "decay": np.array([0.7], np.float32),
}
SESSIONS = {
    "starts": np.array([0, 1, 2, 3], np.int64),
    "sessions": np.array([0, 1, 1], np.int32),
    "session_starts": np.array([0, 2, 4], np.int64),
    "session_ids": np.array([0, 1, 1, 2], np.int32),
}


@pytest.mark.parametrize("arrays", [SOUND, SESSIONS, {}])
def test_sound_arrays_pass(arrays):
    check_source("s", arrays, 3)


def test_no_lists_at_all_are_sound():
    empty = {"starts": np.zeros(4, np.int64), "ids": np.zeros(0, np.int32)}
    check_source("s", empty, 3)


@pytest.mark.parametrize(
    ("arrays", "changes", "told"),
    [
        (SOUND, {"starts": np.array([0, 2, 1, 3])}, "s.starts goes back"),
        (SOUND, {"starts": np.array([1, 2, 2, 3])}, "s.starts does not begin at 0"),
        (SOUND, {"starts": np.array([0, 2, 2, 4])}, "s.starts ends elsewhere"),
        (SOUND, {"starts": np.array([0, 2, 3])}, "s.starts has not one list an item"),
        (SOUND, {"starts": np.array([0.0, 2, 2, 3])}, "s.starts is no list of places"),
        (SOUND, {"starts": np.zeros(0, np.int64)}, "s.starts is no list of places"),
        (SOUND, {"scores": np.zeros(2, np.float32)}, "s.starts ends elsewhere"),
        (SOUND, {"ids": np.array([1, 3, 0])}, "s.ids leaves the vocabulary"),
        (SOUND, {"ids": np.array([1, -1, 0])}, "s.ids leaves the vocabulary"),
        (SOUND, {"ids": np.array([1.0, 2, 0])}, "s.ids holds no rows"),
        (SESSIONS, {"sessions": np.array([0, 1, 2])}, "s.sessions leaves the sessions"),
        (SESSIONS, {"session_starts": np.array([0, 3, 2])}, "s.session_starts goes back"),
        (SESSIONS, {"session_ids": np.array([0, 1, 1, 3])}, "s.session_ids leaves the vocabulary"),
    ],
)
def test_arrays_that_lead_a_kernel_astray_are_refused(arrays, changes, told):
    with pytest.raises(InconsistentError, match=told) as caught:
        check_source("s", arrays | changes, 3)
    assert caught.value.code == "damaged-artifact"


def test_a_vocabulary_is_ascending_ids():
    check_vocabulary(np.array([b"a", b"b", b"ba"]))
    check_vocabulary(np.array([b"a"]))
    for unsound in ([b"b", b"a"], [b"a", b"a"], ["a", "b"], [1, 2], [[b"a"], [b"b"]]):
        with pytest.raises(InconsistentError):
            check_vocabulary(np.array(unsound))
