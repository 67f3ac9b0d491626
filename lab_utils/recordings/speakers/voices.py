"""What a voice sounds like, as a direction: the speaker encoder that the package `resemblyzer` ships.

Goal: the embeddings of Resemblyzer 0.1.4 (`VoiceEncoder.forward`; Wan et al. 2018, "Generalized
end-to-end loss for speaker verification"), without PyTorch: three LSTM layers and a projection are 40 lines
of NumPy. The package is not imported, and its file is not unpickled: its bytes are known by their hash, so
the weights are read from where they lie in it.
Conventions: int16 mono audio at 16 kHz; 40 mel bands (power, not logarithmic) of 25 ms every 10 ms, as
librosa's `melspectrogram` gives them; 160 frames (1.6 s) make an embedding of length 1, shape=(256,).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...core.recording import Pcm
from ...core.timeline import SAMPLE_RATE_HZ

Matrix = NDArray[np.float32]

PACKAGE = "resemblyzer"
FRAMES = 160
"""Of one embedding."""
HOP = 160
MELS = 40
_FFT = 400
_SIZE = 256
_LEVEL = 10 ** (-30 / 20)
"""Quieter audio is raised to this RMS (-30 dBFS), as the encoder was trained."""
_SHA256 = "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e"
_BIAS_AT, _PROJECTION_AT, _LSTM_AT = 6_699, 7_731, 269_883
"""Bytes of the file before the projection's bias and matrix and before the LSTM's weights, all float32."""
_BATCH = 128


class NoVoiceModel(ValueError):
    """The package with the model isn't there."""


@dataclass(frozen=True)
class VoiceEncoder:
    """The weights of three LSTM layers and a projection."""

    layers: tuple[tuple[Matrix, Matrix, Matrix], ...]
    """For input, state and bias, shape=(1024, n), (1024, 256) and (1024,)."""
    projection: Matrix
    bias: Matrix

    def embed(self, mels: Matrix) -> Matrix:
        """Embeddings of length 1, shape=(n, 256), of mel frames, shape=(n, frames, 40)."""
        found = [self._some(mels[at : at + _BATCH]) for at in range(0, len(mels), _BATCH)]
        return np.concatenate(found) if found else np.zeros((0, _SIZE), np.float32)

    def _some(self, mels: Matrix) -> Matrix:
        n, frames, _ = mels.shape
        heard = np.ascontiguousarray(mels.transpose(1, 0, 2))
        for into, again, bias in self.layers:
            drive = heard.reshape(frames * n, -1) @ into.T + bias
            drive = drive.reshape(frames, n, 4 * _SIZE)
            hidden, cell = np.zeros((n, _SIZE), np.float32), np.zeros((n, _SIZE), np.float32)
            heard = np.empty((frames, n, _SIZE), np.float32)
            for k in range(frames):
                gates = drive[k] + hidden @ again.T
                let_in, keep, new, out = np.split(gates, 4, axis=1)  # PyTorch's order
                cell = _sigmoid(keep) * cell + _sigmoid(let_in) * np.tanh(new)
                hidden = heard[k] = _sigmoid(out) * np.tanh(cell)
        raw = np.maximum(heard[-1] @ self.projection.T + self.bias, 0.0)
        unit: Matrix = raw / np.maximum(np.linalg.norm(raw, axis=1, keepdims=True), 1e-9)
        return unit


def model_version() -> str:
    """Package and version that carry the weights. Raises NoVoiceModel without it."""
    return f"{PACKAGE}-{_found()[1]}"


@cache
def voice_encoder() -> VoiceEncoder:
    """The encoder, loaded once a process. Raises NoVoiceModel without its package, or with another file."""
    path, _ = _found()
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != _SHA256:
        raise NoVoiceModel(f"{path}: is not the model of {PACKAGE} 0.1.4; {_remedy()}")

    def matrix(at: int, *shape: int) -> Matrix:
        n = int(np.prod(shape))
        return np.frombuffer(content, "<f4", n, at).reshape(shape).astype(np.float32)

    gates = 4 * _SIZE
    shapes = [(gates, MELS), (gates, _SIZE), *[(gates, _SIZE)] * 4]
    starts = np.cumsum([0, *(rows * columns for rows, columns in shapes)])
    weights = [matrix(_LSTM_AT + 4 * int(at), *shape) for at, shape in zip(starts[:-1], shapes, strict=True)]
    biases = [matrix(_LSTM_AT + 4 * (int(starts[-1]) + k * gates), gates) for k in range(6)]
    layers = tuple((weights[k], weights[k + 1], biases[k] + biases[k + 1]) for k in range(0, len(weights), 2))
    return VoiceEncoder(layers, matrix(_PROJECTION_AT, _SIZE, _SIZE), matrix(_BIAS_AT, _SIZE))


def mel_frames(pcm: Pcm) -> Matrix:
    """Mel powers of frames centred on every 160th sample, shape=(frames, 40); raised if they are quiet."""
    sound = pcm.astype(np.float32) / 32_768
    level = float(np.sqrt(np.mean(np.square(sound)))) if len(sound) else 0.0
    if 0 < level < _LEVEL:
        sound *= _LEVEL / level
    padded = np.pad(sound, _FFT // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FFT)[::HOP]
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_FFT) / _FFT)).astype(np.float32)
    power = np.square(np.abs(np.fft.rfft(frames * window, axis=1)))
    mels: Matrix = (power @ _mel_bands()).astype(np.float32)
    return mels


@cache
def _mel_bands() -> Matrix:
    """Slaney's triangular bands of equal area, shape=(_FFT // 2 + 1, MELS)."""
    edges = _hz(np.linspace(0.0, _mel(SAMPLE_RATE_HZ / 2), MELS + 2))
    hz = np.fft.rfftfreq(_FFT, 1 / SAMPLE_RATE_HZ)[:, None]
    rising, falling = (hz - edges[:-2]) / np.diff(edges)[:-1], (edges[2:] - hz) / np.diff(edges)[1:]
    bands = np.maximum(0.0, np.minimum(rising, falling)) * 2.0 / (edges[2:] - edges[:-2])
    return bands.astype(np.float32)


def _mel(hz: float) -> float:
    """Slaney's scale: linear to 1 kHz, logarithmic above."""
    return hz / (200 / 3) if hz < 1000 else 15 + float(np.log(hz / 1000)) * 27 / float(np.log(6.4))


def _hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    above: NDArray[np.float64] = 1000 * np.exp((mel - 15) * np.log(6.4) / 27)
    return np.where(mel < 15, mel * 200 / 3, above)


def _sigmoid(x: Matrix) -> Matrix:
    smooth: Matrix = 0.5 * np.tanh(0.5 * x) + 0.5
    return smooth


def _found() -> tuple[Path, str]:
    """The model's file, and the package's version."""
    try:
        package = distribution(PACKAGE)
    except PackageNotFoundError:
        raise NoVoiceModel(f"who speaks is told by a model that isn't installed; {_remedy()}") from None
    return Path(str(package.locate_file(f"{PACKAGE}/pretrained.pt"))), package.version


def _remedy() -> str:
    return (
        "pip install livekit-turn-lab[diarize], or without PyTorch, which isn't used, "
        f"pip install --no-deps {PACKAGE}==0.1.4"
    )
