"""Long arrays in files, blocks of them and streams of pieces, against arrays in one piece."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_utils.core.samples import kept as kept_module
from lab_utils.core.samples.kept import Kept, blocks_of, joined, kept, release, sum_of_rows
from lab_utils.core.samples.stream import Stream, heard_stream, to_and_fro
from lab_utils.core.timeline import stream_of

pieces_strategy = st.lists(
    st.integers(0, 6) | st.lists(st.integers(-9, 9), max_size=6).map(lambda x: np.array(x, dtype=np.int16)),
    max_size=6,
)


@pytest.fixture
def in_files(monkeypatch):
    monkeypatch.setattr(kept_module, "IN_MEMORY_BYTES", 64)
    monkeypatch.setattr(kept_module, "BLOCK_ROWS", 7)


@given(pieces_strategy, st.integers(-3, 30), st.integers(-3, 30))
def test_a_stream_is_read_like_its_pieces_in_one_array(pieces, first, last) -> None:
    stream = Stream(*pieces)
    whole = np.concatenate(
        [np.zeros(0, np.int16), *(np.zeros(p, np.int16) if isinstance(p, int) else p for p in pieces)]
    )
    assert len(stream) == len(whole)
    np.testing.assert_array_equal(stream[first:last], whole[first:last])
    for cut in (0, max(0, first), len(whole)):
        expected = np.concatenate((whole[:cut], np.arange(3, dtype=np.int16)))
        np.testing.assert_array_equal(stream.until(cut, np.arange(3, dtype=np.int16))[:], expected)


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=5), st.integers(0, 40))
def test_audio_to_and_fro_turns_round_at_its_ends(samples, n) -> None:
    pcm = np.array(samples, dtype=np.int16)
    expected = np.resize(np.concatenate((pcm, pcm[::-1])), n)
    np.testing.assert_array_equal(Stream(*to_and_fro(pcm, n))[:], expected)


def test_what_an_agent_hears_is_the_same_as_an_array_and_as_a_stream() -> None:
    pcm = np.arange(1, 1000, dtype=np.int16)
    np.testing.assert_array_equal(heard_stream(pcm, 128, 0.01)[:], stream_of(pcm, 128, 0.01))
    with pytest.raises(ValueError, match="read forwards, sample by sample; got a step of 2"):
        heard_stream(pcm, 0)[::2]


@pytest.mark.parametrize("shape", [(100,), (100, 3)])
@pytest.mark.parametrize("dtype", [np.int16, np.float64])
def test_a_long_array_lies_in_a_file_and_is_equal(in_files, shape, dtype) -> None:
    whole = np.random.default_rng(0).normal(0, 1000, shape).astype(dtype)
    found = kept(iter(np.split(whole, [0, 1, 50])))
    np.testing.assert_array_equal(found, whole)
    assert (found.dtype, found.flags.writeable) == (dtype, False)
    np.testing.assert_array_equal(np.concatenate(list(blocks_of(found))), whole)
    np.testing.assert_array_equal(joined(found, whole, found[:3]), np.concatenate((whole, whole, whole[:3])))
    release(found, whole)
    np.testing.assert_array_equal(found[::-1], whole[::-1])  # it is read again


def test_nothing_of_a_call_is_left_in_the_folder_for_temporary_files(in_files, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    found = kept([np.arange(1000)])
    assert list(tmp_path.iterdir()) == [], "the file has no name even while it is in use"
    assert found.sum() == 499500


def test_a_full_disk_is_told_with_the_folder(in_files, monkeypatch) -> None:
    class Full:
        def write(self, _: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: Full())
    with pytest.raises(OSError, match="No space left on device") as raised:
        kept([np.zeros(1000)])
    assert raised.value.filename == tempfile.gettempdir()


def test_an_array_of_nothing_is_refused_or_empty() -> None:
    with pytest.raises(ValueError, match="expected at least one block, which tells the array's type"):
        Kept().array()
    with pytest.raises(ValueError, match="expected at least one block, got none"):
        sum_of_rows([])
    assert len(kept([np.zeros(0, np.int16)])) == 0
    assert [len(block) for block in blocks_of(np.zeros(0))] == [0]


@given(st.integers(1, 400), st.integers(1, 300), st.sampled_from(["float32", "float64"]))
def test_rows_are_added_in_blocks_to_the_last_bit_as_all_at_once(n, rows, dtype) -> None:
    whole = np.random.default_rng(n).normal(0, 1, (n, 20)).astype(dtype)
    np.testing.assert_array_equal(sum_of_rows(blocks_of(whole, rows)), whole.sum(axis=0))


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read from /proc")
def test_a_long_array_is_resident_in_blocks_only() -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[2]) * os.sysconf("SC_PAGESIZE")

    block = np.arange(1 << 20, dtype=np.int16)
    found = kept(block for _ in range(32))  # 64 MB
    before = resident()
    most = max(resident() - before for one in blocks_of(found) if one.any())
    assert 0 < most < 8 << 20, f"{most >> 20} MB of file are resident"
    assert found.any()
    assert resident() - before > 32 << 20, "read as a whole it is resident"
    release(np.lib.stride_tricks.sliding_window_view(found[3:], 7)[::2])
    assert resident() - before < 8 << 20, "a view of a view tells its file too"
    stream = Stream(3, found)
    assert all(stream[at : at + 1000].any() for at in range(0, len(stream) - 3, 1 << 20))
    assert resident() - before < 8 << 20
