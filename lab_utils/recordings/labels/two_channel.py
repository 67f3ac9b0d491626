"""Labels of a recording from who speaks when on its two channels.

Goal: tell the pauses inside the user's turns (holds) from the ends of turns (shifts) without a transcript,
and give no label where that can't be told. Pure: spans in, labels out.

Conventions: times are float seconds from the start of the recording; spans have shape=(n, 2), rows
`[start, end)`. They come from a voice-activity detector and share its errors: an end that the detector sees
late is a late "true end of speech". Spans are in any order and may touch or overlap.

Definitions (design: metrics.md, "Labels from two channels"; IPU, pause, hold, shift and backchannel as in
Skantze 2021, "Turn-taking in conversational systems and human-robot interaction: a review"; the durations
are fields of `Limits`):

- IPU: a speaker's spans merged over silences < 0.2 s; those < 0.1 s are then dropped as noise.
- The user's *backchannel*: a user IPU that meets all of these conditions. It lasts <= 1.0 s. It has at most 2
  words if words are known (a word belongs to the IPU that contains its middle). It is at least 1.0 s from any
  other user IPU. It begins while the agent speaks, and the agent goes on: the agent still speaks at its end,
  or resumes within 1.0 s. Backchannels are ignored in what follows.
- A *pause* is the user's silence from the end of one IPU to the start of the next. An agent IPU that began
  before the user's IPU before the pause, and ends within 1.0 s of that IPU's end, *gives way* and doesn't
  take the turn. Let a be the start of the first other agent IPU that overlaps the pause (or the pause's
  start, if that is later). The pause is:
  - a *hold* if the agent doesn't speak in it at all;
  - a *cut_off* if the user goes on within 1.0 s of a, and the agent's speech then ends within 1.0 s: a pause
    inside the user's turn in which the agent spoke. An agent's backchannel ("mm-hm") in a pause is also a
    cut_off, with its own reason, so it ends no turn. One during the user's speech changes nothing;
  - without a label if only agent speech that gives way overlaps it: it may be a hold or a shift;
  - otherwise a *shift*, from the user's end to a: the agent takes the turn.
- After the user's last IPU: a *shift* if an agent IPU that doesn't give way continues or follows; else no
  label.

Known limits: a machine as agent ends every pause that would have been longer than its own delay: long holds
are missing (censored) or show as cut_off; `censoring` counts them. A very short question answered at once
looks like a backchannel. Crosstalk from one channel to the other is speech here: `estimate` keeps it out of
the spans.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...core.labels import Ipu, Label, LabelKind, Labels, Word, as_spans
from ...core.timeline import Floats, Ints

SOURCE = "two channels"
MATCH_S = 0.1
"""Labels of two variants are the same if they overlap or start no further apart than this."""


@dataclass(frozen=True)
class Limits:
    """The durations in the definitions above, in seconds."""

    merge_silence_s: float = 0.2
    min_speech_s: float = 0.1
    backchannel_s: float = 1.0
    backchannel_words: int = 2
    isolation_s: float = 1.0
    go_on_s: float = 1.0
    yield_s: float = 1.0


LIMITS = Limits()


def label_two_channels(
    user_spans: Floats,
    agent_spans: Floats,
    duration_s: float,
    limits: Limits = LIMITS,
    *,
    words: Sequence[Word] = (),
) -> Labels:
    """IPUs and labels (of confidence 1) from the speech spans of both channels, shape=(n, 2) and (m, 2).

    `words`, if known, only serve to recognise backchannels. Spans are clipped to [0, duration_s]. Raises
    ValueError for another shape, for NaN and for an end before its start. Don't call this for a recording
    without an agent channel: every pause would be a hold.
    """
    user = to_ipus(user_spans, duration_s, limits)
    agent = to_ipus(agent_spans, duration_s, limits)
    said = words_in(user, words)
    short = np.array([_is_backchannel(k, user, agent, said, limits) for k in range(len(user))], dtype=bool)
    labels = [_label("backchannel", start, end, "short, and the agent goes on") for start, end in user[short]]
    turns = user[~short]
    resumptions = np.append(turns[:, 0], np.inf)[1:]
    for (start_s, end_s), resumes_s in zip(turns, resumptions, strict=True):
        label = _pause_label(start_s, end_s, resumes_s, agent, limits)
        if label:
            labels.append(label)
    ipus = [Ipu("user", *span) for span in user.tolist()] + [Ipu("agent", *span) for span in agent.tolist()]
    return Labels(
        duration_s=float(duration_s),
        ipus=tuple(sorted(ipus, key=lambda ipu: (ipu.start_s, ipu.end_s))),
        labels=tuple(sorted(labels, key=lambda label: (label.start_s, label.end_s))),
        words=tuple(words),
        source=SOURCE,
    )


def label_with_confidence(
    variants: Sequence[tuple[Floats, Floats]],
    duration_s: float,
    limits: Limits = LIMITS,
    *,
    words: Sequence[Word] = (),
) -> Labels:
    """Labels of the middle variant, each with the share of variants that agree as its confidence.

    `variants`: (user spans, agent spans) by several thresholds of a voice-activity detector, in order. A
    variant agrees with a label if it has one of the same kind that overlaps it or starts within 0.1 s of it.
    Labels that the middle variant lacks are left out. Raises ValueError as `label_two_channels` does.
    """
    if not variants:
        raise ValueError("expected at least one variant of (user spans, agent spans), got none")
    labelled = [label_two_channels(user, agent, duration_s, limits, words=words) for user, agent in variants]
    reference = labelled[len(labelled) // 2]
    labels = []
    for label in reference.labels:
        agreeing = sum(_has_like(variant.of_kind(label.kind), label) for variant in labelled)
        labels.append(replace(label, confidence=agreeing / len(labelled)))
    return replace(reference, labels=tuple(labels))


def to_ipus(spans: Floats, duration_s: float, limits: Limits = LIMITS) -> Floats:
    """Speech spans as IPUs: clipped to [0, duration_s], merged and in order; both shapes (n, 2)."""
    spans = np.asarray(spans, dtype=np.float64)
    if spans.ndim != 2 or spans.shape[1] != 2:
        raise ValueError(f"spans must have shape (n, 2), got {spans.shape}; use as_spans for an empty list")
    if not np.isfinite(spans).all() or (spans[:, 1] < spans[:, 0]).any():
        raise ValueError("spans must be finite and end after they start; check the order of the columns")
    merged: list[tuple[float, float]] = []
    for start_s, end_s in np.clip(spans[np.argsort(spans[:, 0], kind="stable")], 0.0, duration_s).tolist():
        if merged and start_s - merged[-1][1] < limits.merge_silence_s:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end_s))
        else:
            merged.append((start_s, end_s))
    return as_spans([(start_s, end_s) for start_s, end_s in merged if end_s - start_s >= limits.min_speech_s])


def words_in(ipus: Floats, words: Sequence[Word]) -> Ints:
    """Number of the user's words whose middle is in each IPU; zeros if no words are known; shape=(n,)."""
    middles = np.array([word.middle_s for word in words if word.speaker == "user"])
    return np.array([np.count_nonzero((a <= middles) & (middles < b)) for a, b in ipus], dtype=np.int64)


def _is_backchannel(k: int, user: Floats, agent: Floats, said: Ints, limits: Limits) -> bool:
    start_s, end_s = user[k]
    if said[k] > limits.backchannel_words:
        return False
    others = np.delete(user, k, axis=0)
    near = (others[:, 0] < end_s + limits.isolation_s) & (others[:, 1] > start_s - limits.isolation_s)
    if end_s - start_s > limits.backchannel_s or near.any():
        return False
    speaks_at_start = ((agent[:, 0] < start_s) & (start_s < agent[:, 1])).any()
    next_user_s = min((start for start, _ in others if start >= end_s), default=np.inf)
    back_s = min(end_s + limits.go_on_s, next_user_s)
    goes_on = ((agent[:, 0] <= back_s) & (agent[:, 1] > end_s)).any()
    return bool(speaks_at_start and goes_on)


def _pause_label(
    start_s: float, end_s: float, resumes_s: float, agent: Floats, limits: Limits
) -> Label | None:
    """The label of the pause from `end_s` to `resumes_s` (inf: never) after the user's IPU from `start_s`."""
    inside = agent[(agent[:, 1] > end_s) & (agent[:, 0] < resumes_s)]
    gives_way = (inside[:, 0] < start_s) & (inside[:, 1] <= end_s + limits.yield_s)
    taking = inside[~gives_way]
    if not len(taking):
        if len(inside) or resumes_s == np.inf:
            return None
        return _label("hold", end_s, resumes_s, "the user goes on and the agent is silent")
    onset_s = max(end_s, taking[0, 0])
    if resumes_s - onset_s <= limits.go_on_s and taking[-1, 1] <= resumes_s + limits.yield_s:
        return _label("cut_off", end_s, resumes_s, _interruption(taking[-1], resumes_s, limits))
    if taking[0, 0] <= end_s:
        return _label("shift", end_s, end_s, "the agent speaks before the user ends, and goes on")
    return _label("shift", end_s, onset_s, "the agent takes the floor")


def _interruption(agent_ipu: Floats, resumes_s: float, limits: Limits) -> str:
    if agent_ipu[1] > resumes_s:
        return "the agent starts, the user goes on and the agent yields"
    if agent_ipu[1] - agent_ipu[0] <= limits.backchannel_s:
        return "the agent says something short and the user goes on"
    return "the agent stops and the user goes on"


def _label(kind: LabelKind, start_s: float, end_s: float, reason: str) -> Label:
    return Label(kind, float(start_s), float(end_s), 1.0, reason)


def _has_like(spans: Floats, label: Label) -> bool:
    overlaps = (spans[:, 0] < label.end_s) & (spans[:, 1] > label.start_s)
    starts_near = np.abs(spans[:, 0] - label.start_s) <= MATCH_S
    return bool((overlaps | starts_near).any())
