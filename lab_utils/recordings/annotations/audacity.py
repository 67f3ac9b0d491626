"""Audacity's label track: start and end in seconds and a label, separated by tabs.

A label is "speaker: text". Audacity writes all label tracks of a project into one file without the tracks'
names, so the speaker's name is in the label (`names.split_labels`: "user", "user: hello", and "hold" for a
label of a pause). Lines that begin with a backslash give a label's frequencies and are skipped. Layout:
Audacity manual, "Importing and Exporting Labels". No library is used: there are only three columns.
"""

from __future__ import annotations

import re

from .names import split_labels, with_name
from .records import Annotation
from .source import (
    NO_TEXT,
    BadAnnotation,
    Location,
    annotation,
    head_lines,
    need_seconds,
    on_tiers,
    read_text,
    segment,
    write_text,
)

SOURCE = "audacity"
_LINE = re.compile(r"\s*-?[\d.,]+\t\s*-?[\d.,]+\s*(\t.*)?", re.ASCII)


def sniff(head: bytes) -> bool:
    """Whether it begins with two numbers and a tab between them."""
    lines = head_lines(head)
    if not lines or not _LINE.fullmatch(lines[0]):
        return False
    # a third time before the text means ELAN's table: it is the duration, or the begin if names are numbers
    return not re.match(r"[\d.]+\t[\d.]+\t[\d.:]+\t", lines[0])


def read(path: Location) -> Annotation:
    """The labels of a file. BadAnnotation."""
    rows = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip() or line.startswith("\\"):
            continue
        fields = line.split("\t", 2)
        if len(fields) < 2:
            finding = f"line {number}: has no tab"
            raise BadAnnotation.at(path, finding, "expected start, end and label apart by tabs")
        where = f"line {number}"
        times = need_seconds(path, where, fields[0]), need_seconds(path, where, fields[1])
        rows.append((where, times, fields[2].strip() if len(fields) > 2 else ""))
    names = split_labels([label for _, _, label in rows])
    return annotation(
        path,
        SOURCE,
        [
            segment(path, where, name, start_s, end_s, text)
            for (where, (start_s, end_s), _), (name, text) in zip(rows, names, strict=True)
        ],
    )


def write(record: Annotation, path: Location) -> None:
    """Write one label per segment, with its speaker's name; colons in names become "_"."""
    lines = []
    for one in on_tiers(record, 6):
        text = with_name(one.speaker, one.text or ("" if one.speaker else NO_TEXT))
        lines.append(f"{one.start_s:.6f}\t{one.end_s:.6f}\t{text}\n")
    write_text(path, "".join(lines))
