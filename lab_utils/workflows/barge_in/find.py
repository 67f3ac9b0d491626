"""The scenes of one's own recordings: where the user sounds over the agent, with labels and words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...core.files.places import Place
from ...core.recording import Recording
from ...recordings.audio import BadRecording
from ...recordings.find import RecordingFiles, load_recording
from ...recordings.json_files import has_key, head_of
from ...turns.barge_in.onsets import ToldOnsets, onsets_of, read_onsets
from ...turns.barge_in.replay import AgentSpeech
from ...turns.barge_in.scenes import NotInSpeech, Scene, scene_of
from ...turns.tracing import TraceCache, Tracer
from ..transcribe import Transcriber
from .adaptive import adaptive_speech

ONSETS_FILE = "labels.json"


@dataclass(frozen=True)
class RecordingScenes:
    """The scenes of one recording, and what was left out."""

    scenes: tuple[Scene, ...]
    unscored: int = 0
    """Onsets that nobody judges."""
    left_out: tuple[str, ...] = ()
    """Onsets at which the agent doesn't speak."""
    words: str = ""
    """Where the words come from."""
    adaptive: tuple[AgentSpeech | None, ...] = ()
    """What LiveKit's adaptive interruption made of each scene, where the recording's session tells."""


@dataclass(frozen=True)
class SceneFinder:
    """Finds a recording's scenes; can be sent to a worker process."""

    cache: Place
    told: ToldOnsets | None = None
    """What `--labels` says; None: what `labels.json` beside the audio says, if it is a list of onsets."""
    transcribes: bool = True
    """Whether Whisper hears the words of English recordings that have none."""
    threads: int = 0

    def scenes(self, files: RecordingFiles) -> RecordingScenes:
        """Raises BadRecording for a recording that can't be used, and where nobody tells of onsets."""
        told = self.told or _beside(files.user)
        name = files.user.name
        recording = load_recording(files)
        if told is not None and (name in told.onsets or recording.labels is None):
            onsets, unscored = told.onsets.get(name), told.unscored.get(name, 0)
            if onsets is None:
                raise BadRecording.of(files.user, f"has no entry in {told.path}", "add one, or leave it out")
        elif recording.labels is None:
            raise BadRecording.of(
                files.user,
                "nobody tells where the user interrupts and where they only say mm-hm, cough or make noise",
                f"list the onsets in {ONSETS_FILE} (docs/barge-in.md), or correct its labels: lab label",
            )
        else:
            onsets, unscored = onsets_of(recording.labels), 0
        if not onsets:
            return RecordingScenes((), unscored)
        recording, transcribed, words = self._heard(recording)
        scenes: list[Scene] = []
        adaptive: list[AgentSpeech | None] = []
        left_out: list[str] = []
        for onset in onsets:
            try:
                scenes.append(scene_of(recording, onset, transcribed=transcribed))
            except NotInSpeech as error:
                left_out.append(str(error))
            else:
                adaptive.append(adaptive_speech(recording, onset.time_s, scenes[-1]))
        return RecordingScenes(tuple(scenes), unscored, tuple(left_out), words, tuple(adaptive))

    def _heard(self, recording: Recording) -> tuple[Recording, bool, str]:
        """The recording with labels, and words if they can be had; whether they can, and whose they are."""
        labels, cache = recording.labels, TraceCache(self.cache)
        if labels is not None and any(word.speaker == "user" for word in labels.words):
            return recording, True, "the labels'"
        if self.transcribes and recording.language in ("", "en"):
            try:
                transcriber = Transcriber.of(cache=self.cache, threads=self.threads)
            except ValueError:
                pass  # no model, or no package that runs it
            else:
                heard = transcriber.transcript(recording).labels
                if heard is not None:
                    return replace(recording, labels=heard), True, f"Whisper's ({transcriber.source})"
        words = "assumed: three a second of speech, none for coughs and noise"
        return Tracer(cache).labelled(recording), False, words


def _beside(audio: Path) -> ToldOnsets | None:
    """The list of onsets beside an audio file; None if there is none, or the file is another one."""
    path = audio.with_name(ONSETS_FILE)
    return read_onsets(path) if has_key(head_of(path), "should_yield", "user_onset_s") else None


def without_audio(told: ToldOnsets, files: Sequence[RecordingFiles]) -> list[str]:
    """What a list of onsets says of audio that isn't among the files, in words."""
    there = {one.user.name for one in files}
    missing = sorted((set(told.onsets) | set(told.unscored)) - there)
    return [f"{told.path}: tells of {name}, which isn't among the recordings" for name in missing]
