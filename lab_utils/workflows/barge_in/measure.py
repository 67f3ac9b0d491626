"""Every setting of `interruption` on every scene: replayed, or run as a session where only that can tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.batch import run_batch
from ...core.files.places import Folder, Place
from ...core.settings import USUAL_CONDITIONS, Conditions, InterruptionSettings, Settings
from ...core.timeline import phase_offsets
from ...recordings.audio import BadRecording
from ...recordings.find import RecordingFiles, find_in, results_of
from ...session.barge_in.scene_replay import SceneReplay
from ...session.job import HasSettings, conditions_in, settings_in
from ...session.workers import in_workers
from ...turns.barge_in.figures import Scores
from ...turns.barge_in.onsets import read_onsets
from ...turns.barge_in.replay import AgentSpeech
from ...turns.barge_in.scenes import Scene
from ...turns.barge_in.search import grid_settings, table_of
from ...turns.cache import cache_folder
from ...turns.cache.finished import Kept, Run
from ...turns.tracing import TraceCache, Tracer
from ..study.measured import Skipped
from .adaptive import adaptive_scores
from .find import RecordingScenes, SceneFinder, without_audio
from .record import BargeIn

Speech = list[list[AgentSpeech | None]]
"""Of one scene, by take and setting; None where only a session can tell."""


@dataclass(frozen=True)
class _Work:
    """What is asked of every recording."""

    finder: SceneFinder
    settings: Settings
    tried: tuple[InterruptionSettings, ...]
    conditions: Conditions
    offsets: tuple[int, ...]

    def __call__(self, files: RecordingFiles) -> tuple[RecordingScenes, list[Speech]]:
        found = self.finder.scenes(files)
        tracer = Tracer(TraceCache(self.finder.cache))
        every = [with_interruption(self.settings, one) for one in self.tried]
        speech = [
            [
                list(SceneReplay.of(scene, self.settings, self.conditions, offset, tracer).speeches(every))
                for offset in self.offsets
            ]
            for scene in found.scenes
        ]
        return found, speech


def with_interruption(settings: Settings, interruption: InterruptionSettings) -> Settings:
    """The settings with others of `interruption`."""
    return settings.model_copy(update={"interruption": interruption})


def measure_barge_in(
    paths: str | Path | Sequence[str | Path],
    profile: Settings | HasSettings | None = None,
    *,
    grid: Mapping[str, Sequence[Any]] | None = None,
    labels: str | Path | None = None,
    transcribes: bool = True,
    conditions: Conditions | None = None,
    phases: int = 4,
    jobs: int = 2,
    cache: Folder | None = None,
    quiet: bool = False,
    channels: tuple[str, str] = ("caller", "agent"),
) -> BargeIn:
    """Find the places where the user sounds over the agent, and try a grid of `interruption` on them.

    `profile`: the other turn-taking settings (default: LiveKit's). `grid`: knob → values, default
    `search.DEFAULT_GRID`; LiveKit's default is always tried. `labels`: a list of onsets, in place of
    `labels.json` beside the audio and of label files. `transcribes`: whether Whisper hears words where labels
    have none. `phases`: audio phases to average over. Raises BadRecording if no onset can be used.
    """
    given = Settings() if profile is None else profile
    settings = settings_in(given)
    assumed = (
        (USUAL_CONDITIONS if profile is None else conditions_in(given)) if conditions is None else conditions
    )
    files, failed = find_in([paths] if isinstance(paths, str | Path) else paths, channels)
    told = None if labels is None else read_onsets(Path(labels))
    folder = cache_folder(cache)
    finder = SceneFinder(folder, told, transcribes, threads=1 if jobs > 1 else 0)
    tried = tuple(grid_settings(grid))
    work = _Work(finder, settings, tried, assumed, tuple(phase_offsets(phases)))
    skipped = [Skipped(str(path), str(error)) for path, error in failed]
    skipped += [] if told is None else [Skipped(str(told.path), one) for one in without_audio(told, files)]
    found, speech = _heard(files, work, skipped, jobs, quiet)
    scenes = [scene for one in found for scene in one.scenes]
    complete, sessions = _completed(scenes, speech, work, jobs, quiet)
    scores = Scores.of_speech(scenes, complete)
    return BargeIn(
        scenes=tuple(scenes),
        tried=tried,
        scores=scores,
        table=table_of(tried, scores),
        settings=settings,
        conditions=assumed,
        phases=phases,
        skipped=tuple(skipped),
        unscored=sum(one.unscored for one in found),
        words=tuple(dict.fromkeys(one.words for one in found if one.words)),
        sessions=sessions,
        adaptive=adaptive_scores(scenes, [told for one in found for told in one.adaptive]),
    )


def _heard(
    files: Sequence[RecordingFiles], work: _Work, skipped: list[Skipped], jobs: int, quiet: bool
) -> tuple[list[RecordingScenes], list[Speech]]:
    """The scenes of all recordings with what the replay tells of each; what can't be used joins `skipped`.

    Raises BadRecording if there is no scene.
    """
    outcomes = run_batch(work, files, jobs=min(jobs, max(1, len(files))), task="barge-in", quiet=quiet)
    results = results_of(files, outcomes, "measured")
    found: list[RecordingScenes] = []
    speech: list[Speech] = []
    for one, result in zip(files, results, strict=True):
        if isinstance(result, ValueError):
            skipped.append(Skipped(str(one.user), str(result)))
            continue
        found.append(result[0])
        speech += result[1]
        skipped += [Skipped(str(one.user), reason) for reason in result[0].left_out]
    if not speech:
        why = "; ".join(item.reason for item in skipped[:3]) or "no onset of the user in the agent's speech"
        raise BadRecording(f"nothing to measure: {why}")
    return found, speech


def _completed(
    scenes: Sequence[Scene], speech: Sequence[Speech], work: _Work, jobs: int, quiet: bool
) -> tuple[list[list[list[AgentSpeech]]], int]:
    """What is heard of the agent everywhere, and how many sessions it took. Raises what a session raised."""
    open_: list[tuple[int, int, int]] = [
        (scene, take, row)
        for scene, takes in enumerate(speech)
        for take, of_take in enumerate(takes)
        for row, one in enumerate(of_take)
        if one is None
    ]
    arguments = [
        (
            scenes[scene],
            with_interruption(work.settings, work.tried[row]),
            work.conditions,
            work.offsets[take],
            work.finder.cache,
        )
        for scene, take, row in open_
    ]
    known = {
        (scene, take, row): one
        for scene, takes in enumerate(speech)
        for take, of_take in enumerate(takes)
        for row, one in enumerate(of_take)
        if one is not None
    }
    if arguments:
        run = Run(run_scene, arguments, Kept(AgentSpeech), "session")
        answers = in_workers(run.work, run.rest, jobs, task="sessions", unit="session", quiet=quiet)
        for place, answer in zip(open_, run.all(answers), strict=True):
            if isinstance(answer, Exception):
                raise answer
            known[place] = answer
    complete = [
        [[known[scene, take, row] for row in range(len(of_take))] for take, of_take in enumerate(takes)]
        for scene, takes in enumerate(speech)
    ]
    return complete, len(open_)


def run_scene(
    scene: Scene, settings: Settings, conditions: Conditions, offset: int, cache: Place
) -> AgentSpeech:
    """One scene as a session; in a process with a virtual clock. Raises RuntimeError for one that failed."""
    from ...session.barge_in.scene_session import scene_job, speech_in
    from ...session.workers import run_watched

    log = run_watched(scene_job(scene, settings, conditions, offset, Tracer(TraceCache(cache))))
    if log.failure:
        raise RuntimeError(f"{scene.recording.name}: {log.failure}")
    return speech_in(log, scene)
