"""Offline sessions made up for tests: a script of replies → a consistent SessionLog."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lab_utils.core.labels import Ipu, Label, Labels
from lab_utils.core.session_log import Reply, SessionEvent, SessionLog
from lab_utils.core.settings import Settings
from lab_utils.core.timeline import SAMPLE_RATE_HZ


@dataclass(frozen=True)
class Exchange:
    """One user turn and the reply to it; times in seconds, delays counted as LiveKit counts them."""

    start_s: float
    """The user starts."""
    end_s: float
    """The last speaking time: the user's end as the VAD has it."""
    end_of_turn: float = 0.6
    transcription: float = 0.3
    hook: float = 0.02
    ttft: float = 0.35
    sentence: float = 0.1
    """From the first token to the text that goes to the TTS: LiveKit has no figure for it."""
    ttfb: float = 0.2
    playback: float = 0.03
    reply: float = 2.0
    preemptive: float | None = None
    """The LLM starts this long after the last speech, not after commit and hook."""
    preemptive_tts: bool = False
    cause: str | None = "detector"
    probability: float | None = 0.8
    hold: tuple[float, float] | None = None
    """A labelled pause inside the turn."""
    hold_commit_s: float | None = None
    """A commit in it, whose reply is given up."""
    interrupted: bool = False
    pause: tuple[float, float] | None = None
    tool: float | None = None
    """The LLM's first call asks for a tool that takes this long."""
    error: str = ""

    @property
    def commit_s(self) -> float:
        return self.end_s + self.end_of_turn

    def times(self) -> dict[str, float]:
        """The moments of the reply."""
        ready = self.commit_s + self.hook
        llm = self.end_s + self.preemptive if self.preemptive is not None else ready
        if self.tool is not None:
            llm += self.ttft + self.tool
        token = llm + self.ttft
        sends = token + self.sentence if self.preemptive_tts else max(token + self.sentence, ready)
        audio = sends + self.ttfb
        speaks = max(audio, ready) + self.playback
        return {
            "llm": llm,
            "token": token,
            "sends": sends,
            "audio": audio,
            "speaks": speaks,
            "ends": speaks + self.reply,
        }

    def stages(self) -> dict[str, float]:
        """LiveKit's figures."""
        return {
            "transcription_delay": self.transcription,
            "end_of_turn_delay": self.end_of_turn,
            "on_user_turn_completed_delay": self.hook,
            "llm_node_ttft": self.ttft,
            "tts_node_ttfb": self.ttfb,
            "playback_latency": self.playback,
            "e2e_latency": self.times()["speaks"] - self.end_s,
        }


def session_of(
    exchanges: Sequence[Exchange],
    duration_s: float | None = None,
    name: str = "call-03",
    settings: Settings | None = None,
    events: bool = True,
    greeting: bool = False,
    **others: Any,
) -> SessionLog:
    """The log of a script. `events=False`: nothing but the replies. `others`: fields of `SessionLog`."""
    end_s = max([e.times()["ends"] for e in exchanges], default=3.0) + 1.0
    duration_s = duration_s or round(end_s, 3)
    found = [event for e in exchanges for event in _events(e)] if events else []
    replies = [Reply(e.commit_s, "words", "an answer", e.interrupted, e.stages()) for e in exchanges]
    if greeting:
        replies.insert(0, Reply(None, "", "Hello.", False, {"tts_node_ttfb": 0.2, "playback_latency": 0.0}))
    fields: dict[str, Any] = {
        "recording": name, "sha256": "0" * 64, "settings": settings or Settings(), "mode": "open_loop",
        "clock": "virtual", "seed": 0, "phase_samples": 0, "duration_s": duration_s,
        "events": tuple(sorted(found, key=lambda event: event.time_s)), "replies": tuple(replies),
        "heard": _heard(exchanges, duration_s), "report": {},
    }  # fmt: skip
    return SessionLog(**(fields | others))


def labels_of_session(exchanges: Sequence[Exchange], duration_s: float) -> Labels:
    """What is true about the script: the user's IPUs, holds and ends of turn."""
    ipus: list[Ipu] = []
    labels: list[Label] = []
    for e in exchanges:
        edges = [e.start_s, *(e.hold or ()), e.end_s - 0.08]
        ipus += [Ipu("user", a, b) for a, b in zip(edges[::2], edges[1::2], strict=True)]
        if e.hold:
            labels.append(Label("hold", *e.hold))
        labels.append(Label("shift", e.end_s - 0.08, e.times()["speaks"]))
        ipus.append(Ipu("agent", e.times()["speaks"], e.times()["ends"]))
    return Labels(
        duration_s, tuple(sorted(ipus, key=lambda i: i.start_s)), tuple(labels), source="construction"
    )


def _events(e: Exchange) -> list[SessionEvent]:
    t = e.times()
    found: list[SessionEvent] = []

    def add(time_s: float, kind: Any, **data: Any) -> None:
        found.append(SessionEvent(round(time_s, 6), kind, data))

    edges = [e.start_s, *(e.hold or ()), e.end_s]
    for a, b in zip(edges[::2], edges[1::2], strict=True):
        add(a + 0.1, "user_starts")
        add(b + 0.3, "user_ends")
        for k in np.arange(a + 0.4, b, 0.3):
            add(float(k), "transcript", text="words", final=False)
        add(b + e.transcription, "transcript", text="words", final=True)
    if e.hold and e.hold_commit_s is not None:
        add(e.hold_commit_s - 0.05, "prediction", probability=0.55, threshold=0.36)
        add(e.hold_commit_s, "commit", cause="detector", probability=0.55)
        add(e.hold_commit_s + 0.01, "llm_starts", id="given-up")
        add(e.hold_commit_s + 0.25, "llm_ends", id="given-up", cancelled=True)
    if e.probability is not None:
        add(e.end_s + 0.29, "prediction", probability=e.probability, threshold=0.36)
    data = {"cause": e.cause} if e.cause else {}
    add(e.commit_s, "commit", **data, **({} if e.probability is None else {"probability": e.probability}))
    if e.preemptive is not None:
        add(e.end_s + e.preemptive, "preemptive")
    if e.tool is not None:
        first = t["llm"] - e.tool - e.ttft
        add(first, "llm_starts", id="asks")
        add(first + e.ttft, "llm_first_token", id="asks")
        add(first + e.ttft + 0.01, "llm_ends", id="asks")
        add(first + e.ttft, "tool_starts", name="lookup")
        add(t["llm"], "tool_ends", name="lookup")
    add(t["llm"], "llm_starts", id="answers")
    add(t["token"], "llm_first_token", id="answers")
    add(t["token"] + 0.8, "llm_ends", id="answers")
    add(t["sends"], "tts_starts")
    add(t["audio"], "tts_first_audio")
    add(t["audio"] + 0.4 * e.reply, "tts_ends")
    add(t["speaks"], "playout_starts")
    if e.pause:
        add(t["speaks"] + e.pause[0], "playout_pauses")
        add(t["speaks"] + e.pause[1], "playout_resumes")
    add(t["ends"], "playout_ends", interrupted=e.interrupted)
    if e.error:
        add(e.commit_s + 0.4, "error", message=e.error)
    return found


def _heard(exchanges: Sequence[Exchange], duration_s: float) -> np.ndarray:
    n = round(duration_s * SAMPLE_RATE_HZ)
    rng = np.random.default_rng(0)
    syllables = np.abs(np.sin(2 * np.pi * 2.1 * np.arange(n) / SAMPLE_RATE_HZ)) * rng.normal(0, 4000, n)
    heard = np.zeros((n, 2), dtype=np.int16)
    for e in exchanges:
        edges = [e.start_s, *(e.hold or ()), e.end_s - 0.08]
        pieces = [(0, a, b) for a, b in zip(edges[::2], edges[1::2], strict=True)]
        for channel, a, b in [*pieces, (1, e.times()["speaks"], e.times()["ends"])]:
            part = slice(round(a * SAMPLE_RATE_HZ), min(n, round(b * SAMPLE_RATE_HZ)))
            heard[part, channel] = syllables[part]
    return heard
