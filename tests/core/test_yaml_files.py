"""YAML that users keep."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab_utils.core.files import OneLine, dumped, parse_yaml, read_yaml, write_whole

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
MERGED = "a: &a {k: 1}\n" + "".join(
    f"{name}: &{name} {{<<: [{','.join([f'*{before}'] * 10)}]}}\n"
    for before, name in zip("abcdefg", "bcdefgh", strict=True)
)
DOUBLED = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.dictionaries(st.text(min_size=1, max_size=8), SCALARS, max_size=5))
def test_plain_values_survive_writing_and_reading(values: dict, tmp_path: Path) -> None:
    path = tmp_path / "values.yaml"
    write_whole(path, dumped({"some": OneLine(values), "more": values}))
    assert read_yaml(path, "values").values == {"some": values, "more": values}
    assert [file.name for file in tmp_path.iterdir()] == ["values.yaml"]


REFUSED = {
    "twice": ("a: 1\nb:\n  c: 1\n  c: 2\n", "line 4: key 'c' is given twice"),
    "twice at the root": ("a: [0.3]\na: [0.5]\n", "line 2: key 'a' is given twice"),
    "python tag": ("a: !!python/name:os.system\n", "line 1: tag !!python/name:os.system isn't read"),
    "own tag": ("a:\n  - !mine x\n", "line 2: tag !mine isn't read"),
    "bool tag": ("a: [!!bool foo]\n", "line 1: tag !!bool isn't read"),
    "int tag": ('a: [!!int ""]\n', "line 1: tag !!int isn't read"),
    "timestamp tag": ("!!timestamp foo: 1\n", "line 1: tag !!timestamp isn't read"),
    "tag of a list": ("a: !!omap [b: 1]\n", "line 1: tag !!omap isn't read"),
    "no such date": ("a: [2026-13-45]\n", "line 1: '2026-13-45': month must be in 1..12"),
    "open list": ("a: [1\n", "expected YAML with plain data"),
    "deep lists": ("[" * 20_000, "line 1: more than 20 levels"),
    "deep mappings": ("{a: " * 5_000, "line 1: more than 20 levels"),
    "deep by aliases": (
        "a: &a [[[[[[[[[[x]]]]]]]]]]\nb: [[[[[[[[[[*a]]]]]]]]]]\n",
        "line 2: more than 20 levels",
    ),
    "merge keys": (MERGED, "line 2: a merge key (<<) isn't read"),
    "doubled aliases": (DOUBLED, "line 5: more than 50,000 values"),
    "alias in itself": ("a: &a [*a]\n", "line 1: *a names nothing above it"),
    "alias of nothing": ("a: 1\nb: *c\n", "expected YAML with plain data"),
    "two documents": ("a: 1\n---\nb: 2\n", "line 2: but found another document"),
    "list as key": ("? [a, b]\n: 1\n", "line 1: a key is a list or a mapping"),
    "aliased list as key": ("a: &a [b]\n? *a\n: 1\n", "line 2: a key isn't text"),
    "nul": ("a: 1\nb: \x00\n", r"line 2: control character '\x00'"),
    "many values": (f"a: [{'1,' * 50_001}]\n", "line 1: more than 50,000 values"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_anything_but_plain_data_is_refused(tmp_path: Path, case: str) -> None:
    text, message = REFUSED[case]
    path = tmp_path / "values.yaml"
    path.write_text(text)
    began = time.process_time()
    with pytest.raises(ValueError, match=r"\A[^\n]*\Z") as caught:
        read_yaml(path, "values")
    assert message in str(caught.value)
    assert "expected YAML with plain data" in str(caught.value)
    assert len(str(caught.value)) < 300
    assert time.process_time() - began < 1.0  # CPU time of this process alone


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a: \xff\xfe\n", "is not UTF-8 text (byte 3)"),
        (b"\xff\xfe\x80", "is not UTF-16 text"),
        (b"#" * (5 << 20), "has 5 MiB, more than the 4 MiB that are read"),
    ],
)
def test_a_file_that_is_no_text_or_too_large_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "values.yaml"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"expected YAML with plain data") as caught:
        read_yaml(path, "values")
    assert message in str(caught.value)


def test_harmless_aliases_utf_16_and_an_empty_file_are_read(tmp_path: Path) -> None:
    assert parse_yaml("a: &one [1, 2]\nb: *one\nc: &name x\n*name : 3\n").values == {
        "a": [1, 2],
        "b": [1, 2],
        "c": "x",
        "x": 3,
    }
    path = tmp_path / "values.yaml"
    path.write_bytes("a: [0.3]\n".encode("utf-16"))
    assert read_yaml(path, "values").values == {"a": [0.3]}
    path.write_bytes(b"")
    assert read_yaml(path, "values").values is None


def test_the_line_of_a_value_is_known() -> None:
    read = parse_yaml("# grid\na:\n  - 1\n  - b: 2\n    c:\n      - 3\nd: 4\n")
    expected = {("a",): 2, ("a", 0): 3, ("a", 1): 4, ("a", 1, "c"): 5, ("a", 1, "c", 0): 6, ("d",): 7}
    assert {loc: read.line_of(loc) for loc in expected} == expected
    assert read.line_of(("a", 1, "c", 5, "x")) == 5  # the nearest that holds it
    assert read.line_of(("nothing",)) is None


def test_a_file_that_is_not_there_is_named_by_what_was_wanted(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"No such file.*expected a grid; check the path"):
        read_yaml(tmp_path / "none.yaml", "a grid")
