"""Takes a recording of one channel apart: a file with a channel for each speaker, and labels beside it.

What is heard while the agent speaks goes to the agent's channel, which is silent otherwise. In the user's
channel the recording's own silence (`turns.branches`) stands there instead, so that no detector hears the
agent in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from ...core.batch.made_of import content_hash
from ...core.files.names import numbered
from ...core.files.places import Folder
from ...core.labels import LabelKind
from ...core.recording import Pcm, Recording
from ...core.samples.kept import blocks_of, kept
from ...core.samples.stream import Audio, Columns, Stream
from ...core.timeline import Floats, to_samples
from ...recordings.audio import BadRecording, write_flac
from ...recordings.find import RecordingFiles, find_in, load_recording, results_of
from ...recordings.labels.estimate import ESTIMATE_LIMITS
from ...recordings.labels.file import SUFFIX, write_labels
from ...recordings.labels.two_channel import label_two_channels
from ...recordings.speakers.two_voices import tell_apart
from ...recordings.speakers.voices import model_version, voice_encoder
from ...turns.branches import own_silence, silence_like
from ...turns.cache.finished import Kept, Run
from ...turns.tracing import TraceCache, Tracer

First = Literal["agent", "user"]
SURE: dict[LabelKind, float] = {"hold": 0.66, "shift": 0.93, "cut_off": 0.5, "backchannel": 0.5}
"""Share of labels that were right on the demo's twelve calls, mixed to one channel: 64 of 97 holds, 105 of
113 ends of turn. None of the other kinds was found there; theirs is a guess."""
MARGIN_S = 0.1
"""So much before and after what the agent says goes along with it, where nobody else speaks."""


@dataclass(frozen=True)
class Separated:
    """A recording that was taken apart."""

    recording: str
    duration_s: float
    user_s: float
    """How long the user speaks."""
    agent_s: float
    labels: str
    """What was found, counted."""
    separation: float
    """How far apart the two voices are (`speakers.two_voices`)."""
    audio: str
    """The file with two channels."""


def diarize_folders(
    paths: Sequence[Path],
    out: Path,
    *,
    first: First = "agent",
    cache: Folder | None = None,
    jobs: int = 2,
    quiet: bool = False,
) -> Iterator[Separated | ValueError]:
    """Take apart every recording of one channel in some files and folders, into `out`.

    `first`: who speaks first in them. In the place of a recording that can't be used is the error. Raises
    NoVoiceModel without the package that the model comes in.
    """
    voice_encoder()  # before any work
    found, failed = find_in(paths)
    yield from (error for _, error in failed)
    out.mkdir(parents=True, exist_ok=True)
    tracer = Tracer(TraceCache.at(cache))
    # All in one folder, where `a/x`, `A/x` and `a-x` would be written over each other.
    names = numbered(files.name.replace("/", "-") for files in found)
    work = [(tracer, out / name, first, files) for name, files in zip(names, found, strict=True)]
    run = Run(_separate, work, Kept(_Left, _lies_there), "recording")
    outcomes = run.in_batch("diarizing", jobs=jobs, quiet=quiet)
    for one in results_of(found, outcomes, "taken apart"):
        yield one.separated if isinstance(one, _Left) else one


def diarize(recording: Recording, tracer: Tracer, first: First = "agent") -> tuple[Recording, float]:
    """The recording with a channel and labels for each speaker, and how far apart their voices are.

    Raises BadRecording for one of two channels, or of one voice, or of hardly any speech.
    """
    if recording.agent is not None:
        raise BadRecording.of(recording.path, "has two channels", "there is nothing to take apart")
    speech = tracer.speech_only(recording).spans("user")
    try:
        voices = tell_apart(recording.user, speech, voice_encoder())
    except ValueError as error:
        remedy = "bring the agent's channel, or a label file"
        raise BadRecording.of(recording.path, str(error), remedy) from None
    user, agent = (voices.first, voices.second) if first == "user" else (voices.second, voices.first)
    duration_s = recording.duration_s
    labels = label_two_channels(user, agent, duration_s, ESTIMATE_LIMITS)
    labels = replace(labels, source=f"two voices in one channel, told apart by {model_version()}")
    labels = replace(labels, labels=tuple(replace(one, confidence=SURE[one.kind]) for one in labels.labels))
    labelled = replace(recording, labels=labels)
    of_user, of_agent = channels(labelled, _around(agent, user, duration_s))
    return replace(labelled, user=of_user, agent=of_agent), voices.separation


@dataclass(frozen=True)
class _Left:
    """What a recording left in the folder of results."""

    separated: Separated
    files: Mapping[str, str]
    """Path → a hash of what is in it."""


def _lies_there(left: _Left) -> bool:
    """Whether the files are as they were left."""
    return all(Path(path).is_file() and content_hash(Path(path)) == told for path, told in left.files.items())


def _separate(tracer: Tracer, target: Path, first: First, files: RecordingFiles) -> _Left:
    """`target`: the path of what is written, without the ends of names."""
    recording, separation = diarize(load_recording(files), tracer, first)
    assert recording.agent is not None
    assert recording.labels is not None
    audio = target.with_name(f"{target.name}.flac")
    if audio.exists() and audio.resolve() == files.user.resolve():
        raise BadRecording.of(audio, "would be written over", "give another folder with --out")
    write_flac(audio, Columns(recording.user, recording.agent))
    labels = target.with_name(f"{target.name}{SUFFIX}")
    write_labels(recording.labels, labels)
    user_s, agent_s = (float(np.diff(recording.labels.spans(who)).sum()) for who in ("user", "agent"))
    counted = recording.labels.counted
    apart = round(separation, 3)
    separated = Separated(
        recording.name, recording.duration_s, round(user_s, 1), round(agent_s, 1), counted, apart, str(audio)
    )
    return _Left(separated, {str(path): content_hash(path) for path in (audio, labels)})


def channels(recording: Recording, agent_speaks: Sequence[tuple[int, int]]) -> tuple[Pcm, Pcm]:
    """One channel of a labelled recording as the user's and the agent's; `agent_speaks` in samples."""
    pcm, quiet = recording.user, own_silence(recording)
    of_user: list[Audio | int] = []
    of_agent: list[Audio | int] = []
    done = 0
    for first, last in agent_speaks:
        of_user += [pcm[done:first], silence_like(pcm, quiet, last - first)]
        of_agent += [first - done, pcm[first:last]]
        done = last
    of_user.append(pcm[done:])
    of_agent.append(len(pcm) - done)
    return kept(blocks_of(Stream(*of_user))), kept(blocks_of(Stream(*of_agent)))


def _around(spans: Floats, others: Floats, duration_s: float) -> list[tuple[int, int]]:
    """Spans in samples with a margin, as far as nobody else speaks there."""
    found: list[tuple[int, int]] = []
    for start_s, end_s in spans.tolist():
        before = max([0.0, *others[others[:, 1] <= start_s, 1].tolist()])
        after = min([duration_s, *others[others[:, 0] >= end_s, 0].tolist()])
        first = to_samples(max(before, start_s - MARGIN_S))
        last = to_samples(min(after, end_s + MARGIN_S))
        found.append((max(first, found[-1][1] if found else 0), last))
    return [(first, last) for first, last in found if last > first]
