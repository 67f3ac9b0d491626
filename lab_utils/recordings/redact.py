"""Redaction: mutes spans and phrases in both channels and removes their texts.

Spans are seconds from the start of the recording. Phrases are one or more words; case and punctuation don't
count ("O'Brien" finds "o brien's"). A phrase is looked for in each speaker's words, and in the text of IPUs
without words; such an IPU is muted completely. Any word that a muted span touches loses its text, whoever
says it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np

from ..core.labels import Ipu, Labels, Speaker, Word, as_spans
from ..core.recording import Pcm, Recording
from ..core.timeline import SAMPLE_RATE_HZ, Floats
from .annotations import read_annotation
from .annotations.records import Annotation, Segment
from .audio import BadRecording
from .find import audio_sha256

REDACTED = "[redacted]"
TIER = "redact"
FADE_S = 0.01
"""Length of the fade before and after a muted span; the span itself is all zeros."""
MIN_WORD_S = 0.2
"""A shorter match is widened to this: some transcribers give words without length."""
TOLERANCE_S = 0.1
"""A span may end this much after the recording."""


def redacted(recording: Recording, *, spans: Floats | None = None, phrases: Sequence[str] = ()) -> Recording:
    """The recording with some spans, shape=(n, 2), and all that matches some phrases muted; with a new hash.

    A note counts what was muted, without its text. Provenance is left out, for it may quote what was said.
    Raises BadRecording if phrases can't be looked for, ValueError for phrases without letters or digits and
    spans that are empty or lie outside the recording.
    """
    if spans is not None:
        _check_spans(recording, spans)
    given = [] if spans is None else [(float(start), float(end)) for start, end in spans]
    notes = list(recording.notes)
    if phrases:
        check_searchable(recording, phrases)
        assert recording.labels is not None
        given += [span for phrase in phrases for span in found(recording.labels, phrase)]
        missed_s = sum(
            ipu.end_s - ipu.start_s for ipu in recording.labels.ipus if _unknown(ipu, recording.labels)
        )
        if missed_s:
            notes.append(
                f"{missed_s:.1f} s of speech have no words: phrases to redact were not looked for there"
            )
        if any(_holds(recording.name, phrase) for phrase in phrases):
            notes.append("the recording's name holds a phrase to redact: rename it")
    merged = _merged(given, recording.duration_s)
    user = _muted(recording.user, merged)
    agent = None if recording.agent is None else _muted(recording.agent, merged)
    seconds = float(np.sum(merged[:, 1] - merged[:, 0]))
    notes.append(f"redacted: {len(merged)} span(s) muted, {seconds:.2f} s")
    labels = recording.labels and _without_text(recording.labels, merged, phrases)
    sha256 = audio_sha256(user, agent)
    return replace(
        recording, user=user, agent=agent, sha256=sha256, labels=labels, notes=tuple(notes), provenance=None
    )


def found(labels: Labels, phrase: str) -> list[tuple[float, float]]:
    """Where a phrase is said: from its first word to its last, or a whole stretch of speech without words."""
    wanted = "".join(_parts(phrase))
    spans: list[tuple[float, float]] = []
    for speaker in get_args(Speaker):
        own: list[tuple[float, float]] = []
        words = [word for word in labels.words if word.speaker == speaker]
        parts = [(part, word) for word in words for part in _parts(word.text)]
        for first, last in _runs([part for part, _ in parts], wanted):
            start, end = parts[first][1].start_s, max(word.end_s for _, word in parts[first : last + 1])
            more = max(0.0, MIN_WORD_S - (end - start)) / 2
            own.append((max(0.0, start - more), end + more))
        unheard = []
        for ipu in labels.ipus:
            told = len(list(_runs(_parts(ipu.text), wanted))) if ipu.speaker == speaker else 0
            if told > sum(start < ipu.end_s and end > ipu.start_s for start, end in own):
                unheard.append((ipu.start_s, ipu.end_s))  # more often in its text than in its words
        spans += own + unheard
    return spans


def check_searchable(recording: Recording, phrases: Sequence[str]) -> None:
    """Raises BadRecording if one speaker has neither words nor texts, ValueError for an empty phrase."""
    for phrase in phrases:
        if not _parts(phrase):
            raise ValueError(
                f"phrase to redact {phrase!r} has no letter or digit; expected words such as 'Miller'"
            )
    labels = recording.labels
    remedy = "write them with 'lab transcribe' and put the label file beside the audio, or redact by spans"
    if labels is None or not (labels.words or any(ipu.text.strip() for ipu in labels.ipus)):
        raise BadRecording.of(recording.path, "has no words in which to look for phrases", remedy)
    for speaker in get_args(Speaker):
        own = [ipu for ipu in labels.ipus if ipu.speaker == speaker]
        if own and all(_unknown(ipu, labels) for ipu in own):
            finding = f"has no words of the {speaker} in which to look for phrases"
            raise BadRecording.of(recording.path, finding, remedy)


def read_spans(path: str | Path) -> Floats:
    """The spans in an annotation file, shape=(n, 2): of tier or speaker "redact" if there is one, or all.

    Raises BadAnnotation for a file that can't be used.
    """
    return spans_of(read_annotation(path))


def spans_of(annotation: Annotation) -> Floats:
    """The spans of tier or speaker "redact" if there is one, else all segments (words, if there is none)."""
    everything: tuple[Segment, ...] = (*annotation.segments, *annotation.words)
    named = [one for one in everything if one.speaker.strip().casefold() == TIER]
    chosen = named or annotation.segments or annotation.words
    return as_spans([(one.start_s, one.end_s) for one in chosen])


def _check_spans(recording: Recording, spans: Floats) -> None:
    for start, end in spans:
        where = f"{recording.path}: span to redact {start:g} to {end:g} s"
        if not start < end:
            raise ValueError(f"{where} has no length; expected the start before the end")
        if start < 0 or end > recording.duration_s + TOLERANCE_S:
            outside = f"lies outside the recording ({recording.duration_s:.2f} s)"
            raise ValueError(f"{where} {outside}; use the spans of this very recording")


def _parts(text: str) -> list[str]:
    """Runs of letters and digits, without case."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return "".join(one if one.isalnum() else " " for one in folded).split()


def _runs(parts: Sequence[str], wanted: str) -> Iterator[tuple[int, int]]:
    """First and last of each run of parts that together read as `wanted`."""
    for first in range(len(parts)):
        read = ""
        for last in range(first, len(parts)):
            read += parts[last]
            if read == wanted:
                yield first, last
            if len(read) >= len(wanted):
                break


def _holds(text: str, phrase: str) -> bool:
    return next(_runs(_parts(text), "".join(_parts(phrase))), None) is not None


def _unknown(ipu: Ipu, labels: Labels) -> bool:
    """Whether neither text nor words tell what is said in a stretch of speech."""
    return not ipu.text.strip() and not any(
        word.speaker == ipu.speaker and _meet(word, ipu) for word in labels.words
    )


def _meet(word: Word, ipu: Ipu) -> bool:
    return word.start_s < ipu.end_s and word.end_s > ipu.start_s


def _merged(spans: Iterable[tuple[float, float]], duration_s: float) -> Floats:
    """The spans in order, clipped to the end of the recording, and merged where they touch."""
    merged: list[tuple[float, float]] = []
    for start, end in sorted((start, min(end, duration_s)) for start, end in spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return as_spans(merged)


def _muted(pcm: Pcm, spans: Floats) -> Pcm:
    gain = np.ones(len(pcm))
    n = round(FADE_S * SAMPLE_RATE_HZ)
    ramp = np.arange(1, n + 1) / (n + 1)
    for start_s, end_s in spans:
        start, end = int(np.floor(start_s * SAMPLE_RATE_HZ)), int(np.ceil(end_s * SAMPLE_RATE_HZ))
        before, after = gain[max(0, start - n) : start], gain[end : end + n]
        before[:] = np.minimum(before, ramp[::-1][n - len(before) :])
        after[:] = np.minimum(after, ramp[: len(after)])
        gain[start:end] = 0.0
    return np.rint(pcm * gain).astype(np.int16)


def _without_text(labels: Labels, spans: Floats, phrases: Sequence[str]) -> Labels:
    def hit(start_s: float, end_s: float) -> bool:
        last = max(end_s, start_s + 1e-9)  # a word without length counts by its start
        return bool(np.any((spans[:, 0] < last) & (spans[:, 1] > start_s)))

    def clean(text: str) -> str:
        return REDACTED if any(_holds(text, phrase) for phrase in phrases) else text

    words = tuple(
        replace(word, text=REDACTED) if hit(word.start_s, word.end_s) else word for word in labels.words
    )

    def ipu_text(ipu: Ipu) -> str:
        if not ipu.text.strip() or not hit(ipu.start_s, ipu.end_s):
            return clean(ipu.text)
        places = [k for k, one in enumerate(labels.words) if one.speaker == ipu.speaker and _meet(one, ipu)]
        said = "".join(part for k in places for part in _parts(labels.words[k].text))
        if said != "".join(_parts(ipu.text)):  # words and text differ: nothing tells which part was muted
            return REDACTED
        return clean(" ".join(words[k].text for k in places))

    ipus = tuple(replace(ipu, text=ipu_text(ipu)) for ipu in labels.ipus)
    judged = tuple(replace(label, reason=clean(label.reason)) for label in labels.labels)
    return replace(labels, ipus=ipus, words=words, labels=judged, source=clean(labels.source))
