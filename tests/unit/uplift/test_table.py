from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recommender.errors import InvalidInputError
from recommender.uplift.table import ArmMoments, Design, analyse_table, compare_arms

DESIGN = Design("no", Decimal("0.05"), 5_000, {})


def write(tmp_path: Path, rows: list[str], header: str = "id,group,spent") -> Path:
    path = tmp_path / "visitors.csv"
    path.write_text("\n".join([header, *(f"{i},{row}" for i, row in enumerate(rows)), ""]))
    return path


def analyse(path: Path, design: Design = DESIGN) -> dict[str, object]:
    return analyse_table(path, arm_column="group", value_column="spent", design=design)


def test_a_small_table_by_hand(tmp_path: Path) -> None:
    path = write(tmp_path, ["no,0", "no,0", "no,6", "yes,4", "yes,4", "yes,7", "yes,9"])
    report = analyse(path)
    assert report["control"] == {"arm": "no", "n": 3, "mean": 2.0}
    [arm] = report["arms"]  # type: ignore[misc]
    assert (arm["n"], arm["mean"], arm["difference"], arm["relative_uplift"]) == (4, 6.0, 4.0, 2.0)
    # s² of yes: (4 + 4 + 1 + 9)/3 = 6, of no: (4 + 4 + 16)/2 = 12; SE = √(6/4 + 12/3) = 2.34521
    low, high = arm["interval_fixed"]
    assert high - 4 == pytest.approx(1.959964 * 2.34521, abs=1e-4)
    assert low + high == pytest.approx(8)
    # 3 : 4 where 3.5 each were due: 0.25/3.5 × 2 = 1/7, p = P(|z| > 0.37796) = 0.70546
    assert report["srm_p"] == pytest.approx(0.70546, abs=1e-5)


def test_csv_and_parquet_say_the_same(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    arms = rng.choice(["no", "a", "b"], 3_000)
    spent = np.round(rng.gamma(1, 50, 3_000), 2)
    table = pa.table({"group": pa.array(arms).dictionary_encode(), "spent": spent})
    pq.write_table(table, tmp_path / "visitors.parquet")
    csv = write(tmp_path, [f"{arm},{value}" for arm, value in zip(arms, spent, strict=True)])
    one, other = analyse(csv), analyse(tmp_path / "visitors.parquet")
    assert one == other
    assert [arm["arm"] for arm in one["arms"]] == ["a", "b"]  # type: ignore[attr-defined]


def test_intervals_of_many_visitors(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    control, treated = rng.gamma(1, 50, 2_000), rng.gamma(1, 60, 18_000)
    report = compare_arms(
        {
            "no": ArmMoments(2_000, control.mean(), control.var(ddof=1)),
            "yes": ArmMoments(18_000, treated.mean(), treated.var(ddof=1)),
        },
        Design("no", Decimal("0.05"), 20_000, {"no": 1, "yes": 9}),
    )
    [arm] = report["arms"]
    margin = (arm["interval_fixed"][1] - arm["interval_fixed"][0]) / 2
    wide = (arm["interval_sequence"][1] - arm["interval_sequence"][0]) / 2
    # at n = n* the sequence reaches 3.04 standard errors where the fixed interval reaches 1.96
    assert wide / margin == pytest.approx(3.04 / 1.96, abs=0.005)
    low, high = arm["relative_interval_fixed"]
    assert low < arm["relative_uplift"] < high
    assert report["srm_p"] == 1.0
    assert report["srm_alarm"] is False


def test_expected_weights_decide_the_split_check() -> None:
    arms = {"no": ArmMoments(100, 1.0, 1.0), "yes": ArmMoments(900, 1.0, 1.0)}
    assert compare_arms(arms, DESIGN)["srm_alarm"] is True
    ninety = Design("no", Decimal("0.05"), 5_000, {"no": 0.1, "yes": 0.9})
    assert compare_arms(arms, ninety)["srm_p"] == pytest.approx(1.0)


def test_one_visitor_in_an_arm_has_no_interval(tmp_path: Path) -> None:
    [arm] = analyse(write(tmp_path, ["no,1", "yes,1", "yes,2"]))["arms"]  # type: ignore[misc]
    assert arm["difference"] == 0.5
    assert arm["interval_fixed"] is arm["relative_interval_sequence"] is None


def test_arms_keep_their_written_names(tmp_path: Path) -> None:
    path = write(tmp_path, ["007,1", "007,2", "true,3", "true,4"])
    report = analyse(path, Design("007", Decimal("0.05"), 5_000, {}))
    assert report["arms"][0]["arm"] == "true"  # type: ignore[index]


@pytest.mark.parametrize(
    ("rows", "code", "says"),
    [
        (["no,1", "yes,"], "bad-value", "1 of 2 rows"),
        (["no,1", ",2"], "bad-value", "1 of 2 rows"),
        (["no,1", "yes,nan"], "bad-value", "1 of 2 rows"),
        (["no,1", "yes,much"], "bad-value", "string"),
        ([], "bad-value", "no rows"),
        (["a,1", "b,2"], "unknown-arm", "the arms are a, b"),
        (["no,1,5", "yes,2"], "bad-file", "visitors.csv"),
    ],
)
def test_a_table_that_cannot_be_compared_is_refused(
    tmp_path: Path, rows: list[str], code: str, says: str
) -> None:
    with pytest.raises(InvalidInputError, match=says) as caught:
        analyse(write(tmp_path, rows))
    assert caught.value.code == code


def test_a_missing_column_names_those_that_are_there(tmp_path: Path) -> None:
    path = write(tmp_path, ["no,1"], header="id,arm,revenue")
    with pytest.raises(InvalidInputError, match="the file has id, arm, revenue"):
        analyse(path)


def test_weights_must_be_weights() -> None:
    arms = {"no": ArmMoments(2, 1.0, 1.0), "yes": ArmMoments(2, 1.0, 1.0)}
    for weights in ({"no": -1.0}, {"no": 0.0, "yes": 0.0}):
        with pytest.raises(InvalidInputError):
            compare_arms(arms, Design("no", Decimal("0.05"), 5_000, weights))
