"""pipecat's smart-turn 3.x: an audio model that hears 8 s (weights: BSD-2, from a `pipecat-ai` wheel).

Goal: the very probabilities that `LocalSmartTurnAnalyzerV3` of pipecat-ai 1.14.0 gives for the same audio.
Conventions: int16 mono audio at 16 kHz; what is shorter than 8 s is preceded by digital silence.
Definitions (pipecat/audio/turn/smart_turn/local_smart_turn_v3.py, `_whisper_features.py`): the waveform is
brought to mean 0 and variance 1; power spectra of 400 samples under a periodic Hann window, every 160; 80 mel
bands of Slaney's scale from 0 to 8,000 Hz; decimal logarithm, cut off 8 below its maximum, plus 4, over 4.
pipecat itself hears from half a second before its turn began, which its own verdicts decide; here, as in
any AgentSession that it is handed to, it hears the last 8 s of the user's channel.
"""

from __future__ import annotations

import functools
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from platformdirs import user_cache_path

from ...core.errors import InputError
from ...core.recording import Pcm
from ...core.timeline import SAMPLE_RATE_HZ, Floats
from ..cache import default_cache
from .base import Predictor, Questions

NAME = "smart-turn"
HEARS_SAMPLES = 8 * SAMPLE_RATE_HZ
WINDOW, HOP, MELS = 400, 160, 80


def models_folder() -> Path:
    """Where fetched weights are kept: `$LAB_MODELS`, or a folder of the cache if that is on this machine."""
    cache = default_cache()
    own = cache if isinstance(cache, Path) else user_cache_path("livekit-turn-lab")
    return Path(os.environ.get("LAB_MODELS") or own / "models")


def weights() -> Path:
    """The weights at hand, the latest version. Raises InputError that tells how to get them."""
    found = sorted(models_folder().glob("smart-turn-v3*.onnx"))
    if not found:
        raise InputError(
            f"{NAME}: its weights aren't in {models_folder()}; get them with: lab fetch {NAME}, or by hand: "
            "pip download --no-deps pipecat-ai, and unpack smart-turn-v3….onnx from the wheel there"
        )
    return found[-1]


def smart_turn() -> tuple[str, Predictor]:
    """Name in settings and predictor. Raises InputError without weights."""
    model = SmartTurn(weights())
    return f"own:{NAME}", Predictor(model.model_version, model)


@dataclass(frozen=True)
class SmartTurn:
    """Asks the model; it is loaded once in each process."""

    path: Path

    def model_version(self) -> str:
        """The file and a hash of it."""
        return f"{self.path.stem}-{_hash(self.path)}"

    def __call__(self, questions: Questions) -> Floats:
        """The model's probabilities, shape=(n,)."""
        session = _loaded(self.path)
        p = np.zeros(len(questions.ends))
        for k, (start, end) in enumerate(zip(questions.starts, questions.ends, strict=True)):
            heard = features(questions.stream[start:end])
            p[k] = session.run(None, {"input_features": heard[None]})[0][0].item()
        return p


@functools.lru_cache(maxsize=4)
def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


@functools.lru_cache(maxsize=1)
def _loaded(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = options.intra_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        why = " ".join(str(error).split())[:150]
        raise InputError(
            f"{path}: no readable ONNX model ({why}); fetch it again: lab fetch {NAME}"
        ) from None


def features(pcm: Pcm) -> np.ndarray:
    """What the model is given of the last 8 s of audio; float32, shape=(80, 800)."""
    x = np.zeros(HEARS_SAMPLES, dtype=np.float32)
    heard = pcm[-HEARS_SAMPLES:]
    x[HEARS_SAMPLES - len(heard) :] = heard.astype(np.float32) / 32_768.0
    x = (x - x.mean()) / np.sqrt(x.var() + 1e-7)
    padded = np.pad(x.astype(np.float64), WINDOW // 2, mode="reflect")
    frames = sliding_window_view(padded, WINDOW)[::HOP][:-1]
    power = np.abs(np.fft.rfft(frames * np.hanning(WINDOW + 1)[:-1], axis=-1)) ** 2
    log = np.log10(np.maximum(1e-10, _mel_filters() @ power.T))
    return ((np.maximum(log, log.max() - 8.0) + 4.0) / 4.0).astype(np.float32)


@functools.cache
def _mel_filters() -> Floats:
    """Triangles of unit area on Slaney's mel scale: linear up to 1 kHz, then logarithmic; shape=(80, 201)."""
    step = np.log(6.4) / 27.0
    highest = 15.0 + np.log(SAMPLE_RATE_HZ / 2 / 1000.0) / step
    mels = np.linspace(0.0, highest, MELS + 2)
    edges_hz = np.where(mels < 15.0, 200.0 * mels / 3.0, 1000.0 * np.exp(step * (mels - 15.0)))
    bins_hz = np.linspace(0, SAMPLE_RATE_HZ // 2, WINDOW // 2 + 1)
    from_edge = bins_hz[None, :] - edges_hz[:, None]
    width = np.diff(edges_hz)[:, None]
    rising, falling = from_edge[:-2] / width[:-1], -from_edge[2:] / width[1:]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    filters: Floats = triangles * (2.0 / (edges_hz[2:] - edges_hz[:-2]))[:, None]
    return filters
