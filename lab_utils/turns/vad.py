"""Voice-activity traces: the speech probability of every 32 ms window, by the models LiveKit uses.

Goal: the very numbers that `livekit.plugins.silero.VAD` and `livekit.agents.inference.VAD` (1.8.9) compute,
which depend on the audio alone: durations and thresholds re-segment the same trace.
Conventions: int16 mono audio at 16 kHz, windows of 512 samples from the first sample on; a last incomplete
window is left out. Audio is an array or a `Stream`, which is read some windows at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.recording import Pcm
from ..core.samples.stream import Audio, Stream
from ..core.timeline import SAMPLE_RATE_HZ, WINDOW_SAMPLES, Floats

VAD_MODELS = ("livekit", "silero")
SILERO_SMOOTHING = 0.35
"""`ExpFilter(alpha=0.35)` of livekit/plugins/silero/vad.py: weight of the past."""
_SILERO_CONTEXT = 64
_SILERO_STATE = 128
_WINDOWS_AT_ONCE = 256
"""As many are prepared at a time: an hour of many streams needn't fit into memory."""
SILERO_BATCH = 32
"""Continuations that go through the model together; more are no faster."""
_RATE_HZ = np.array(SAMPLE_RATE_HZ, dtype=np.int64)


def model_version(model: str) -> str:
    """Package and version that carry a VAD model's weights and smoothing."""
    package = {"livekit": "livekit-local-inference", "silero": "livekit-plugins-silero"}[model]
    return f"{package}-{version(package)}"


def speech_probabilities(model: str, streams: Sequence[Audio]) -> list[Floats]:
    """Speech probability of each window of each stream; one array of shape=(windows,) a stream.

    Streams of about equal length are best given together: Silero's model takes them as one batch.
    """
    if model == "silero":
        return _silero(streams)
    if model == "livekit":
        return [_livekit(stream) for stream in streams]
    raise ValueError(f"unknown VAD {model!r}; expected one of {', '.join(VAD_MODELS)}")


Continuation = tuple[int, Audio]
"""A sample of a stream, and what is heard from there on instead of the stream."""


def forked_probabilities(
    model: str, streams: Sequence[Audio], continuations: Sequence[Sequence[Continuation]]
) -> list[tuple[Floats, list[Floats]]]:
    """Speech probability of each window of each stream, and of what may be heard instead of its end.

    One array of shape=(windows,) a stream, with one for each of its continuations, of the windows from the
    first on that hears something else. Silero's model goes through all streams once, as one batch; LiveKit's
    native model can't be copied, so it hears the stream anew for each continuation. Without a stream no model
    is loaded.
    """
    if not streams:
        return []
    if model == "silero":
        return _silero_forked(streams, continuations)
    wholes = speech_probabilities(model, streams)
    return [
        (
            whole,
            [
                _livekit(Stream(stream).until(sample, after))[sample // WINDOW_SAMPLES :]
                for sample, after in of_stream
            ],
        )
        for whole, stream, of_stream in zip(wholes, streams, continuations, strict=True)
    ]


def _silero_forked(
    streams: Sequence[Audio], continuations: Sequence[Sequence[Continuation]]
) -> list[tuple[Floats, list[Floats]]]:
    n = len(streams)
    kept = {
        (b, sample // WINDOW_SAMPLES): _silero_silence(1)
        for b, of_stream in enumerate(continuations)
        for sample, _ in of_stream
    }
    wholes = [smooth(raw) for raw in _silero_raw(streams, *_silero_silence(n), kept)]
    work = [(b, one) for b, of_stream in enumerate(continuations) for one in of_stream]
    found: list[list[Floats]] = [[] for _ in range(n)]
    for first in range(0, len(work), SILERO_BATCH):
        some = work[first : first + SILERO_BATCH]
        at = [sample // WINDOW_SAMPLES for _, (sample, _) in some]
        audio = [
            Stream(streams[b][w * WINDOW_SAMPLES : sample], after)
            for w, (b, (sample, after)) in zip(at, some, strict=True)
        ]
        states = [kept[b, w] for w, (b, _) in zip(at, some, strict=True)]
        heard = np.concatenate([one[0] for one in states])
        state = np.concatenate([one[1] for one in states], axis=1)
        for w, (b, _), raw in zip(at, some, _silero_raw(audio, heard, state), strict=True):
            past = wholes[b][w - 1 : w]  # none at the beginning
            found[b].append(smooth(np.concatenate((past, raw)))[len(past) :])
    return list(zip(wholes, found, strict=True))


def _livekit(stream: Audio) -> Floats:
    from livekit.local_inference import VAD

    n = len(stream) // WINDOW_SAMPLES
    found = np.zeros(n)
    with VAD() as native:
        for first in range(0, n, _WINDOWS_AT_ONCE):
            some = slice(first, min(n, first + _WINDOWS_AT_ONCE))
            audio = np.ascontiguousarray(stream[some.start * WINDOW_SAMPLES : some.stop * WINDOW_SAMPLES])
            found[some] = [native.predict(window) for window in audio.reshape(-1, WINDOW_SAMPLES)]
    return found


def _silero(streams: Sequence[Audio]) -> list[Floats]:
    return [smooth(raw) for raw in _silero_raw(streams, *_silero_silence(len(streams)))]


State = tuple[NDArray[np.float32], NDArray[np.float32]]
"""What a model has heard last, and its state; shape=(n, samples) and (2, n, numbers)."""


def _silero_silence(n: int) -> State:
    """`n` models before any audio."""
    return (
        np.zeros((n, _SILERO_CONTEXT + WINDOW_SAMPLES), dtype=np.float32),
        np.zeros((2, n, _SILERO_STATE), dtype=np.float32),
    )


def _silero_raw(
    streams: Sequence[Audio],
    heard: NDArray[np.float32],
    state: NDArray[np.float32],
    kept: dict[tuple[int, int], State] | None = None,
) -> list[Floats]:
    """Raw probabilities of streams that go on from such states, as one batch.

    `kept`: by stream and number of windows, where the state after so many is to be put.
    """
    session = _silero_session()
    counts = [len(stream) // WINDOW_SAMPLES for stream in streams]
    batch, n = len(streams), max(counts, default=0)
    wanted: dict[int, list[int]] = {}
    for b, w in kept or {}:
        wanted.setdefault(w, []).append(b)
    raw = np.zeros((n, batch))
    for w in range(n + 1):
        for b in wanted.get(w, ()):
            assert kept is not None
            kept[b, w] = heard[b : b + 1].copy(), state[:, b : b + 1].copy()
        if w == n:
            break
        if w % _WINDOWS_AT_ONCE == 0:
            audio = _windows(streams, counts, w)
        heard[:, :_SILERO_CONTEXT] = heard[:, -_SILERO_CONTEXT:]
        heard[:, _SILERO_CONTEXT:] = audio[w % _WINDOWS_AT_ONCE]
        out, state = session.run(None, {"input": heard, "state": state, "sr": _RATE_HZ})
        raw[w] = out[:, 0]
    return [raw[:count, b] for b, count in enumerate(counts)]


def _windows(streams: Sequence[Audio], counts: Sequence[int], first: int) -> NDArray[np.float32]:
    """The next windows as Silero's model takes them, zeros after a stream's end; shape=(windows, n, 512)."""
    n = min(_WINDOWS_AT_ONCE, max(counts) - first)
    audio = np.zeros((n, len(streams), WINDOW_SAMPLES), dtype=np.float32)
    for b, (stream, count) in enumerate(zip(streams, counts, strict=True)):
        own = stream[first * WINDOW_SAMPLES : min(count, first + n) * WINDOW_SAMPLES]
        windows = own.reshape(-1, WINDOW_SAMPLES)
        np.divide(windows, np.iinfo(np.int16).max, out=audio[: len(windows), b], dtype=np.float32)
    return audio


@cache
def _silero_session() -> Any:
    """Silero's model, loaded once a process; it keeps no state between calls."""
    from livekit.plugins.silero import onnx_model

    return onnx_model.new_inference_session(force_cpu=True)


def smooth(probabilities: Floats) -> Floats:
    """LiveKit's exponential smoothing of Silero's probabilities; shape=(n,) in and out."""
    past, new = SILERO_SMOOTHING, 1 - SILERO_SMOOTHING
    return np.array(list(accumulate(probabilities.tolist(), lambda f, p: past * f + new * p)))


def _smoothed(past: float | None, raw: float) -> float:
    """One step of `smooth`."""
    return raw if past is None else SILERO_SMOOTHING * past + (1 - SILERO_SMOOTHING) * raw


class WindowModel:
    """A VAD model that judges window by window, as `speech_probabilities` does whole streams."""

    def __init__(self, model: str) -> None:
        self._silero: Any = None
        if model == "silero":
            from livekit.plugins.silero import onnx_model

            session = _silero_session()
            self._silero = onnx_model.OnnxModel(onnx_session=session, sample_rate=SAMPLE_RATE_HZ)
            self._smoothed: float | None = None
        else:
            from livekit.local_inference import VAD

            self._native = VAD()

    def predict(self, window: Pcm) -> float:
        """Speech probability of the next window, shape=(512,)."""
        if self._silero is None:
            return float(self._native.predict(window))
        raw = float(self._silero(np.divide(window, np.iinfo(np.int16).max, dtype=np.float32)))
        self._smoothed = _smoothed(self._smoothed, raw)
        return self._smoothed
