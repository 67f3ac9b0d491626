"""Transcripts of whole folders: in worker processes, cached by channel, put into label files.

A transcript depends on the audio, the model, the packages and how the model is called; together they are its
address in the cache of traces: nothing goes stale, a damaged entry is made again, and work that was
interrupted goes on at the channel it had come to. Entries are written whole or not at all, so two processes
may share a cache.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..core.batch import run_batch
from ..core.files.places import Folder
from ..core.labels import Labels, Speaker, Word
from ..core.recording import Pcm, Recording
from ..recordings.audio import BadRecording
from ..recordings.find import RecordingFiles, find_in, load_recording, results_of
from ..recordings.labels.file import SUFFIX, LabelFile, read_label_file
from ..recordings.labels.update import update_label_file
from ..recordings.transcripts import (
    DEFAULT_MODEL,
    WhisperFolder,
    find_model,
    source_of,
    transcribe_channel,
    with_words,
)
from ..turns.tracing import TraceCache, Tracer, agent_alone
from ..turns.vad import model_version

RULES = 1
"""Version of how the model is called (packing, decoding, dropping): raise it when that changes."""
VAD = "livekit"


@dataclass(frozen=True)
class Transcript:
    """The words of one recording, and its labels with them."""

    name: str
    path: str
    duration_s: float
    words: tuple[Word, ...]
    """By Whisper; the user's first."""
    labels: Labels | None
    """With the words where they had none, estimated if the recording has none; None if neither can be."""


@dataclass(frozen=True)
class Transcriber:
    """Makes transcripts, reading and filling a cache. Holds no model and no audio, so workers can have it."""

    cache: TraceCache
    model: WhisperFolder
    language: str | None = None
    threads: int = 0
    """Per process; 0 takes all cores. The words don't depend on it."""

    @classmethod
    def of(
        cls,
        model: str = DEFAULT_MODEL,
        cache: Folder | None = None,
        language: str | None = None,
        threads: int = 0,
    ) -> Transcriber:
        """Raises ValueError for a model that is not on this machine."""
        return cls(TraceCache.at(cache), find_model(model), language, threads)

    @property
    def source(self) -> str:
        """What `Labels.source` says of the words."""
        return source_of(self.model.name, version("faster-whisper"))

    def words(self, recording: Recording) -> tuple[Word, ...]:
        """The words of both channels, the user's first, each in order of time."""
        words = self._channel(recording, "user", recording.user)
        if recording.agent is not None:
            words += self._channel(recording, "agent", recording.agent)
        return words

    def transcript(self, recording: Recording) -> Transcript:
        """The words, and the labels with them: the recording's own, or estimated from its two channels."""
        words, labels = self.words(recording), recording.labels
        if labels is None and recording.agent is not None:
            labels = Tracer(self.cache).estimate_labels(recording, words)
        if labels is not None:
            labels = with_words(labels, words, self.source)
        return Transcript(recording.name, recording.path, recording.duration_s, words, labels)

    def _channel(self, recording: Recording, speaker: Speaker, pcm: Pcm) -> tuple[Word, ...]:
        address = self._address(recording.sha256, speaker)
        entry = self.cache.load(address, ["start_s", "end_s", "text"])
        if entry is not None and entry[2].dtype.kind == "U":
            columns = (column.tolist() for column in entry)
            return tuple(Word(speaker, *row) for row in zip(*columns, strict=True))
        alone = agent_alone(recording) if speaker == "agent" else recording
        (trace,) = Tracer(self.cache).vad(alone, VAD, [0])
        words = transcribe_channel(
            pcm, trace, speaker, self.model, language=self.language, threads=self.threads
        )
        self.cache.store(
            address,
            start_s=np.array([word.start_s for word in words], dtype=np.float64),
            end_s=np.array([word.end_s for word in words], dtype=np.float64),
            text=np.array([word.text for word in words], dtype=np.str_),
        )
        return words

    def _address(self, sha256: str, speaker: Speaker) -> str:
        packages = [f"{name}-{version(name)}" for name in ("faster-whisper", "ctranslate2")]
        told = (RULES, self.model.name, self.model.version, self.language, model_version(VAD), *packages)
        return f"{sha256}-words-{speaker}-{hashlib.sha256(repr(told).encode()).hexdigest()[:16]}"


def transcribe_recordings(
    files: Sequence[RecordingFiles],
    *,
    model: str = DEFAULT_MODEL,
    language: str | None = None,
    cache: Folder | None = None,
    jobs: int = 2,
    quiet: bool = False,
) -> Iterator[Transcript | ValueError]:
    """Load and transcribe recordings in worker processes, in order.

    A recording that cannot be loaded or transcribed gives the error in its place. What is done stays done if
    the caller stops. Raises ValueError for a model that is not on this machine.
    """
    workers = min(jobs, max(1, len(files)))
    threads = max(1, (os.cpu_count() or 1) // workers)
    transcriber = Transcriber.of(model, cache, language, threads)
    work = partial(_transcribe_one, transcriber)
    outcomes = run_batch(work, files, jobs=workers, task="transcribing", quiet=quiet)
    yield from results_of(files, outcomes, "transcribed")


def transcribe_folders(
    paths: Sequence[Path],
    out: Path | None = None,
    *,
    model: str = DEFAULT_MODEL,
    language: str | None = None,
    cache: Folder | None = None,
    jobs: int = 2,
    channels: tuple[str, str] = ("caller", "agent"),
    quiet: bool = False,
) -> Iterator[dict[str, Any] | ValueError]:
    """Transcribe what is in some files and folders, into label files beside the audio (`write_transcript`).

    With `out` they go into that folder instead.

    One row a recording: recording, duration_s, user_words and agent_words (Whisper's), added (to the label
    file), labels (its path); or the error that stands in the way. Written as soon as it is known.
    """
    found, failed = find_in(paths, channels)
    yield from (error for _, error in failed)
    results = transcribe_recordings(
        found, model=model, language=language, cache=cache, jobs=jobs, quiet=quiet
    )
    for files, result in zip(found, results, strict=True):
        if isinstance(result, ValueError):
            yield result
            continue
        try:
            path, added = write_transcript(result, files, out)
        except ValueError as error:
            yield error
            continue
        counts = Counter(word.speaker for word in result.words)
        yield {
            "recording": result.name,
            "duration_s": result.duration_s,
            "user_words": counts["user"],
            "agent_words": counts["agent"],
            "added": added,
            "labels": str(path),
        }


def transcribe(
    paths: str | Path | Sequence[str | Path],
    out: str | Path | None = None,
    *,
    model: str = DEFAULT_MODEL,
    language: str | None = None,
    cache: Folder | None = None,
    jobs: int = 2,
    quiet: bool = False,
) -> pd.DataFrame:
    """`transcribe_folders` at once, as a table; `skipped` says why where a recording gave no words."""
    given = [paths] if isinstance(paths, str | Path) else paths
    results = transcribe_folders(
        [Path(path) for path in given],
        None if out is None else Path(out),
        model=model,
        language=language,
        cache=cache,
        jobs=jobs,
        quiet=quiet,
    )
    rows = [{"skipped": str(one)} if isinstance(one, ValueError) else one for one in results]
    columns = ["recording", "duration_s", "user_words", "agent_words", "added", "labels"]
    return pd.DataFrame(rows, columns=[*columns, *["skipped"] * any("skipped" in row for row in rows)])


def _transcribe_one(transcriber: Transcriber, files: RecordingFiles) -> Transcript:
    return transcriber.transcript(load_recording(files))


def write_transcript(
    transcript: Transcript, files: RecordingFiles, folder: Path | None = None
) -> tuple[Path, int]:
    """Put a transcript into a recording's own label file; its path and its new words.

    With `folder` into its `<name>.labels.json` instead.

    Whoever has words or texts there keeps them: a file is never written over but only completed, and what was
    corrected in it stays. Without one it begins as a copy of the recording's own label file, if any. Raises
    BadLabels for a file that can't be read, BadRecording for a recording whose labels can't be told.
    """
    target = folder / f"{transcript.name}{SUFFIX}" if folder else files.label_path
    source = transcript.labels.source.rpartition("; ")[2] if transcript.labels else ""
    added: list[int] = []

    def completed(content: LabelFile | None) -> LabelFile:
        if content is None and files.labels is not None:
            content = read_label_file(files.labels)
        if content is not None:
            labels = with_words(content.to_labels(), transcript.words, source)
            added.append(len(labels.words) - len(content.words))
            heard = LabelFile.of(labels)
            return content.model_copy(
                update={"source": heard.source, "ipus": heard.ipus, "words": heard.words}
            )
        if transcript.labels is None:
            remedy = "add a label file, or the agent's channel"
            finding = "is transcribed, but has no labels to put the words into"
            raise BadRecording.of(transcript.path, finding, remedy)
        heard_here = {(word.speaker, word.start_s, word.text) for word in transcript.words}
        found = transcript.labels.words
        added.append(sum((word.speaker, word.start_s, word.text) in heard_here for word in found))
        return LabelFile.of(transcript.labels, target.name.removesuffix(SUFFIX))

    update_label_file(target, completed)
    return target, added[0]
