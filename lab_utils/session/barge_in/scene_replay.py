"""Scenes under many settings, replayed: what is heard of the agent, from one trace a take.

Doesn't import LiveKit. The transcripts are those that `scene_session` gives its STT.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ...core.delays import rng_for
from ...core.settings import Conditions, Settings
from ...core.timeline import SAMPLE_RATE_HZ, frame_samples
from ...core.traces import SttEvent, VadTrace
from ...turns.barge_in.replay import AgentSpeech, HeardVad, NotReplayed, agent_speech, heard_vad
from ...turns.barge_in.scenes import TAIL_S, Scene
from ...turns.replay import replay
from ...turns.replay.stt_events import in_stream
from ...turns.tracing import Tracer
from ..prepare import stt_timing
from ..scripted.stt_plan import plan_events, words_of


def scene_transcripts(scene: Scene, settings: Settings, conditions: Conditions) -> tuple[SttEvent, ...]:
    """What the STT of a scene sends for its words, at scene times."""
    labels = scene.recording.labels
    assert labels is not None
    heard = scene.words_known and not any(word.speaker == "user" for word in labels.words)
    words = () if heard else words_of(labels)
    return plan_events(words, stt_timing(settings, conditions), rng_for(0, "stt"))


def scene_tracer(tracer: Tracer) -> Tracer:
    """For scenes, which hold the silence that follows."""
    return Tracer(tracer.cache, tail_s=TAIL_S)


@dataclass(frozen=True)
class SceneReplay:
    """One scene at one phase offset, ready to be replayed under settings that share a VAD."""

    scene: Scene
    conditions: Conditions
    trace: VadTrace
    transcripts: tuple[SttEvent, ...]
    tracer: Tracer

    @classmethod
    def of(
        cls, scene: Scene, settings: Settings, conditions: Conditions, offset: int, tracer: Tracer
    ) -> SceneReplay:
        """Traces the scene, or reads its trace from the cache."""
        tracer = scene_tracer(tracer)
        (trace,) = tracer.vad(scene.recording, settings.vad.model, [offset])
        return cls(scene, conditions, trace, scene_transcripts(scene, settings, conditions), tracer)

    def speeches(self, settings: Sequence[Settings]) -> Iterator[AgentSpeech | None]:
        """What is heard of the agent under each setting, at scene times; None where only a session can tell.

        The settings differ in `interruption` only.
        """
        offset_s = self.trace.phase_samples / SAMPLE_RATE_HZ
        transcripts = in_stream(self.transcripts, offset_s)
        commits: dict[int, Callable[[], float]] = {}
        heard: dict[float, HeardVad] = {}
        for one in settings:
            chosen = one.interruption
            if chosen.min_duration not in heard:
                heard[chosen.min_duration] = self._heard(one)
            if chosen.min_words not in commits:
                commits[chosen.min_words] = self._commits(one)
            if one.detector.ends_by_stt and chosen.enabled:
                yield None
                continue
            start_s = self.scene.agent_start_s + offset_s
            vad, commit_s = heard[chosen.min_duration], commits[chosen.min_words]
            try:
                found = agent_speech(vad, transcripts, start_s, chosen, commit_s)
            except NotReplayed:
                yield None
            else:
                yield moved(found, -offset_s, self.scene.recording.duration_s)

    def _heard(self, settings: Settings) -> HeardVad:
        frame = frame_samples(self.conditions.frame_duration)
        return heard_vad(self.trace.probabilities, settings.vad, settings.interruption.min_duration, frame)

    def _commits(self, settings: Settings) -> Callable[[], float]:
        """Tells the turn's first commit, in stream seconds."""

        @functools.cache
        def first_s() -> float:
            if settings.endpointing.mode == "dynamic":
                raise NotReplayed("dynamic endpointing learns from the agent's pauses")
            offset, scene = self.trace.phase_samples, self.scene.recording
            traced = self.tracer.trace_session(scene, settings, self.conditions, offset, self.transcripts)
            commits = replay(traced, settings, self.conditions, 0, self.transcripts).time_s
            return float(commits[0]) + offset / SAMPLE_RATE_HZ if len(commits) else math.inf

        return first_s


def moved(found: AgentSpeech, by_s: float, until_s: float) -> AgentSpeech:
    """At other times; what would come after the scene's end is left out."""
    pauses = [(start_s + by_s, end_s + by_s) for start_s, end_s in found.pauses]
    silent_s = found.silent_s + by_s
    if pauses and pauses[-1][1] >= until_s:
        silent_s = pauses.pop()[0]
    pauses = [pause for pause in pauses if pause[0] < until_s]
    return AgentSpeech(tuple(pauses), silent_s if silent_s < until_s else math.inf, found.deaf)
