"""What FFmpeg reads here: every suffix that is found, tracks, edit lists, damage, and what is left over."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from opus_tracks import bursts, bursts_in, mux, packets, sent
from paths import CASES

from lab_utils.recordings.audio import BadRecording, decode_pcm16k, read_pcm16k, write_wav
from lab_utils.recordings.decoding.kinds import AUDIO_SUFFIXES, UNSUPPORTED, kind_of
from lab_utils.recordings.find import find_recordings
from lab_utils.recordings.importing import import_folder

pytestmark = pytest.mark.slow

SPANS = ((0.5, 1.5), (2.0, 2.4))
CODECS = {
    "m4a": "aac", "mp4": "aac", "mov": "aac", "m4b": "aac", "3gp": "aac", "aac": "aac", "mka": "aac",
    "mkv": "flac", "wma": "wmav2", "asf": "wmav2", "webm": "libopus", "caf": "aac", "oga": "flac",
    "opus": "libopus", "mp2": "mp2", "amr": "libopencore_amrnb",
}  # fmt: skip
MUXERS = {"m4b": "ipod", "wma": "asf", "oga": "ogg"}


def encoded(path: Path, codec: str, channels: int = 1, pcm: np.ndarray | None = None) -> Path:
    """Bursts of a tone, encoded."""
    rate_hz = 8_000 if "amr" in codec else 48_000
    samples = bursts(SPANS, 3.0) if pcm is None else pcm
    samples = np.repeat(samples[None, :: 48_000 // rate_hz], channels, axis=0)
    layout = {1: "mono", 2: "stereo"}[channels]
    suffix = path.suffix.lstrip(".")
    with av.open(str(path), "w", format=MUXERS.get(suffix)) as out:
        stream = out.add_stream(codec, rate=rate_hz)
        stream.layout, stream.bit_rate = layout, 12_200 if "amr" in codec else 96_000
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), "s16p", layout)
        frame.sample_rate, frame.pts, frame.time_base = rate_hz, 0, Fraction(1, rate_hz)
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            out.mux(packet)
    return path


@pytest.mark.parametrize("suffix", CODECS)
def test_every_suffix_that_is_found_is_read_at_its_times(tmp_path, suffix):
    path = tmp_path / f"call.{suffix}"
    try:
        encoded(path, CODECS[suffix])
    except (ValueError, av.FFmpegError) as error:
        pytest.skip(f"this build of FFmpeg writes no {suffix} ({error})")
    (entry,) = import_folder(tmp_path, quiet=True).entries
    assert entry.notes == ()
    found = bursts_in(read_pcm16k(path)[:, 0])
    # Without a list of edits the encoder's delay stays in: 1,024 or 2,048 samples of AAC.
    late = {"aac": 0.05, "wma": 0.05, "asf": 0.05, "amr": 0.02, "caf": 0.05, "mp2": 0.03}.get(suffix, 0.0)
    assert len(found) == 2
    np.testing.assert_allclose(found, SPANS, atol=0.021 + late)


def test_every_suffix_is_found_or_has_a_reason(tmp_path):
    for k, suffix in enumerate((*AUDIO_SUFFIXES, *UNSUPPORTED)):
        (tmp_path / f"{k}{suffix}").write_bytes(b"nothing of the kind")
    imported = import_folder(tmp_path, quiet=True)
    assert not imported.entries
    assert {item.path.suffix for item in imported.skipped} == {*AUDIO_SUFFIXES, *UNSUPPORTED}


def test_upper_case_suffixes_are_found(tmp_path):
    encoded(tmp_path / "a.m4a", "aac").rename(tmp_path / "A.M4A")
    assert [one.name for one in find_recordings(tmp_path)] == ["A"]


def test_audio_by_a_name_that_is_not_audios_is_told(tmp_path):
    pcm = np.random.default_rng(0).normal(0, 3000, 16_000).astype(np.int16)
    write_wav(tmp_path / "a.wav", pcm)
    (tmp_path / "a.wav").rename(tmp_path / "recording")
    mux(tmp_path / "b.webm", [(packets(bursts()), sent(300))]).rename(tmp_path / "b.bin")
    for name, content in {
        "notes.txt": b"text", "a.png": b"\x89PNG\r\n", "u.csv": b"\xff\xfea\0,\0b\0",
        "p.heic": b"\0\0\0\x18ftypheic",
    }.items():  # fmt: skip
        (tmp_path / name).write_bytes(content)
    reasons = [item.reason for item in import_folder(tmp_path, quiet=True).skipped]
    assert len(reasons) == 2
    assert "b.bin: holds WebM or Matroska audio" in reasons[0]
    assert "rename it, for example to b.bin.mka" in reasons[0]
    assert "recording: holds WAV audio" in reasons[1]


def test_audio_that_is_called_json_is_told_once(tmp_path):
    write_wav(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 3000, 16_000).astype(np.int16))
    (tmp_path / "a.wav").rename(tmp_path / "EG_1.json")
    (skipped,) = import_folder(tmp_path, quiet=True).skipped
    assert "EG_1.json: holds WAV audio" in skipped.reason


def test_an_empty_edit_and_priming_of_an_mp4_count(tmp_path):
    """An edit list that begins with 0.7 s of nothing, as of a track that joined late."""
    path = encoded(tmp_path / "a.m4a", "aac")
    plain = bursts_in(read_pcm16k(path)[:, 0])
    np.testing.assert_allclose(plain, SPANS, atol=0.021)
    path.write_bytes(with_empty_edit(path.read_bytes(), 0.7))
    decoded = decode_pcm16k(path)
    np.testing.assert_allclose(bursts_in(decoded.pcm[:, 0]), np.array(SPANS) + 0.7, atol=0.021)
    assert decoded.notes == ("0.700 s of silence before its first sound, by its time stamps",)


def with_empty_edit(data: bytes, seconds: float) -> bytes:
    """An MP4 (moov last) whose edit list says so much nothing before what it said."""
    at = data.index(b"elst") - 4
    size, count = struct.unpack(">I", data[at : at + 4])[0], struct.unpack(">I", data[at + 12 : at + 16])[0]
    scale_at = data.index(b"mvhd") + 16
    scale = struct.unpack(">I", data[scale_at : scale_at + 4])[0]
    entry = struct.pack(">IiI", round(seconds * scale), -1, 0x10000)
    new = struct.pack(">I", size + 12) + data[at + 4 : at + 12] + struct.pack(">I", count + 1) + entry
    new += data[at + 16 : at + size]
    data = data[:at] + new + data[at + size :]
    for name in (b"moov", b"trak", b"edts"):  # each holds the next
        box = data.index(name) - 4
        data = (
            data[:box] + struct.pack(">I", struct.unpack(">I", data[box : box + 4])[0] + 12) + data[box + 4 :]
        )
    return data


def test_a_stereo_file_beside_another_track_is_refused_by_name(tmp_path):
    with av.open(str(tmp_path / "a.mka"), "w") as out:
        streams = []
        for layout, title in (("stereo", "mix"), ("mono", "agent")):
            stream = out.add_stream("flac", rate=48_000)
            stream.layout = layout
            stream.metadata["title"] = title
            streams.append(stream)
        for stream, channels in zip(streams, (2, 1), strict=True):
            samples = np.repeat(bursts(SPANS, 3.0)[None, :], channels, axis=0).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), "s16", stream.layout.name)
            frame.sample_rate, frame.pts, frame.time_base = 48_000, 0, Fraction(1, 48_000)
            for packet in [*stream.encode(frame), *stream.encode(None)]:
                out.mux(packet)
    match = (
        r"has 2 audio tracks \(track 1 'mix' \(flac, 2 ch\), track 2 'agent' \(flac, 1 ch\)\), expected one"
    )
    with pytest.raises(BadRecording, match=match):
        read_pcm16k(tmp_path / "a.mka")


def test_a_cut_off_mp4_is_refused(tmp_path):
    path = encoded(
        tmp_path / "a.m4a", "aac", pcm=np.random.default_rng(0).normal(0, 3000, 480_000).astype(np.int16)
    )
    data = path.read_bytes()
    moov = data.index(b"moov") - 4
    mdat = data.index(b"mdat") - 4
    ahead = data[:mdat] + data[moov:] + data[mdat:moov]  # as for the web: the index first
    path.write_bytes(ahead[: len(ahead) * 2 // 3])
    with pytest.raises(BadRecording, match=r"cut off|damaged"):
        read_pcm16k(path)


def test_a_playlist_called_mp4_opens_nothing_else(tmp_path):
    """FFmpeg's readers of playlists would open other files and addresses."""
    for k, suffix in enumerate(("mp4", "webm", "aac", "mka", "wma", "ogg")):
        (tmp_path / f"{k}.{suffix}").write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n")
    skipped = import_folder(tmp_path, quiet=True).skipped
    assert len(skipped) == 6
    assert all("not an audio file (starts with text)" in item.reason for item in skipped)


def test_a_video_without_sound_says_so(tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), "rgb24")
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            out.mux(packet)
    with pytest.raises(BadRecording, match=r"a\.mp4: has no audio track; use a recording with sound"):
        read_pcm16k(path)


def test_a_codec_nobody_knows_is_named_and_a_sound_file_beside_it_is_imported(tmp_path):
    data = mux(tmp_path / "c.webm", [(packets(bursts()), sent(300))]).read_bytes()
    (tmp_path / "c.webm").write_bytes(data.replace(b"A_OPUS", b"A_OPUW"))
    write_wav(tmp_path / "s.wav", np.random.default_rng(0).normal(0, 3000, 16_000).astype(np.int16))
    imported = import_folder(tmp_path, quiet=True)
    assert [entry.files.name for entry in imported.entries] == ["s"]
    (item,) = imported.skipped
    assert "has track 1 (an unknown codec), which can't be decoded; convert it: ffmpeg -i " in item.reason


@pytest.mark.parametrize(("head", "name"), [
    (b"RIFF\0\0\0\0AVI LIST", None), (b"RIFF\0\0\0\0WAVEfmt ", "WAV"), (b"\xff\xf1\x50\x80\0\0", "AAC"),
    (b"\xff\xfb\x90\x64", "MP3"), (b"ID3\4\0\0\0\0\0\0\xff\xf1\x50\x80", "AAC"),
    (b"ID3\4\0\0\0\0\0\0\xff\xfb\x90\x64", "MP3"),
    (b"OggS", "OGG"), (b"fLaC", "FLAC"), (b"\0\0\0\x20ftypM4A ", "MP4"), (b"FORM\0\0\0\0AIFC", "AIFF"),
    (b"hello", None), (b"", None),
])  # fmt: skip
def test_a_kind_is_told_by_its_first_bytes(head, name):
    kind = kind_of(head)
    assert (kind and kind.name) == name


def test_the_case_of_two_tracks():
    path = CASES / "two_tracks_mp4" / "call.mp4"
    if not path.exists():
        pytest.skip("the collection of failing inputs isn't here")
    decoded = decode_pcm16k(path)
    assert decoded.pcm.shape[1] == 2
    first = [np.flatnonzero(np.abs(decoded.pcm[:, k]) > 500)[0] / 16_000 for k in (0, 1)]
    assert first[0] == pytest.approx(4.25, abs=0.1), "the caller"
    assert first[1] == pytest.approx(0.5, abs=0.1), "the agent"


def test_the_case_of_ignored_suffixes():
    if not (CASES / "ignored_suffixes").exists():
        pytest.skip("the collection of failing inputs isn't here")
    assert [one.name for one in find_recordings(CASES / "ignored_suffixes")] == ["call1", "call2", "call3"]
