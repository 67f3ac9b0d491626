"""Bad lines: every figure of a condition is what is measured afterwards, and nothing else changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.signal import welch

from lab_utils.core.labels import Ipu, Label, Labels
from lab_utils.core.recording import Recording
from lab_utils.recordings.conditions import (
    CLEAN,
    PACKET_SAMPLES,
    ChannelCondition,
    conceal,
    degrade,
    lost_packets,
    make_noise,
    speech_level_db,
    telephone_band,
)
from lab_utils.recordings.find import audio_sha256

KINDS = ("pink", "white", "hum", "babble", "street")
SPEECH = [(1.0, 3.0), (3.5, 4.2), (7.0, 9.0)]


def call(seed: int = 0, seconds: float = 10.0, level: float = 2000.0) -> Recording:
    """The user speaks in SPEECH, the agent from 5 to 6.5 s, both as noise."""
    rng = np.random.default_rng(seed)
    n = round(seconds * 16_000)
    user, agent = np.zeros(n), np.zeros(n)
    for start, end in SPEECH:
        a, b = round(start * 16_000), round(end * 16_000)
        user[a:b] = level * rng.standard_normal(len(user[a:b]))
    agent[80_000:104_000] = 1500 * rng.standard_normal(len(agent[80_000:104_000]))
    ipus = (*(Ipu("user", a, b) for a, b in SPEECH), Ipu("agent", 5.0, 6.5))
    labels = Labels(seconds, ipus, (Label("hold", 3.0, 3.5),), source="construction")
    pcm = [np.clip(np.rint(x), -32768, 32767).astype(np.int16) for x in (user, agent)]
    return Recording("call", "call.wav", pcm[0], pcm[1], audio_sha256(*pcm), labels)


def added(recording: Recording, condition: ChannelCondition, seed: int = 0) -> np.ndarray:
    """What a condition adds to the user's channel, in [-1, 1]."""
    return (degrade(recording, condition, seed).user.astype(float) - recording.user) / 32_768


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("snr_db", [0.0, 10.0, 20.0])
def test_the_snr_is_what_was_asked_for(kind, snr_db):
    recording = call()
    noise = added(recording, ChannelCondition(noise=kind, snr_db=snr_db))
    noise_db = 10 * np.log10(np.mean(noise**2))
    assert speech_level_db(recording.user, recording.labels) - noise_db == pytest.approx(snr_db, abs=0.2)


def test_the_speech_level_is_that_of_speech_not_of_the_silence_around_it():
    recording = call()
    assert recording.labels is not None
    expected = 20 * np.log10(2000 / 32_768)
    assert speech_level_db(recording.user, recording.labels) == pytest.approx(expected, abs=0.1)
    assert speech_level_db(recording.user) == pytest.approx(expected, abs=0.1)
    assert speech_level_db(np.zeros(16_000, np.int16)) == -100.0
    assert speech_level_db(np.zeros(0, np.int16)) == -100.0


def share(audio: np.ndarray, low_hz: float, high_hz: float) -> float:
    """Share of the power between two frequencies."""
    frequency_hz, power = welch(audio, 16_000, nperseg=2048)
    inside = (frequency_hz >= low_hz) & (frequency_hz < high_hz)
    return float(power[inside].sum() / power.sum())


@pytest.mark.slow
def test_noises_have_their_spectra():
    noise = {kind: make_noise(kind, 320_000, np.random.default_rng(1)) for kind in KINDS}
    for audio in noise.values():
        assert np.sqrt(np.mean(audio**2)) == pytest.approx(1.0)
    assert share(noise["white"], 0, 4000) == pytest.approx(0.5, abs=0.02)
    assert share(noise["pink"], 0, 2000) > 0.9
    assert share(noise["hum"], 0, 1050) > 0.999
    assert share(noise["babble"], 80, 4000) > 0.97
    assert share(noise["street"], 0, 300) > 0.8


@pytest.mark.slow
def test_babble_comes_and_goes_more_than_pink_noise():
    spread = {}
    for kind in ("pink", "babble"):
        frames = make_noise(kind, 320_000, np.random.default_rng(1)).reshape(-1, 1600)
        spread[kind] = np.std(10 * np.log10(np.mean(frames**2, axis=1)))
    assert spread["babble"] > 1.0


def test_a_telephone_passes_300_to_3400_hz():
    rng = np.random.default_rng(0)
    heard = telephone_band(0.1 * rng.standard_normal(160_000))
    assert len(heard) == 160_000
    assert share(heard, 300, 3400) > 0.98
    for tone_hz, least_db, most_db in ((100, -99, -30), (1000, -1, 1), (3000, -1.5, 1), (4500, -99, -30)):
        tone = 0.3 * np.sin(2 * np.pi * tone_hz * np.arange(32_000) / 16_000)
        gain_db = 10 * np.log10(np.mean(telephone_band(tone)[4000:-4000] ** 2) / np.mean(tone**2) + 1e-12)
        assert least_db <= gain_db <= most_db, tone_hz


@pytest.mark.slow
def test_a_telephone_does_not_move_speech_in_time():
    recording = call()
    heard = degrade(recording, ChannelCondition(telephone=True))
    together = np.correlate(
        heard.user[16_000:48_000].astype(float), recording.user[16_200:47_800].astype(float)
    )
    assert np.argmax(together) == 200
    assert heard.agent is not None


@pytest.mark.parametrize(("rate", "burst"), [(0.02, 1.0), (0.1, 1.0), (0.1, 4.0), (0.3, 2.0)])
def test_loss_has_the_rate_and_the_bursts_asked_for(rate, burst):
    condition = ChannelCondition(packet_loss=rate, burst=burst)
    lost = lost_packets(100_000, condition, np.random.default_rng(0))
    assert lost.mean() == pytest.approx(rate, rel=0.1)
    runs = np.count_nonzero(np.diff(np.concatenate(([0], lost.astype(int)))) == 1)
    assert lost.sum() / runs == pytest.approx(burst, rel=0.1)


def test_jitter_loses_what_comes_after_the_buffer():
    lost = lost_packets(100_000, ChannelCondition(jitter_ms=30.0), np.random.default_rng(0))
    assert lost.mean() == pytest.approx(0.0455, abs=0.003)  # beyond two standard deviations of 30 ms
    assert not lost_packets(1000, ChannelCondition(jitter_ms=5.0), np.random.default_rng(0)).any()


def test_concealment_repeats_ever_weaker_or_is_silent():
    audio = np.ones(6 * PACKET_SAMPLES)
    lost = np.array([False, True, True, True, True, False])
    levels = conceal(audio, lost, "repeat").reshape(6, -1)[:, 0]
    assert levels.tolist() == [1.0, 0.5, 0.25, 0.125, 0.0, 1.0]
    assert conceal(audio, lost, "zero").reshape(6, -1)[:, 0].tolist() == [1, 0, 0, 0, 0, 1]
    assert conceal(audio[:-7], lost, "zero").shape == (6 * PACKET_SAMPLES - 7,)


@pytest.mark.parametrize(("echo_db", "delay_ms"), [(-10.0, 0.0), (-20.0, 150.0), (-30.0, 33.0)])
def test_an_echo_is_the_agent_later_and_weaker(echo_db, delay_ms):
    recording = call()
    assert recording.agent is not None
    echo = added(recording, ChannelCondition(echo_db=echo_db, echo_delay_ms=delay_ms))
    shift = round(16 * delay_ms)
    expected = recording.agent[: len(echo) - shift] / 32_768 * 10 ** (echo_db / 20)
    np.testing.assert_allclose(echo[shift:], expected, atol=0.51 / 32_768)
    assert not echo[:shift].any()


def test_an_echo_needs_an_agent():
    with pytest.raises(ValueError, match=r"call\.wav: has no agent channel to echo"):
        degrade(replace(call(), agent=None), ChannelCondition(echo_db=-20.0))


def test_labels_stay_and_hash_and_notes_change():
    recording = call()
    heard = degrade(recording, ChannelCondition(noise="pink"), seed=3)
    assert heard.labels == recording.labels
    assert heard.sha256 == audio_sha256(heard.user, heard.agent) != recording.sha256
    assert heard.notes == ("degraded: pink:10, seed 3",)
    np.testing.assert_array_equal(heard.agent, recording.agent)
    loud = degrade(call(level=12_000.0), ChannelCondition(noise="white", snr_db=0.0))
    assert "samples of the user's channel clip" in loud.notes[1]


def test_a_clean_line_is_the_recording_itself():
    recording = call()
    assert degrade(recording, CLEAN) is recording
    assert degrade(recording, ChannelCondition(snr_db=3.0)) is recording


FULL = ChannelCondition(
    noise="babble", telephone=True, packet_loss=0.1, burst=2.0, jitter_ms=20.0, echo_db=-25.0
)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_and_another_others():
    first, again, other = (degrade(call(), FULL, seed).sha256 for seed in (1, 1, 2))
    assert first == again != other


def test_two_calls_do_not_share_their_noise():
    one, two = (added(call(seed), ChannelCondition(noise="white")) for seed in (0, 1))
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.02


conditions = st.builds(
    ChannelCondition,
    noise=st.sampled_from([None, *KINDS]),
    snr_db=st.floats(-20, 60).map(lambda x: round(x, 3)),
    telephone=st.booleans(),
    packet_loss=st.floats(0, 0.5).map(lambda x: round(x, 4)),
    burst=st.floats(1, 50).map(lambda x: round(x, 3)),
    concealment=st.sampled_from(["repeat", "zero"]),
    jitter_ms=st.floats(0, 200).map(lambda x: round(x, 2)),
    echo_db=st.none() | st.floats(-60, 0).map(lambda x: round(x, 2)),
    echo_delay_ms=st.floats(0, 1000).map(lambda x: round(x, 2)),
)


@pytest.mark.slow
@settings(max_examples=25)
@given(conditions, st.integers(0, 3), st.integers(1, 3000))
def test_any_condition_keeps_length_type_and_labels(condition, seed, samples):
    recording = call(seconds=10.0)
    assert recording.agent is not None
    short = replace(recording, user=recording.user[:samples], agent=recording.agent[:samples])
    for one in (recording, short):
        heard = degrade(one, condition, seed)
        assert heard.user.dtype == np.int16
        assert len(heard.user) == len(one.user)
        assert heard.agent is not None
        assert len(heard.agent) == len(one.user)
        assert heard.labels == one.labels


@pytest.mark.slow
@given(conditions)
def test_text_and_condition_are_the_same_thing(condition):
    text = str(condition)
    assert str(ChannelCondition.parse(text)) == text
    recording = call()
    assert degrade(recording, ChannelCondition.parse(text)).sha256 == degrade(recording, condition).sha256


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("clean", CLEAN),
        ("noise:10", ChannelCondition(noise="pink", snr_db=10.0)),
        ("street:5+telephone", ChannelCondition(noise="street", snr_db=5.0, telephone=True)),
        ("loss:0.05", ChannelCondition(packet_loss=0.05)),
        ("jitter:30:zero", ChannelCondition(jitter_ms=30.0, concealment="zero")),
        ("loss:0.05:3:zero", ChannelCondition(packet_loss=0.05, burst=3.0, concealment="zero")),
        ("jitter:30 + echo:-20", ChannelCondition(jitter_ms=30.0, echo_db=-20.0)),
        ("echo:-20:15", ChannelCondition(echo_db=-20.0, echo_delay_ms=15.0)),
    ],
)
def test_parts_are_understood(text, expected):
    assert ChannelCondition.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nois:10", "unknown part 'nois'; expected noise, loss"),
        ("", "unknown part ''"),
        ("noise", "got 'noise', expected noise:SNR_DB"),
        ("noise:loud", "snr_db is 'loud', expected a number"),
        ("noise:nan", "snr_db is 'nan'"),
        ("noise:99", "snr_db: .*less than or equal to 60"),
        ("loss:0.9", "packet_loss: .*less than or equal to 0.5"),
        ("loss:0.1:0.5", "burst: .*greater than or equal to 1"),
        ("loss:0.1:2:loop", "concealment: .*'repeat' or 'zero'"),
        ("echo:3", "echo_db: .*less than or equal to 0"),
        ("telephone:8", "got 'telephone:8', expected telephone"),
        ("noise:10+pink:5", "gives noise twice|gives snr_db twice"),
    ],
)
def test_bad_texts_are_refused_in_words(text, message):
    with pytest.raises(ValueError, match=message):
        ChannelCondition.parse(text)


def test_bad_values_are_refused():
    for values in ({"noise": "rain"}, {"snr_db": float("nan")}, {"packet_loss": -0.1}, {"colour": "red"}):
        with pytest.raises(ValidationError):
            ChannelCondition.model_validate(values)
    with pytest.raises(ValidationError):
        CLEAN.telephone = True
