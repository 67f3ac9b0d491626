"""Conversations made up for tests: scripts of turns → labels, voice-activity traces and predictions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st

from lab_utils.core.detectors import traits_of
from lab_utils.core.labels import Ipu, Label, Labels, Word, agent_turns, labels_until
from lab_utils.core.settings import USUAL_CONDITIONS, Conditions, Settings
from lab_utils.core.timeline import SAMPLE_RATE_HZ, WINDOW_S, WINDOW_SAMPLES, frame_samples
from lab_utils.core.traces import (
    BRANCH_SAMPLES,
    Branch,
    EotTrace,
    Prompt,
    SttEvent,
    TextAnswers,
    Traced,
    VadTrace,
    text_key,
)
from lab_utils.turns.branches import forks_of
from lab_utils.turns.replay import (
    Block,
    MissingPredictions,
    MissingRestarts,
    MissingTexts,
    Rows,
    counted_words,
    decide,
    find_pauses,
    find_rows,
    stt_events_for,
)

WAIT_SHAPES = ["linear", "late", [[0, 1], [0.5, 1], [0.5, 0.4], [0.9, 0.2]], [[0.3, 0.8]]]
TEXT_THRESHOLDS = {"en": 0.36, "de": 0.6}
"""Of a stand-in text detector, which knows no Korean."""


@dataclass(frozen=True)
class Turn:
    """A user's turn and the agent's reply, in seconds."""

    speech: tuple[float, ...]
    """Durations of the user's IPUs."""
    pauses: tuple[tuple[float, str], ...]
    """(duration, "hold" or "cut_off") between them."""
    gap: float = 0.5
    """From the user's end to the agent's start; negative: the agent starts earlier."""
    reply: float = 1.5
    """Duration of the agent's reply; 0: none, so the turn has no labelled end."""
    backchannel: bool = False
    """The user says "mm-hm" in the middle of the reply, if it is long enough."""
    rest: float = 0.5
    """From the agent's end to the user's next turn; negative: the user starts earlier."""


def labels_of(turns: Sequence[Turn], lead_s: float = 0.5, rest_s: float = 1.0) -> Labels:
    """The labels of a script, consistent by construction."""
    ipus: list[Ipu] = []
    labels: list[Label] = []
    t = lead_s
    for turn in turns:
        for k, speech_s in enumerate(turn.speech):
            start, t = t, round(t + speech_s, 3)
            ipus.append(Ipu("user", start, t))
            if k < len(turn.pauses):
                pause_s, kind = turn.pauses[k]
                begin, t = t, round(t + pause_s, 3)
                labels.append(Label(kind, begin, t))
                if kind == "cut_off":
                    ipus.append(
                        Ipu("agent", round(begin + 0.3 * pause_s, 3), round(begin + 0.7 * pause_s, 3))
                    )
        if not turn.reply:
            t = round(t + abs(turn.rest), 3)
            continue
        replies = round(t + max(turn.gap, -0.8 * turn.speech[-1]), 3)
        labels.append(Label("shift", t, max(t, replies)))
        end = round(max(t, replies) + turn.reply, 3)
        ipus.append(Ipu("agent", replies, end))
        earliest = max(t, replies)
        if turn.backchannel and turn.reply >= 1.5:
            start = round(end - 1.0, 3)
            earliest = round(start + 0.3, 3)
            labels.append(Label("backchannel", start, earliest))
            ipus.append(Ipu("user", start, earliest))
        t = round(max(end + turn.rest, earliest + 0.05), 3)
    last = max([t, *(ipu.end_s for ipu in ipus)])
    ipus.sort(key=lambda ipu: ipu.start_s)
    labels.sort(key=lambda label: label.start_s)
    return Labels(round(last + rest_s, 3), tuple(ipus), tuple(labels), source="construction")


def windows_of(
    labels: Labels, tail_s: float, phase_samples: int, seed: int, noise: float = 0.1
) -> np.ndarray:
    """Speech probabilities that follow the user's IPUs, with a decay after each and some doubtful windows."""
    rng = np.random.default_rng(seed)
    n = int((labels.duration_s + tail_s) * SAMPLE_RATE_HZ + phase_samples) // WINDOW_SAMPLES
    middle_s = (np.arange(n) + 0.5) * WINDOW_S - phase_samples / SAMPLE_RATE_HZ
    p = np.full(n, 0.03)
    for start, end in labels.spans("user"):
        p[(middle_s >= start) & (middle_s < end)] = 0.95
        p[(middle_s >= end) & (middle_s < end + 0.06)] = 0.6
    doubtful = rng.random(n) < noise
    p[doubtful] = rng.choice([0.2, 0.4, 0.6, 0.9], size=int(doubtful.sum()))
    return p


def traced_of(
    labels: Labels,
    *,
    name: str = "x",
    seed: int = 0,
    offsets: Sequence[int] = (0,),
    vads: Iterable[str] = ("livekit",),
    tail_s: float = 4.0,
    noise: float = 0.1,
) -> Traced:
    """A recording with random traces of each VAD model at each phase, and no predictions yet."""
    vad = {
        model: tuple(
            VadTrace(model, offset, windows_of(labels, tail_s, offset, seed + 31 * k, noise))
            for offset in offsets
        )
        for k, model in enumerate(vads)
    }
    eot = tuple(EotTrace() for _ in offsets)
    branches = branches_of(labels, seed, offsets, vads, noise)
    return Traced(
        name,
        f"{name}.wav",
        "0" * 64,
        labels.duration_s,
        labels,
        vad,
        eot,
        tail_s,
        branches=branches,
        texts={"english": TextAnswers(thresholds=TEXT_THRESHOLDS)},
    )


def with_texts(labels: Labels) -> Labels:
    """The same, with two words in all that is said: one of the user's is a number, and the agent asks for one
    in every third stretch of speech; in every third it has none."""
    words = []
    for k, ipu in enumerate(labels.ipus):
        if ipu.speaker == "user" or k % 3:
            middle_s = (ipu.start_s + ipu.end_s) / 2
            words.append(Word(ipu.speaker, ipu.start_s, middle_s, f"{ipu.speaker}{k}"))
            said = "number?" if ipu.speaker == "agent" and k % 3 == 1 else "said."
            words.append(Word(ipu.speaker, middle_s, ipu.end_s, said))
    return replace(labels, words=tuple(sorted(words, key=lambda word: word.start_s)))


def branches_of(
    labels: Labels, seed: int, offsets: Sequence[int], vads: Iterable[str], noise: float
) -> tuple[Branch, ...]:
    """Branches in whose silence the VAD still has some doubts."""
    found = []
    for fork in forks_of(labels):
        until_s = fork.until_sample / SAMPLE_RATE_HZ
        silent = labels_until(labels, fork.from_sample / SAMPLE_RATE_HZ, until_s)
        traces = {
            model: tuple(
                windows_of(silent, 0.0, offset, seed + 31 * k + 7 * fork.turn + 1, noise)[
                    (fork.from_sample + offset) // WINDOW_SAMPLES :
                ]
                for offset in offsets
            )
            for k, model in enumerate(vads)
        }
        found.append(Branch(fork.turn, fork.from_sample, until_s, traces))
    return tuple(found)


PROBABILITIES = (0.0, 0.1, 0.2, 0.3, 0.36, 0.5, 0.6, 0.65, 0.7, 0.9, 1.0)


def probability_of(start: int, end: int) -> float:
    """A stand-in detector: a fixed choice for each stretch of audio, the thresholds of tests among them."""
    return PROBABILITIES[(start * 7919 + end * 104_729) % 10_007 % len(PROBABILITIES)]


def predicted(missing: MissingPredictions) -> EotTrace:
    """The stand-in detector's answers to what was missing."""
    p = [probability_of(int(a), int(b)) for a, b in zip(missing.starts, missing.ends, strict=True)]
    return EotTrace(missing.starts, missing.ends, np.array(p))


def answered(prompt: Prompt) -> float:
    """A stand-in text detector's answer."""
    return PROBABILITIES[text_key(prompt) % len(PROBABILITIES)]


def restarted(recording: Traced, trace: VadTrace, missing: MissingRestarts) -> VadTrace:
    """The trace with the missing restarts, just as long as asked: what was said, with some other windows."""
    restarts = dict(trace.restarts)
    phase = [one.phase_samples for one in recording.vad[trace.model]].index(trace.phase_samples)
    for numbered, n in zip(missing.origins, missing.windows, strict=True):
        number, origin = divmod(numbered, BRANCH_SAMPLES)
        heard = trace.probabilities
        for branch in recording.branches:
            if branch.turn == number - 1:
                fork = (branch.from_sample + trace.phase_samples) // WINDOW_SAMPLES
                heard = np.concatenate((heard[:fork], branch.vad[trace.model][phase]))
        whole = heard[origin // WINDOW_SAMPLES :].copy()
        rng = np.random.default_rng(origin)
        longest = 4000  # the same draws, however long the tape is
        other = (rng.random(longest) < 0.1)[: len(whole)]
        whole[other] = rng.choice([0.2, 0.4, 0.6, 0.9], size=longest)[: len(whole)][other]
        assert n <= len(whole)
        restarts[numbered] = whole[:n]
    return replace(trace, restarts=restarts)


def complete(recording: Traced, blocks: Sequence[Block], stt: Sequence[SttEvent] | None = None) -> Traced:
    """The recording with every prediction and restart that the blocks lead to, at every phase.

    With events of a speech-to-text, which know of no branches, on the tape only.
    """
    eot = {block.detector: list(recording.predictions(block.detector)) for block in blocks}
    texts = dict(recording.texts)
    vad = {name: list(traces) for name, traces in recording.vad.items()}
    for block in blocks:
        frame = frame_samples(block.conditions.frame_duration)
        traces = vad[block.vad.model]
        for phase, trace in enumerate(traces):
            tape = Rows.of(find_pauses(trace, block.vad, frame))
            rows = find_rows(recording, block.vad, phase, frame) if stt is None else tape
            offset_s = trace.phase_samples / SAMPLE_RATE_HZ
            agent = agent_turns(recording.labels) + offset_s
            block = block.on(recording, offset_s)
            heard = stt_events_for(block, recording.labels, offset_s, stt)
            while True:
                try:
                    words_s = counted_words(block, recording.labels, offset_s)
                    said = texts.get(block.detector, eot[block.detector][phase])
                    decide(rows, said, agent, block, heard, traces[phase], words_s)
                    break
                except MissingPredictions as missing:
                    eot[block.detector][phase] = eot[block.detector][phase].merged(predicted(missing))
                except MissingTexts as missing:
                    keys = np.array([text_key(one) for one in missing.prompts])
                    p = np.array([answered(one) for one in missing.prompts])
                    texts[block.detector] = texts[block.detector].merged(keys, p)
                except MissingRestarts as missing:
                    traces[phase] = restarted(recording, traces[phase], missing)
    recording = replace(recording, texts=texts)
    for name, of_detector in eot.items():
        if traits_of(name).needs == "predictions":
            recording = recording.with_predictions(name, of_detector)
    return replace(recording, vad={name: tuple(traces) for name, traces in vad.items()})


def block_of(settings: Sequence[Settings], conditions: Conditions = USUAL_CONDITIONS) -> Block:
    """Settings that differ in threshold and waits only, as one block."""
    return replace(
        Block.of(settings[0], conditions),
        threshold=np.array([float(s.detector.unlikely_threshold) for s in settings]),
        by_language={
            k: s.detector.unlikely_threshold
            for k, s in enumerate(settings)
            if isinstance(s.detector.unlikely_threshold, dict)
        },
        min_delay=np.array([s.endpointing.min_delay for s in settings]),
        max_delay=np.array([s.endpointing.max_delay for s in settings]),
        shapes={k: shape for k, s in enumerate(settings) for shape in Block.of(s).shapes.values()},
    )


# --- hypothesis -----------------------------------------------------------------------------------


@st.composite
def conversations(draw: st.DrawFn, max_turns: int = 4) -> Labels:
    """Labels with holds of all lengths, cut-offs, backchannels, overlaps, and perhaps without any turn."""
    turns = []
    for _ in range(draw(st.integers(0, max_turns))):
        n = draw(st.integers(1, 4))
        seconds = st.sampled_from([0.1, 0.3, 0.6, 1.2])
        pause = st.sampled_from([0.1, 0.19, 0.2, 0.35, 0.5, 0.8, 1.3, 2.0, 5.0, 5.4])
        turns.append(
            Turn(
                speech=tuple(draw(seconds) for _ in range(n)),
                pauses=tuple(
                    (draw(pause), draw(st.sampled_from(["hold", "hold", "hold", "cut_off"])))
                    for _ in range(n - 1)
                ),
                gap=draw(st.sampled_from([-0.3, 0.0, 0.2, 1.0, 2.5])),
                reply=draw(st.sampled_from([0.0, 0.4, 1.0, 2.0, 3.0])),
                backchannel=draw(st.booleans()),
                rest=draw(st.sampled_from([-0.6, 0.0, 0.3, 1.0])),
            )
        )
    return labels_of(turns)


@st.composite
def settings_strategy(draw: st.DrawFn) -> Settings:
    detector = draw(st.sampled_from(["vad", "stt", "v1-mini", "own:mine"]))
    silences = [0.25, 0.3, 0.55] if detector in ("v1-mini", "own:mine") else [0.0, 0.1, 0.5]
    min_delay = draw(st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.8]))
    mode = draw(st.sampled_from(["fixed", "dynamic"]))
    return Settings().replace(
        detector=detector,
        wait_shape=draw(st.sampled_from([None, None, *WAIT_SHAPES])) if mode == "fixed" else None,
        activation_threshold=draw(st.sampled_from([0.3, 0.5, 0.7])),
        deactivation_threshold=draw(st.sampled_from([None, 0.2, 0.45])),
        min_speech_duration=draw(st.sampled_from([0.0, 0.05, 0.1, 0.2])),
        min_silence_duration=draw(st.sampled_from(silences)),
        min_delay=min_delay,
        max_delay=min_delay + draw(st.sampled_from([0.0, 0.5, 1.7])),
        endpointing_mode=mode,
        unlikely_threshold=draw(st.sampled_from([0.0, 0.36, 0.7, {"de": 0.2, "en": 0.65}])),
    )


@st.composite
def conditions_strategy(draw: st.DrawFn) -> Conditions:
    return Conditions(
        transcription_delay=draw(st.sampled_from([0.0, 0.05, 0.27, 0.4, 0.9, 2.0])),
        frame_duration=draw(st.sampled_from([0.01, 0.02, 0.032, 0.05])),
        prediction_delay=draw(st.sampled_from([0.0, 0.04, 0.3])),
        stt_silence=draw(st.sampled_from([0.2, 0.5, 1.0])),
        stt_tells_end=draw(st.booleans()),
        language=draw(st.sampled_from(["", "de", "ko"])),
    )


@st.composite
def stt_event_lists(draw: st.DrawFn, until_s: float) -> list[SttEvent]:
    """Events of a speech-to-text that says anything at any time, often several things at one moment."""
    events = []
    t = 0.0
    kinds = ["start_of_speech", "interim", "preflight", "final", "final", "end_of_speech", "end_of_speech"]
    while t < until_s and len(events) < 60:
        t += draw(st.sampled_from([0.0, 0.032, 0.05, 0.1037, 0.31, 0.55, 0.9, 1.7]))
        times = draw(st.sampled_from([(None, None), (None, None), (-0.4, -0.2), (-0.9, 0.1), (-1.0, -0.6)]))
        start_s, end_s = (None if one is None else t + one for one in times)
        text = draw(st.sampled_from(["yes", "yes", "yes", "", " "]))
        events.append(SttEvent(t, draw(st.sampled_from(kinds)), text, start_s, end_s))
    return events


@st.composite
def settings_of_one_block(draw: st.DrawFn) -> list[Settings]:
    """Settings that differ in threshold and waits only."""
    base = draw(settings_strategy())
    low, more = st.sampled_from([0.1, 0.3, 0.4, 0.8]), st.sampled_from([0.0, 0.2, 0.6, 1.5])
    changes = st.tuples(low, more, st.sampled_from([0.0, 0.2, 0.36, 0.6, 0.95, {"ko": 0.3}]))
    changes = draw(st.lists(changes, min_size=1, max_size=12))
    settings = [base.replace(min_delay=a, max_delay=a + b, unlikely_threshold=p) for a, b, p in changes]
    if base.policy.wait_shape is None:
        return settings
    return [one.replace(wait_shape=draw(st.sampled_from(WAIT_SHAPES))) for one in settings]
