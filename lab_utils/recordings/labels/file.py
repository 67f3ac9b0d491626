"""The project's label file `<recording>.labels.json`: who speaks when, and what each pause of the user is.

    {"format": "turn-labels", "version": 1, "recording": "03-billing", "duration_s": 92.5,
     "source": "construction", "condition": "clean", "voices": {"user": "…", "agent": "…"},
     "language": "de",
     "ipus":   [{"speaker": "user", "start_s": 1.0, "end_s": 2.5, "text": "hello"}, …],
     "labels": [{"kind": "hold", "start_s": 2.5, "end_s": 3.1, "confidence": 1.0, "reason": "…"}, …],
     "words":  [{"speaker": "user", "start_s": 1.0, "end_s": 1.4, "text": "hello"}, …]}

Times are seconds from the start of the recording, within [0, duration_s]. Each list is in order of start
(ipus and words: each speaker's own). `format`, `version`, `duration_s`, `ipus` and `labels` are required; the
rest has defaults. Kinds are those of `core.labels.Label`. Unknown keys are refused.

A label that a person has set carries `"edited": true`, and the file then has a history, oldest first:

     "edits": [{"who": "Ada", "when": "2026-05-04T10:30:00+00:00", "changes": [
       {"before": {"kind": "hold", "start_s": 2.5, "end_s": 3.1}, "after": {"kind": "shift", …}, "why": ""}]}]

Without `before` a label was added, without `after` it was removed. `edits` makes such entries, and gives them
`replaced` (what to put back to undo them) and, once undone, `undone` (by whom and when). Files without edits
have none of these keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, Protocol, Self

from pydantic import AwareDatetime, Field, ValidationError
from pydantic_core import ErrorDetails

from ...core.files import BadFile, json_text, read_limited, write_whole
from ...core.labels import Ipu, Label, LabelKind, Labels, Speaker, Word
from ...core.models import Frozen, finding
from ..audio import BadRecording, as_path

SUFFIX = ".labels.json"
ROUNDING_S = 0.01
"""Times that contradict each other by no more than this are taken for rounded."""

SILENCES: tuple[LabelKind, ...] = ("hold", "cut_off", "shift")
"""Kinds of label during which the user is silent."""

Seconds = Annotated[float, Field(allow_inf_nan=False)]


class BadLabels(BadRecording):
    """A label file that can't be used; the message is one line: file: where: finding; remedy."""


class IpuEntry(Frozen):
    speaker: Speaker
    start_s: Seconds
    end_s: Seconds
    text: str = ""


class LabelEntry(Frozen):
    kind: LabelKind
    start_s: Seconds
    end_s: Seconds
    confidence: Annotated[float, Field(ge=0.0, le=1.0)] = 1.0
    reason: str = ""
    edited: Literal[True] | None = None

    def to_label(self) -> Label:
        return Label(**self.model_dump() | {"edited": bool(self.edited)})

    @classmethod
    def of(cls, label: Label) -> Self:
        return cls.model_validate(vars(label) | {"edited": label.edited or None})


class WordEntry(Frozen):
    speaker: Speaker
    start_s: Seconds
    end_s: Seconds
    text: str


class EditedSpan(Frozen):
    kind: LabelKind
    start_s: Seconds
    end_s: Seconds


class ChangeEntry(Frozen):
    before: EditedSpan | None = None
    after: EditedSpan | None = None
    why: str = ""


class Replaced(Frozen):
    """What an edit took out of the file, and what it put there instead."""

    labels: tuple[LabelEntry, ...] = ()
    new_labels: tuple[LabelEntry, ...] = ()
    ipus: tuple[IpuEntry, ...] = ()
    new_ipus: tuple[IpuEntry, ...] = ()


class Undone(Frozen):
    who: Annotated[str, Field(min_length=1)]
    when: AwareDatetime


class EditEntry(Frozen):
    """Who changed what, and when."""

    who: Annotated[str, Field(min_length=1)]
    when: AwareDatetime
    changes: Annotated[tuple[ChangeEntry, ...], Field(min_length=1)]
    replaced: Replaced | None = None
    undone: Undone | None = None


class LabelFile(Frozen):
    """A label file's whole content, including what `Labels` doesn't carry (recording, condition, voices)."""

    format: Literal["turn-labels"]
    version: Literal[1]
    recording: str = ""
    duration_s: Annotated[Seconds, Field(gt=0.0)]
    source: str = ""
    condition: str | None = None
    voices: dict[str, str] | None = None
    language: Annotated[str, Field(max_length=40)] | None = None
    ipus: tuple[IpuEntry, ...]
    labels: tuple[LabelEntry, ...]
    words: tuple[WordEntry, ...] = ()
    edits: tuple[EditEntry, ...] | None = None

    def to_labels(self) -> Labels:
        """The labels as the rest of the package uses them."""
        return Labels(
            duration_s=self.duration_s,
            ipus=tuple(Ipu(**entry.model_dump()) for entry in self.ipus),
            labels=tuple(entry.to_label() for entry in self.labels),
            words=tuple(Word(**entry.model_dump()) for entry in self.words),
            source=self.source,
            language=self.language or "",
        )

    @classmethod
    def of(cls, labels: Labels, recording: str = "") -> Self:
        """The content of a label file; a ValidationError if a value has the wrong type or isn't finite."""
        return cls.model_validate(
            {
                "format": "turn-labels",
                "version": 1,
                "recording": recording,
                "duration_s": labels.duration_s,
                "source": labels.source,
                "language": labels.language or None,
                "ipus": tuple(vars(ipu) for ipu in labels.ipus),
                "labels": tuple(vars(label) | {"edited": label.edited or None} for label in labels.labels),
                "words": tuple(vars(word) for word in labels.words),
            }
        )


def read_labels(path: str | Path) -> Labels:
    """The labels in a file; raises BadLabels, naming the place, for anything that is wrong in it."""
    return read_label_file(path).to_labels()


def read_label_file(path: str | Path) -> LabelFile:
    """A label file's whole content; raises BadLabels as `read_labels` does."""
    try:
        text = json_text(read_limited(as_path(path)))
        content = LabelFile.model_validate_json(text)
    except BadFile as error:
        raise BadLabels.of(path, error.finding, error.remedy) from None
    except ValidationError as error:
        raise _bad(path, [_described(detail) for detail in error.errors()]) from None
    _check(path, content)
    return content


def write_labels(labels: Labels, path: str | Path) -> None:
    """Write labels, whole or not at all; the recording is named after the file.

    Raises BadLabels, and writes nothing, for labels that `read_labels` would refuse.
    """
    try:
        content = LabelFile.of(labels, Path(path).name.removesuffix(SUFFIX))
    except ValidationError as error:
        raise _bad(path, [_described(detail) for detail in error.errors()]) from None
    write_label_file(content, path)


def write_label_file(content: LabelFile, path: str | Path) -> None:
    """Write a label file's whole content; as `write_labels`, keeping condition and voices."""
    _check(path, content)
    text = content.model_dump_json(indent=1, exclude_none=True)
    write_whole(path, text + "\n", durable=True)


def check_duration(path: str | Path, labels: Labels, audio_s: float, tolerance_s: float = 0.1) -> None:
    """Raises BadLabels if the labels belong to audio of another length than `audio_s`."""
    if abs(labels.duration_s - audio_s) > tolerance_s:
        finding = f"duration_s: {labels.duration_s:g} s, but the audio lasts {audio_s:.3f} s"
        raise BadLabels.of(path, finding, "use the labels of this very recording, or correct duration_s")


def _bad(path: str | Path, findings: Sequence[str]) -> BadLabels:
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    return BadLabels(f"{path}: {findings[0]}{more}")


def _check(path: str | Path, content: LabelFile) -> None:
    findings = list(_findings(content))
    if findings:
        raise _bad(path, findings)


def _described(detail: ErrorDetails) -> str:
    newer = detail["loc"] == ("version",) and detail["type"] == "literal_error"
    return finding(detail) + ("; use a newer release" if newer else "")


class _Timed(Protocol):
    @property
    def start_s(self) -> float: ...
    @property
    def end_s(self) -> float: ...


Named = tuple[str, _Timed]
"""Where an entry stands in the file, for example "labels[3]", and the entry."""


def _findings(content: LabelFile) -> Iterator[str]:
    """What is wrong with the times; nothing for a valid file."""
    ipus = [(f"ipus[{k}]", ipu) for k, ipu in enumerate(content.ipus)]
    labels = [(f"labels[{k}]", label) for k, label in enumerate(content.labels)]
    words = [(f"words[{k}]", word) for k, word in enumerate(content.words)]
    speakers: tuple[Speaker, ...] = ("user", "agent")
    for entries in (ipus, labels, words):
        yield from _outside(entries, content.duration_s)
    yield from _disordered(labels)
    for speaker in speakers:
        own = [entry for entry in ipus if entry[1].speaker == speaker]
        yield from _disordered(own)
        yield from _overlapping(own, f"the {speaker} can't speak twice at once")
        yield from _disordered([entry for entry in words if entry[1].speaker == speaker])
    silences = [entry for entry in labels if entry[1].kind in SILENCES]
    yield from _overlapping(silences, "one silence has one label")
    user = [entry for entry in ipus if entry[1].speaker == "user"]
    for where, label in silences:
        for other, ipu in user:
            if _overlap_s(label, ipu) > ROUNDING_S:
                over = f"the user speaks in {other} ({ipu.start_s:g} to {ipu.end_s:g} s)"
                yield f"{where}: a {label.kind} while {over}; correct the times or the kind"


def _outside(entries: Iterable[Named], duration_s: float) -> Iterator[str]:
    for where, entry in entries:
        if entry.start_s < 0.0:
            yield f"{where}.start_s: {entry.start_s:g} s is before the recording; times start at 0"
        if entry.end_s < entry.start_s:
            yield f"{where}.end_s: {entry.end_s:g} s is before start_s ({entry.start_s:g} s); correct them"
        if entry.end_s > duration_s + ROUNDING_S:
            after = f"{entry.end_s:g} s is after the end of the recording ({duration_s:g} s)"
            yield f"{where}.end_s: {after}; correct the time or duration_s"


def _disordered(entries: Sequence[Named]) -> Iterator[str]:
    for (_, one), (where, two) in pairwise(entries):
        if two.start_s < one.start_s:
            yield f"{where}.start_s: {two.start_s:g} s comes after {one.start_s:g} s; sort by start_s"


def _overlapping(entries: Sequence[Named], because: str) -> Iterator[str]:
    for (first, one), (second, two) in pairwise(entries):
        if _overlap_s(one, two) > ROUNDING_S:
            other = f"{first} ({one.start_s:g} to {one.end_s:g} s)"
            yield f"{second}: overlaps {other}, but {because}; correct the times"


def _overlap_s(one: _Timed, two: _Timed) -> float:
    return min(one.end_s, two.end_s) - max(one.start_s, two.start_s)
