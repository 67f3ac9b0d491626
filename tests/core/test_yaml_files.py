"""YAML that users keep."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab_utils.core.yaml_files import OneLine, dumped, read_plain, write_whole

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.dictionaries(st.text(min_size=1, max_size=8), SCALARS, max_size=5))
def test_plain_values_survive_writing_and_reading(values: dict, tmp_path: Path) -> None:
    path = tmp_path / "values.yaml"
    write_whole(path, dumped({"some": OneLine(values), "more": values}))
    assert read_plain(path, "values") == {"some": values, "more": values}
    assert [file.name for file in tmp_path.iterdir()] == ["values.yaml"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2\n", "line 4: key 'c' is given twice"),
        ("a: !!python/name:os.system\n", "line 1: could not determine a constructor"),
        ("a: [1\n", "expected YAML with plain data"),
        ("[" * 20_000, "expected YAML with plain data"),
    ],
)
def test_anything_but_plain_data_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "values.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"\A[^\n]*\Z") as caught:
        read_plain(path, "values")
    assert message in str(caught.value)


def test_a_file_that_is_not_there_is_named_by_what_was_wanted(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"No such file.*expected a grid; check the path"):
        read_plain(tmp_path / "none.yaml", "a grid")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "values.yaml"
    write_whole(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "\ud800")
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1
