"""Rows of `livekit/eot-bench-data`: single user turns with their silences. Licence: Apache-2.0.

Layout (github.com/livekit/eot-bench, README "Scope"): Parquet with `id`, `language`, `audio` (a struct of
encoded `bytes` and `path`, or of `array` and `sampling_rate`) and `silence_spans` (list of `start`, `end` in
seconds: the last one is the true end of the turn, every earlier one a hold); optionally `words` (`start`,
`end`, and `word` or `text`) and `messages`.

Recognised by those four columns. Each row is a recording of the user alone; the silences become holds and a
shift, the rest the user's speech. A silence at the very start is no hold: nothing was said before it.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile
from pydantic import Field, ValidationError

from ...core.labels import Ipu, Label, Labels, Word
from ...core.models import describe
from ...core.recording import Pcm, Provenance
from ...core.timeline import SAMPLE_RATE_HZ
from ..audio import MAX_DURATION_S, BadRecording, to_pcm16k
from ..json_files import Lenient, Number, as_json
from ..listing import Listing
from ..parquet_files import check_size, opened
from ..recording_files import FindOptions, Found, RecordingFiles, Skipped
from .base import Contents, Format

NAME = "eot_bench"
REQUIRED = ("id", "language", "audio", "silence_spans")
OPTIONAL = ("words", "messages")
MAX_GROUP_BYTES = 2 << 30
MAX_ID_BYTES = 64 << 20
TOLERANCE_S = 0.1
"""Silences and words may end this much after the audio; they are clipped."""


class _Span(Lenient):
    start: Annotated[Number, Field(ge=0.0)]
    end: Annotated[Number, Field(ge=0.0)]


class _Word(Lenient):
    start: Number
    end: Number
    word: str | None = None
    text: str | None = None


class _Row(Lenient):
    id: str
    language: str | None = None
    silence_spans: list[_Span]
    words: list[_Word] | None = None
    messages: list[Any] | None = None


def find(listing: Listing, _: FindOptions) -> Found:
    """Every row of every Parquet file with those columns."""
    found: list[RecordingFiles] = []
    skipped: list[Skipped] = []
    claimed: set[Path] = set()
    for path in listing.named(".parquet"):
        try:
            with opened(path) as file:
                if not set(REQUIRED) <= set(file.schema_arrow.names):
                    continue
                claimed.add(path)
                names = [str(value) for value in _column(path, file, "id")]
        except BadRecording as error:
            claimed.add(path)
            skipped.append(Skipped(path, str(error)))
            continue
        usable = [name.replace("/", "_").replace("\\", "_") for name in names]
        counts = Counter(usable)
        for row, (name, safe) in enumerate(zip(names, usable, strict=True)):
            if counts[safe] > 1:
                finding = f"row {row}: its id {name!r} occurs {counts[safe]} times"
                skipped.append(Skipped(path, str(BadRecording.of(path, finding, "make the ids distinct"))))
            else:
                found.append(RecordingFiles(safe, path, None, None, "mono", NAME, row=row))
    return Found(tuple(found), tuple(skipped), frozenset(claimed))


def _column(path: Path, file: pq.ParquetFile, name: str) -> list[Any]:
    check_size(path, file, [name], MAX_ID_BYTES)
    try:
        values: list[Any] = file.read(columns=[name])[name].to_pylist()
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise BadRecording.of(path, f"is damaged ({_short(error)})", "download it again") from None
    return values


def load(files: RecordingFiles) -> Contents:
    """One row's audio and labels."""
    path, number = files.user, files.row
    if number is None:
        raise BadRecording.of(path, "is a table, and no row was named", "give the file to find_recordings")
    row = _row(path, number)
    where = f"row {number}"
    user = _audio(path, where, row.get("audio"))
    try:
        parsed = _Row.model_validate({key: value for key, value in row.items() if key != "audio"})
    except ValidationError as error:
        raise BadRecording.of(
            path, f"{where}: {describe(error)}", "expected the columns of livekit/eot-bench-data"
        ) from None
    duration_s = len(user) / SAMPLE_RATE_HZ
    labels, notes = _labels(path, where, parsed, duration_s)
    details = {"id": parsed.id, "language": parsed.language, "messages": as_json(parsed.messages or [])}
    details |= {"corpus": "livekit/eot-bench-data", "licence": "Apache-2.0"}
    return Contents(user, None, labels, Provenance(NAME, details=details), notes)


def _row(path: Path, number: int) -> Mapping[str, Any]:
    """One row as plain values; only its row group is read."""
    with opened(path) as file:
        first = 0
        for group in range(file.num_row_groups):
            metadata = file.metadata.row_group(group)
            if number < first + metadata.num_rows:
                break
            first += metadata.num_rows
        else:
            raise BadRecording.of(path, f"has no row {number}", "import it again")
        columns = [name for name in (*REQUIRED, *OPTIONAL) if name in file.schema_arrow.names]
        check_size(path, file, columns, MAX_GROUP_BYTES, group)
        try:
            table = file.read_row_group(group, columns=columns)
            rows = table.slice(number - first, 1).to_pylist()
        except (pa.ArrowException, OSError, ValueError, KeyError) as error:
            raise BadRecording.of(path, f"is damaged ({_short(error)})", "download it again") from None
    row: Mapping[str, Any] = rows[0]
    return row


def _audio(path: Path, where: str, value: object) -> Pcm:
    """The row's samples at 16 kHz, shape=(n,)."""

    def bad(finding: str) -> BadRecording:
        return BadRecording.of(path, f"{where}: audio {finding}", "expected mono audio as bytes or array")

    if not isinstance(value, dict):
        raise bad(f"is {type(value).__name__}")
    if isinstance(value.get("bytes"), bytes):
        try:
            with soundfile.SoundFile(io.BytesIO(value["bytes"])) as file:
                if file.frames > MAX_DURATION_S * file.samplerate:
                    raise bad(f"lasts over {MAX_DURATION_S / 3600:g} h")
                samples, rate_hz = file.read(dtype="float32", always_2d=True), file.samplerate
        except (soundfile.LibsndfileError, TypeError, OSError) as error:
            raise bad(f"can't be decoded ({_short(error)})") from None
    else:
        try:
            samples, rate_hz = np.asarray(value.get("array"), dtype=np.float32), int(value["sampling_rate"])
        except (TypeError, ValueError, KeyError, OverflowError):
            raise bad("has neither bytes nor array and sampling_rate") from None
        samples = samples[:, None] if samples.ndim == 1 else np.zeros((0, 1), np.float32)
    if not len(samples) or samples.shape[1] != 1 or not np.isfinite(samples).all():
        raise bad(f"has shape {samples.shape} or samples that are not finite")
    if not 8_000 <= rate_hz <= 192_000:
        raise bad(f"has a rate of {rate_hz} Hz")
    pcm = to_pcm16k(samples[:, 0], rate_hz)
    if not len(pcm):
        raise bad("is empty")
    return pcm


def _labels(path: Path, where: str, row: _Row, duration_s: float) -> tuple[Labels, tuple[str, ...]]:
    spans = [(span.start, min(span.end, duration_s)) for span in row.silence_spans]
    if not spans:
        raise BadRecording.of(path, f"{where}: has no silence spans", "its last one is the end of the turn")
    for k, span in enumerate(row.silence_spans):
        previous_s = row.silence_spans[k - 1].end if k else 0.0
        if not previous_s - 1e-9 <= span.start <= span.end <= duration_s + TOLERANCE_S:
            finding = (
                f"{where}: silence_spans.{k} is {span.start:g} to {span.end:g} s, after {previous_s:g} s"
            )
            remedy = f"expected spans in order within the audio ({duration_s:.2f} s)"
            raise BadRecording.of(path, finding, remedy)
    ipus, labels, speech_s = [], [], 0.0
    for k, (start_s, end_s) in enumerate(spans):
        start_s = min(start_s, duration_s)
        if start_s > speech_s:
            ipus.append(Ipu("user", speech_s, start_s))
        speech_s = end_s
        if k == len(spans) - 1:
            labels.append(Label("shift", start_s, end_s, 1.0, "the last silence of the turn"))
        elif start_s > 0.0:
            labels.append(Label("hold", start_s, end_s, 1.0, "a silence inside the turn"))
    notes = []
    if speech_s < duration_s - TOLERANCE_S:
        notes.append(f"{duration_s - speech_s:.2f} s after the last silence belong to no turn")
    words = []
    for word in row.words or []:
        if 0.0 <= word.start <= min(word.end, duration_s) and word.end <= duration_s + TOLERANCE_S:
            text = word.word or word.text or ""
            words.append(Word("user", word.start, min(word.end, duration_s), text))
    if len(words) < len(row.words or []):
        notes.append(f"{len(row.words or []) - len(words)} words lie outside the audio; left out")
    words.sort(key=lambda word: (word.start_s, word.end_s))
    return Labels(duration_s, tuple(ipus), tuple(labels), tuple(words), NAME), tuple(notes)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:100]


FORMAT = Format(NAME, find, load)
