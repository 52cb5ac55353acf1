"""Tables of any experiment: small ones by hand, larger ones against formulas written out here."""

import gzip
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recommender.errors import InvalidInputError
from recommender.uplift.table import analyse_table
from recommender.uplift.table_report import Design
from recommender.uplift.units import Columns

DESIGN = Design("no", Decimal("0.05"), 5_000, {})
COLUMNS = Columns(arm="group", value="spent")
Z = 1.959963984540


def design(control: str = "no", **changes: Any) -> Design:
    fields: dict[str, Any] = {"alpha": Decimal("0.05"), "n_star": 5_000, "weights": {}}
    return Design(control, **fields | changes)


def write(tmp_path: Path, rows: Sequence[str], header: str = "id,group,spent") -> Path:
    path = tmp_path / "visitors.csv"
    path.write_text("\n".join([header, *(f"{i},{row}" for i, row in enumerate(rows)), ""]))
    return path


def analyse(path: Path, columns: Columns = COLUMNS, asked: Design = DESIGN) -> dict[str, Any]:
    return analyse_table(path, columns, asked)


def parquet(tmp_path: Path, **columns: Any) -> Path:
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def half(interval: Sequence[float]) -> float:
    return (interval[1] - interval[0]) / 2


def test_a_small_table_by_hand(tmp_path: Path) -> None:
    path = write(tmp_path, ["no,0", "no,0", "no,6", "yes,4", "yes,4", "yes,7", "yes,9"])
    report = analyse(path)
    assert report["control"] == {"arm": "no", "n": 3, "mean": 2.0}
    [arm] = report["arms"]
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
    path = parquet(tmp_path, group=pa.array(arms).dictionary_encode(), spent=spent)
    csv = write(tmp_path, [f"{arm},{value}" for arm, value in zip(arms, spent, strict=True)])
    one, other = analyse(csv), analyse(path)
    assert one == other
    assert [arm["arm"] for arm in one["arms"]] == ["a", "b"]


ROWS = [("No E-Mail", 0, 0.0), ("Mens E-Mail", 1, 29.99), ("Womens E-Mail", 0, 0.0)] * 40
ROWS += [("No E-Mail", 1, 10.5), ("Mens E-Mail", 0, 0.0), ("Womens E-Mail", 1, 7.25)]


def as_csv(rows: Sequence[tuple[Any, ...]], sign: str = ",", *, quoted: bool = False) -> str:
    def written(value: Any) -> str:
        text = str(value).replace(".", ",") if sign == ";" else str(value)
        return f'"{text}"' if quoted else text

    header = sign.join(["segment", "visit", "spend"])
    return "\n".join([header, *(sign.join(map(written, row)) for row in rows), ""])


def in_every_format(tmp_path: Path) -> list[Path]:
    arms, visits, spend = (list(column) for column in zip(*ROWS, strict=True))
    paths = [tmp_path / name for name in ("plain.csv", "quoted.csv", "semi.csv", "tab.txt")]
    paths[0].write_text(as_csv(ROWS))
    paths[1].write_bytes(b"\xef\xbb\xbf" + as_csv(ROWS, quoted=True).encode())
    paths[2].write_text(as_csv(ROWS, ";").replace("\n", "\r\n"))
    paths[3].write_text(as_csv(ROWS, "\t"))
    paths += [tmp_path / "packed.csv.gz", tmp_path / "no_ending"]
    for path in paths[-2:]:
        path.write_bytes(gzip.compress(as_csv(ROWS).encode()))
    tables = {
        "dictionary": {"segment": pa.array(arms).dictionary_encode(), "spend": spend},
        "decimal": {"segment": arms, "spend": [Decimal(str(value)) for value in spend]},
        "text": {"segment": arms, "spend": [str(value) for value in spend]},
        "single": {"segment": arms, "spend": pa.array(spend, pa.float64())},
    }
    for name, columns in tables.items():
        for row_groups in (len(ROWS), 50):
            path = tmp_path / f"{name}{row_groups}.parquet"
            table = pa.table({**columns, "visit": pa.array(visits, pa.int8()).cast(pa.bool_())})
            pq.write_table(table, path, row_group_size=row_groups)
            paths.append(path)
    return paths


@pytest.mark.parametrize("value", ["spend", "visit"])
def test_every_format_says_the_same(tmp_path: Path, value: str) -> None:
    first, *others = [
        analyse(path, Columns("segment", value), design("No E-Mail"))
        for path in in_every_format(tmp_path)
    ]
    assert [arm["arm"] for arm in first["arms"]] == ["Mens E-Mail", "Womens E-Mail"]
    assert first["control"]["n"] == 41
    # 40 × 29.99 of 41 visitors, or 40 visits.
    wanted = {"spend": 40 * 29.99 / 41, "visit": 40 / 41}[value]
    assert first["arms"][0]["mean"] == pytest.approx(wanted, rel=1e-12)
    for other in others:
        assert other["control"] == first["control"]
        # Arrow reads a decimal one last binary digit apart from the same text.
        for name in ("interval_fixed", "interval_sequence"):
            assert other["arms"][1][name] == pytest.approx(first["arms"][1][name], rel=1e-12)


@pytest.mark.parametrize(
    ("arms", "control"),
    [
        ([0, 0, 1, 1], "0"),
        ([0.0, 0.0, 1.0, 1.0], "0"),
        ([False, False, True, True], "False"),
        (["Control", "Control", "Test", "Test"], "control"),
    ],
)
def test_the_control_is_found_as_a_person_writes_it(
    tmp_path: Path, arms: list[Any], control: str
) -> None:
    path = parquet(tmp_path, group=arms, spent=[1, 2, 3, 5])
    report = analyse(path, asked=design(control))
    assert report["control"]["mean"] == 1.5
    assert report["arms"][0]["mean"] == 4


def test_expected_weights_decide_the_split_check(tmp_path: Path) -> None:
    path = parquet(tmp_path, group=["no"] * 100 + ["yes"] * 900, spent=[1, 2] * 500)
    assert analyse(path)["srm_alarm"] is True
    ninety = design(weights={"no": 0.1, "yes": 0.9})
    assert analyse(path, asked=ninety)["srm_p"] == pytest.approx(1.0)


def test_one_visitor_in_an_arm_has_no_interval(tmp_path: Path) -> None:
    [arm] = analyse(write(tmp_path, ["no,1", "yes,1", "yes,2"]))["arms"]
    assert arm["difference"] == 0.5
    assert arm["interval_fixed"] is arm["relative_interval_sequence"] is None


def test_arms_keep_their_written_names(tmp_path: Path) -> None:
    path = write(tmp_path, ["007,1", "007,2", "true,3", "true,4"])
    assert analyse(path, asked=design("007"))["arms"][0]["arm"] == "true"


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
        ([f"arm{i},1" for i in range(101)], "bad-value", "101 different entries"),
    ],
)
def test_a_table_that_cannot_be_compared_is_refused(
    tmp_path: Path, rows: list[str], code: str, says: str
) -> None:
    with pytest.raises(InvalidInputError, match=says) as caught:
        analyse(write(tmp_path, rows))
    assert caught.value.code == code


def test_missing_entries_of_any_column_are_refused(tmp_path: Path) -> None:
    path = parquet(
        tmp_path,
        group=["no", None, "yes", "yes"],
        spent=[1.0, 2.0, float("inf"), 4.0],
        person=["a", "b", "c", None],
        pages=[1, 1, -1, 1],
    )
    with pytest.raises(InvalidInputError, match="2 of 4 rows"):
        analyse(path)
    whole = parquet(tmp_path, group=["no", "yes"], spent=[1, 2], person=["a", None], pages=[1, -1])
    with pytest.raises(InvalidInputError, match="1 of 2 rows name no person"):
        analyse(whole, Columns("group", "spent", cluster="person"))
    with pytest.raises(InvalidInputError, match="below 0"):
        analyse(whole, Columns("group", "spent", denominator="pages"))


def test_a_missing_column_names_those_that_are_there(tmp_path: Path) -> None:
    path = write(tmp_path, ["no,1"], header="id,arm,revenue")
    with pytest.raises(InvalidInputError, match="the file has id, arm, revenue"):
        analyse(path)
    with pytest.raises(InvalidInputError, match="Several columns are called spent"):
        analyse(write(tmp_path, ["no,1"], header="spent,group,spent"))


def test_weights_must_be_weights(tmp_path: Path) -> None:
    path = write(tmp_path, ["no,1", "no,2", "yes,1", "yes,3"])
    for weights in ({"no": -1.0}, {"no": 0.0, "yes": 0.0}):
        with pytest.raises(InvalidInputError):
            analyse(path, asked=design(weights=weights))


def test_a_ratio_by_hand(tmp_path: Path) -> None:
    path = parquet(
        tmp_path,
        group=["no", "no", "yes", "yes"],
        spent=[10, 20, 30, 10],
        orders=[1, 3, 2, 2],
    )
    report = analyse(path, Columns("group", "spent", denominator="orders"))
    # 30 ÷ 4 and 40 ÷ 4
    assert report["control"]["mean"] == 7.5
    [arm] = report["arms"]
    assert arm["difference"] == 2.5
    # no: ȳ 15, d̄ 2, s_y² 50, s_d² 2, s_yd 10: (50 − 2 × 7.5 × 10 + 7.5² × 2)/4 ÷ 2 = 1.5625
    # yes: ȳ 20, d̄ 2, s_y² 200, s_d² 0: 200/4 ÷ 2 = 25
    assert arm["standard_error"] ** 2 == pytest.approx(1.5625 + 25)


def test_the_mean_of_a_row_counts_households_and_not_rows(tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    size = rng.integers(1, 9, 800)
    household = np.repeat(np.arange(800), size)
    treated = np.repeat(rng.random(800) < 0.5, size)
    spent = np.repeat(rng.normal(20, 5, 800), size) + rng.normal(0, 1, len(household)) + treated
    path = parquet(tmp_path, group=np.where(treated, "yes", "no"), spent=spent, home=household)
    [arm] = analyse(path, Columns("group", "spent", cluster="home"))["arms"]
    [naive] = analyse(path)["arms"]
    # Cluster-robust variance of least squares on a dummy, Liang & Zeger 1986, without the
    # correction for few clusters: Σ over clusters of (Σ residuals)² ÷ (rows of the arm)².
    wanted = 0.0
    for side in (treated, ~treated):
        residual = np.where(side, spent - spent[side].mean(), 0)
        sums = np.bincount(household, residual)
        n = len(np.unique(household[side]))
        wanted += (sums**2).sum() / side.sum() ** 2 * n / (n - 1)
    assert arm["standard_error"] == pytest.approx(wanted**0.5, rel=1e-9)
    assert arm["n"] == len(np.unique(household[treated]))
    assert arm["standard_error"] > 2 * naive["standard_error"]
    assert arm["difference"] == pytest.approx(naive["difference"])


def test_rows_of_one_visitor_are_added_up_in_the_arm_seen_first(tmp_path: Path) -> None:
    path = parquet(
        tmp_path,
        group=["yes", "no", "no", "yes", "yes", "no"],
        spent=[5, 1, 2, 4, 8, 16],
        visitor=["a", "b", "b", "c", "b", "d"],
        day=["2026-03-02", "2026-03-02", "2026-03-03", "2026-03-01", "2026-03-01", "2026-03-01"],
    )
    columns = Columns("group", "spent", cluster="visitor", day="day")
    report = analyse(path, columns, design(mean_per_row=False))
    # b was in yes on the first day: yes holds a 5, c 4, b 11; no holds d 16.
    assert (report["arms"][0]["n"], report["arms"][0]["mean"]) == (3, 20 / 3)
    assert report["control"] == {"arm": "no", "n": 1, "mean": 16}
    assert report["input"]["units_in_several_arms"] == 1
    assert any("several arms" in sentence for sentence in report["warnings"])
    # Through the first day: yes holds c 4 and b 11, no holds d 16.
    assert report["days"][0]["arms"][0]["difference"] == 7.5 - 16


def test_strata_undo_a_change_of_share(tmp_path: Path) -> None:
    # No effect; half of 1,000 treated at 1.20, then nine tenths of 1,000 at 2.00.
    arms = ["no"] * 500 + ["yes"] * 500 + ["no"] * 100 + ["yes"] * 900
    season = ["spring"] * 1_000 + ["winter"] * 1_000
    spent = [1.1, 1.3] * 500 + [1.9, 2.1] * 500
    path = parquet(tmp_path, group=arms, spent=spent, season=season)
    [pooled] = analyse(path, Columns("group", "spent", day="season"))["arms"]
    assert pooled["relative_uplift"] == pytest.approx(0.286, abs=0.001)
    report = analyse(path, Columns("group", "spent", stratum="season"))
    assert report["arms"][0]["relative_uplift"] == pytest.approx(0, abs=1e-12)
    days = analyse(path, Columns("group", "spent", day="season"))
    assert days["day_split_p"] < 0.001
    assert any("split changed over the days" in sentence for sentence in days["warnings"])


def test_strata_weigh_by_treated_visitors_as_the_bill_does(tmp_path: Path) -> None:
    path = parquet(
        tmp_path,
        group=["no", "no", "yes", "yes", "yes", "no", "no", "no", "yes", "yes", "yes"],
        spent=[1, 3, 2, 4, 6, 10, 20, 30, 25, 35, 99],
        country=["fr"] * 5 + ["de"] * 5 + ["it"],
    )
    [arm] = analyse(path, Columns("group", "spent", stratum="country"))["arms"]
    # fr: 4 − 2 with 3 treated, s² 4 and 2; de: 30 − 20 with 2 treated, s² 50 and 100; it has no
    # control. (3 × 2 + 2 × 10)/5 = 5.2
    assert arm["difference"] == pytest.approx(5.2)
    wanted = (3 / 5) ** 2 * (4 / 3 + 2 / 2) + (2 / 5) ** 2 * (50 / 2 + 100 / 3)
    assert arm["standard_error"] ** 2 == pytest.approx(wanted)
    assert (arm["strata_left_out"], arm["units_left_out"]) == (1, 1)


def test_a_covariate_takes_out_what_it_explains(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    before = rng.gamma(1, 30, 20_000)
    treated = rng.random(20_000) < 0.5
    spent = 0.8 * before + rng.normal(0, 18, 20_000) + 2.0 * treated
    path = parquet(tmp_path, group=np.where(treated, "yes", "no"), spent=spent, before=before)
    [plain] = analyse(path)["arms"]
    [arm] = analyse(path, Columns("group", "spent", covariate="before"))["arms"]
    assert arm["theta"] == pytest.approx(0.8, abs=0.02)
    # R² = 0.8² × 900 / (0.8² × 900 + 18²) = 0.64
    assert arm["variance_kept_share"] == pytest.approx(0.36, abs=0.02)
    shrunk = (arm["standard_error"] / plain["standard_error"]) ** 2
    assert shrunk == pytest.approx(arm["variance_kept_share"], rel=1e-9)
    assert abs(arm["difference"] - 2) < 3 * arm["standard_error"]


def test_a_covariate_helps_a_ratio_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    wealth = rng.gamma(2, 1, 8_000)
    orders = rng.poisson(2, 8_000) + 1
    spent = orders * (10 * wealth + rng.normal(0, 3, 8_000))
    path = parquet(
        tmp_path,
        group=rng.choice(["yes", "no"], 8_000),
        spent=spent,
        orders=orders,
        wealth=wealth,
    )
    columns = Columns("group", "spent", denominator="orders", covariate="wealth")
    [arm] = analyse(path, columns)["arms"]
    assert arm["variance_kept_share"] < 0.5
    assert abs(arm["difference"]) < 4 * arm["standard_error"]


def test_a_cap_cuts_rows_and_says_so(tmp_path: Path) -> None:
    path = write(tmp_path, ["no,0", "no,900", "yes,30", "yes,-2"])
    report = analyse(path, asked=design(cap=100.0))
    assert report["control"]["mean"] == 50
    assert report["input"]["rows_capped"] == 1
    assert report["input"]["removed_by_cap"] == 800
    assert report["input"]["rows_below_0"] == 1


def test_an_effect_of_novelty_is_seen(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    day = rng.integers(1, 13, 24_000)
    treated = rng.random(24_000) < 0.5
    spent = rng.normal(20, 4, 24_000) + treated * np.where(day <= 6, 2.0, 0.5)
    path = parquet(tmp_path, group=np.where(treated, "yes", "no"), spent=spent, day=day)
    report = analyse(path, Columns("group", "spent", day="day"))
    [drift] = report["novelty"]
    # 0.5 − 2, with √(4 × 16 × 4 / 24,000) = 0.103 as its standard error
    assert drift["change"] == pytest.approx(-1.5, abs=0.4)
    assert half(drift["interval_fixed"]) == pytest.approx(Z * 0.1033, abs=0.01)
    assert [entry["day"] for entry in report["days"]] == [str(number) for number in range(1, 13)]
    last = report["days"][-1]["arms"][0]
    assert last["interval_sequence"] == pytest.approx(report["arms"][0]["interval_sequence"])
    assert report["day_split_p"] > 0.001


@pytest.mark.parametrize(
    "days",
    [
        pa.array([1_700_000_000, 1_700_100_000, 1_700_000_050, 1_700_100_001], pa.timestamp("s")),
        pa.array(["2023-11-14", "2023-11-16", "2023-11-14", "2023-11-16"]),
    ],
)
def test_instants_are_days(tmp_path: Path, days: Any) -> None:
    path = parquet(tmp_path, group=["no", "no", "yes", "yes"], spent=[1, 2, 3, 4], at=days)
    report = analyse(path, Columns("group", "spent", day="at"))
    assert len(report["days"]) == 2
    assert report["days"][0]["day"] == "2023-11-14"


def test_few_buyers_and_many_arms_are_pointed_out(tmp_path: Path) -> None:
    path = write(tmp_path, ["no,0", "no,1", "a,0", "a,2", "b,0", "b,3"])
    told = " ".join(analyse(path)["warnings"])
    assert "Fewer than 30 units have a value in a, b, no" in told
    assert "divide --alpha by their number" in told
