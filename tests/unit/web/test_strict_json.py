"""JSON that can be read in one way only."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recommender.errors import InvalidInputError
from recommender.web.strict_json import MAX_DEPTH, MAX_FIELDS, read_json


def code_of(data: bytes) -> str:
    with pytest.raises(InvalidInputError) as caught:
        read_json(data)
    return caught.value.code


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"NaN",
        b'{"a": Infinity}',
        b"-Infinity",
        b"1e999",
        b'"\\ud800"',
        b'{"\\udfff": 1}',
        b'"\xed\xa0\x80"',
        b"\xff\xfe",
        b'{"a": 1,}',
        b"{'a': 1}",
        b"[1] 2",
        b'"a\nb"',
    ],
)
def test_what_is_not_json_is_refused(data: bytes) -> None:
    assert code_of(data) == "malformed-json"


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":2}',
        b'{"a":1,"a" :2}',
        b'{"a" : 1 , "a" : 1}',
        b'{"a":1,"\\u0061":2}',
        b'[{"x":{"b":1,"c":[],"b":null}}]',
        b'{"a":"\\":","a":"\\":"}',
        b'{"a"\t:1,"a"\n:2}',
    ],
)
def test_a_name_that_stands_twice_is_refused(data: bytes) -> None:
    assert code_of(data) == "duplicate-field"


def test_depth_is_bounded() -> None:
    assert read_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    assert code_of(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1)) == "too-deep"
    assert code_of(b'{"a":' * 300 + b"1" + b"}" * 300) == "too-deep"


def test_the_number_of_fields_is_bounded() -> None:
    fields = {f"f{number}": 1 for number in range(MAX_FIELDS)}
    assert read_json(orjson.dumps(fields)) == fields
    assert code_of(orjson.dumps([fields, {"one": "more"}])) == "too-many-fields"


def test_a_number_that_python_will_not_read_is_no_fault() -> None:
    number = b"1" + b"0" * 300
    assert read_json(b'{"a" : ' + number + b"}") == {"a": 1e300}


texts = st.text(
    alphabet=st.sampled_from(['"', ":", "\\", " ", "a", "é", "\n", "{", ","]), max_size=6
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)


@given(values, st.booleans())
@example({'":': '":'}, False)
def test_what_has_every_name_once_is_read_as_it_is(value: Any, pretty: bool) -> None:
    text = json.dumps(
        value, indent=2 if pretty else None, separators=None if pretty else (",", ":")
    )
    assert read_json(text.encode()) == value


@given(st.lists(st.tuples(texts, st.integers(0, 9)), max_size=5), st.sampled_from(["", " ", "\t"]))
def test_duplicates_are_found_however_they_are_written(
    pairs: list[tuple[str, int]], blank: str
) -> None:
    members = ",".join(f"{json.dumps(name)}{blank}:{number}" for name, number in pairs)
    data = f'[{{"x":{{{members}}}}}]'.encode()
    if len({name for name, _ in pairs}) < len(pairs):
        assert code_of(data) == "duplicate-field"
    else:
        assert read_json(data) == [{"x": dict(pairs)}]
