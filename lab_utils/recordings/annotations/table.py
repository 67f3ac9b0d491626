"""CSV: one segment per row, below a header with speaker, start, end (or duration) and text, in any order.

Known headers are in `_SPELLINGS`, with or without a unit ("start", "start_s", "Start (ms)"); others are
ignored. Cells are separated by commas, semicolons, tabs or vertical bars; decimal commas and hh:mm:ss are
understood. Without a column for speakers, the column "channel" is used. `speaker,start,end,text` are written,
with seconds to the microsecond.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence

from .records import Annotation
from .source import (
    BadAnnotation,
    Location,
    annotation,
    head_lines,
    need_seconds,
    on_tiers,
    read_text,
    segment,
    short,
    write_text,
)

SOURCE = "csv"
_SPELLINGS = {
    "speaker": "speaker speakerid speakername speakerlabel spk name role participant tier who party track",
    "start": "start starttime begin begintime onset from tmin xmin starts startat startoffset",
    "end": "end endtime stop stoptime offset to finish tmax xmax ends endat endoffset",
    "duration": "duration dur length",
    "text": "text transcript transcription utterance sentence content annotation label value comment speech",
    "channel": "channel channelid ch",
}
_UNITS = {"": 1.0, "s": 1.0, "sec": 1.0, "secs": 1.0, "seconds": 1.0, "second": 1.0} | dict.fromkeys(
    ("ms", "msec", "msecs", "milliseconds", "millis"), 0.001
)
_TIMES = ("start", "end", "duration")
_MEANING = {
    spelling + unit: (role, scale)
    for role, spellings in _SPELLINGS.items()
    for spelling in spellings.split()
    for unit, scale in (_UNITS if role in _TIMES else {"": 1.0}).items()
}
_DELIMITERS = ",;\t|"
_EXPECTED = "expected a header with speaker, start, end (or duration) and text"


def sniff(head: bytes) -> bool:
    """Whether the first line is a header with a start and an end or a duration."""
    lines = head_lines(head)
    if lines and lines[0].lower().startswith("sep="):
        lines = lines[1:]
    return bool(lines) and _is_complete(_roles(_cells(lines[0], _delimiter(lines[0]))))


def read(path: Location) -> Annotation:
    """The rows as segments. BadAnnotation."""
    lines = read_text(path).lstrip("\n").split("\n")
    skipped = 1 if lines[0].lower().startswith("sep=") else 0  # "sep=;" tells Excel the delimiter
    delimiter = _delimiter(lines[skipped]) if len(lines) > skipped else ","
    reader = csv.reader(io.StringIO("\n".join(lines[skipped:])), delimiter=delimiter, strict=True)
    segments = []
    columns: dict[str, tuple[int, float]] = {}
    try:
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if not columns:
                columns = _header(path, row)
                width = 1 + max(k for role, (k, _) in columns.items() if role != "text")
                continue
            where = f"line {reader.line_num + skipped}"
            if len(row) < width:
                finding = f"{where}: has {len(row)} cells, the header asks for {width}"
                raise BadAnnotation.at(path, finding, "complete the row; is the file cut off?")
            cells = {role: row[k].strip() for role, (k, _) in columns.items() if k < len(row)}
            times = {r: need_seconds(path, where, cells[r]) * columns[r][1] for r in _TIMES if r in columns}
            end_s = times["end"] if "end" in times else times["start"] + times["duration"]
            speaker = cells.get("speaker", f"channel {cells['channel']}" if "channel" in cells else "")
            segments.append(segment(path, where, speaker, times["start"], end_s, cells.get("text", "")))
    except csv.Error as error:
        finding = f"line {reader.line_num + skipped}: {error}"
        raise BadAnnotation.at(path, finding, "check the quotes; is the file cut off?") from None
    return annotation(path, SOURCE, segments)


def write(record: Annotation, path: Location) -> None:
    """Write the header `speaker,start,end,text` and one row per segment."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("speaker", "start", "end", "text"))
    for one in on_tiers(record, 6):
        writer.writerow((one.speaker, f"{one.start_s:.6f}", f"{one.end_s:.6f}", one.text))
    write_text(path, file.getvalue())


def _header(path: Location, row: Sequence[str]) -> dict[str, tuple[int, float]]:
    """For each role its column and the factor that converts to seconds."""
    found = _roles(row)
    for role, columns in found.items():
        if len(columns) > 1:
            # a time may be there twice, for example in seconds and in milliseconds: the first column is used
            if role in _TIMES and len({row[k].strip().casefold() for k, _ in columns}) > 1:
                continue
            names = " and ".join(short(row[k]) for k, _ in columns)
            raise BadAnnotation.at(path, f"header: two columns for the {role}, {names}", "rename one of them")
    if not _is_complete(found):
        raise BadAnnotation.at(path, f"header: {short(', '.join(row))} has no start or no end", _EXPECTED)
    return {role: columns[0] for role, columns in found.items()}


def _roles(row: Sequence[str]) -> dict[str, list[tuple[int, float]]]:
    found: dict[str, list[tuple[int, float]]] = {}
    for k, cell in enumerate(row):
        name = re.sub(r"[\s_\-()\[\].:]+", "", cell).casefold()
        if name in _MEANING:
            role, scale = _MEANING[name]
            found.setdefault(role, []).append((k, scale))
    return found


def _is_complete(roles: dict[str, list[tuple[int, float]]]) -> bool:
    return "start" in roles and ("end" in roles or "duration" in roles)


def _delimiter(line: str) -> str:
    """The delimiter that shows most known headers."""
    return max(
        _DELIMITERS, key=lambda delimiter: (len(_roles(_cells(line, delimiter))), line.count(delimiter))
    )


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []
