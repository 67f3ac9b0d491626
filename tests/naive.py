"""Slow, obvious twins of the fast code: one window, one event, one setting at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from livekit.agents.voice.endpointing import BaseEndpointing, DynamicEndpointing
from scipy.optimize import linear_sum_assignment

from lab_utils.core.labels import Ipu, Label, Labels, agent_turns
from lab_utils.core.settings import USUAL_CONDITIONS, Conditions, Settings
from lab_utils.core.traces import Commits, SttEvent, Traced
from lab_utils.turns.replay import stt_events

RATE = 16_000


def replay(
    traced: Traced,
    settings: Settings,
    conditions: Conditions = USUAL_CONDITIONS,
    phase: int = 0,
    stt: Sequence[SttEvent] | None = None,
) -> Commits:
    """Walk through the stream as audio_recognition.py does and keep a single pending commit."""
    if settings.detector.model == "stt":
        return replay_stt(traced, settings, conditions, phase, stt)
    trace = traced.vad[settings.vad.model][phase]
    offset_s = trace.phase_samples / RATE
    eot = traced.eot[phase]
    heard = {
        (int(a), int(b)): float(p) for a, b, p in zip(eot.starts, eot.ends, eot.probabilities, strict=True)
    }
    frame = round(conditions.frame_duration * RATE)
    v, e, c = settings.vad, settings.endpointing, conditions
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
                if stt is None:
                    final_s = max(started, t - silence + c.transcription_delay)
                    events.append((final_s, 2, w, "transcript", SttEvent(final_s, "final", "yes")))
    stream_end = arrivals[-1] / RATE if arrivals else 0.0
    for n, event in enumerate(sorted(stt or (), key=lambda event: event.time_s)):
        if event.text and event.kind in ("preflight", "final"):
            events.append((round(event.time_s + offset_s, 9), 0.5, n, "transcript", event))
    for start, end in agent_turns(traced.labels) + offset_s:
        events.append((float(start), 0, 1, "agent start", None))
        events.append((float(end), 0, 0, "agent end", None))
    events.sort(key=lambda ev: ev[:3])

    out: list[tuple[float, str, float]] = []
    state = {"speaking": False, "text": False, "lst": None, "flushed": 0, "pending": None}
    state["prediction"] = None  # (time it is ready, audio it hears)
    state["committed_in_pause"] = True  # before any speech a transcript comes late, too
    agent_speaking = False

    def fire(before: float) -> None:
        task = state["pending"]
        if task is None or not (task["at"] < min(before, stream_end) or task["at_once"]):
            return
        out.append((task["at"] - offset_s, task["cause"], task["p"]))
        state["pending"] = None
        state["text"] = False
        state["prediction"] = None
        state["flushed"] = math.floor(task["at"] * RATE / frame + 1e-6) * frame
        state["committed_in_pause"] = True
        if state["lst"] == task["lst"]:
            state["lst"] = None

    def trigger(now: float, at_once: bool = False) -> None:
        delay, cause, p, ready = endpointing.min_delay, "vad", math.nan, now
        if state["prediction"] is not None:
            ready, p = max(now, state["prediction"][0]), heard[state["prediction"][1]]
            cause = "detector"
            if p < settings.detector.unlikely_threshold:
                delay, cause = endpointing.max_delay, "max_delay"
        if state["committed_in_pause"]:
            cause = "late_transcript"
        at = max(ready, state["lst"] + delay)
        state["pending"] = {
            "at": at,
            "at_once": at_once and at == now,
            "lst": state["lst"],
            "cause": cause,
            "p": p,
        }

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
        elif kind == "transcript":
            if state["lst"] is None:
                state["lst"] = word_end(payload, t, offset_s) or t
            if payload.kind == "final":
                state["text"] = state["text"] or payload.text != " "
                if not state["speaking"] and state["text"]:
                    trigger(t, at_once=stt is not None)
    fire(math.inf)
    times, causes, probabilities = zip(*out, strict=True) if out else ((), (), ())
    return Commits(np.array(times), causes, np.array(probabilities))


def word_end(event: SttEvent, now: float, offset_s: float) -> float | None:
    """Where a transcript says its words end, in stream time and not in the future; None if it does not."""
    if event.end_s is None or event.end_s + offset_s <= 0:
        return None
    return min(event.end_s + offset_s, now)


TICK = 1e-9


def replay_stt(
    traced: Traced, settings: Settings, conditions: Conditions, phase: int, stt: Sequence[SttEvent] | None
) -> Commits:
    """`turn_detection="stt"`: one frame, window or event after the other, with LiveKit's own variables."""
    trace = traced.vad[settings.vad.model][phase]
    offset_s = trace.phase_samples / RATE
    frame = round(conditions.frame_duration * RATE)
    v, e = settings.vad, settings.endpointing
    if e.mode == "dynamic":
        endpointing = DynamicEndpointing(min_delay=e.min_delay, max_delay=e.max_delay, alpha=e.alpha)
    else:
        endpointing = BaseEndpointing(min_delay=e.min_delay, max_delay=e.max_delay)
    samples = 512 * len(trace.probabilities)
    happenings = []
    for k in range(math.ceil(samples / frame)):
        happenings.append(((k + 1) * frame / RATE, 2, k, "frame", min((k + 1) * frame, samples)))
    heard = stt_events(traced.labels, conditions) if stt is None else stt
    for n, event in enumerate(sorted(heard, key=lambda event: event.time_s)):
        happenings.append((event.time_s + offset_s, 1, n, "stt", event))
    stream_end = max((t for t, *_ in happenings if _[0] == 2), default=0.0)
    for start, end in agent_turns(traced.labels) + offset_s:
        happenings += [(float(start), 0, 1, "agent", True), (float(end), 0, 0, "agent", False)]
    # a moment is a billionth of a second; within it agent, speech-to-text, frame
    happenings.sort(key=lambda one: (round(one[0], 9), *one[1:3]))

    out: list[tuple[float, str]] = []
    speaking = vad_speech_started = user_turn_committed = transcribed = agent_speaking = False
    lst: float | None = None
    speech_start: float | None = None
    pending: dict | None = None
    # the VAD
    origin, window, flushed_s = 0, 0, None
    pub_speaking, raw_speech, raw_silence = False, 0.0, 0.0

    def commit(before: float) -> None:
        nonlocal pending, transcribed, user_turn_committed, lst, speech_start, vad_speech_started
        if pending is None or not pending["at"] < min(before, stream_end):
            return
        out.append((pending["at"] - offset_s, pending["cause"]))
        if lst == pending["lst"]:
            lst = speech_start = None
            vad_speech_started = False
        pending, transcribed, user_turn_committed = None, False, False

    def trigger(now: float, cause: str) -> None:
        nonlocal pending
        if transcribed:
            at = max(now, lst + endpointing.min_delay)
            pending = {"at": at, "lst": lst, "cause": cause, "at_once": at == now}

    for t, _, _, what, payload in happenings:
        if what == "agent":
            agent_speaking = payload
            if payload:
                endpointing.on_start_of_agent_speech(t)
            else:
                endpointing.on_end_of_agent_speech(t)
            continue
        if what == "stt" and t < stream_end:
            commit(math.inf if pending and pending["at_once"] else t - TICK)
            if payload.kind == "start_of_speech":
                if speech_start is None:
                    speech_start = t if payload.start_s is None else payload.start_s + offset_s
                endpointing.on_start_of_speech(speech_start, overlapping=agent_speaking)
                speaking, lst, pending = True, t, None
            elif payload.kind == "end_of_speech":
                if speaking:
                    endpointing.on_end_of_speech(t)
                if vad_speech_started:
                    flushed_s = t
                speaking, user_turn_committed = False, True
                lst = t if payload.end_s is None else min(payload.end_s + offset_s, t)
                trigger(t, "stt")
            elif payload.text and payload.kind in ("preflight", "final"):
                if lst is None or word_end(payload, t, offset_s) is not None:
                    lst = word_end(payload, t, offset_s) or t
                if payload.kind == "final":
                    transcribed = transcribed or payload.text != " "
                    if user_turn_committed and not speaking:
                        trigger(t, "late_transcript")
        if what != "frame":
            continue
        if flushed_s is not None and t > flushed_s + TICK:
            origin, window, flushed_s = round(t * RATE) - frame, 0, None
            pub_speaking, raw_speech, raw_silence = False, 0.0, 0.0
        while origin + 512 * (window + 1) <= payload and t < stream_end:
            commit(t + TICK)
            p = (trace.restarts[origin] if origin else trace.probabilities)[window]
            window += 1
            if raw_speech > 0:
                lst = t
                if speech_start is None:
                    speech_start = t - raw_speech
            if p >= v.activation_threshold or (pub_speaking and p > v.deactivation):
                raw_speech, raw_silence = raw_speech + 0.032, 0.0
                if not pub_speaking and raw_speech >= v.min_speech_duration:
                    pub_speaking = True
                    if not vad_speech_started:
                        speech_start, vad_speech_started = t - raw_speech, True
                    endpointing.on_start_of_speech(t - raw_speech, overlapping=agent_speaking)
                    speaking, pending = True, None
            else:
                raw_speech, raw_silence = 0.0, raw_silence + 0.032
                if pub_speaking and raw_silence >= v.min_silence_duration:
                    pub_speaking = False
                    if speaking:
                        endpointing.on_end_of_speech(t - raw_silence)
                    vad_speech_started, speaking, lst = False, False, t - raw_silence
                    if user_turn_committed:
                        trigger(t, "vad")
    commit(math.inf)
    times, causes = zip(*out, strict=True) if out else ((), ())
    return Commits(np.array(times), causes, np.full(len(times), np.nan))


# --- metrics, from the definitions at the head of lab_utils/turns/metrics ----------------------------


@dataclass
class Score:
    """What one setting's commits do to one recording (at one phase)."""

    holds: int = 0
    holds_cut: int = 0
    turns: int = 0
    turns_cut: int = 0
    timeouts: int = 0
    missed: int = 0
    latencies_s: list[float] = field(default_factory=list)
    cut_offs_hit: int = 0
    backchannels: int = 0
    backchannels_hit: int = 0


def is_scored(hold: Label) -> bool:
    return 0.2 <= round(hold.end_s - hold.start_s, 9) <= 5.0


def turn_speech(labels: Labels) -> list[Ipu]:
    """The user's IPUs that are no backchannels."""
    short = [label for label in labels.labels if label.kind == "backchannel"]
    return [
        ipu
        for ipu in labels.ipus
        if ipu.speaker == "user" and not any(ipu.start_s < b.end_s and ipu.end_s > b.start_s for b in short)
    ]


def speech_after(labels: Labels, time_s: float, tail_s: float, *, strictly: bool = False) -> float:
    """Start of the user's next speech of any kind; the end of the padded recording if there is none."""
    starts = [ipu.start_s for ipu in labels.ipus if ipu.speaker == "user"]
    later = [s for s in starts if s > time_s or (s == time_s and not strictly)]
    return min(later, default=labels.duration_s + tail_s)


def score(labels: Labels, commits: Commits, tail_s: float) -> Score:
    out = Score()
    times = [float(t) for t in commits.time_s]
    true_ends = [label.start_s for label in labels.labels if label.kind == "shift"]
    for label in labels.labels:
        hit = any(label.start_s <= t < label.end_s for t in times)
        if label.kind == "hold" and is_scored(label):
            out.holds += 1
            out.holds_cut += hit
        if label.kind == "cut_off":
            out.cut_offs_hit += hit
        if label.kind == "backchannel":
            end_s = speech_after(labels, label.start_s, tail_s, strictly=True)
            out.backchannels += 1
            out.backchannels_hit += any(label.start_s <= t < end_s for t in times)
    previous_s = -math.inf
    for true_end_s in true_ends:
        out.turns += 1
        inside = [(x.start_s, x.end_s) for x in labels.labels if x.kind == "hold"]
        inside += [(ipu.start_s, ipu.end_s) for ipu in turn_speech(labels)]
        own = [(a, b) for a, b in inside if previous_s < a < true_end_s]
        out.turns_cut += any(a <= t < b for t in times for a, b in own)
        previous_s = true_end_s
        until_s = speech_after(labels, true_end_s, tail_s)
        for t, cause in zip(times, commits.cause, strict=True):
            if true_end_s <= t < until_s:
                out.latencies_s.append(t - true_end_s)
                out.timeouts += cause == "max_delay"
                break
        else:
            out.missed += 1
    return out


def summary(scores: list[Score]) -> dict[str, float]:
    """Rates and latencies pooled over recordings and phases."""

    def rate(count: int, n: int) -> float:
        return count / n if n else math.nan

    turns = sum(s.turns for s in scores)
    latencies_s = [t for s in scores for t in s.latencies_s]
    out = {
        "false_boundary_rate": rate(sum(s.holds_cut for s in scores), sum(s.holds for s in scores)),
        "false_boundary_rate_per_turn": rate(sum(s.turns_cut for s in scores), turns),
        "timeout_rate": rate(sum(s.timeouts for s in scores), turns),
        "missed_rate": rate(sum(s.missed for s in scores), turns),
        "backchannel_rate": rate(
            sum(s.backchannels_hit for s in scores), sum(s.backchannels for s in scores)
        ),
        "cut_offs_hit": float(sum(s.cut_offs_hit for s in scores)),
        "latency_mean": float(np.mean(latencies_s)) if latencies_s else math.nan,
    }
    for q in (50, 90, 95):
        out[f"latency_p{q}"] = float(np.percentile(latencies_s, q)) if latencies_s else math.nan
    return out


def attribute(labels: Labels, commits: Commits, tail_s: float) -> list[dict[str, object]]:
    """What each commit means, by looking at one label after the other."""
    true_ends = [label.start_s for label in labels.labels if label.kind == "shift"]
    spans = [(x.start_s, x.end_s, "speech") for x in turn_speech(labels)]
    for label in labels.labels:
        if label.kind == "hold":
            spans.append((label.start_s, label.end_s, "hold" if is_scored(label) else "unscored_hold"))
        elif label.kind == "cut_off":
            spans.append((label.start_s, label.end_s, "cut_off"))
        elif label.kind == "shift":
            spans.append((label.start_s, speech_after(labels, label.start_s, tail_s), "end_of_turn"))
        else:
            end_s = speech_after(labels, label.start_s, tail_s, strictly=True)
            spans.append((label.start_s, end_s, "backchannel"))
    answered: set[float] = set()
    rows: list[dict[str, object]] = []
    for t in commits.time_s:
        start_s, kind = math.nan, "other"
        for a, b, name in spans:
            if a <= t < b:
                start_s, kind = a, name
        first = kind == "end_of_turn" and start_s not in answered
        answered.add(start_s)
        false = kind == "hold" or (kind == "speech" and any(end > start_s for end in true_ends))
        rows.append(
            {
                "label": kind,
                "label_start_s": start_s,
                "latency_s": t - start_s if first else math.nan,
                "false_boundary": false,
            }
        )
    return rows


def pareto(rate: list[float], latency_s: list[float]) -> list[int]:
    """Rows that no other row beats or precedes as an equal, by rate."""
    rows = [i for i in range(len(rate)) if math.isfinite(rate[i]) and math.isfinite(latency_s[i])]
    best = []
    for i in rows:
        beaten = False
        for j in rows:
            no_worse = rate[j] <= rate[i] and latency_s[j] <= latency_s[i]
            equal = rate[j] == rate[i] and latency_s[j] == latency_s[i]
            beaten |= no_worse and (j < i if equal else True) and j != i
        if not beaten:
            best.append(i)
    return sorted(best, key=lambda i: rate[i])


def choose(rows: list[dict[str, float]], limit: str, most: float, least: str) -> int | None:
    """The row within the budget that comes before every other one; None if none is within it."""
    missed = [row["missed_rate"] for row in rows if not math.isnan(row["missed_rate"])]
    if not missed:
        return None
    within = [
        i
        for i, row in enumerate(rows)
        if row["missed_rate"] <= min(missed) + 0.02
        and row[limit] <= most + 1e-12
        and not math.isnan(row[least])
    ]

    def key(i: int) -> tuple[float, ...]:
        return (*(rows[i][n] for n in (least, "false_boundary_rate", "latency_mean", "latency_p95")), i)

    for i in within:
        if all(key(i) <= key(j) for j in within):
            return i
    return None


def matching_size(found_s: Sequence[float], true_s: Sequence[float], near_s: float) -> int:
    """Most pairs of times that are near each other, each in one pair: an assignment of least cost."""
    if not len(found_s) or not len(true_s):
        return 0
    far = np.abs(np.subtract.outer(np.asarray(found_s), np.asarray(true_s))) > near_s + 1e-9
    rows, columns = linear_sum_assignment(far.astype(float))
    return int((~far[rows, columns]).sum())


@dataclass
class PrefixCache:
    """`simulation.prompt_cache.PrefixCache`, which here remembers every prefix by itself."""

    min_tokens: int
    step_tokens: int
    ttl_s: float
    used_s: dict[tuple[str, ...], float] = field(default_factory=dict)

    def _prefixes(self, tokens: Sequence[str]) -> list[tuple[str, ...]]:
        """Those that may be kept, short to long."""
        lengths = range(1, len(tokens) + 1)
        return [tuple(tokens[:n]) for n in lengths if n >= self.min_tokens and n % self.step_tokens == 0]

    def _known(self, tokens: Sequence[str], now_s: float) -> int:
        known = [p for p in self._prefixes(tokens) if now_s - self.used_s.get(p, -math.inf) <= self.ttl_s]
        return max((len(prefix) for prefix in known), default=0)

    def find(self, tokens: Sequence[str], now_s: float) -> int:
        found = self._known(tokens, now_s)
        for prefix in self._prefixes(tokens[:found]):
            self.used_s[prefix] = now_s
        return found

    def keep(self, tokens: Sequence[str], now_s: float) -> int:
        known = self._known(tokens, now_s)
        prefixes = self._prefixes(tokens)
        for prefix in prefixes:
            self.used_s[prefix] = now_s
        return (len(prefixes[-1]) if prefixes else 0) - known
