"""Channel conditions: a recording as it would sound with noise, telephone band, lost packets or echo.

Goal: show how well a setting works under conditions worse than the recorded ones. Pure and deterministic: the
same recording, condition and seed give the same samples. Labels stay those of the clean audio, so scores
remain comparable.

Conventions: int16 at 16 kHz; levels in dB re full scale (a sine of peak 1 has -3 dB). Steps are applied in
the order in which a call meets them: echo, then noise (both enter the caller's microphone), then the
telephone's band, then the network's packets. Only the telephone's band changes the agent's channel too; the
other steps change the user's alone, as in the samples.

Definitions:
- Speech level: RMS over the 10 ms frames inside the labelled IPUs (without labels, over all frames) that are
  within 30 dB of the 98th percentile: a simple form of ITU-T P.56's active speech level.
- SNR: speech level over the noise's RMS over the whole recording.
- Kinds of noise: see `noise`.
- Telephone: 300 to 3400 Hz, 8 kHz, mu-law (ITU-T G.711, mu = 255), back to 16 kHz.
- Packets: 20 ms of the user's audio. Loss follows Gilbert's two-state model (Gilbert 1960, "Capacity of a
  burst-noise channel"): a share of `packet_loss` is lost in bursts of mean length `burst`. Concealment
  repeats the last packet received, 6 dB weaker each time (`repeat`, for at most 3 packets), or is silence
  (`zero`). Jitter: each packet is late by |N(0, jitter_ms)|. A packet later than the receiver's buffer of 60
  ms counts as lost, as with a jitter buffer of fixed length; the other packets aren't delayed.
- Echo: the agent's channel, `echo_delay_ms` later and `echo_db` relative to itself, added to the user's.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import soxr
from pydantic import Field, ValidationError

from ...core.labels import Labels
from ...core.models import Frozen, describe
from ...core.recording import Pcm, Recording
from ...core.timeline import SAMPLE_RATE_HZ, Floats
from ..find import audio_sha256
from .noise import NoiseKind, make_noise

PACKET_SAMPLES = 320
JITTER_BUFFER_MS = 60.0
TELEPHONE_RATE_HZ = 8_000
BAND_HZ = (300.0, 3400.0)
_FRAME = 160
_ACTIVE_DB = 30.0
_FULL = 32_768.0
_CONCEALED = 3


class ChannelCondition(Frozen, strict=False, allow_inf_nan=False):
    """How a channel degrades audio; `ChannelCondition()` changes nothing."""

    noise: NoiseKind | None = None
    snr_db: float = Field(default=10.0, ge=-20.0, le=60.0)
    """Has no effect without noise."""
    telephone: bool = False
    packet_loss: float = Field(default=0.0, ge=0.0, le=0.5)
    """Share of the packets."""
    burst: float = Field(default=1.0, ge=1.0, le=50.0)
    """Mean number of packets lost in a row; with 1, never two in a row."""
    concealment: Literal["repeat", "zero"] = "repeat"
    jitter_ms: float = Field(default=0.0, ge=0.0, le=200.0)
    echo_db: float | None = Field(default=None, ge=-60.0, le=0.0)
    echo_delay_ms: float = Field(default=150.0, ge=0.0, le=1000.0)

    @property
    def is_clean(self) -> bool:
        """Whether it leaves a recording as it is."""
        return str(self) == "clean"

    @classmethod
    def parse(cls, text: str) -> ChannelCondition:
        """The condition that a short text names: parts joined by "+", for example "noise:10+telephone".

        `clean`; `noise:SNR` (pink), `pink:SNR`, `white:SNR`, `hum:SNR`, `babble:SNR`, `street:SNR` (dB);
        `telephone`; `loss:RATE` or `loss:RATE:BURST` (0.05:3), `jitter:MS`, either with `:zero` at the end
        for that concealment; `echo:DB` or `echo:DB:MS`.
        Raises ValueError naming what is not understood.
        """
        values: dict[str, Any] = {}
        for part in text.split("+"):
            new = _parsed(part.strip(), text)
            if twice := values.keys() & new.keys():
                raise ValueError(f"condition {text!r}: gives {min(twice)} twice; give each once")
            values |= new
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise ValueError(f"condition {text!r}: {describe(error)}") from None

    def __str__(self) -> str:
        """The text that `parse` understands."""
        parts = []
        if self.echo_db is not None:
            parts.append(f"echo:{self.echo_db:.12g}:{self.echo_delay_ms:.12g}")
        if self.noise:
            parts.append(f"{self.noise}:{self.snr_db:.12g}")
        if self.telephone:
            parts.append("telephone")
        if self.packet_loss:
            zero = ":zero" if self.concealment == "zero" else ""
            parts.append(f"loss:{self.packet_loss:.12g}:{self.burst:.12g}{zero}")
        if self.jitter_ms:
            zero = ":zero" if self.concealment == "zero" and not self.packet_loss else ""
            parts.append(f"jitter:{self.jitter_ms:.12g}{zero}")
        return "+".join(parts) or "clean"


CLEAN = ChannelCondition()


def _parsed(part: str, whole: str) -> dict[str, Any]:
    """The fields that one part of a condition's text sets."""
    name, *rest = part.split(":")
    fields = {
        "noise": ("snr_db",),
        "loss": ("packet_loss", "burst", "concealment"),
        "jitter": ("jitter_ms", "concealment"),
        "echo": ("echo_db", "echo_delay_ms"),
        "telephone": (),
        "clean": (),
    }
    kinds = ("pink", "white", "hum", "babble", "street")
    names = fields | dict.fromkeys(kinds, ("snr_db",))
    if name not in names:
        raise ValueError(f"condition {whole!r}: unknown part {name!r}; expected {', '.join(names)}")
    least = 1 if names[name] else 0
    if not least <= len(rest) <= len(names[name]):
        expected = ":".join([name, *(field.upper() for field in names[name])])
        raise ValueError(f"condition {whole!r}: got {part!r}, expected {expected}")
    values: dict[str, Any] = dict(zip(names[name], rest, strict=False))
    for field, value in values.items():
        if field != "concealment" and not re.fullmatch(r"-?\d+(\.\d+)?(e-\d+)?", value):
            raise ValueError(f"condition {whole!r}: {field} is {value!r}, expected a number")
    if name in kinds or name == "noise":
        values["noise"] = "pink" if name == "noise" else name
    elif name == "telephone":
        values["telephone"] = True
    return values


def degrade(recording: Recording, condition: ChannelCondition, seed: int = 0) -> Recording:
    """The recording under a condition: new samples and sha256, a note, the same labels.

    Random parts depend on the seed and the recording's own samples, so that no two calls share their noise.
    Raises ValueError for an echo without an agent channel.
    """
    if condition.is_clean:
        return recording
    if condition.echo_db is not None and recording.agent is None:
        raise ValueError(f"{recording.path}: has no agent channel to echo; leave echo out")
    user = recording.user / _FULL
    agent = None if recording.agent is None else recording.agent / _FULL
    speech_db = speech_level_db(recording.user, recording.labels)
    if condition.echo_db is not None and agent is not None:
        user = user + echo_of(agent, condition.echo_db, condition.echo_delay_ms)
    if condition.noise is not None:
        noise = make_noise(condition.noise, len(user), _generator(recording, seed, condition.noise))
        user = user + noise * 10 ** ((speech_db - condition.snr_db) / 20)
    if condition.telephone:
        user = telephone_band(user)
        agent = None if agent is None else telephone_band(agent)
    if condition.packet_loss or condition.jitter_ms:
        packets = -(-len(user) // PACKET_SAMPLES)
        lost = lost_packets(packets, condition, _generator(recording, seed, "packets"))
        user = conceal(user, lost, condition.concealment)
    clipped = int(np.count_nonzero(np.abs(user) >= 1.0))
    notes = [*recording.notes, f"degraded: {condition}, seed {seed}"]
    if clipped:
        notes.append(f"{clipped} samples of the user's channel clip")
    pcm = _quantised(user)
    heard = None if agent is None else _quantised(agent)
    return replace(recording, user=pcm, agent=heard, sha256=audio_sha256(pcm, heard), notes=tuple(notes))


def speech_level_db(pcm: Pcm, labels: Labels | None = None) -> float:
    """Level of the user's speech in dB re full scale (definition above); -100 for silence."""
    n = len(pcm) // _FRAME
    power = np.mean((pcm[: n * _FRAME].reshape(n, _FRAME) / _FULL) ** 2, axis=1) if n else np.zeros(0)
    if labels is not None and len(spans := labels.spans("user")):
        inside = np.zeros(n, dtype=bool)
        for start, end in np.round(spans * SAMPLE_RATE_HZ / _FRAME).astype(int).tolist():
            inside[start:end] = True
        power = power[inside]
    if not len(power) or not power.any():
        return -100.0
    level_db = 10 * np.log10(power + 1e-12)
    active = level_db > np.percentile(level_db, 98) - _ACTIVE_DB
    return float(10 * np.log10(power[active].mean() + 1e-12))


def telephone_band(audio: Floats) -> Floats:
    """Audio in [-1, 1] as a telephone transmits it; the length stays the same."""
    from scipy.signal import butter, sosfiltfilt  # takes a second, and most lines are as recorded

    # Forwards and backwards: no delay, so that labels stay in place.
    band = butter(8, BAND_HZ, btype="bandpass", fs=SAMPLE_RATE_HZ, output="sos")
    filtered = sosfiltfilt(band, audio) if len(audio) > 200 else audio
    narrow = soxr.resample(filtered, SAMPLE_RATE_HZ, TELEPHONE_RATE_HZ)
    compressed = np.sign(narrow) * np.log1p(255 * np.minimum(np.abs(narrow), 1.0)) / np.log(256)
    coded = (np.minimum(np.floor(compressed * 127.5), 127.0) + 0.5) / 127.5
    decoded = np.sign(coded) * (256 ** np.abs(coded) - 1) / 255
    wide = soxr.resample(decoded, TELEPHONE_RATE_HZ, SAMPLE_RATE_HZ)
    return np.pad(wide, (0, max(0, len(audio) - len(wide))))[: len(audio)]


def echo_of(agent: Floats, echo_db: float, delay_ms: float) -> Floats:
    """The echo of the agent's audio; the length stays the same."""
    shift = min(len(agent), round(delay_ms / 1000 * SAMPLE_RATE_HZ))
    return np.concatenate((np.zeros(shift), agent[: len(agent) - shift])) * 10 ** (echo_db / 20)


def lost_packets(n: int, condition: ChannelCondition, rng: np.random.Generator) -> np.ndarray:
    """Which of n packets are lost or arrive too late; bool, shape=(n,)."""
    lost = np.zeros(n, dtype=bool)
    rate = condition.packet_loss
    leave = 1.0 / condition.burst
    enter = leave * rate / (1.0 - rate)
    draws = rng.random(n + 1)
    bad = bool(draws[0] < rate)
    for k in range(n):
        lost[k] = bad
        bad = bool(draws[k + 1] >= leave) if bad else bool(draws[k + 1] < enter)
    if condition.jitter_ms:
        lost |= np.abs(rng.standard_normal(n)) * condition.jitter_ms > JITTER_BUFFER_MS
    return lost


def conceal(audio: Floats, lost: np.ndarray, how: Literal["repeat", "zero"]) -> Floats:
    """Audio with lost packets concealed; the length stays the same."""
    n = len(audio)
    packets = np.pad(audio, (0, len(lost) * PACKET_SAMPLES - n)).reshape(-1, PACKET_SAMPLES).copy()
    since = 0
    for k in np.flatnonzero(lost):
        since = since + 1 if k and lost[k - 1] else 1
        fades = how == "repeat" and since <= _CONCEALED and k > 0
        packets[k] = packets[k - 1] * 0.5 if fades else 0.0
    return packets.reshape(-1)[:n]


def _generator(recording: Recording, seed: int, purpose: str) -> np.random.Generator:
    digest = hashlib.sha256(f"{recording.sha256} {seed} {purpose}".encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, dtype=np.uint32))


def _quantised(x: Floats) -> Pcm:
    pcm: Pcm = np.clip(np.rint(x * _FULL), -_FULL, _FULL - 1).astype(np.int16)
    return pcm
