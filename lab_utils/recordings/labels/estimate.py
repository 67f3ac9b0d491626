"""Labels of a recording without a label file: from the audio and the VAD's probabilities of both channels.

Goal: `two_channel`'s labels from accurate spans: their edges are placed by the spectrum, and the other
speaker's leak isn't taken for speech. Each label has a confidence that was measured. Pure and deterministic.

Conventions: as in `speech_edges` and `two_channel`. The probabilities are those of LiveKit's unsmoothed VAD.

Definitions:
- A frame is *crosstalk* if the leak that `crosstalk` predicts would itself be loud, and the channel isn't
  loud against background + twice the leak. A VAD window counts as silent if most of its frames are crosstalk.
  In a channel with a leak, a span of speech without any loud run is dropped.
- There are three variants of the spans (`VARIANTS`), with low, middle and high thresholds for speech. The
  middle one gives the labels.
- Confidence: the probability that a label is right, meaning that a true label of its kind starts within 0.25
  s of it. It is a logistic function of the variants' agreement, the SNR of the user's channel and, for a
  hold, its length over 0.2 s (a shorter silence may be a stop consonant). It was fitted to the 12 sample
  calls as they are and under nine conditions of `degrade` (3,297 holds, 1,010 shifts; 95 and 99 % right). On
  calls left out of the fit, confidence and share of right labels agree within 1.5 points in every bin of 30
  labels or more. Backchannels were right in 164 of 165 cases. No sample has a cut_off: its confidence, half
  the agreement, is a guess, and its reason says so.

Known limits: sounds of the user's room that the VAD takes for speech stay in; in noise the soft end of a
word is lost and the true end of speech is placed up to 0.15 s early (10 dB SNR: median 0.04 s).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...core.labels import Label, Labels, Word, as_spans
from ...core.recording import Pcm
from ...core.samples.kept import blocks_of, kept, release
from ...core.timeline import SAMPLE_RATE_HZ, WINDOW_S, Floats
from ...core.traces import Bools
from .crosstalk import BLOCK_FRAMES, Leak, find_leak
from .speech_edges import (
    EDGES,
    HOP_S,
    EdgeLimits,
    background,
    band_powers,
    by_frame,
    likelihood_ratio,
    loud_frames,
    place_edges,
    vad_spans,
)
from .two_channel import Limits, label_with_confidence, to_ipus

ESTIMATE_LIMITS = Limits(min_speech_s=0.05)
"""Spans with placed edges lack the VAD's decay, so speech may be shorter: a short "it's" is 0.1 s long."""
LEAK_MARGIN = 2.0
"""Factor on the predicted power of a leak, which is exact to within 3 dB."""
LEAST_WINDOWS = 2
"""Fewer windows of speech in a row count as a click."""
_LEAST_SILENT = 100
"""Frames that are enough for a background."""


@dataclass(frozen=True)
class Variant:
    """Thresholds at which something counts as speech."""

    activation: float
    deactivation: float
    edges: EdgeLimits


VARIANTS = (
    Variant(0.35, 0.2, replace(EDGES, ratio=0.5)),
    Variant(0.5, 0.35, EDGES),
    Variant(0.65, 0.5, replace(EDGES, ratio=2.0)),
)


@dataclass(frozen=True)
class Calibration:
    """The weights of the logistic function above."""

    bias: float
    disagreement: float
    """Per share of the variants that disagree."""
    snr: float
    """Per 10 dB above 20 dB; an SNR below 5 or above 30 dB counts as 5 or 30 dB."""
    length: float = 0.0
    """Per second over 0.2 s, up to 0.7 s."""

    def __call__(self, agreement: float, snr_db: float, length_s: float) -> float:
        x = self.bias + self.disagreement * (1 - agreement)
        x += self.snr * (float(np.clip(snr_db, 5, 30)) / 10 - 2)
        x += self.length * float(np.clip(length_s - 0.2, 0, 0.5))
        return float(1 / (1 + np.exp(-x)))


CALIBRATION = {
    "hold": Calibration(bias=2.23, disagreement=-3.49, snr=0.66, length=7.33),
    "shift": Calibration(bias=5.86, disagreement=-6.94, snr=1.6),
}
BACKCHANNEL_CONFIDENCE = 0.99


@dataclass(frozen=True)
class ChannelEvidence:
    """What one channel's audio shows about speech, by frame and by VAD window."""

    powers: Floats
    """shape=(frames, BANDS)"""
    without_speech: Floats
    """Background and leak, shape=(frames, BANDS)."""
    probabilities: Floats
    """The VAD's, shape=(windows,)."""
    leak_audible: Bools
    """Frames in which the other speaker's leak would be loud, shape=(frames,)."""
    leak: Leak | None
    snr_db: float
    """Loud frames against the background, over all bands."""

    def spans(self, variant: Variant) -> Floats:
        """Speech, shape=(n, 2)."""
        loud = loud_frames(self.powers, self.without_speech, variant.edges)
        p = self.probabilities
        if self.leak is not None:
            p = np.where(_mostly(self.leak_audible & ~loud, len(p)), 0.0, p)
        coarse = vad_spans(p, variant.activation, variant.deactivation, LEAST_WINDOWS)
        spans = place_edges(coarse, loud, variant.edges)
        if self.leak is None:
            return spans
        return as_spans(
            [(a, b) for a, b in spans.tolist() if loud[round(a / HOP_S) : round(b / HOP_S)].any()]
        )


def channel_evidence(
    user: Pcm, agent: Pcm, user_p: Floats, agent_p: Floats
) -> tuple[ChannelEvidence, ChannelEvidence]:
    """The evidence of each channel, with the leak from the other one; both must be equally long."""
    powers = band_powers(user), band_powers(agent)
    leaks = find_leak(agent, user), find_leak(user, agent)
    p = by_frame(user_p, len(powers[0])), by_frame(agent_p, len(powers[1]))
    found = []
    for k, probabilities in ((0, user_p), (1, agent_p)):
        own, leak = powers[k], leaks[k]
        silent = p[k] < EDGES.silent_below
        alone = silent & (p[1 - k] < EDGES.silent_below)
        if leak is not None and alone.sum() >= _LEAST_SILENT:
            silent = alone
        noise = background(own, silent)
        without_speech = np.broadcast_to(noise, own.shape)
        audible = np.zeros(len(own), dtype=bool)
        if leak is not None:
            leaked = leak.powers(powers[1 - k])
            heard = kept(noise + some for some in blocks_of(leaked, BLOCK_FRAMES))
            audible = likelihood_ratio(heard, noise) > EDGES.ratio
            without_speech = kept(noise + LEAK_MARGIN * some for some in blocks_of(leaked, BLOCK_FRAMES))
        loud = loud_frames(own, without_speech)
        snr_db = float(10 * np.log10(_mean(own, loud) / noise.mean())) if loud.any() else 0.0
        found.append(ChannelEvidence(own, without_speech, probabilities, audible, leak, snr_db))
    return found[0], found[1]


def _mean(powers: Floats, chosen: Bools) -> float:
    """Over all bands of some frames."""
    parts = zip(blocks_of(powers, BLOCK_FRAMES), blocks_of(chosen, BLOCK_FRAMES), strict=True)
    some = kept(frames[here] for frames, here in parts)
    mean = float(some.mean())
    release(some)
    return mean


def estimate_labels(
    user: Pcm,
    agent: Pcm,
    user_p: Floats,
    agent_p: Floats,
    words: Sequence[Word] = (),
    limits: Limits = ESTIMATE_LIMITS,
) -> Labels:
    """Labels with confidence and reason from both channels, shape=(samples,), and the VAD's probabilities.

    `words`: of the user, if known; they tell backchannels from short turns.
    """
    channels = channel_evidence(user, agent, user_p, agent_p)
    duration_s = len(user) / SAMPLE_RATE_HZ
    variants = [(channels[0].spans(v), channels[1].spans(v)) for v in VARIANTS]
    estimated = label_with_confidence(variants, duration_s, limits, words=words)
    snr_db = channels[0].snr_db
    return replace(estimated, labels=tuple(calibrated(label, snr_db) for label in estimated.labels))


def estimate_speech(pcm: Pcm, probabilities: Floats) -> Floats:
    """The IPUs of one channel, estimated without the other channel; shape=(n, 2)."""
    powers = band_powers(pcm)
    noise = background(powers, by_frame(probabilities, len(powers)) < EDGES.silent_below)
    variant = VARIANTS[len(VARIANTS) // 2]
    coarse = vad_spans(probabilities, variant.activation, variant.deactivation, LEAST_WINDOWS)
    spans = place_edges(coarse, loud_frames(powers, noise, variant.edges), variant.edges)
    return to_ipus(spans, len(pcm) / SAMPLE_RATE_HZ, ESTIMATE_LIMITS)


def calibrated(label: Label, snr_db: float) -> Label:
    """The label with a measured confidence in place of the agreement, which its reason now names."""
    agreement = label.confidence
    reason = f"{label.reason}; {round(agreement * len(VARIANTS))} of {len(VARIANTS)} thresholds agree"
    if label.kind in CALIBRATION:
        confidence = CALIBRATION[label.kind](agreement, snr_db, label.end_s - label.start_s)
    elif label.kind == "backchannel":
        confidence = BACKCHANNEL_CONFIDENCE * agreement
    else:
        confidence, reason = 0.5 * agreement, f"{reason}; this kind's confidence isn't measured"
    return replace(label, confidence=round(confidence, 3), reason=reason)


def _mostly(frames: Bools, n_windows: int) -> Bools:
    """Windows of which more than half the frames are set, shape=(n_windows,)."""
    window = np.minimum((np.arange(len(frames)) * HOP_S / WINDOW_S + 1e-9).astype(np.int64), n_windows - 1)
    total = np.bincount(window, minlength=n_windows)
    mostly: Bools = np.bincount(window, weights=frames, minlength=n_windows) > 0.5 * np.maximum(total, 1)
    return mostly
