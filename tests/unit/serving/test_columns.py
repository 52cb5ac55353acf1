"""A vocabulary finds the row of an id, and of nothing else."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recommender.serving.columns import Vocabulary

# Few letters, so that ids begin alike and many asked for are known.
IDS = st.text("ab\u00e9-\n", min_size=1, max_size=6)


@given(known=st.sets(IDS, max_size=40), asked=st.lists(st.one_of(IDS, st.just("")), max_size=20))
def test_each_known_id_is_found_in_its_row(known: set[str], asked: list[str]) -> None:
    ordered = sorted(name.encode() for name in known)
    vocabulary = Vocabulary(np.array(ordered, dtype="S" if ordered else "S1"))
    row_of = {name: row for row, name in enumerate(ordered)}
    expected = [row_of.get(name.encode(), -1) for name in asked]
    assert vocabulary.places(asked).tolist() == expected
    rows = np.array([row for row in expected if row >= 0], np.int32)
    assert vocabulary.item_ids(rows) == [name for name in asked if name in known]
