"""ELAN's tab-delimited text (File > Export As): one tier per speaker.

There are two layouts, as Transcription2TabDelimitedText.java writes them:
- *By row*, without a header: tier, participant, then begin, end and duration, each in the chosen formats
  (hh:mm:ss.ms, ss.msec, msec), then the annotation. Tier, participant or duration may be missing.
- *By column*: a header "Begin Time - ss.msec", ... in the program's language, then the names of tiers.

Lines that begin with "#" (media files) are skipped. Commas may replace tabs. The time columns are those in
which begin + duration = end. Frames (SMPTE) aren't read. The speaker is the participant, or the tier if there
is no participant. Files are written by row, to the millisecond. Libraries (pympi, speach) read .eaf files,
not this table.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

from .records import Annotation, Segment
from .source import (
    BadAnnotation,
    Location,
    annotation,
    head_lines,
    is_words,
    need_seconds,
    on_tiers,
    read_text,
    seconds,
    segment,
    write_text,
)

SOURCE = "elan"
_HEADER = re.compile(r" - (hh:mm:ss\.ms|ss\.msec|msec)$")
_TIME = re.compile(r"\d+:\d\d:\d\d\.\d+|\d+\.\d+|\d+", re.ASCII)
_AGREE_S = 0.0025
_TRIED_ROWS = 20


class _Comma(csv.excel):
    strict = True


class _Tab(csv.excel_tab):
    """ELAN quotes nothing between tabs."""

    quoting = csv.QUOTE_NONE


@dataclass(frozen=True)
class _Columns:
    """The columns of a row; `names` is the number of columns before the times."""

    names: int
    begin: int
    end: int
    text: int
    in_ms: bool


def sniff(head: bytes) -> bool:
    """Whether the first row is a header of ELAN's, or names followed by times that agree."""
    lines = [line for line in head_lines(head) if not _is_media(line)]
    if not lines:
        return False
    try:
        row = next(csv.reader([lines[0]], _dialect(lines[0])), [])
    except csv.Error:  # an open quote, or a cell above csv's limit
        return False
    layout = _columns(row) if "\t" in lines[0] else None
    # a row of only begin, end and text is Audacity's
    return _is_header(row) or (layout is not None and layout.text > 2)


def read(path: Location) -> Annotation:
    """The annotations of all tiers. BadAnnotation."""
    text = read_text(path)
    lines = [line for line in text.split("\n") if line.strip() and not _is_media(line)]
    try:
        rows = list(csv.reader(io.StringIO("\n".join(lines)), _dialect(lines[0] if lines else "")))
    except csv.Error as error:
        raise BadAnnotation.at(path, f"is no table ({error})", "export it again") from None
    if rows and _is_header(rows[0]):
        return annotation(path, SOURCE, _by_column(path, rows))
    return annotation(path, SOURCE, _by_row(path, rows))


def write(record: Annotation, path: Location) -> None:
    """Write tier, participant, begin, end and duration as hh:mm:ss.ms and ss.msec, and the annotation."""
    lines = []
    for one in on_tiers(record, 3):
        times = "\t".join(
            f"{_clock(value)}\t{value:.3f}"
            for value in (one.start_s, one.end_s, round(one.end_s - one.start_s, 3))
        )
        participant = "" if is_words(one.speaker) else one.speaker
        lines.append(f"{one.speaker}\t{participant}\t{times}\t{one.text}\n")
    write_text(path, "".join(lines))


def _is_media(line: str) -> bool:
    return line.lstrip('"').startswith("#") and "\t" not in line


def _dialect(line: str) -> type[csv.excel]:
    return _Tab if "\t" in line else _Comma


def _is_header(row: Sequence[str]) -> bool:
    return any(_HEADER.search(cell.strip()) for cell in row)


def _by_column(path: Location, rows: list[list[str]]) -> list[Segment]:
    header = [cell.strip() for cell in rows[0]]
    timed = [k for k, cell in enumerate(header) if _HEADER.search(cell)]
    # begin, end and duration come one after the other, each in the same formats
    formats = len({header[k].rsplit(" - ", 1)[1] for k in timed})
    if len(timed) < 2 * formats:
        raise BadAnnotation.at(path, "has no column for the end", "export begin and end time")
    begin, end = timed[0], timed[formats]
    tiers = [k for k in range(timed[-1] + 1, len(header)) if header[k]]
    found = []
    for number, row in enumerate(rows[1:], start=2):
        where = f"row {number}"
        if len(row) <= timed[-1]:
            finding = f"{where}: has {len(row)} columns, the header {len(header)}"
            raise BadAnnotation.at(path, finding, "is the file cut off? export it again")
        start_s, end_s = (
            need_seconds(path, where, row[k]) / (1000.0 if header[k].endswith(" - msec") else 1.0)
            for k in (begin, end)
        )
        for k in tiers:
            if k < len(row) and row[k].strip():
                found.append(segment(path, where, header[k], start_s, end_s, row[k]))
    return found


def _by_row(path: Location, rows: list[list[str]]) -> list[Segment]:
    columns = next((layout for row in rows[:_TRIED_ROWS] if (layout := _columns(row))), None)
    if columns is None:
        expected = (
            "expected tier, begin, end, duration and annotation apart by tabs, where begin + duration = end"
        )
        raise BadAnnotation.at(path, "has no times of ELAN's in its rows", expected)
    found = []
    for number, row in enumerate(rows, start=1):
        where = f"row {number}"
        if len(row) < columns.text:
            finding = f"{where}: has {len(row)} columns, expected {columns.text + 1}"
            raise BadAnnotation.at(path, finding, "is the file cut off? export it again")
        scale = 1000.0 if columns.in_ms else 1.0
        start_s = need_seconds(path, where, row[columns.begin]) / scale
        end_s = need_seconds(path, where, row[columns.end]) / scale
        names = [cell.strip() for cell in row[: columns.names]]
        speaker = next((name for name in reversed(names) if name), "")
        text = row[columns.text] if len(row) > columns.text else ""
        found.append(segment(path, where, speaker, start_s, end_s, text))
    return found


def _columns(row: Sequence[str]) -> _Columns | None:
    """The layout of a row, found by its times: up to two names, then 3 or 2 times in 1 to 3 formats each."""
    for groups in (3, 2):
        for names in (2, 1, 0):
            for formats in (3, 2, 1):
                width = groups * formats
                cells = [cell.strip() for cell in row[names : names + width]]
                if len(cells) == width and _agree(cells, groups, formats):
                    return _Columns(names, names, names + formats, names + width, _is_ms(cells[0]))
    return None


def _agree(cells: list[str], groups: int, formats: int) -> bool:
    """Whether the cells are times in the same formats, equal in all formats, with begin + duration = end."""
    if not all(_TIME.fullmatch(cell) and seconds(cell) is not None for cell in cells):
        return False
    by_group = [cells[k * formats : (k + 1) * formats] for k in range(groups)]
    kinds = [[_kind(cell) for cell in group] for group in by_group]
    if kinds[0] != kinds[-1] or kinds[0] != kinds[1] or len(set(kinds[0])) < formats:
        return False
    values = [[_value(cell) for cell in group] for group in by_group]
    if any(max(group) - min(group) > _AGREE_S for group in values):
        return False
    begin_s, end_s = values[0][0], values[1][0]
    return begin_s <= end_s and (groups == 2 or abs(values[2][0] - (end_s - begin_s)) <= _AGREE_S)


def _kind(cell: str) -> str:
    return "clock" if ":" in cell else "ms" if _is_ms(cell) else "s"


def _is_ms(cell: str) -> bool:
    return cell.isdecimal()


def _value(cell: str) -> float:
    return (seconds(cell) or 0.0) / (1000.0 if _is_ms(cell) else 1.0)


def _clock(time_s: float) -> str:
    minutes, ms = divmod(round(time_s * 1000), 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{ms // 1000:02d}.{ms % 1000:03d}"
