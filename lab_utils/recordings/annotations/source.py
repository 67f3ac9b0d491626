"""What every annotation format needs: decoding text, checking segments, writing files.

Conventions: times are float seconds from the start of the recording. A *tier* is a named track of a file. Its
name is a speaker's name, or that name and `WORDS_SUFFIX` for the speaker's words (as the Montreal Forced
Aligner names them), or `LABEL_TIER` for labels of pauses. Errors are `BadAnnotation`, in one line: file:
where: finding; remedy.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeAlias, cast

from ...core.files import BadFile, read_limited, write_whole
from ..labels.file import BadLabels
from .records import Annotation, Segment

if TYPE_CHECKING:
    from upath import UPath

Location: TypeAlias = "Path | UPath"
"""A local file, or one that fsspec reaches (s3://, gs://, memory://, ...)."""

MAX_BYTES = 48 << 20
"""Ten hours of word timings as indented JSON are about half of this."""
MAX_S = 360_000.0
"""A hundred hours. A later time is probably in milliseconds instead of seconds."""
ROUNDING_S = 0.01
"""A time before 0, or an end before its start, is taken for rounded if it is off by no more than this."""
LEAST_TOLD = 3
WORD_S = 0.008, 20.0
"""Limits of a file's median word length. 0.2 s is usual; times wrong by a factor of 1000 lie outside."""
LETTERS_PER_S = 0.05, 1000.0
"""Limits of a file's median rate; 15 is usual, and times wrong by a factor of 1000 lie outside."""
LABEL_TIER = "labels"
WORDS_SUFFIX = " - words"
NO_TEXT = "[speech]"
"""Written as the text of a segment without one, where a format takes an empty text for silence."""

BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins like UTF-16's mark, so it is tried first
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f]")
_NUMBER = re.compile(r"[+-]?(?:\d{1,30}(?:[.,]\d{0,30})?|[.,]\d{1,30})(?:[eE][+-]?\d{1,3})?", re.ASCII)
_CLOCK = re.compile(r"(?:(\d{1,4}):)?(\d{1,4}):(\d{1,2}(?:[.,]\d{1,9})?)", re.ASCII)


class BadAnnotation(BadLabels):
    """An annotation file that can't be used; the message is one line: file: where: finding; remedy."""

    @classmethod
    def at(cls, path: Location | str, finding: str, remedy: str) -> Self:
        """As `of`, for any location."""
        return cls.of(str(path), finding, remedy)


def read_data(path: Location) -> bytes:
    """The bytes of a file; BadAnnotation if it can't be read, is empty or above `MAX_BYTES`."""
    try:
        return read_limited(cast(Path, path), MAX_BYTES)
    except BadFile as error:
        raise BadAnnotation.at(path, error.finding, error.remedy) from None
    except Exception as error:
        # fsspec's back ends refuse a protocol or credentials with errors of their own
        if isinstance(path, Path) and not isinstance(error, ValueError):
            raise
        raise BadAnnotation.at(path, f"can't be opened ({short(error)})", "check the address") from None


def decode(path: Location, data: bytes, *, legacy: bool) -> str:
    """Text from UTF-8, or from UTF-16/32 with a byte-order mark. Lines end in "\\n".

    With `legacy`, other bytes are read as Windows-1252 (Latin-1). Raises BadAnnotation for other encodings
    and for binary data.
    """
    mark, encoding = next(((b, e) for b, e in BOMS if data.startswith(b)), (b"", "utf-8"))
    try:
        text = data[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        text = (
            "\x00"
            if mark or not legacy
            else data.decode("cp1252", errors="replace").replace("\ufffd", "\x00")
        )
        if _CONTROL.search(text):
            finding = f"is not {encoding.upper()} text (byte {error.start + len(mark)})"
            raise BadAnnotation.at(path, finding, "save it again as UTF-8") from None
    if found := _CONTROL.search(text):
        finding = f"is not text (control character {found.group()!r} at character {found.start()})"
        raise BadAnnotation.at(path, finding, "save it again as UTF-8 text (UTF-16 needs a byte-order mark)")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_text(path: Location, *, legacy: bool = True) -> str:
    """A file's text; raises BadAnnotation as `read_data` and `decode` do."""
    return decode(path, read_data(path), legacy=legacy)


def head_lines(head: bytes) -> list[str]:
    """The first lines of a file's first bytes, for guessing its format; never raises."""
    mark, encoding = next(((b, e) for b, e in BOMS if head.startswith(b)), (b"", "utf-8"))
    text = head[len(mark) :].decode(encoding, errors="replace")
    return [line for line in text.replace("\r", "\n").split("\n") if line.strip()][:50]


def seconds(text: str) -> float | None:
    """Seconds from "1.5", "1,5", "90", "1:30", "00:01:30.500"; None for anything else (NaN, infinity)."""
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return float(text.replace(",", "."))
    clock = _CLOCK.fullmatch(text)
    if not clock or float(clock[3].replace(",", ".")) >= 60.0:
        return None
    return round(int(clock[1] or 0) * 3600 + int(clock[2]) * 60 + float(clock[3].replace(",", ".")), 9)


def need_seconds(path: Location, where: str, text: str) -> float:
    """As `seconds`, with BadAnnotation for what isn't a time."""
    value = seconds(text)
    if value is None:
        finding = f"{where}: {short(text)} is not a time"
        raise BadAnnotation.at(
            path, finding, "expected seconds (12.5) or hours, minutes and seconds (00:00:12.500)"
        )
    return value


def segment(
    path: Location, where: str, speaker: str, start_s: float, end_s: float, text: str = ""
) -> Segment:
    """A segment with checked times, its name and its text on one line. Raises BadAnnotation for bad times."""
    for name, value in (("start", start_s), ("end", end_s)):
        if not abs(value) <= MAX_S:  # written so that NaN is refused too
            finding = f"{where}: {name} {value:g} s is not within {MAX_S / 3600:g} hours"
            raise BadAnnotation.at(path, finding, "correct the time; are these milliseconds?")
        if value < -ROUNDING_S:
            finding = f"{where}: {name} {value:g} s is before the recording"
            raise BadAnnotation.at(path, finding, "times start at 0; correct them")
    if end_s < start_s - ROUNDING_S:
        finding = f"{where}: end {end_s:g} s is before start {start_s:g} s"
        raise BadAnnotation.at(path, finding, "correct the times, or the order of the columns")
    start_s = round(max(0.0, start_s), 6)
    text = one_line(text)
    return Segment(one_line(speaker), start_s, max(start_s, round(end_s, 6)), "" if text == NO_TEXT else text)


def annotation(
    path: Location,
    source: str,
    segments: Iterable[Segment],
    words: Iterable[Segment] = (),
    duration_s: float | None = None,
) -> Annotation:
    """An annotation in order of time. Segments on a words tier become words.

    Raises BadAnnotation if there are no segments and no words, or if times or `duration_s` can't be right.
    """
    speech: list[Segment] = []
    spoken = list(words)
    for one in segments:
        if is_words(one.speaker):
            name = one.speaker.removesuffix(WORDS_SUFFIX.strip()).strip()
            spoken.append(Segment(name, one.start_s, one.end_s, one.text))
        else:
            speech.append(one)
    if not speech and not spoken:
        raise BadAnnotation.at(
            path, f"holds no segment ({source})", "annotate the speech, or export it again"
        )
    check_units(path, speech, spoken)
    if duration_s is not None and not 0.0 < duration_s <= MAX_S:
        finding = f"gives {duration_s:g} s as the length of the audio"
        raise BadAnnotation.at(path, finding, "expected seconds above 0; correct it")
    return Annotation(_in_order(speech), _in_order(spoken), duration_s, source, _nameless(speech, spoken))


def check_units(path: Location, segments: Sequence[Segment], words: Sequence[Segment]) -> None:
    """Raises BadAnnotation for times wrong by a factor of 1000: nobody speaks so fast or so slowly.

    This needs at least three words, or three segments with text. The median is checked, so one odd time has
    no effect.
    """
    lengths = sorted(one.end_s - one.start_s for one in words if one.end_s > one.start_s)
    if len(lengths) >= LEAST_TOLD:
        typical_s = lengths[len(lengths) // 2]
        if not WORD_S[0] <= typical_s <= WORD_S[1]:
            raise _off(path, f"a word of it lasts {typical_s:.3g} s")
    rates = sorted(
        len(one.text) / (one.end_s - one.start_s)
        for one in segments
        if len(one.text) >= 5 and one.end_s > one.start_s and one.speaker.casefold() != LABEL_TIER
    )
    if len(rates) >= LEAST_TOLD:
        typical = rates[len(rates) // 2]
        if not LETTERS_PER_S[0] <= typical <= LETTERS_PER_S[1]:
            raise _off(path, f"{typical:.3g} letters are said in a second of it")


def _off(path: Location, finding: str) -> BadAnnotation:
    remedy = "its times are off by a thousand, as milliseconds taken for seconds are; correct them"
    return BadAnnotation.at(path, finding, remedy)


def _nameless(segments: Sequence[Segment], words: Sequence[Segment]) -> tuple[str, ...]:
    """A note on segments without a name in a file that has names."""
    spoken = segments or words
    without = [one for one in spoken if not one.speaker]
    if not without or len(without) == len(spoken):
        return ()
    one = without[0]
    has = "has" if len(without) == 1 else "have"
    count = f"{len(without)} of {len(spoken)} {'segments' if segments else 'words'} {has} no speaker's name"
    first = f"the first from {one.start_s:g} to {one.end_s:g} s"
    return (f"{count} ({first}); left out of labels unless '' is given a role",)


def is_words(tier: str) -> bool:
    """Whether a tier holds a speaker's words; for a speaker without a name it is called "- words"."""
    return f" {tier}".endswith(WORDS_SUFFIX)


def on_tiers(record: Annotation, decimals: int) -> list[Segment]:
    """Segments and words in order of time, with the tier's name as `speaker`; times rounded to `decimals`."""
    words = [
        Segment((one.speaker + WORDS_SUFFIX).strip(), one.start_s, one.end_s, one.text)
        for one in record.words
    ]
    return [
        Segment(one.speaker, round(one.start_s, decimals), round(one.end_s, decimals), one_line(one.text))
        for one in _in_order([*record.segments, *words])
    ]


def write_text(path: Location, text: str) -> None:
    """Write UTF-8. A local file is written completely or not at all; a remote one as its file system does."""
    from upath import UPath  # takes time to load, and reading local files needs none

    data = text.encode("utf-8", "replace")
    if isinstance(path, UPath) and path.protocol in ("", "file", "local"):
        path = Path(path.path)
    try:
        if isinstance(path, Path):
            write_whole(path, data)
        else:
            path.write_bytes(data)
    except OSError as error:
        finding = f"can't be written ({error.strerror or type(error).__name__})"
        raise BadAnnotation.at(path, finding, "check the folder and its permissions") from None


def one_line(text: str) -> str:
    """Text without line breaks, tabs and control characters, single spaces between words."""
    text = " ".join(text.split())
    if not text.isascii():
        text = "".join(c for c in text if c.isascii() or unicodedata.category(c) not in ("Cc", "Cs"))
    return " ".join(_CONTROL.sub("", text).split())


def short(value: object) -> str:
    """A value as an error message shows it."""
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _in_order(segments: Iterable[Segment]) -> tuple[Segment, ...]:
    return tuple(sorted(segments, key=lambda one: (one.start_s, one.end_s)))
