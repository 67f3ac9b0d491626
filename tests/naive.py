"""Slow, obvious twins of the fast code: one window, one event, one setting at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from livekit.agents import NOT_GIVEN
from livekit.agents.inference.eot.languages import ThresholdOptions
from livekit.agents.language import LanguageCode
from livekit.agents.tokenize.basic import split_words
from livekit.agents.voice.endpointing import BaseEndpointing, DynamicEndpointing
from scipy.optimize import linear_sum_assignment

from lab_utils.core.labels import Ipu, Label, Labels, agent_turns
from lab_utils.core.policies.number_words import asks_for_number, gives_numbers
from lab_utils.core.settings import USUAL_CONDITIONS, Conditions, Settings
from lab_utils.core.traces import BRANCH_SAMPLES, Branch, Commits, EotTrace, SttEvent, Traced, text_key
from lab_utils.turns.replay import stt_events

RATE = 16_000


def final_of(traced: Traced, last_speaking_s: float, conditions: Conditions, offset_s: float) -> float:
    """When the final of speech up to `last_speaking_s` comes: as told, or as modelled."""
    told = [(abs(end_s + offset_s - last_speaking_s), end_s, final_s) for end_s, final_s in traced.finals]
    if told and min(told)[0] <= 0.25:
        return float(min(told)[2]) + offset_s
    return last_speaking_s + conditions.transcription_delay


def threshold_of(settings: Settings, language: str) -> float:
    """What LiveKit's own look-up says."""
    chosen = settings.detector.unlikely_threshold
    given = NOT_GIVEN if chosen == 0.36 and settings.detector.model == "v1-mini" else chosen
    options = ThresholdOptions("turn-detector-v1-mini", given)
    found = options.lookup(LanguageCode(language) if language else None)
    assert found is not None
    return found


def share(shape: Sequence[tuple[float, float]], x: float) -> float:
    """The share of the wait at one x (`WaitShape`), by its definition."""
    for (x0, y0), (x1, y1) in pairwise(shape):
        if x0 <= x < x1:
            return y0 + (y1 - y0) * ((x - x0) / (x1 - x0))
    return shape[0][1] if x < shape[0][0] else shape[-1][1]


def said_by(labels: Labels, speaker: str) -> list[tuple[float, str]]:
    """The words of one speaker with the middle of each, in order of their ends."""
    words = sorted(labels.words, key=lambda word: (word.end_s, word.start_s))
    return [((word.start_s + word.end_s) / 2, word.text) for word in words if word.speaker == speaker]


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
    eot = traced.predictions(settings.detector.model)[phase]
    heard = {
        (int(a), int(b)): float(p) for a, b, p in zip(eot.starts, eot.ends, eot.probabilities, strict=True)
    }
    frame = round(conditions.frame_duration * RATE)
    v, e, c = settings.vad, settings.endpointing, conditions
    uses_detector = settings.detector.model in ("v1-mini", "own:mine")
    own = settings.detector.model == "own:mine"
    context: list[tuple[float, float, str, str]] = []  # begun, known from, who, what
    answers = None
    if settings.detector.model == "english":
        own_threshold = traced.texts["english"].thresholds.get(traced.language or c.language or "en")
        if own_threshold is not None:
            keys, p = traced.texts["english"].keys.tolist(), traced.texts["english"].probabilities
            answers = dict(zip(keys, p.tolist(), strict=True))
        chosen = settings.detector.unlikely_threshold
        text_threshold = own_threshold if chosen == 0.36 else chosen
    by_words = settings.policy.by_words and (uses_detector or answers is not None)
    if settings.detector.model == "english" or by_words:
        for start, end in agent_turns(traced.labels).tolist():
            text = " ".join(text for at, text in said_by(traced.labels, "agent") if start <= at <= end)
            if text:
                context.append((start + offset_s, end + offset_s, "assistant", text))
    if e.mode == "dynamic":
        endpointing = DynamicEndpointing(min_delay=e.min_delay, max_delay=e.max_delay, alpha=e.alpha)
    else:
        endpointing = BaseEndpointing(min_delay=e.min_delay, max_delay=e.max_delay)

    # VAD events: (arrival, order, kind, payload), then the transcripts they lead to
    events = []
    speaking, speech, silence = False, 0.0, 0.0
    words_s = [word.middle_s + offset_s for word in traced.labels.words if word.speaker == "user"]
    told_s, given = -math.inf, 0
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
                    final_s = max(started, final_of(traced, t - silence, c, offset_s))
                    n = sum(told_s < word_s <= t - silence for word_s in words_s)
                    told_s = t - silence
                    text = " ".join(["word"] * n) or "\u2026"
                    if answers is not None or by_words:
                        known = [
                            word for at, word in said_by(traced.labels, "user") if at + offset_s <= told_s
                        ]
                        text = " ".join(known[given:]) or "\u2026"
                        given = len(known)
                    events.append((final_s, 2, w, "transcript", SttEvent(final_s, "final", text)))
    stream_end = arrivals[-1] / RATE if arrivals else 0.0
    for n, event in enumerate(sorted(stt or (), key=lambda event: event.time_s)):
        if event.text and event.kind in ("preflight", "final"):
            events.append((round(event.time_s + offset_s, 8), 2, n, "transcript", event))
    for start, end in agent_turns(traced.labels) + offset_s:
        events.append((float(start), 0, 1, "agent start", None))
        events.append((float(end), 0, 0, "agent end", None))
    events.sort(key=lambda ev: ev[:3])

    out: list[tuple[float, str, float, float]] = []
    state = {"speaking": False, "text": False, "lst": None, "flushed": 0, "pending": None}
    state["prediction"] = None  # (time it is ready, audio it hears)
    state["said"] = 0  # words in the turn's final transcripts
    state["turn"] = ""
    state["committed_in_pause"] = True  # before any speech a transcript comes late, too
    agent_speaking = False

    def fire(before: float, spoken: bool = False) -> None:
        task = state["pending"]
        if task is None or not (task["at"] < min(before, stream_end) - TICK or (task["at_once"] and spoken)):
            return
        state["pending"] = None
        if refused(settings, traced, offset_s, task["at"], state["said"]):
            return
        state["said"] = 0
        speaks = any(
            start + offset_s <= task["at"] < end + offset_s for start, end in agent_turns(traced.labels)
        )
        if settings.interruption.enabled or not speaks:
            context.append((task["at"], task["at"], "user", state["turn"]))
        state["turn"] = ""
        out.append((task["at"] - offset_s, task["cause"], task["p"], task["lst"] - offset_s))
        state["pending"] = None
        state["text"] = False
        state["prediction"] = None
        state["flushed"] = math.floor(task["at"] * RATE / frame + 1e-6) * frame
        state["committed_in_pause"] = True
        if state["lst"] == task["lst"]:
            state["lst"] = None

    def extra(now: float) -> float:
        """What is added to a wait by what was said until now."""
        asked = [what for _, at, who, what in sorted(context) if who == "assistant" and at <= now][-1:]
        return max(
            settings.policy.extra_delay_numbers if gives_numbers(state["turn"]) else 0.0,
            settings.policy.extra_delay_asked if any(map(asks_for_number, asked)) else 0.0,
        )

    def trigger(now: float) -> None:
        delay, cause, p, ready = endpointing.min_delay, "vad", math.nan, now
        if state["prediction"] is not None:
            ready, p = max(now, state["prediction"][0]), heard[state["prediction"][1]]
            cause = "detector"
            threshold = threshold_of(settings, traced.language or c.language)
            if p < threshold:
                delay, cause = below(settings, p / threshold, endpointing), "max_delay"
            delay += extra(ready)
        if state["committed_in_pause"]:
            cause = "late_transcript"
        if answers is not None:
            messages = [(who, what) for _, at, who, what in sorted(context) if at <= now]
            p = answers[text_key(tuple([*messages, ("user", state["turn"])][-6:]))]
            ready, cause = now + c.prediction_delay, "detector"
            if p < text_threshold:
                delay, cause = below(settings, p / text_threshold, endpointing), "max_delay"
            delay += extra(now)
        at = max(ready, state["lst"] + delay)
        state["pending"] = {
            "at": at,
            "at_once": at == now,
            "lst": state["lst"],
            "cause": cause,
            "p": p,
        }

    for t, _, _, kind, payload in events:
        if t >= stream_end:
            break
        fire(t, spoken=kind == "transcript")
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
                start = max(arrival - 128_000, 0) if own else max(state["flushed"], arrival - 19_200, 0)
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
                state["said"] += words_in(payload.text)
                state["turn"] = f"{state['turn']} {payload.text}".lstrip()
                if not state["speaking"] and state["text"]:
                    trigger(t)
    fire(math.inf)
    times, causes, probabilities, last = zip(*out, strict=True) if out else ((), (), (), ())
    return Commits(np.array(times), causes, np.array(probabilities), np.array(last))


def below(settings: Settings, x: float, endpointing: BaseEndpointing) -> float:
    """The wait below the threshold: the silence after which a threshold that falls has come down to x."""
    if settings.policy.wait_shape is None:
        return endpointing.max_delay
    points = list(settings.policy.wait_shape)
    silence = points[-1][1]
    for k in range(len(points) - 1, -1, -1):
        (threshold, silence), before = points[k], points[k - 1] if k else None
        if x >= threshold:
            break
        if before is not None and x > before[0]:
            silence += (before[1] - silence) * (threshold - x) / (threshold - before[0])
            break
    return endpointing.min_delay + silence * (endpointing.max_delay - endpointing.min_delay)


def words_in(text: str) -> int:
    """As LiveKit itself counts them."""
    return len(split_words(text, split_character=True))


def refused(settings: Settings, traced: Traced, offset_s: float, at_s: float, words: int) -> bool:
    """Whether the recorded agent speaks at a moment of the stream, and there are too few words to stop it."""
    speaks = any(start <= at_s < end for start, end in (agent_turns(traced.labels) + offset_s).tolist())
    return settings.interruption.enabled and speaks and words < settings.interruption.min_words


def word_end(event: SttEvent, now: float, offset_s: float) -> float | None:
    """Where a transcript says its words end, in stream time and not in the future; None if it does not."""
    if event.end_s is None or event.end_s + offset_s <= 0:
        return None
    return min(event.end_s + offset_s, now)


TICK = 5e-9


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
        happenings.append(((k + 1) * frame / RATE, 1, k, "frame", min((k + 1) * frame, samples)))
    heard = stt_events(traced.labels, conditions) if stt is None else stt
    for n, event in enumerate(sorted(heard, key=lambda event: event.time_s)):
        happenings.append((event.time_s + offset_s, 2, n, "stt", event))
    stream_end = max((t for t, *_ in happenings if _[0] == 1), default=0.0)
    for start, end in agent_turns(traced.labels) + offset_s:
        happenings += [(float(start), 0, 1, "agent", True), (float(end), 0, 0, "agent", False)]
    # a moment is 10 ns; within it agent, frame, speech-to-text
    happenings.sort(key=lambda one: (round(one[0], 8), *one[1:3]))

    lag_s = conditions.stt_silence + conditions.transcription_delay
    out: list[tuple[float, str, float]] = []
    said = 0.0  # how long after the user's last sound the last speaking time is
    speaking = vad_speech_started = user_turn_committed = transcribed = agent_speaking = False
    lst: float | None = None
    speech_start: float | None = None
    pending: dict | None = None
    n_words = 0
    # the VAD
    origin, window, flushed_s = 0, 0, None
    pub_speaking, raw_speech, raw_silence = False, 0.0, 0.0

    def commit(before: float) -> None:
        nonlocal pending, transcribed, user_turn_committed, lst, speech_start, vad_speech_started, n_words
        if pending is None or not pending["at"] < min(before, stream_end):
            return
        if refused(settings, traced, offset_s, pending["at"], n_words):
            pending, user_turn_committed = None, False
            return
        n_words = 0
        out.append((pending["at"] - offset_s, pending["cause"], pending["lst"] - pending["said"] - offset_s))
        if lst == pending["lst"]:
            lst = speech_start = None
            vad_speech_started = False
        pending, transcribed, user_turn_committed = None, False, False

    def trigger(now: float, cause: str) -> None:
        nonlocal pending
        if transcribed:
            at = max(now, lst + endpointing.min_delay)
            pending = {"at": at, "lst": lst, "cause": cause, "at_once": at == now, "said": said}

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
                speaking, lst, pending, said = True, t, None, 0.0
            elif payload.kind == "end_of_speech":
                if speaking:
                    endpointing.on_end_of_speech(t)
                if vad_speech_started:
                    flushed_s = t
                speaking, user_turn_committed = False, True
                lst = t if payload.end_s is None else min(payload.end_s + offset_s, t)
                said = lag_s if payload.end_s is None else 0.0
                trigger(t, "stt")
            elif payload.text and payload.kind in ("preflight", "final"):
                if lst is None or word_end(payload, t, offset_s) is not None:
                    lst = word_end(payload, t, offset_s) or t
                    said = 0.0 if word_end(payload, t, offset_s) else lag_s
                if payload.kind == "final":
                    transcribed = transcribed or payload.text != " "
                    n_words += words_in(payload.text)
                    if user_turn_committed and not speaking:
                        trigger(t, "late_transcript")
        if what != "frame":
            continue
        if flushed_s is not None and t > flushed_s + TICK:
            origin, window, flushed_s = round(t * RATE) - frame, 0, None
            pub_speaking, raw_speech, raw_silence = False, 0.0, 0.0
        while origin + 512 * (window + 1) <= payload and t < stream_end:
            commit(t - TICK)
            p = (trace.restarts[origin] if origin else trace.probabilities)[window]
            window += 1
            if raw_speech > 0:
                lst, said = t, 0.0
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
                    vad_speech_started, speaking, lst, said = False, False, t - raw_silence, 0.0
                    if user_turn_committed:
                        trigger(t, "vad")
    commit(math.inf)
    times, causes, last = zip(*out, strict=True) if out else ((), (), ())
    return Commits(np.array(times), causes, np.full(len(times), np.nan), np.array(last))


def waits(
    traced: Traced, settings: Settings, conditions: Conditions = USUAL_CONDITIONS, phase: int = 0
) -> dict[int, tuple[float, Commits]]:
    """Each branch as a recording of its own, replayed from its first sample (see `score`)."""
    return {branch.turn: wait(traced, branch, settings, conditions, phase) for branch in traced.branches}


def wait(
    traced: Traced, branch: Branch, settings: Settings, conditions: Conditions, phase: int
) -> tuple[float, Commits]:
    tape = traced.vad[settings.vad.model][phase]
    from_s, shift = branch.from_sample / RATE, (branch.turn + 1) * BRANCH_SAMPLES
    leaves = branch.from_sample + tape.phase_samples
    own = branch.vad[settings.vad.model][phase]
    restarts = {at: p for at, p in tape.restarts.items() if at < leaves}
    restarts |= {at - shift: p for at, p in tape.restarts.items() if shift <= at < shift + BRANCH_SAMPLES}
    trace = replace(
        tape, probabilities=np.concatenate((tape.probabilities[: leaves // 512], own)), restarts=restarts
    )
    eot, starts, ends, p = traced.predictions(settings.detector.model)[phase], [], [], []
    for a, b, value in zip(eot.starts.tolist(), eot.ends.tolist(), eot.probabilities.tolist(), strict=True):
        of_branch = shift <= b < shift + BRANCH_SAMPLES
        if of_branch or b <= leaves:
            starts.append(a - shift * of_branch)
            ends.append(b - shift * of_branch)
            p.append(value)
    labels = Labels(
        branch.until_s,
        tuple(replace(i, end_s=min(i.end_s, from_s)) for i in traced.labels.ipus if i.start_s < from_s),
        (),
        tuple(
            replace(word, end_s=min(word.end_s, from_s))
            for word in traced.labels.words
            if (word.middle_s if word.speaker == "user" else word.start_s) < from_s
        ),
    )
    known = {phase: EotTrace(np.array(starts, int), np.array(ends, int), np.array(p, float))}
    world = replace(
        traced,
        labels=labels,
        branches=(),
        vad={settings.vad.model: {phase: trace}},
        eot=known,
        others={settings.detector.model: known},
    )
    frame = round(conditions.frame_duration * RATE)
    heard_s = (leaves // frame + 1) * frame / RATE - tape.phase_samples / RATE
    return heard_s, replay(world, settings, conditions, phase)


# --- metrics, from the definitions at the head of lab_utils/turns/metrics ----------------------------


@dataclass
class Score:
    """What one setting's commits do to one recording (in one take)."""

    holds: int = 0
    holds_cut: int = 0
    cut_offs: int = 0
    cut_offs_cut: int = 0
    turns: int = 0
    turns_cut: int = 0
    turns_cut_at_most: int = 0
    timeouts: int = 0
    missed: int = 0
    latencies_s: list[float] = field(default_factory=list)
    """Of every end of turn, infinite where missed."""
    backchannels: int = 0
    backchannels_hit: int = 0
    in_no_label: int = 0


@dataclass(frozen=True)
class Pause:
    """A labelled pause of the user."""

    start_s: float
    end_s: float
    kind: str


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


def next_sound_s(labels: Labels, time_s: float) -> float | None:
    """Start of the user's next speech of any kind; None if there is none."""
    starts = [ipu.start_s for ipu in turn_speech(labels)]
    starts += [label.start_s for label in labels.labels if label.kind == "backchannel"]
    return min((s for s in starts if s >= time_s), default=None)


def pauses_of(labels: Labels, tail_s: float) -> list[Pause]:
    """All labelled pauses in order; one ends where the next begins, if rounded labels overlap."""
    found = []
    for label in labels.labels:
        start_s, end_s, kind = label.start_s, label.end_s, label.kind
        if kind == "hold" and not is_scored(label):
            kind = "unscored_hold"
        if kind in ("shift", "backchannel"):
            start_s = label.start_s if kind == "shift" else label.end_s
            sound_s = next_sound_s(labels, start_s)
            end_s = labels.duration_s + tail_s if sound_s is None else sound_s
        found.append(Pause(start_s, end_s, "end_of_turn" if kind == "shift" else kind))
    found.sort(key=lambda pause: (pause.start_s, pause.end_s))
    for k, pause in enumerate(found[:-1]):
        found[k] = replace(pause, end_s=min(pause.end_s, found[k + 1].start_s))
    return found


def owner_of(pauses: list[Pause], last_speaking_s: float, commit_s: float) -> int | None:
    """The pause that a commit belongs to: the nearest start of those that its wait touches."""
    touched = [k for k, p in enumerate(pauses) if p.start_s <= commit_s and p.end_s > last_speaking_s]
    return min(touched, key=lambda k: abs(pauses[k].start_s - last_speaking_s), default=None)


def recorded_agent_s(labels: Labels, pause: Pause) -> float:
    """Where the recorded agent spoke in a cut-off pause; its end if nobody knows."""
    starts = [ipu.start_s for ipu in labels.ipus if ipu.speaker == "agent"]
    return min((s for s in starts if pause.start_s <= s < pause.end_s), default=pause.end_s)


def is_false_boundary(labels: Labels, pause: Pause, commit_s: float) -> bool:
    if pause.kind == "cut_off":
        return commit_s < recorded_agent_s(labels, pause)
    return pause.kind in ("hold", "unscored_hold")


def score(
    labels: Labels,
    commits: Commits,
    tail_s: float,
    longest_wait_s: float = 8.0,
    branches: dict[int, tuple[float, Commits]] | None = None,
) -> Score:
    """`branches`: by number of the end of turn, where its branch leaves the tape (in recording time, as the
    agent hears it) and the commits of a session on it."""
    out = Score()
    pauses = pauses_of(labels, tail_s)
    of_pause: dict[int, list[float]] = {k: [] for k in range(len(pauses))}
    ends_s = [label.start_s for label in labels.labels if label.kind == "shift"]
    for t, last_s in zip(commits.time_s.tolist(), commits.last_speaking_s.tolist(), strict=True):
        owner = owner_of(pauses, last_s, t)
        if owner is None:
            out.in_no_label += 1
        else:
            of_pause[owner].append(t)
    cut_turns, doubtful_turns = set(), set()
    for k, pause in enumerate(pauses):
        turn = sum(end_s < pause.start_s for end_s in ends_s)
        cut = any(is_false_boundary(labels, pause, t) for t in of_pause[k])
        if pause.kind == "hold":
            out.holds += 1
            out.holds_cut += cut
        if pause.kind == "cut_off":
            out.cut_offs += 1
            out.cut_offs_cut += cut
            doubtful_turns.add(turn)
        if cut:
            cut_turns.add(turn)
        if pause.kind == "backchannel":
            out.backchannels += 1
            out.backchannels_hit += bool(of_pause[k])
    out.turns = len(ends_s)
    out.turns_cut = sum(turn in cut_turns for turn in range(len(ends_s)))
    out.turns_cut_at_most = sum(turn in cut_turns | doubtful_turns for turn in range(len(ends_s)))
    for turn, end_s in enumerate(ends_s):
        from_s, heard = (branches or {}).get(turn, (math.inf, commits))
        own = [
            (float(t), cause)
            for one, on_branch in ((commits, False), (heard, True))
            for t, last_s, cause in zip(one.time_s, one.last_speaking_s, one.cause, strict=True)
            if (on_branch or t < from_s) and is_end_of(pauses, owner_of(pauses, last_s, t), turn, ends_s)
        ]
        t, cause = min(own, default=(math.inf, ""))
        if t - end_s > longest_wait_s + 1e-9:
            t = math.inf
        out.latencies_s.append(t - end_s)
        out.missed += math.isinf(t)
        out.timeouts += cause == "max_delay" and not math.isinf(t)
    return out


def is_end_of(pauses: list[Pause], owner: int | None, turn: int, ends_s: list[float]) -> bool:
    return owner is not None and pauses[owner].kind == "end_of_turn" and pauses[owner].start_s == ends_s[turn]


def percentile(values: list[float], q: float) -> float:
    """numpy's default, by hand: it knows no infinity."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * q / 100
    low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
    if low == high or place == math.floor(place):
        return low
    return math.inf if math.isinf(high) else low + (place - math.floor(place)) * (high - low)


def summary(scores: list[Score]) -> dict[str, float]:
    """Rates and latencies pooled over recordings and phases."""

    def rate(count: int, n: int) -> float:
        return count / n if n else math.nan

    turns = sum(s.turns for s in scores)
    holds = sum(s.holds + s.cut_offs for s in scores)
    cut = sum(s.holds_cut for s in scores)
    latencies_s = [t for s in scores for t in s.latencies_s]
    seen = [t for t in latencies_s if t < math.inf]
    out = {
        "false_boundary_rate": rate(cut + sum(s.cut_offs_cut for s in scores), holds),
        "false_boundary_rate_per_turn": rate(sum(s.turns_cut for s in scores), turns),
        "timeout_rate": rate(sum(s.timeouts for s in scores), turns),
        "missed_rate": rate(sum(s.missed for s in scores), turns),
        "false_boundary_rate_at_most": rate(cut + sum(s.cut_offs for s in scores), holds),
        "false_boundary_rate_per_turn_at_most": rate(sum(s.turns_cut_at_most for s in scores), turns),
        "backchannel_rate": rate(
            sum(s.backchannels_hit for s in scores), sum(s.backchannels for s in scores)
        ),
        "commits_in_no_label": float(sum(s.in_no_label for s in scores)),
        "longest_wait": max(latencies_s, default=math.nan),
        "latency_mean": float(np.mean(seen)) if seen else math.nan,
    }
    for q in (50, 90, 95):
        out[f"latency_p{q}"] = percentile(latencies_s, q) if latencies_s else math.nan
    return out


def attribute(labels: Labels, commits: Commits, tail_s: float) -> list[dict[str, object]]:
    """What each commit means, by looking at one label after the other."""
    pauses = pauses_of(labels, tail_s)
    ends_s = [label.start_s for label in labels.labels if label.kind == "shift"]
    answered: set[int] = set()
    rows: list[dict[str, object]] = []
    for t, last_s in zip(commits.time_s.tolist(), commits.last_speaking_s.tolist(), strict=True):
        owner = owner_of(pauses, last_s, t)
        spoken = [ipu for ipu in turn_speech(labels) if ipu.start_s < max(ends_s, default=-math.inf)]
        row: dict[str, object] = {
            "label": "speech" if any(i.start_s <= t < i.end_s for i in spoken) else "other",
            "label_start_s": math.nan,
            "turn": -1,
            "latency_s": math.nan,
            "false_boundary": False,
            "scored": False,
        }
        if owner is not None:
            pause = pauses[owner]
            false = is_false_boundary(labels, pause, t)
            row["label"], row["label_start_s"] = pause.kind, pause.start_s
            row["turn"] = sum(end_s < pause.start_s for end_s in ends_s)
            row["false_boundary"], row["scored"] = false, false and pause.kind != "unscored_hold"
            if pause.kind == "end_of_turn" and owner not in answered:
                answered.add(owner)
                row["latency_s"] = t - pause.start_s
        rows.append(row)
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


def choose(
    rows: list[dict[str, float]], limit: str, most: float, least: str, most_missed: float = 0.02
) -> int | None:
    """The row within the budget that comes before every other one; None if none is within it."""
    within = [
        i
        for i, row in enumerate(rows)
        if row["missed_rate"] <= most_missed + 1e-12
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
    """`session.scripted.prompt_cache.PrefixCache`, which here remembers every prefix by itself."""

    min_tokens: int
    step_tokens: int
    ttl_s: float
    earlier: Sequence[str] = ()
    used_s: dict[tuple[str, ...], float] = field(default_factory=dict)

    def _prefixes(self, tokens: Sequence[str]) -> list[tuple[str, ...]]:
        """Those that may be kept, short to long."""
        lengths = range(1, len(tokens) + 1)
        return [tuple(tokens[:n]) for n in lengths if n >= self.min_tokens and n % self.step_tokens == 0]

    def _known(self, tokens: Sequence[str], now_s: float) -> int:
        known = [p for p in self._prefixes(tokens) if now_s - self.used_s.get(p, -math.inf) <= self.ttl_s]
        known += [p for p in self._prefixes(tokens) if p in self._prefixes(self.earlier)]
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


def voice(layers, projection, bias, mels):
    """Resemblyzer's encoder on one window, as PyTorch's documentation of LSTM states it; shape=(256,)."""

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    heard = [frame.astype(np.float64) for frame in mels]
    for into, again, both_biases in layers:
        h, c, out = np.zeros(256), np.zeros(256), []
        for x in heard:
            gates = into.astype(np.float64) @ x + again.astype(np.float64) @ h + both_biases
            i, f, g, o = gates[:256], gates[256:512], gates[512:768], gates[768:]
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
            out.append(h)
        heard = out
    raw = np.maximum(projection @ heard[-1] + bias, 0)
    return raw / np.linalg.norm(raw)


def frames_in(spans, n, hop_s=0.01):
    """Which frames lie in some spans; shape=(n,)."""
    return np.array([any(a <= k * hop_s < b for a, b in spans) for k in range(n)])


def agent_silences(p, vad, frame, transcripts, start_s, interruption):
    """When the agent falls silent, and goes on: window by window, event by event (as LiveKit's source reads).

    `p`: by window; `transcripts`: (time_s, is_final, words). Silences as (start, end); the end is infinite
    for one that lasts. No commit comes.
    """
    window_s, happenings = 0.032, []
    speaking, speech_s, silence_s, counted_s = False, 0.0, 0.0, 0.0
    for k, probability in enumerate(p):
        at_s = -(-(k + 1) * 512 // frame) * frame / 16_000
        if speaking:
            counted_s += window_s
        happenings.append((at_s, "window", counted_s))
        if probability >= vad.activation_threshold or (speaking and probability > vad.deactivation):
            speech_s, silence_s = speech_s + window_s, 0.0
            if not speaking and speech_s >= vad.min_speech_duration:
                speaking, counted_s = True, speech_s
                happenings.append((at_s, "start", 0.0))
        else:
            speech_s, silence_s = 0.0, silence_s + window_s
            if speaking and silence_s >= vad.min_silence_duration:
                speaking, counted_s = False, 0.0
                happenings.append((at_s, "end", 0.0))
    happenings += [(at_s, "final" if final else "interim", words) for at_s, final, words in transcripts]
    found, silent_since, over, resumes_s = [], None, False, math.inf
    finals, interim = 0, 0
    pauses = interruption.resume_false_interruption and interruption.false_interruption_timeout is not None
    for at_s, what, value in sorted(happenings, key=lambda one: one[0]):
        if resumes_s < at_s and not over:
            found.append((silent_since, resumes_s))
            silent_since, resumes_s = None, math.inf
        if over:
            break
        enough = finals + interim >= interruption.min_words
        yields = what == "final" or (what == "window" and value >= interruption.min_duration)
        if yields and enough and interruption.enabled and at_s >= start_s:
            resumes_s = math.inf
            silent_since = at_s if silent_since is None else silent_since
            over = not pauses
        if what == "final":
            over = over or silent_since is not None
            finals, interim = finals + value, 0
        elif what == "interim":
            interim = value
        elif what == "start":
            resumes_s = math.inf
        elif what == "end" and silent_since is not None:
            resumes_s = at_s + interruption.false_interruption_timeout
    if resumes_s < math.inf and not over:
        found.append((silent_since, resumes_s))
        silent_since = None
    return found + ([(silent_since, math.inf)] if silent_since is not None else [])


def commits_with_words(commits_s, finals):
    """Each commit with the finals that came since the one before; a final at its moment counts."""
    found, given = [], []
    for commit_s in commits_s:
        new = [k for k, (time_s, _) in enumerate(finals) if time_s < commit_s + 1e-6 and k not in given]
        given += new
        found.append((commit_s, " ".join(finals[k][1] for k in new)))
    return found


def e2e_s(replies, turns):
    """By turn (true end, start of the next): how long after its end the agent is heard; else infinity."""
    found = []
    for end_s, until_s in turns:
        commits = [one.commit_s for one in replies if end_s - 1e-6 <= one.commit_s < until_s]
        if not commits:
            found.append(math.inf)
            continue
        heard = [one.heard_s for one in replies if one.commit_s >= min(commits) and one.heard_s < until_s]
        found.append(round(min(heard) - end_s, 9) if heard else math.inf)
    return found


def joint_frontier(table, least, most_missed, most_dollars):
    """Rows that answer, with a finite latency, that no other such row beats; of equal ones the first.

    Of those within the limit of money if there are any.
    """
    names = ["false_boundary_rate", least, "dollars_per_1000"]
    rows = [k for k in range(len(table)) if table["missed_rate"][k] <= most_missed]
    rows = [k for k in rows if table["dollars_per_1000"][k] <= most_dollars] or rows
    found, seen = [], set()
    for k in rows:
        mine = tuple(table[name][k] for name in names)
        beaten = False
        for other in rows:
            theirs = tuple(table[name][other] for name in names)
            beaten |= theirs != mine and all(t <= m for t, m in zip(theirs, mine, strict=True))
        if not beaten and mine not in seen and math.isfinite(mine[1]):
            found.append(k)
            seen.add(mine)
    return found
