import gzip
import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recommender.errors import InvalidInputError
from recommender.events.history_files import file_set_sha256, read_table

ROWS = [{"id": "007", "title": "Tasse à café"}, {"id": "8", "title": 'A "big", round one'}]
CSV = 'id,title\n007,Tasse à café\n8,"A ""big"", round one"\n'


def write(path: Path, content: str, encoding: str = "utf-8") -> Path:
    raw = content.encode(encoding)
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return path


TAB = CSV.replace(",T", "\tT").replace("id,", "id\t").replace("8,", "8\t")
LINES = '{"id":"007","title":"Tasse à café"}\n{"id":"8","title":"A \\"big\\", round one"}\n'


@pytest.mark.parametrize(
    ("name", "content", "encoding"),
    [
        ("a.csv", CSV, "utf-8"),
        ("a.CSV", CSV, "utf-8-sig"),
        ("a.csv.gz", CSV, "utf-8"),
        ("a.csv", CSV, "latin-1"),
        ("a.csv", TAB.replace("\t", ";"), "utf-8"),
        ("a.tsv", TAB, "utf-8"),
        ("a.jsonl", LINES, "utf-8"),
        ("a.json.gz", LINES, "utf-8"),
    ],
)
def test_text_files_of_many_kinds_are_read(
    tmp_path: Path, name: str, content: str, encoding: str
) -> None:
    assert read_table(write(tmp_path / name, content, encoding)).to_pylist() == ROWS


def test_a_cell_may_span_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'id,title\n1,"two\nlines"\n')
    assert read_table(path).to_pylist() == [{"id": "1", "title": "two\nlines"}]


def test_parquet_is_read_with_its_types(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": [1, None]}), tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet").to_pylist() == [{"n": 1}, {"n": None}]


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.xlsx", "x", "unknown-file-kind"),
        ("a", "x", "unknown-file-kind"),
        ("a.parquet", "no parquet", "unreadable-file"),
        ("a.csv", "", "unreadable-file"),
        ("a.csv", "id,id\n1,2\n", "unreadable-file"),
        ("a.csv", "id,title\n1\n", "unreadable-file"),
        ("a.jsonl", "{broken", "unreadable-file"),
    ],
)
def test_what_cannot_be_read_is_one_clear_line(
    tmp_path: Path, name: str, content: str, code: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        read_table(write(tmp_path / name, content))
    assert caught.value.code == code
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_cut_off_archive_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(("id,title\n" + "1,x\n" * 50_000).encode())
    (tmp_path / "a.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InvalidInputError) as caught:
        read_table(tmp_path / "a.csv.gz")
    assert caught.value.code == "unreadable-file"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError) as caught:
        read_table(tmp_path / "nowhere.csv")
    assert caught.value.code == "unreadable-file"
    with pytest.raises(InvalidInputError):
        file_set_sha256("orders", [tmp_path / "nowhere.csv"])


def test_the_identity_of_files_is_their_bytes_their_order_and_the_kind(tmp_path: Path) -> None:
    one, two = write(tmp_path / "1.csv", "a"), write(tmp_path / "2.csv", "b")
    copy = write(tmp_path / "copy.csv", "a")
    sha_a, sha_b = (hashlib.sha256(text).hexdigest() for text in (b"a", b"b"))
    by_hand = hashlib.sha256(f"orders\n{sha_a}\n{sha_b}".encode()).hexdigest()
    assert file_set_sha256("orders", [one, two]) == by_hand
    assert file_set_sha256("orders", [copy, two]) == by_hand
    others = {
        file_set_sha256("orders", [two, one]),
        file_set_sha256("orders", [one]),
        file_set_sha256("items", [one, two]),
    }
    assert len(others - {by_hand}) == 3
