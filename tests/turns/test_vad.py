"""VAD traces equal what LiveKit's own VADs compute."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from livekit import rtc
from livekit.agents import inference, utils
from livekit.agents import vad as lk_vad
from livekit.plugins import silero

from lab_utils.turns.vad import (
    SILERO_BATCH,
    VAD_MODELS,
    forked_probabilities,
    smooth,
    speech_probabilities,
)


def noisy_speechlike(seconds: float, seed: int) -> np.ndarray:
    """Bursts of harmonics and noise, int16: enough to move both models' probabilities."""
    random = np.random.default_rng(seed)
    t = np.arange(int(seconds * 16_000)) / 16_000
    voiced = sum(np.sin(2 * np.pi * 140 * k * t * (1 + 0.01 * np.sin(5 * t))) / k for k in range(1, 12))
    gate = (np.sin(2 * np.pi * 1.3 * t + seed) > -0.2) * (0.5 + 0.5 * np.sin(2 * np.pi * 4 * t))
    return (4000 * voiced * gate + random.normal(0, 30, len(t))).clip(-32768, 32767).astype(np.int16)


async def probabilities_livekit_reports(vad: lk_vad.VAD, pcm: np.ndarray) -> list[float]:
    stream = vad.stream()
    for start in range(0, len(pcm) - 511, 512):
        data = pcm[start : start + 512].tobytes()
        stream.push_frame(
            rtc.AudioFrame(data=data, sample_rate=16_000, num_channels=1, samples_per_channel=512)
        )
    stream.end_input()
    events = [event async for event in stream]
    await stream.aclose()
    return [event.probability for event in events if event.type == lk_vad.VADEventType.INFERENCE_DONE]


@pytest.mark.slow
@pytest.mark.parametrize("model", VAD_MODELS)
def test_a_trace_holds_the_very_probabilities_the_livekit_vad_reports(model: str) -> None:
    pcm = noisy_speechlike(4.0, seed=1)
    vad = silero.VAD.load() if model == "silero" else inference.VAD()
    reported = asyncio.run(probabilities_livekit_reports(vad, pcm))
    (traced,) = speech_probabilities(model, [pcm])
    assert max(reported) > 0.3, "the test signal should move the model"
    np.testing.assert_allclose(traced, reported, rtol=0, atol=1e-6)


@pytest.mark.parametrize("model", VAD_MODELS)
def test_streams_traced_together_equal_streams_traced_alone(model: str) -> None:
    streams = [noisy_speechlike(2.0, 1), noisy_speechlike(3.1, 2), noisy_speechlike(0.02, 3)]
    together = speech_probabilities(model, streams)
    assert [len(p) for p in together] == [len(s) // 512 for s in streams]
    for stream, probabilities in zip(streams, together, strict=True):
        np.testing.assert_allclose(speech_probabilities(model, [stream])[0], probabilities, rtol=0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("model", VAD_MODELS)
def test_continuations_are_heard_from_the_state_that_their_stream_has_led_to(model: str) -> None:
    """Many at once, some at the very beginning, equal a model that hears each from the start."""
    streams = [noisy_speechlike(2.0, 1), noisy_speechlike(3.1, 2), noisy_speechlike(1.0, 3)]
    other = noisy_speechlike(1.0, 4)
    continuations = [[(700 * k, other[: 3000 + 100 * k]) for k in range(SILERO_BATCH)], [(40_000, other)], []]
    found = forked_probabilities(model, streams, continuations)
    for stream, of_stream, (whole, heard) in zip(streams, continuations, found, strict=True):
        np.testing.assert_allclose(speech_probabilities(model, [stream])[0], whole, rtol=0, atol=1e-6)
        for (sample, after), p in zip(of_stream, heard, strict=True):
            (expected,) = speech_probabilities(model, [np.concatenate((stream[:sample], after))])
            np.testing.assert_allclose(p, expected[sample // 512 :], rtol=0, atol=1e-6)


def test_smoothing_is_livekits_exponential_filter() -> None:
    raw = np.random.default_rng(0).random(500)
    exp_filter = utils.ExpFilter(alpha=0.35)
    np.testing.assert_array_equal(smooth(raw), [exp_filter.apply(exp=1.0, sample=p) for p in raw.tolist()])


def test_an_unknown_model_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="unknown VAD 'webrtc'"):
        speech_probabilities("webrtc", [])
