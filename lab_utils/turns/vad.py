"""Voice-activity traces: the speech probability of every 32 ms window, by the models LiveKit uses.

Goal: the very numbers that `livekit.plugins.silero.VAD` and `livekit.agents.inference.VAD` (1.8.9) compute,
which depend on the audio alone: durations and thresholds re-segment the same trace.
Conventions: int16 mono audio at 16 kHz, windows of 512 samples from the first sample on; a last incomplete
window is left out.
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
from ..core.timeline import SAMPLE_RATE_HZ, WINDOW_SAMPLES, Floats

VAD_MODELS = ("livekit", "silero")
SILERO_SMOOTHING = 0.35
"""`ExpFilter(alpha=0.35)` of livekit/plugins/silero/vad.py: weight of the past."""
_SILERO_CONTEXT = 64
_SILERO_STATE = 128
_RATE_HZ = np.array(SAMPLE_RATE_HZ, dtype=np.int64)


def model_version(model: str) -> str:
    """Package and version that carry a VAD model's weights and smoothing."""
    package = {"livekit": "livekit-local-inference", "silero": "livekit-plugins-silero"}[model]
    return f"{package}-{version(package)}"


def speech_probabilities(model: str, streams: list[Pcm]) -> list[Floats]:
    """Speech probability of each window of each stream; one array of shape=(windows,) a stream.

    Streams of about equal length are best given together: Silero's model takes them as one batch.
    """
    if model == "silero":
        return _silero(streams)
    if model == "livekit":
        return [_livekit(stream) for stream in streams]
    raise ValueError(f"unknown VAD {model!r}; expected one of {', '.join(VAD_MODELS)}")


def forked_probabilities(model: str, stream: Pcm, forks: Sequence[tuple[int, Pcm]]) -> list[Floats]:
    """What a VAD that has heard a stream up to a sample says if it then hears something else.

    `forks`: (sample of the stream, what is heard from there on); one array for each, of the windows from the
    first on that hears something else. LiveKit's native model can't be copied, so it hears the stream anew
    for each; Silero's goes through it once.
    """
    if not forks:
        return []
    if model == "silero":
        return _silero_forked(stream, forks)
    return [
        _livekit(np.concatenate((stream[:sample], after)))[sample // WINDOW_SAMPLES :]
        for sample, after in forks
    ]


def _silero_forked(stream: Pcm, forks: Sequence[tuple[int, Pcm]]) -> list[Floats]:
    first = [sample // WINDOW_SAMPLES for sample, _ in forks]
    states = _silero_states(stream, first)
    audio = [
        np.concatenate((stream[at * WINDOW_SAMPLES : sample], after))
        for at, (sample, after) in zip(first, forks, strict=True)
    ]
    heard, state = (np.concatenate([one[k] for one in states], axis=axis) for k, axis in ((0, 0), (1, 1)))
    raw = _silero_raw(audio, heard, state)
    return [
        smooth(np.append(one[2], p))[1:] if one[2] is not None else smooth(p)
        for one, p in zip(states, raw, strict=True)
    ]


def _silero_states(
    stream: Pcm, windows: Sequence[int]
) -> list[tuple[NDArray[np.float32], NDArray[np.float32], float | None]]:
    """Silero's context, its state and its smoothed probability after so many windows of a stream."""
    session = _silero_session()
    heard, state = _silero_silence(1)
    smoothed: float | None = None
    at: dict[int, Any] = {0: (heard.copy(), state, smoothed)}
    for w in range(max(windows, default=0)):
        one = stream[w * WINDOW_SAMPLES : (w + 1) * WINDOW_SAMPLES]
        heard[:, :_SILERO_CONTEXT] = heard[:, -_SILERO_CONTEXT:]
        np.divide(one, np.iinfo(np.int16).max, out=heard[0, _SILERO_CONTEXT:], dtype=np.float32)
        out, state = session.run(None, {"input": heard, "state": state, "sr": _RATE_HZ})
        smoothed = _smoothed(smoothed, float(out[0, 0]))
        if w + 1 in windows:
            at[w + 1] = (heard.copy(), state, smoothed)
    return [at[w] for w in windows]


def _livekit(stream: Pcm) -> Floats:
    from livekit.local_inference import VAD

    n = len(stream) // WINDOW_SAMPLES
    windows = np.ascontiguousarray(stream[: n * WINDOW_SAMPLES]).reshape(n, WINDOW_SAMPLES)
    with VAD() as native:
        return np.array([native.predict(window) for window in windows], dtype=np.float64)


def _silero(streams: list[Pcm]) -> list[Floats]:
    return [smooth(raw) for raw in _silero_raw(streams, *_silero_silence(len(streams)))]


def _silero_silence(n: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What `n` models have heard, and their states, before any audio."""
    return (
        np.zeros((n, _SILERO_CONTEXT + WINDOW_SAMPLES), dtype=np.float32),
        np.zeros((2, n, _SILERO_STATE), dtype=np.float32),
    )


def _silero_raw(streams: list[Pcm], heard: NDArray[np.float32], state: NDArray[np.float32]) -> list[Floats]:
    """Raw probabilities of streams that go on from such states, as one batch."""
    session = _silero_session()
    counts = [len(stream) // WINDOW_SAMPLES for stream in streams]
    batch, n = len(streams), max(counts, default=0)
    audio = np.zeros((n, batch, WINDOW_SAMPLES), dtype=np.float32)
    for b, (stream, count) in enumerate(zip(streams, counts, strict=True)):
        windows = stream[: count * WINDOW_SAMPLES].reshape(count, WINDOW_SAMPLES)
        np.divide(windows, np.iinfo(np.int16).max, out=audio[:count, b], dtype=np.float32)
    raw = np.zeros((n, batch))
    for w in range(n):
        heard[:, :_SILERO_CONTEXT] = heard[:, -_SILERO_CONTEXT:]
        heard[:, _SILERO_CONTEXT:] = audio[w]
        out, state = session.run(None, {"input": heard, "state": state, "sr": _RATE_HZ})
        raw[w] = out[:, 0]
    return [raw[:count, b] for b, count in enumerate(counts)]


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
