"""Slow, obvious twins of the fast code: one window, one event, one setting at a time."""

from __future__ import annotations

import math

import numpy as np
from livekit.agents.voice.endpointing import BaseEndpointing, DynamicEndpointing

from lab_utils.records import Commits, Traced
from lab_utils.replay import agent_turns
from lab_utils.settings import Settings

RATE = 16_000


def replay(traced: Traced, settings: Settings, phase: int = 0) -> Commits:
    """Walk through the stream as audio_recognition.py does and keep a single pending commit."""
    trace = traced.vad[settings.vad.model][phase]
    offset_s = trace.phase_samples / RATE
    eot = traced.eot[phase]
    heard = {
        (int(a), int(b)): float(p) for a, b, p in zip(eot.starts, eot.ends, eot.probabilities, strict=True)
    }
    frame = round(settings.conditions.frame_duration * RATE)
    v, e, c = settings.vad, settings.endpointing, settings.conditions
    uses_detector = settings.detector.model == "v1-mini"
    if e.mode == "dynamic":
        endpointing = DynamicEndpointing(min_delay=e.min_delay, max_delay=e.max_delay, alpha=e.alpha)
    else:
        endpointing = BaseEndpointing(min_delay=e.min_delay, max_delay=e.max_delay)

    # VAD events: (arrival, order, kind, payload), then the transcripts they lead to
    events = []
    speaking, speech, silence = False, 0.0, 0.0
    n_windows = len(trace.probabilities)
    arrivals = [math.ceil((w + 1) * 512 / frame) * frame for w in range(n_windows)]
    for w, p in enumerate(trace.probabilities):
        t = arrivals[w] / RATE
        events.append((t, 1, w, "inference", (speech, silence, arrivals[w])))
        if p >= v.activation_threshold or (speaking and p > v.deactivation):
            speech += 0.032
            silence = 0.0
            if not speaking and speech >= v.min_speech_duration:
                speaking = True
                events.append((t, 1, w + 0.5, "start", speech))
                started = t
        else:
            silence += 0.032
            speech = 0.0
            if speaking and silence >= v.min_silence_duration:
                speaking = False
                events.append((t, 1, w + 0.5, "end", silence))
                events.append((max(started, t - silence + c.transcription_delay), 2, w, "final", None))
    stream_end = arrivals[-1] / RATE if arrivals else 0.0
    for start, end in agent_turns(traced.labels) + offset_s:
        events.append((float(start), 0, 1, "agent start", None))
        events.append((float(end), 0, 0, "agent end", None))
    events.sort(key=lambda ev: ev[:3])

    out: list[tuple[float, str, float]] = []
    state = {"speaking": False, "text": False, "lst": None, "flushed": 0, "pending": None}
    state["prediction"] = None  # (time it is ready, audio it hears)
    state["committed_in_pause"] = False
    agent_speaking = False

    def fire(before: float) -> None:
        task = state["pending"]
        if task is None or not task["at"] < min(before, stream_end):
            return
        out.append((task["at"] - offset_s, task["cause"], task["p"]))
        state["pending"] = None
        state["text"] = False
        state["prediction"] = None
        state["flushed"] = math.floor(task["at"] * RATE / frame + 1e-6) * frame
        state["committed_in_pause"] = True
        if state["lst"] == task["lst"]:
            state["lst"] = None

    def trigger(now: float) -> None:
        delay, cause, p, ready = endpointing.min_delay, "vad", math.nan, now
        if state["prediction"] is not None:
            ready, p = max(now, state["prediction"][0]), heard[state["prediction"][1]]
            cause = "detector"
            if p < settings.detector.unlikely_threshold:
                delay, cause = endpointing.max_delay, "max_delay"
        if state["committed_in_pause"]:
            cause = "late_transcript"
        state["pending"] = {"at": max(ready, state["lst"] + delay), "lst": state["lst"], "cause": cause, "p": p}

    for t, _, _, kind, payload in events:
        if t >= stream_end:
            break
        fire(t)
        if kind == "agent start":
            agent_speaking = True
            endpointing.on_start_of_agent_speech(t)
        elif kind == "agent end":
            agent_speaking = False
            endpointing.on_end_of_agent_speech(t)
        elif kind == "inference":
            speech, silence, arrival = payload
            if speech > 0:
                state["lst"] = t
                if state["speaking"]:
                    state["prediction"] = None
            if silence >= 0.2 and state["speaking"] and uses_detector and state["prediction"] is None:
                start = max(state["flushed"], arrival - 19_200, 0)
                state["prediction"] = (t + c.prediction_delay, (start, arrival))
        elif kind == "start":
            endpointing.on_start_of_speech(t - payload, overlapping=agent_speaking)
            state["speaking"] = True
            state["prediction"] = None
            state["pending"] = None
            state["committed_in_pause"] = False
        elif kind == "end":
            endpointing.on_end_of_speech(t - payload)
            state["speaking"] = False
            state["lst"] = t - payload
            if state["text"]:
                trigger(t)
        elif kind == "final":
            state["text"] = True
            if not state["speaking"]:
                if state["lst"] is None:
                    state["lst"] = t
                trigger(t)
    fire(math.inf)
    times, causes, probabilities = zip(*out, strict=True) if out else ((), (), ())
    return Commits(np.array(times), causes, np.array(probabilities))
