"""The replay of scenes against the real AgentSession, on settings drawn over the whole space of knobs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...core.delays import rng_for
from ...core.files.places import Folder, Place
from ...core.settings import Conditions, InterruptionSettings, Settings
from ...core.timeline import phase_offsets
from ...recordings.audio import BadRecording
from ...recordings.find import find_in
from ...session.barge_in.scene_replay import SceneReplay
from ...session.workers import in_workers
from ...turns.barge_in.replay import AgentSpeech
from ...turns.barge_in.scenes import Scene
from ...turns.cache import cache_folder
from ...turns.cache.finished import Kept, Run, came_to_its_end
from ...turns.tracing import TraceCache, Tracer
from .find import SceneFinder
from .measure import run_scene

TOLERANCE_S = 1e-3
PHASES = 4


@dataclass(frozen=True)
class SceneProof:
    """One setting on one scene, replayed and run."""

    number: int
    scene: str
    settings: Settings
    conditions: Conditions
    replayed: AgentSpeech | None
    """None: left to the session."""
    session: AgentSpeech | None
    failure: str = ""

    @property
    def largest_error_s(self) -> float:
        """Of the moments at which the agent falls silent and goes on; infinity if their number differs."""
        if self.replayed is None or self.session is None:
            return 0.0
        ours, theirs = _moments(self.replayed), _moments(self.session)
        if len(ours) != len(theirs):
            return math.inf
        return max((abs(a - b) for a, b in zip(ours, theirs, strict=True)), default=0.0)

    @property
    def agrees(self) -> bool:
        """Whether all moments are the same within `TOLERANCE_S`."""
        return not self.failure and self.largest_error_s <= TOLERANCE_S


def _moments(speech: AgentSpeech) -> list[float]:
    return [time_s for silence in speech.silences for time_s in silence if time_s < math.inf]


def verify_barge_in(
    paths: Sequence[str | Path],
    settings: int = 100,
    *,
    seed: int = 0,
    case: int | None = None,
    labels: str | Path | None = None,
    cache: Folder | None = None,
    jobs: int = 2,
    channels: tuple[str, str] = ("caller", "agent"),
    quiet: bool = False,
) -> list[SceneProof]:
    """Draw settings over the scenes of some recordings, or take one case, and compare each.

    Raises BadRecording if there is no scene.
    """
    from ...turns.barge_in.onsets import read_onsets

    files, failed = find_in(paths, channels)
    if failed:
        raise failed[0][1]
    folder = cache_folder(cache)
    finder = SceneFinder(folder, None if labels is None else read_onsets(Path(labels)))
    scenes: list[Scene] = []
    for one in files:
        try:
            scenes += finder.scenes(one).scenes
        except BadRecording as error:
            failed.append((one.user, error))
    if not scenes:
        raise BadRecording("; ".join(str(error) for _, error in failed[:3]) or "no onset to compare")
    numbers = range(settings) if case is None else [case]
    drawn = [(number, *draw_setting(rng_for(seed, f"scene {number}"))) for number in numbers]
    arguments = [(scenes[one[0] % len(scenes)], *one, folder) for one in drawn]
    run = Run(_compare, arguments, Kept(SceneProof, came_to_its_end), "setting")
    answers = in_workers(run.work, run.rest, jobs, task="comparing", unit="setting", quiet=quiet)
    found = []
    for (scene, number, setting, conditions, _, _), answer in zip(arguments, run.all(answers), strict=True):
        if isinstance(answer, Exception):
            failure = f"{type(answer).__name__}: {answer}"
            answer = SceneProof(number, scene.recording.name, setting, conditions, None, None, failure)
        found.append(answer)
    return found


def _compare(
    scene: Scene, number: int, settings: Settings, conditions: Conditions, offset: int, cache: Place
) -> SceneProof:
    replay = SceneReplay.of(scene, settings, conditions, offset, Tracer(TraceCache(cache)))
    (ours,) = replay.speeches([settings])
    theirs = run_scene(scene, settings, conditions, offset, cache)
    return SceneProof(number, scene.recording.name, settings, conditions, ours, theirs)


def draw_setting(rng: np.random.Generator) -> tuple[Settings, Conditions, int]:
    """Any setting that can be replayed, to the millisecond, with its conditions and its phase offset."""

    def between(low: float, high: float) -> float:
        return round(float(rng.uniform(low, high)), 3)

    def usual(values: Sequence[float], other: float) -> float:
        return float(rng.choice([*values, other]))

    min_delay = usual((0.0, 0.3, 0.5), between(0.0, 1.0))
    settings = Settings.from_knobs(
        {
            "vad": str(rng.choice(["livekit", "silero"])),
            "detector": str(rng.choice(["vad", "v1-mini"])),
            "activation_threshold": between(0.3, 0.7),
            "min_speech_duration": between(0.03, 0.2),
            "min_silence_duration": usual((0.25, 0.55), between(0.25, 1.0)),
            "min_delay": min_delay,
            "max_delay": round(min_delay + between(0.0, 2.5), 3),
        }
    )
    interruption = InterruptionSettings(
        enabled=bool(rng.random() < 0.95),
        min_duration=usual((0.0, 0.1, 0.3, 0.5, 0.8), between(0.0, 2.0)),
        min_words=0 if rng.random() < 0.4 else int(rng.integers(1, 6)),
        resume_false_interruption=bool(rng.random() < 0.85),
        false_interruption_timeout=None if rng.random() < 0.1 else between(0.0, 3.0),
    )
    conditions = Conditions(
        transcription_delay=usual((0.05, 0.35, 1.0), between(0.05, 2.0)),
        frame_duration=usual((0.01, 0.02, 0.032), 0.05),
    )
    offset = phase_offsets(PHASES)[int(rng.integers(PHASES))]
    deaf = {"discard_audio_if_uninterruptible": bool(rng.random() < 0.5)}
    interruption = interruption.model_copy(update=deaf)
    return settings.model_copy(update={"interruption": interruption}), conditions, offset
