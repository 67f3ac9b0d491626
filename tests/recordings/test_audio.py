"""Audio in and out: exactness at 16 kHz, resampling elsewhere, atomic writing, and every kind of bad file."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lab_utils.recordings.audio import (
    BadRecording,
    channel_count,
    read_audio,
    read_pcm16k,
    to_pcm16k,
    write_flac,
    write_wav,
)


def tone(rate_hz: int, seconds: float = 1.0, hz: float = 440.0, channels: int = 1) -> np.ndarray:
    """A sine at -6 dBFS, float32, shape=(n, channels)."""
    t = np.arange(round(rate_hz * seconds)) / rate_hz
    return np.repeat(0.5 * np.sin(2 * np.pi * hz * t)[:, None], channels, axis=1).astype(np.float32)


def cut(path: Path, keep: float) -> Path:
    """The first part of a file's bytes, in a new file."""
    data = path.read_bytes()
    short = path.with_name("cut" + path.suffix)
    short.write_bytes(data[: int(len(data) * keep)])
    return short


def test_16khz_pcm16_passes_through_bit_for_bit(tmp_path):
    every_value = np.arange(-32_768, 32_768).astype(np.int16)
    for write, name in ((write_wav, "a.wav"), (write_flac, "a.flac")):
        write(tmp_path / name, every_value)
        np.testing.assert_array_equal(read_pcm16k(tmp_path / name)[:, 0], every_value)


@given(arrays(np.int16, st.integers(1, 200)))
def test_int16_as_float_and_back_is_the_same(pcm):
    np.testing.assert_array_equal(to_pcm16k(pcm.astype(np.float32) / 32_768, 16_000), pcm)


def test_samples_beyond_full_scale_are_clipped():
    assert to_pcm16k(np.array([-2.0, -1.0, 1.0, 2.0]), 16_000).tolist() == [-32_768, -32_768, 32_767, 32_767]


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_U8", "FLOAT", "ULAW"])
def test_any_rate_and_depth_becomes_the_same_tone_at_16khz(tmp_path, rate_hz, subtype):
    soundfile.write(tmp_path / "a.wav", tone(rate_hz), rate_hz, subtype=subtype)
    pcm = read_pcm16k(tmp_path / "a.wav")[:, 0] / 32_768
    expected = tone(16_000)[:, 0]
    assert len(pcm) == 16_000
    tolerance = {"PCM_U8": 0.01, "ULAW": 0.03}.get(subtype, 0.001)
    np.testing.assert_allclose(pcm[500:-500], expected[500:-500], atol=tolerance)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_every_format_keeps_channels_and_length(tmp_path, suffix):
    soundfile.write(tmp_path / f"a.{suffix}", tone(48_000, 2.0, channels=2), 48_000)
    pcm = read_pcm16k(tmp_path / f"a.{suffix}")
    assert pcm.dtype == np.int16
    assert pcm.shape[1] == channel_count(tmp_path / f"a.{suffix}") == 2
    assert len(pcm) == pytest.approx(32_000, abs=1_200)


def test_reading_in_blocks_equals_reading_at_once(tmp_path):
    noise = np.random.default_rng(1).normal(0, 0.1, (500_000, 2))
    soundfile.write(tmp_path / "a.wav", noise, 44_100)
    samples, rate_hz = read_audio(tmp_path / "a.wav")
    assert samples.dtype == np.float32
    assert (samples.shape, rate_hz) == ((500_000, 2), 44_100)
    np.testing.assert_array_equal(read_pcm16k(tmp_path / "a.wav"), to_pcm16k(samples, rate_hz))


def test_a_wav_written_as_a_stream_without_length_is_read(tmp_path):
    write_wav(tmp_path / "a.wav", np.ones(16_000, np.int16))
    data = bytearray((tmp_path / "a.wav").read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", 0xFFFF_FFFF)
    (tmp_path / "a.wav").write_bytes(data)
    assert len(read_pcm16k(tmp_path / "a.wav")) == 16_000


def test_writing_floats_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"expected int16 samples, got float64; .*to_pcm16k"):
        write_flac(tmp_path / "a.flac", np.zeros(10))
    assert not list(tmp_path.iterdir())


def make_bad(folder: Path, kind: str) -> Path:
    """A bad file of one kind."""
    path = folder / "x.wav"
    if kind == "folder":
        path.mkdir()
    elif kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("Dear customer,\nthis call is being recorded: naïve?\n" * 20)
    elif kind == "binary":
        path.write_bytes(bytes(range(256)) * 20)
    elif kind == "header only":
        path.write_bytes(b"RIFF\x24\x00\x00\x00WAVE")
    elif kind == "no samples":
        soundfile.write(path, np.zeros((0, 1)), 16_000)
    elif kind == "three channels":
        soundfile.write(path, tone(16_000, channels=3), 16_000)
    elif kind == "4 kHz":
        soundfile.write(path, tone(4_000), 4_000)
    elif kind in ("nan", "inf"):
        x = tone(16_000)
        x[8_000] = float(kind)
        soundfile.write(path, x, 16_000, subtype="FLOAT")
    return path


@pytest.mark.parametrize(
    ("kind", "finding"),
    [
        ("missing", "no such file; check the path"),
        ("folder", "is a folder; expected one audio file"),
        ("empty", r"is empty \(0 bytes\)"),
        ("text", r"not an audio file \(starts with text\); expected WAV, FLAC, OGG, MP3 or MP4"),
        ("binary", "not an audio file of a known format; .*ffmpeg"),
        ("header only", "is damaged, cut off or without samples"),
        ("no samples", r"holds no audio \(zero samples\)"),
        ("three channels", r"has 3 channels, expected 1 \(user\) or 2 \(user left, agent right\); export"),
        ("4 kHz", "is sampled at 4000 Hz, expected at least 8000 Hz; use"),
        ("nan", r"has a NaN or infinite sample at 0\.500 s; export"),
        ("inf", r"has a NaN or infinite sample at 0\.500 s; export"),
    ],
)
def test_a_bad_file_is_refused_in_one_line_with_finding_and_remedy(tmp_path, kind, finding):
    path = make_bad(tmp_path, kind)
    for read in (read_audio, read_pcm16k):
        with pytest.raises(BadRecording, match=finding) as caught:
            read(path)
        message = str(caught.value)
        assert message.startswith(f"{path}: ")
        assert "\n" not in message
        assert "; " in message


@pytest.mark.slow
@pytest.mark.parametrize("keep", [0.3, 0.5, 0.95])
@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_a_cut_off_file_is_refused(tmp_path, suffix, keep):
    noise = np.random.default_rng(2).normal(0, 0.1, (16_000 * 20, 2))
    soundfile.write(tmp_path / f"a.{suffix}", noise, 16_000)
    assert len(read_pcm16k(tmp_path / f"a.{suffix}")) >= 16_000 * 20
    with pytest.raises(BadRecording, match=r"cut off.*; copy or export it again"):
        read_pcm16k(cut(tmp_path / f"a.{suffix}", keep))


def test_a_cut_off_wav_says_how_much_is_missing(tmp_path):
    write_wav(tmp_path / "a.wav", np.ones(16_000 * 10, np.int16))
    with pytest.raises(BadRecording, match=r"the last 2\.5 s are missing"):
        read_audio(cut(tmp_path / "a.wav", 0.75))


@given(st.binary(max_size=300), st.sampled_from([b"", b"RIFF", b"fLaC", b"OggS", b"ID3", b"\xff\xfb"]))
def test_arbitrary_bytes_are_refused_as_a_bad_recording(tmp_path_factory, data, magic):
    path = tmp_path_factory.mktemp("fuzz") / "x.wav"
    path.write_bytes(magic + data)
    with pytest.raises(BadRecording):
        read_pcm16k(path)


def test_channel_count_is_none_where_there_is_no_audio(tmp_path):
    (tmp_path / "x.wav").write_text("text")
    assert channel_count(tmp_path / "x.wav") is None
    assert channel_count(tmp_path / "missing.wav") is None
