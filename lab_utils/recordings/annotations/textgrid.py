"""Praat's TextGrid, long or short text format: one tier per speaker.

Files are read by Praat's own rule (manual, "TextGrid file formats"): free-standing numbers, texts in double
quotes and flags count, and all else is comment. So both formats are read in the same way. praatio's reader
isn't used: it gives no error for a short file that is cut off, drops the sign of a negative time, and fails
on "1e-05" and on texts with "intervals [". Its writer is used.

Empty intervals are silence; a segment without text is written as `NO_TEXT`. Tiers named "X - words" hold
words; tiers named "X - phones" (Montreal Forced Aligner) are skipped. Segments that overlap are written to
another tier of the same name. Segments without length (a shift without silence) are written to a point tier
of that name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from praatio.utilities.textgrid_io import getTextgridAsStr

from .records import Annotation, Segment
from .source import (
    LABEL_TIER,
    NO_TEXT,
    WORDS_SUFFIX,
    BadAnnotation,
    Location,
    annotation,
    decode,
    is_words,
    on_tiers,
    read_data,
    seconds,
    segment,
    short,
    write_text,
)

SOURCE = "textgrid"
DECIMALS = 4
"""praatio writes smaller times as "1e-05", which other readers refuse."""
_TOKEN = re.compile(r'"(?P<text>[^"]*+(?:""[^"]*+)*+)"|!.*|(?P<word>[^\s"=]+)|(?P<open>")')
_SILENT_WORDS = frozenset(("<eps>", "sil", "sp"))

Token = str | float
"""A number, or a text that still has its opening quote."""


def sniff(head: bytes) -> bool:
    """Whether it begins as a TextGrid, in text or binary (`read` has an error for binary ones)."""
    start = head[:400].replace(b"\x00", b"")
    return b"TextGrid" in start and (b"ooTextFile" in start or b"ooBinaryFile" in start)


def read(path: Location) -> Annotation:
    """The intervals and points with text of all tiers. BadAnnotation."""
    data = read_data(path)
    if data.startswith(b"ooBinaryFile"):
        raise BadAnnotation.at(path, "is a binary TextGrid", "save it in Praat as a text file")
    tokens = _Tokens(path, decode(path, data, legacy=True))
    if not tokens.text("the file type").startswith("ooTextFile") or tokens.text("the class") != "TextGrid":
        raise BadAnnotation.at(path, "is not a TextGrid", 'expected "ooTextFile" and "TextGrid" at its start')
    tokens.number("xmin")
    duration_s = tokens.number("xmax")
    found: list[Segment] = []
    for tier in range(1, tokens.count("the number of tiers") + 1):
        found += _read_tier(tokens, tier)
    return annotation(path, SOURCE, found, duration_s=duration_s)


def write(record: Annotation, path: Location) -> None:
    """Write the long text format, times to 0.1 ms."""
    placed = on_tiers(record, DECIMALS)
    ends_s = max(one.end_s for one in placed)
    until_s = max(ends_s, round(record.duration_s or 0.0, DECIMALS)) or 1.0  # Praat wants a length above 0
    tiers = []
    names = dict.fromkeys(one.speaker for one in placed)
    for name in sorted(names, key=lambda name: (is_words(name), name == LABEL_TIER)):
        own = [one for one in placed if one.speaker == name]
        for row in _rows([one for one in own if one.end_s > one.start_s]):
            entries = [(one.start_s, one.end_s, one.text or NO_TEXT) for one in row]
            tiers.append(_tier("IntervalTier", name, until_s, entries))
        points = [(one.start_s, one.text or NO_TEXT) for one in own if one.end_s <= one.start_s]
        if points:
            tiers.append(_tier("TextTier", name, until_s, points))
    grid = {"xmin": 0.0, "xmax": until_s, "tiers": tiers}
    write_text(path, getTextgridAsStr(grid, "long_textgrid", True, minimumIntervalLength=None))


class _Tokens:
    """The texts and numbers of a file in turn. Raises BadAnnotation if the next one is of another kind."""

    def __init__(self, path: Location, text: str) -> None:
        self.path = path
        self._tokens = _tokens(path, text)

    def text(self, what: str) -> str:
        token = next(self._tokens, None)
        if not isinstance(token, str):
            raise self._unexpected(what, "a text in double quotes", token)
        return token[1:]

    def number(self, what: str) -> float:
        token = next(self._tokens, None)
        if not isinstance(token, float):
            raise self._unexpected(what, "a number", token)
        return token

    def count(self, what: str) -> int:
        number = self.number(what)
        if not (number.is_integer() and 0 <= number <= 1e7):
            raise self._unexpected(what, "a count", number)
        return int(number)

    def _unexpected(self, what: str, expected: str, token: Token | None) -> BadAnnotation:
        if token is None:
            finding = f"is cut off: {what} is missing"
            return BadAnnotation.at(self.path, finding, "copy it or save it again")
        got = short(token[1:]) if isinstance(token, str) else f"{token:g}"
        return BadAnnotation.at(
            self.path, f"{what}: got {got}, expected {expected}", "save it again with Praat"
        )


def _tokens(path: Location, text: str) -> Iterator[Token]:
    for match in _TOKEN.finditer(text):
        if match["text"] is not None:
            yield '"' + match["text"].replace('""', '"')
        elif match["open"]:
            line = text.count("\n", 0, match.start()) + 1
            raise BadAnnotation.at(path, f"line {line}: a text doesn't end", "is it cut off? copy it again")
        elif match["word"] and match["word"][:1] in "+-.0123456789":
            value = seconds(match["word"]) if ":" not in match["word"] else None
            if value is not None:
                yield value


def _read_tier(tokens: _Tokens, tier: int) -> Iterator[Segment]:
    kind = tokens.text(f"tier {tier}: the class")
    name = tokens.text(f"tier {tier}: the name").strip()
    if kind not in ("IntervalTier", "TextTier"):
        finding = f"tier {tier}: class {short(kind)}, expected IntervalTier or TextTier"
        raise BadAnnotation.at(tokens.path, finding, "save it again with Praat")
    tokens.number(f"tier {tier}: xmin")
    tokens.number(f"tier {tier}: xmax")
    speaker = WORDS_SUFFIX if name == "words" else name
    for entry in range(1, tokens.count(f"tier {tier}: the number of its intervals") + 1):
        where = f"tier {tier} ({short(name)}) interval {entry}"
        start_s = tokens.number(f"{where}: xmin")
        end_s = tokens.number(f"{where}: xmax") if kind == "IntervalTier" else start_s
        text = tokens.text(f"{where}: the text").strip()
        silent = not text or (is_words(speaker) and text in _SILENT_WORDS)
        if not silent and name != "phones" and not name.endswith(" - phones"):
            yield segment(tokens.path, where, speaker, start_s, end_s, text)


def _rows(segments: list[Segment]) -> list[list[Segment]]:
    """The segments in order, in as few rows as possible without overlaps in a row."""
    rows: list[list[Segment]] = []
    for one in segments:
        row = next((row for row in rows if row[-1].end_s <= one.start_s), None)
        if row is None:
            rows.append([one])
        else:
            row.append(one)
    return rows


def _tier(
    kind: str, name: str, until_s: float, entries: list[tuple[float, str]] | list[tuple[float, float, str]]
) -> dict[str, object]:
    return {"class": kind, "name": name, "xmin": 0.0, "xmax": until_s, "entries": entries}
