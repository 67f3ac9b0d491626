"""The sound of a simulated synthesizer."""

import numpy as np
import pytest

from lab_utils.session.scripted.voices import CHARACTER_S, TONE_LEVEL, Voice, hibari_installed, speak

needs_hibari = pytest.mark.skipif(not hibari_installed(), reason="needs hibari-tts: pip install hibari-tts")
TEXT = "Sure, I can help you with that."


def samples(text: str, voice: Voice, rate_hz: int = 16_000) -> np.ndarray:
    return np.frombuffer(speak(text, voice, rate_hz), dtype=np.int16).astype(float) / 32768


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 24_000])
def test_a_tone_is_as_long_as_its_text(rate_hz: int) -> None:
    assert len(samples(TEXT, "tone", rate_hz)) == round(len(TEXT) * CHARACTER_S * rate_hz)


def test_a_tone_is_soft_and_fades_in_and_out() -> None:
    sound = samples(TEXT, "tone")
    assert 0.5 * TONE_LEVEL < np.abs(sound).max() <= TONE_LEVEL
    assert max(np.abs(sound[:20]).max(), np.abs(sound[-20:]).max()) < 0.1 * TONE_LEVEL
    assert abs(sound.mean()) < 1e-3


@pytest.mark.parametrize("voice", ["tone", pytest.param("hibari", marks=needs_hibari)])
def test_the_same_text_sounds_the_same(voice: Voice) -> None:
    assert speak(TEXT, voice, 16_000) is speak(TEXT, voice, 16_000)
    first = samples(TEXT, voice)
    from lab_utils.session.scripted import voices

    voices._tone.cache_clear()
    voices._hibari_speech.cache_clear()
    assert np.array_equal(samples(TEXT, voice), first)


@needs_hibari
def test_hibari_speaks() -> None:
    speech = samples(TEXT, "hibari")
    assert 1.0 < len(speech) / 16_000 < 4.0
    assert 0.05 < np.abs(speech).max() <= 1.0
    assert len(samples(TEXT, "hibari", 8_000)) == pytest.approx(len(speech) / 2, abs=2)
