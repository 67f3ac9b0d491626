"""What processes of a batch share: whole, in one mapped file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lab_utils.core.batch.handed_on import read_handed_on, write_handed_on
from lab_utils.core.samples.kept import release

ARRAYS = arrays.arrays(
    st.sampled_from([np.float64, np.int16, np.bool_]), arrays.array_shapes(min_dims=0, max_dims=3, min_side=0)
)


@given(st.lists(st.one_of(ARRAYS, ARRAYS.map(lambda one: one.T), st.text(), st.none()), max_size=5))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, value: list) -> None:
    path = tmp_path_factory.mktemp("shared") / "value"
    write_handed_on(value, path)
    found = read_handed_on(path)
    for one, expected in zip(found, value, strict=True):
        np.testing.assert_array_equal(one, expected)
        if isinstance(expected, np.ndarray):
            assert one.dtype == expected.dtype
            assert one.ctypes.data % 8 == 0 or not one.size


def test_arrays_and_tables_can_be_read_and_let_go_of_but_not_written_to(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]})
    write_handed_on({"table": table, "array": np.arange(9.0)}, tmp_path / "value")
    found = read_handed_on(tmp_path / "value")
    pd.testing.assert_frame_equal(found["table"], table)
    release(found["array"])
    assert found["array"].tolist() == list(range(9))
    with pytest.raises(ValueError, match="read-only"):
        found["array"][0] = 1.0
