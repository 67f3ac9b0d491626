"""Parquet that would fill the memory is refused by its footer, before anything is decoded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from paths import CASES

from lab_utils.recordings.audio import BadRecording
from lab_utils.recordings.find import find_all, find_recordings
from lab_utils.recordings.manifest import SCHEMA, read_manifest

CHILD = """
import resource, sys
from lab_utils.recordings.find import find_recordings
from lab_utils.recordings.audio import BadRecording
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    find_recordings(sys.argv[1])
except BadRecording as error:
    print(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, file=sys.stderr)
"""


def bomb(path: Path, schema: pa.Schema = SCHEMA, column: str = "provenance", size: int = 20_000_000) -> Path:
    """Columns of the right types, of which one holds twelve long runs of one letter."""
    values = {
        field.name: [("x" * size if field.name == column else "a") + str(k) for k in range(12)]
        if field.type == pa.string()
        else [None] * 12
        for field in schema
    }
    table = pa.table(values, schema=schema)
    pq.write_table(table, path, compression="zstd")
    assert path.stat().st_size < 1 << 20
    return path


@pytest.mark.slow
def test_a_manifest_that_would_fill_the_memory_is_refused_by_its_footer(tmp_path, monkeypatch):
    path = bomb(tmp_path / "manifest.parquet")
    monkeypatch.setattr(pq.ParquetFile, "read", lambda *_, **__: pytest.fail("it was decoded"))
    with pytest.raises(
        BadRecording, match=r"would take 229 MiB of 0\.\d MiB in the file; at most 256 MiB, and 200"
    ):
        read_manifest(path)


@pytest.mark.slow
def test_rows_of_eot_bench_too(tmp_path, monkeypatch):
    names = ["id", "language", "audio", "silence_spans"]
    bomb(tmp_path / "rows.parquet", pa.schema([(name, pa.string()) for name in names]), "id")
    monkeypatch.setattr(pq.ParquetFile, "read", lambda *_, **__: pytest.fail("it was decoded"))
    (item,) = find_all(tmp_path).skipped
    assert "would take 229 MiB" in item.reason


def test_a_sound_manifest_is_read(tmp_path):
    values = {field.name: pa.array([], field.type) for field in SCHEMA}
    pq.write_table(pa.table(values, schema=SCHEMA), tmp_path / "manifest.parquet")
    assert read_manifest(tmp_path / "manifest.parquet").recordings() == []


@pytest.mark.slow
def test_the_case_takes_no_memory():
    path = CASES / "attack" / "parquet" / "bigstr" / "manifest.parquet"
    if not path.exists():
        pytest.skip("the collection of failing inputs isn't here")
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(path)], capture_output=True, text=True, check=True
    )
    assert "would take 1200 MiB" in done.stdout
    assert int(done.stderr.splitlines()[-1]) < 100_000, "kilobytes"
    with pytest.raises(BadRecording, match="would take 1200 MiB"):
        find_recordings(path)
