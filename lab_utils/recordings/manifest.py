"""Manifests: one Parquet file that lists recordings, checked once, so that they need not be searched again.

Columns (version 1): `name, format, layout, user, agent, labels` (paths; empty if none), `details, others`
(lists of paths), `row` (of a table that holds the audio; -1 if none), `raw, swapped, channels, sha256` (of
the 16 kHz samples), `duration_s, rate_hz, labels_source, words_source` (empty if none), `notes` (list),
`provenance` (JSON). The schema's metadata says `livekit-turn-lab.manifest: 1`.

Paths use "/" and are relative to the manifest's folder, or to a *root* folder that is given when reading a
manifest that lies elsewhere. A manifest can come from somebody else, so absolute paths, URLs, drive letters
and ".." are refused: it can't name a file outside the folder that the user has chosen.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ..core.files import replacing
from ..core.recording import Provenance, Recording
from ..core.session_log import LeftOut
from .audio import BadRecording, as_path, is_local
from .formats import BY_NAME
from .parquet_files import check_size, opened
from .recording_files import Layout, RecordingFiles, format_raw, parse_raw

KEY = b"livekit-turn-lab.manifest"
VERSION = 1
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("name", "format", "layout", "user", "agent", "labels")),
        ("details", pa.list_(pa.string())),
        ("others", pa.list_(pa.string())),
        ("row", pa.int64()),
        ("raw", pa.string()),
        ("swapped", pa.bool_()),
        ("channels", pa.int64()),
        ("sha256", pa.string()),
        ("duration_s", pa.float64()),
        ("rate_hz", pa.int64()),
        ("labels_source", pa.string()),
        ("words_source", pa.string()),
        ("notes", pa.list_(pa.string())),
        ("provenance", pa.string()),
    ],
    metadata={KEY: str(VERSION)},
)
MAX_ROWS = 1_000_000
MAX_BYTES = 256 << 20


@dataclass(frozen=True)
class Entry:
    """One recording as a manifest knows it: its files, and what loading it has shown."""

    files: RecordingFiles
    channels: int
    sha256: str
    duration_s: float
    rate_hz: int
    """Of the file, before resampling; 0 if a table holds the audio."""
    labels_source: str
    words_source: str
    notes: tuple[str, ...]
    provenance: str
    """JSON of `core.recording.Provenance`, without its turns' texts; empty if there is none."""

    @classmethod
    def of(cls, files: RecordingFiles, recording: Recording, rate_hz: int) -> Entry:
        """The entry of a recording that has been loaded."""
        labels, provenance = recording.labels, recording.provenance
        words = labels.source if labels and labels.words else ""
        if not words and provenance and any(turn.text for turn in provenance.turns):
            words = f"{provenance.format} turns"
        return cls(
            files,
            1 if recording.agent is None else 2,
            recording.sha256,
            recording.duration_s,
            rate_hz,
            "" if labels is None else labels.source or "label file",
            words,
            recording.notes,
            "" if provenance is None else _without_text(provenance),
        )


@dataclass(frozen=True)
class Manifest:
    """A manifest that has been read: a table to look at and filter, and the recordings in it."""

    path: Path
    root: Path
    """The folder that paths are relative to."""
    table: pd.DataFrame
    """One row per recording, columns as above."""

    def recordings(self, table: pd.DataFrame | None = None) -> list[RecordingFiles]:
        """The recordings of the table, or of some of its rows.

        Raises BadRecording for a row that names something outside the root, or no known format.
        """
        rows = self.table if table is None else table
        records = rows.to_dict("records")
        return [
            _files(_Row(self.path, self.root, number, row))
            for number, row in zip(rows.index, records, strict=True)
        ]


def _without_text(provenance: Provenance) -> str:
    """As JSON, with the amount of text in place of each text: a list of recordings needs no transcripts."""
    values = asdict(provenance)
    for turn in values["turns"]:
        turn["text"] = asdict(LeftOut.of(turn["text"]))
    if "messages" in values["details"]:  # earlier turns of the dialogue, in eot-bench-data
        values["details"]["messages"] = len(values["details"]["messages"])
    return json.dumps(values, ensure_ascii=False, allow_nan=False)


def write_manifest(entries: Sequence[Entry], path: str | Path, root: str | Path | None = None) -> None:
    """Write a manifest, completely or not at all; `root`: the folder of all files, if not the manifest's own.

    Raises BadRecording for a file that doesn't lie below the root.
    """
    target = as_path(path)
    folder = target.parent if root is None else as_path(root)
    columns: dict[str, list[Any]] = {name: [] for name in SCHEMA.names}
    for entry in entries:
        files = entry.files
        row: dict[str, Any] = {
            "name": files.name,
            "format": files.format,
            "layout": files.layout,
            "user": _relative(files.user, folder),
            "agent": _relative(files.agent, folder),
            "labels": _relative(files.labels, folder),
            "details": [_relative(one, folder) for one in files.details],
            "others": [_relative(one, folder) for one in files.others],
            "row": -1 if files.row is None else files.row,
            "raw": format_raw(files.raw),
            "swapped": files.swapped,
        }
        row |= {field.name: getattr(entry, field.name) for field in fields(entry) if field.name != "files"}
        for name, column in columns.items():
            column.append(list(row[name]) if isinstance(row[name], tuple) else row[name])
    table = pa.table(columns, schema=SCHEMA)
    if is_local(target):
        with replacing(target) as part:
            pq.write_table(table, part, compression="zstd")
    else:
        # An object store shows a file only when all of it has arrived.
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        target.write_bytes(buffer.getvalue())


def is_manifest(path: Path) -> bool:
    """Whether a Parquet file says that it is a manifest, of whatever version."""
    try:
        with opened(path) as file:
            return KEY in (file.schema_arrow.metadata or {})
    except (BadRecording, pa.ArrowException, ValueError):
        return False


def read_manifest(path: str | Path, root: str | Path | None = None) -> Manifest:
    """A manifest. `root` is the folder that its paths are relative to, if not the manifest's own.

    Raises BadRecording for a file that is no manifest, one of a newer version, or damaged. Paths are checked
    when recordings are asked for (`Manifest.recordings`).
    """
    source = as_path(path)
    with opened(source) as file:
        try:
            schema = file.schema_arrow
            version = (schema.metadata or {}).get(KEY)
            if version is None:
                raise BadRecording.of(source, "is no manifest", "make one with 'lab import FOLDER'")
            if version != str(VERSION).encode():
                got = version.decode("utf-8", "replace")[:20]
                remedy = "use a newer release, or import the folder again"
                raise BadRecording.of(source, f"has version {got!r}, expected {VERSION}", remedy)
            for field in SCHEMA:
                if field.name not in schema.names or schema.field(field.name).type != field.type:
                    finding = f"has no column {field.name!r} of type {field.type}"
                    raise BadRecording.of(source, finding, "import the folder again")
            if file.metadata.num_rows > MAX_ROWS:
                finding = f"lists {file.metadata.num_rows} recordings, at most {MAX_ROWS} are expected"
                raise BadRecording.of(source, finding, "split it")
            check_size(source, file, SCHEMA.names, MAX_BYTES)
            content = file.read(columns=list(SCHEMA.names))
            content.validate(full=True)  # text that isn't UTF-8 would come out as an error much later
            table = content.to_pandas()
        except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
            if isinstance(error, BadRecording):
                raise
            why = " ".join(str(error).split())[:100]
            raise BadRecording.of(source, f"is damaged ({why})", "import the folder again") from None
    if (twice := table["name"].duplicated()).any():
        name = str(table["name"][twice].iloc[0])[:80]
        raise BadRecording.of(source, f"lists two recordings named {name!r}", "import the folder again")
    return Manifest(source, source.parent if root is None else as_path(root), table)


def _relative(path: Path | None, folder: Path) -> str:
    if path is None:
        return ""
    try:
        relative = path.absolute().relative_to(folder.absolute())
    except ValueError:
        remedy = "write the manifest above the recordings, or name their folder as root"
        raise BadRecording.of(path, f"does not lie below {folder}", remedy) from None
    parts = [part for part in relative.parts if part != "/"]
    # "14:05.wav" looks like a URL and "~x.wav" like somebody's home; "./14:05.wav" doesn't.
    return "/".join([".", *parts] if not parts or ":" in parts[0] or parts[0].startswith("~") else parts)


@dataclass(frozen=True)
class _Row:
    """One row of a manifest; its methods return a column's value or raise BadRecording."""

    manifest: Path
    root: Path
    number: object
    values: Mapping[Any, Any]

    def bad(self, finding: str, expected: str) -> BadRecording:
        """The error about this row."""
        finding = f"row {self.number}: {finding}"
        return BadRecording.of(self.manifest, finding, f"expected {expected}; import the folder again")

    def bad_value(self, column: str, expected: str) -> BadRecording:
        return self.bad(f"{column} is {self.values[column]!r:.80}", expected)

    def text(self, column: str) -> str:
        if not isinstance(self.values[column], str):
            raise self.bad_value(column, "text")
        return str(self.values[column])

    def path(self, column: str, value: object) -> Path:
        if not isinstance(value, str) or not _is_inside(value):
            shown = str(value)[:80]
            finding = f"row {self.number}: {column} is {shown!r}, which may lie outside the manifest's folder"
            remedy = (
                "expected a path relative to it without '..'; to use files elsewhere, name their folder "
                "yourself as root, or import it"
            )
            raise BadRecording.of(self.manifest, finding, remedy)
        return self.root / value

    def optional(self, column: str) -> Path | None:
        value = self.values[column]
        return self.path(column, value) if value else None

    def several(self, column: str) -> tuple[Path, ...]:
        values = self.values[column]
        return tuple(self.path(column, value) for value in (values if values is not None else ()))


def _files(row: _Row) -> RecordingFiles:
    """The files that a row names. Raises BadRecording."""
    values = row.values
    layouts: tuple[Layout, ...] = get_args(Layout)
    layout = next((one for one in layouts if one == values["layout"]), None)
    if layout is None:
        raise row.bad_value("layout", " or ".join(layouts))
    if values["format"] not in BY_NAME:
        raise row.bad_value("format", f"one of {', '.join(BY_NAME)}")
    if not re.fullmatch("[0-9a-f]{64}", row.text("sha256")):
        raise row.bad_value("sha256", "64 hexadecimal digits")
    try:
        raw = parse_raw(row.text("raw")) if values["raw"] else None
    except ValueError:
        raise row.bad_value("raw", "a raw format such as ulaw,8000,1") from None
    try:
        table_row = int(values["row"])
    except (TypeError, ValueError):
        raise row.bad_value("row", "a number") from None
    details, others = row.several("details"), row.several("others")
    least = BY_NAME[row.text("format")]
    if len(details) < least.details or len(others) < least.others:
        wanted = f"at least {least.details} and {least.others} for {least.name}"
        raise row.bad(f"has {len(details)} details and {len(others)} others", wanted)
    return RecordingFiles(
        name=row.text("name"),
        user=row.path("user", values["user"]),
        agent=row.optional("agent"),
        labels=row.optional("labels"),
        layout=layout,
        format=row.text("format"),
        details=details,
        others=others,
        row=None if table_row < 0 else table_row,
        raw=raw,
        swapped=values["swapped"] is True,
        sha256=row.text("sha256"),
    )


def _is_inside(value: str) -> bool:
    """Whether a path can only lead below the folder that it is joined to."""
    parts = value.split("/")
    suspicious = not value or "\\" in value or ":" in parts[0]
    unprintable = any(ord(character) < 32 for character in value)
    return not suspicious and not unprintable and not value.startswith(("/", "~")) and ".." not in parts
