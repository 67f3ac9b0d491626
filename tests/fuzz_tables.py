"""Fuzzing targets: the rows of eot-bench-data, and manifests. See `fuzz.py`.

Each is fuzzed twice: as bytes, and as JSON rows of which a table is made, since bytes seldom parse.
"""

from __future__ import annotations

import io
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile
from fuzz_formats import egress_audio
from fuzz_target import Target, dumped, imports_soundly, noise
from naive_eot_bench import made_predictions
from recording_fixtures import RECORDINGS, copied, one_line

from lab_utils.recordings.audio import BadRecording
from lab_utils.recordings.find import find_recordings, load_recording
from lab_utils.recordings.formats.eot_bench import OPTIONAL, REQUIRED
from lab_utils.recordings.importing import Imported, import_folder, save_import
from lab_utils.recordings.manifest import SCHEMA
from lab_utils.turns.eot_bench import read_predictions, summary


def _eot_bytes(folder: Path) -> Callable[[bytes], None]:
    path = folder / "calls" / "x.parquet"
    path.parent.mkdir()

    def try_one(data: bytes) -> None:
        path.write_bytes(data)
        imports_soundly(path.parent)

    return try_one


def _rows(folder: Path) -> Callable[[bytes], None]:
    """The rows of eot-bench-data as JSON; text in `bytes` stands for bytes."""
    path = folder / "calls" / "x.parquet"
    path.parent.mkdir()

    def try_one(data: bytes) -> None:
        try:
            rows = json.loads(data)
            for row in rows:
                audio = row["audio"]
                if isinstance(audio, dict) and isinstance(audio.get("bytes"), str):
                    row["audio"] = audio | {"bytes": audio["bytes"].encode("latin-1")}
            names = [name for name in (*REQUIRED, *OPTIONAL) if any(name in row for row in rows)]
            table = pa.table({name: [row.get(name) for row in rows] for name in names})
            pq.write_table(table, path)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, pa.ArrowException):
            return  # no table can hold that
        imports_soundly(path.parent)

    return try_one


def _eot_rows() -> list[dict[str, Any]]:
    """Small rows: a tenth of a second of audio as array and as WAV."""
    pcm = np.random.default_rng(0).normal(0, 0.1, 800)
    stream = io.BytesIO()
    soundfile.write(stream, pcm, 8_000, format="WAV", subtype="ULAW")
    spans = [{"start": 0.02, "end": 0.04}, {"start": 0.06, "end": 0.1}]
    words = [{"start": 0.0, "end": 0.02, "word": "one", "text": None}]
    one: dict[str, Any] = {"id": "en-1", "language": "en", "silence_spans": spans, "words": words}
    return [
        one | {"audio": {"array": [round(x, 3) for x in pcm.tolist()], "sampling_rate": 8_000},
               "messages": [{"role": "user", "content": "hello"}]},
        one | {"id": "de/2", "audio": {"bytes": stream.getvalue().decode("latin-1"), "path": "x.wav"}},
    ]  # fmt: skip


def _eot_tables() -> tuple[bytes, ...]:
    """The same as Parquet, plain and compressed."""
    made = []
    for how in ({"compression": "none", "use_dictionary": False}, {"compression": "zstd"}):
        rows = _eot_rows()
        rows[0]["audio"], rows[1]["messages"] = rows[1]["audio"], None
        table = pa.Table.from_pylist(
            [
                row | {"audio": row["audio"] | {"bytes": row["audio"]["bytes"].encode("latin-1")}}
                for row in rows
            ]
        )
        stream = io.BytesIO()
        pq.write_table(table, stream, **how)
        made.append(stream.getvalue())
    return tuple(made)


def _manifest_folder(calls: Path) -> Imported:
    """A folder with a recording of most formats, small."""
    copied("ami", calls)
    copied("harper_valley", calls)
    copied("eot_bench", calls)
    report = calls / "livekit"
    shutil.copytree(RECORDINGS / "livekit" / "call-17", report)
    (report / "audio.ogg").unlink()
    noise(report / "audio.wav", 14.4)
    (calls / "egress").mkdir()
    egress_audio(calls / "egress")
    noise(calls / "pair" / "caller.wav", 0.5, 1, seed=3)
    noise(calls / "pair" / "agent.wav", 0.5, 1, seed=4)
    shutil.copytree(RECORDINGS / "telephony" / "switch", calls / "switch")
    return import_folder(calls, quiet=True)


def _reads_manifest(folder: Path, write: Callable[[bytes, Path], bool]) -> Callable[[bytes], None]:
    calls = folder / "calls"
    calls.mkdir()
    _manifest_folder(calls)
    path = calls / "manifest.parquet"

    def try_one(data: bytes) -> None:
        if not write(data, path):
            return
        try:
            found = find_recordings(path)
        except BadRecording as error:
            one_line(error)
            return
        for files in found[:4]:
            assert all(calls in (one, *one.parents) for one in files.paths)
            try:
                load_recording(files)
            except BadRecording as error:
                one_line(error)

    return try_one


def _write_bytes(data: bytes, path: Path) -> bool:
    path.write_bytes(data)
    return True


def _write_rows(data: bytes, path: Path) -> bool:
    try:
        rows = json.loads(data)
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path)
    except (ValueError, TypeError, AttributeError, OverflowError, pa.ArrowException):
        return False  # no manifest can hold that
    return True


def _manifest_table() -> pa.Table:
    """The manifest of the folder."""
    with tempfile.TemporaryDirectory() as name:
        calls = Path(name) / "calls"
        calls.mkdir()
        path = calls / "manifest.parquet"
        save_import(_manifest_folder(calls), path)
        return pq.read_table(path)


def _manifest_rows() -> tuple[bytes, ...]:
    """A manifest a recording, as JSON."""
    return dumped(*([row | {"provenance": ""}] for row in _manifest_table().to_pylist()))


def _manifest_tables() -> tuple[bytes, ...]:
    """The same as Parquet, some of them."""
    table, made = _manifest_table(), []
    for k in range(0, len(table), 4):
        stream = io.BytesIO()
        pq.write_table(table.slice(k, 1), stream, compression="none", use_dictionary=False)
        made.append(stream.getvalue())
    return tuple(made)


def _reads_predictions(folder: Path) -> Callable[[bytes], None]:
    """A table of predictions, and the manifest beside it: one input is either, or rows as JSON."""
    path, manifest = folder / "predictions.parquet", folder / "manifest.json"

    def try_one(data: bytes) -> None:
        manifest.unlink(missing_ok=True)
        path.write_bytes(data)
        if not data.startswith(b"PAR1"):
            try:
                pq.write_table(pa.Table.from_pylist(json.loads(data)), path)
            except (ValueError, TypeError, KeyError, AttributeError, OverflowError, pa.ArrowException):
                pq.write_table(pa.Table.from_pylist(_prediction_rows()), path)
                manifest.write_bytes(data)
        try:
            summary(read_predictions(path).scores)
        except ValueError as error:
            one_line(error)

    return try_one


def _prediction_rows() -> list[dict[str, Any]]:
    return made_predictions(3, 2, seed=0).head(20).to_dict("records")


def _predictions() -> tuple[bytes, ...]:
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(_prediction_rows()), stream, compression="none", use_dictionary=False)
    manifest = {"display_name": "made", "score_point": 0.2}
    return (stream.getvalue(), *dumped(_prediction_rows(), manifest))


TARGETS = {
    "eot_predictions": Target(_predictions, _reads_predictions),
    "eot_bench": Target(_eot_tables, _eot_bytes),
    "eot_rows": Target(lambda: dumped(_eot_rows()), _rows, is_json=True),
    "manifest": Target(_manifest_tables, lambda folder: _reads_manifest(folder, _write_bytes)),
    "manifest_rows": Target(
        _manifest_rows, lambda folder: _reads_manifest(folder, _write_rows), is_json=True
    ),
}
