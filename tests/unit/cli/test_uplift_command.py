"""`recommender uplift analyse` as a person or a script calls it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from recommender.cli.uplift_commands import uplift
from recommender.errors import InvalidInputError


def analyse(tmp_path: Path, *more: str) -> Result:
    path = tmp_path / "visitors.csv"
    rows = [
        f"{i},{'no' if i % 10 == 0 else 'yes'},{10 if i % 7 == 0 else 0},{i % 3},{1 + i // 200}"
        for i in range(2_000)
    ]
    path.write_text("\n".join(["id,arm,spent,before,day", *rows, ""]))
    columns = ["--arm-column", "arm", "--control", "no", "--value-column", "spent"]
    return CliRunner().invoke(uplift, ["analyse", str(path), *columns, *more])


def test_analyse_prints_the_agreed_object(tmp_path: Path) -> None:
    report = json.loads(analyse(tmp_path, "--json").stdout)
    [arm] = report["arms"]
    assert report["control"]["n"] == 200
    assert (arm["arm"], arm["n"]) == ("yes", 1_800)
    assert arm["difference"] == pytest.approx(arm["mean"] - report["control"]["mean"])
    low, high = arm["interval_fixed"]
    wide_low, wide_high = arm["interval_sequence"]
    assert wide_low < low < arm["difference"] < high < wide_high
    assert report["srm_alarm"] is True  # 10 : 90 where halves were expected


def test_analyse_takes_the_agreed_split(tmp_path: Path) -> None:
    weights = ["--expected", "no=1", "--expected", "yes=9"]
    assert json.loads(analyse(tmp_path, *weights, "--json").stdout)["srm_p"] == 1.0
    text = analyse(tmp_path, *weights).stdout
    assert "sequence interval" in text
    assert "SRM p 1" in text
    assert "the split is off" not in text.lower()


def test_every_option_reaches_the_report(tmp_path: Path) -> None:
    more = ["--covariate-column", "before", "--day-column", "day", "--cap", "4", "--n-star", "900"]
    report = json.loads(analyse(tmp_path, *more, "--stratum-column", "day", "--json").stdout)
    [arm] = report["arms"]
    assert report["control"]["mean"] <= 4
    assert report["n_star"] == 900
    assert "theta" in arm
    # 2,000 visitors, 200 of them a day, days 1 to 10 in this order.
    assert [day["day"] for day in report["days"]] == [str(day) for day in range(1, 11)]
    assert [day["arms"][0]["n"] for day in report["days"]] == list(range(200, 2_001, 200))
    # Every seventh of 2,000 spent 10, of which 4 count.
    assert report["input"]["rows_capped"] == 286
    assert report["input"]["removed_by_cap"] == 286 * 6
    text = analyse(tmp_path, *more).stdout
    assert "CUPED: theta" in text
    assert "through 10, yes: n 2,000" in text


def test_a_cluster_may_own_several_rows(tmp_path: Path) -> None:
    more = ["--cluster-column", "id", "--mean-per", "unit", "--json"]
    report = json.loads(analyse(tmp_path, *more).stdout)
    assert (report["input"]["rows"], report["input"]["units"]) == (2_000, 2_000)
    # Each day's first visitor is the control's, and so is the whole day: nobody is left to treat.
    by_day = json.loads(analyse(tmp_path, "--cluster-column", "day", "--json").stdout)
    assert by_day["input"]["units_in_several_arms"] == 10
    assert by_day["arms"] == []


@pytest.mark.parametrize(
    ("option", "code"),
    [
        (("--alpha", "0"), "bad-alpha"),
        (("--alpha", "five"), "bad-alpha"),
        (("--cap", "0"), "bad-cap"),
        (("--cap", "much"), "bad-cap"),
        (("--expected", "no"), "bad-weights"),
        (("--expected", "maybe=1"), "unknown-arm"),
        (("--day-column", "date"), "unknown-column"),
    ],
)
def test_analyse_says_what_is_wrong(tmp_path: Path, option: tuple[str, str], code: str) -> None:
    error = analyse(tmp_path, *option).exception
    assert isinstance(error, InvalidInputError)
    assert error.code == code
