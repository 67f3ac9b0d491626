"""WAV headers as recorders leave them: sizes never written or half, chunks that follow, codecs, wrong
suffixes.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from paths import CASES

from lab_utils.recordings.audio import BadRecording, channel_count, decode_pcm16k, read_pcm16k
from lab_utils.recordings.importing import import_folder

RATE_HZ = 16_000
NEVER = "the length in its header was never written; read to the end of the file"
HALFWAY = "the length in its header was written only halfway; read to the end of the file"


def noise(seconds: float = 2.0, channels: int = 2) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 3000, (round(seconds * RATE_HZ), channels)).astype(np.int16)


def wav(
    pcm: np.ndarray,
    *,
    riff: int | None = None,
    data: int | None = None,
    after: bytes = b"",
    before: bytes = b"",
    name: bytes = b"RIFF",
    pad: bool = True,
    extensible: bool = False,
    samples: bytes | None = None,
    bits: int = 16,
    tag: int = 1,
) -> bytes:
    """A WAV file whose sizes can be wrong."""
    body = pcm.astype("<i2").tobytes() if samples is None else samples
    channels, align = pcm.shape[1], pcm.shape[1] * bits // 8
    form = struct.pack(
        "<HHIIHH", 0xFFFE if extensible else tag, channels, RATE_HZ, RATE_HZ * align, align, bits
    )
    if extensible:
        form += (
            struct.pack("<HHI", 22, bits, 3)
            + struct.pack("<H", tag)
            + bytes.fromhex("000000001000800000AA00389B71")
        )
    chunks = before + b"fmt " + struct.pack("<I", len(form)) + form
    chunks += b"data" + struct.pack("<I", len(body) if data is None else data)
    rest = body + b"\0" * (pad and len(body) % 2) + after
    return (
        name
        + struct.pack("<I", 4 + len(chunks) + len(rest) if riff is None else riff)
        + b"WAVE"
        + chunks
        + rest
    )


def read(path: Path, content: bytes):
    path.write_bytes(content)
    return decode_pcm16k(path)


LIST = b"LIST" + struct.pack("<I", 26) + b"INFOISFT" + struct.pack("<I", 14) + b"Lavf60.16.100\0"


@pytest.mark.parametrize("after", [b"", LIST])
@pytest.mark.parametrize("riff", [None, 0, 36, 0xFFFF_FFFF, 0x7FFF_FFFF])
def test_whatever_the_size_of_the_file_says_the_samples_are_those_of_data(tmp_path, riff, after):
    pcm = noise()
    found = read(tmp_path / "a.wav", wav(pcm, riff=riff, after=after))
    np.testing.assert_array_equal(found.pcm, pcm)
    assert found.notes == ()


@pytest.mark.parametrize("extensible", [False, True])
@pytest.mark.parametrize("riff", [0, 36, 0xFFFF_FFFF, None])
def test_a_length_that_was_never_written_is_found(tmp_path, riff, extensible):
    pcm = noise()
    found = read(tmp_path / "a.wav", wav(pcm, riff=riff, data=0, extensible=extensible))
    np.testing.assert_array_equal(found.pcm, pcm)
    assert found.notes == (NEVER,)
    assert channel_count(tmp_path / "a.wav") == 2


@pytest.mark.parametrize("riff", [0, None, 36 + 64_000])
def test_a_length_that_was_written_halfway_is_found(tmp_path, riff):
    pcm = noise()
    found = read(tmp_path / "a.wav", wav(pcm, riff=riff, data=64_000))
    np.testing.assert_array_equal(found.pcm, pcm)
    assert found.notes == (HALFWAY,)


def test_half_a_frame_at_the_end_is_left_out(tmp_path):
    pcm = noise()
    found = read(tmp_path / "a.wav", wav(pcm, data=0, after=b"\x01\x02\x03"))
    np.testing.assert_array_equal(found.pcm, pcm)


@pytest.mark.parametrize("size", [0xFFFF_FFFF, 0x7FFF_FFFF, 0x7FFF_0000])
def test_the_size_of_a_stream_is_no_size_and_needs_no_note(tmp_path, size):
    pcm = noise()
    found = read(tmp_path / "a.wav", wav(pcm, riff=0xFFFF_FFFF, data=size))
    np.testing.assert_array_equal(found.pcm, pcm)
    assert found.notes == ()


@pytest.mark.parametrize("name", [b"RF64", b"BW64"])
@pytest.mark.parametrize(("written", "note"), [(True, ()), (False, (NEVER,))])
def test_rf64_and_its_sizes(tmp_path, name, written, note):
    pcm = noise()
    n = pcm.size * 2 if written else 0
    ds64 = b"ds64" + struct.pack("<IQQQI", 28, n + 72 if written else 0, n, len(pcm) if written else 0, 0)
    found = read(tmp_path / "a.wav", wav(pcm, name=name, riff=0xFFFF_FFFF, data=0xFFFF_FFFF, before=ds64))
    np.testing.assert_array_equal(found.pcm, pcm)
    assert found.notes == note


def test_bwf_and_chunks_before_and_after(tmp_path):
    pcm = noise()
    bext = b"bext" + struct.pack("<I", 602) + bytes(602)
    found = read(
        tmp_path / "a.wav", wav(pcm, before=bext, after=LIST + b"id3 " + struct.pack("<I", 4) + b"ID3\3")
    )
    np.testing.assert_array_equal(found.pcm, pcm)
    assert found.notes == ()


@pytest.mark.parametrize("pad", [True, False])
def test_an_odd_length_may_be_padded_or_not(tmp_path, pad):
    samples = bytes(np.random.default_rng(0).integers(0, 256, RATE_HZ + 1, dtype=np.uint8))
    chunks = LIST + b"abcd" + struct.pack("<I", 40_000) + bytes(40_000)
    found = read(
        tmp_path / "a.wav",
        wav(np.zeros((0, 1)), samples=samples, bits=8, pad=pad, after=chunks),
    )
    assert len(found.pcm) == RATE_HZ + 1
    assert found.notes == ()


@pytest.mark.parametrize("junk", [b"TAG" + bytes(125), b"ID3\4\0\0\0\0\0\0", b"APETAGEX" + bytes(24)])
def test_tags_after_the_samples_are_no_samples(tmp_path, junk):
    pcm = noise()
    found = read(tmp_path / "a.wav", wav(pcm, after=junk + bytes(20_000)))
    np.testing.assert_array_equal(found.pcm, pcm)
    assert found.notes == ("what follows the samples in the file is left out",)


def test_two_files_in_one_are_told(tmp_path):
    pcm = noise()
    assert len(read(tmp_path / "a.wav", wav(pcm, after=wav(pcm))).pcm) == len(pcm)
    assert decode_pcm16k(tmp_path / "a.wav").notes == ("what follows the samples in the file is left out",)


def test_an_empty_file_with_chunks_after_its_samples_is_empty(tmp_path):
    with pytest.raises(BadRecording, match="holds no audio"):
        read(tmp_path / "a.wav", wav(np.zeros((0, 2)), after=LIST * 2_000))


def test_a_size_beyond_the_file_means_that_it_is_cut_off(tmp_path):
    with pytest.raises(
        BadRecording, match=r"is cut off: the last 1\.0 s are missing; copy or export it again"
    ):
        read(tmp_path / "a.wav", wav(noise(), data=3 * RATE_HZ * 4))


CODECS = {
    0x0045: "G.726", 0x0064: "G.726", 0x0040: "G.721", 0x0083: "G.729", 0x0133: "G.729", 0x0042: "G.723.1",
    0x0022: "TrueSpeech", 0x0161: "Windows Media Audio 2", 0x00FF: "AAC", 0xA109: "Speex", 0x0215: "iLBC",
    0x7777: "an unknown codec (format tag 0x7777)",
}  # fmt: skip


@pytest.mark.parametrize("tag", CODECS)
@pytest.mark.parametrize("extensible", [False, True])
def test_a_codec_that_is_not_read_is_named_with_the_command_that_converts_it(tmp_path, tag, extensible):
    folder = tmp_path / "my calls"
    folder.mkdir()
    path = folder / "a b.wav"
    path.write_bytes(wav(noise(), tag=tag, extensible=extensible, bits=8))
    with pytest.raises(BadRecording) as caught:
        read_pcm16k(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: is {CODECS[tag]}")
    assert message.endswith(f"convert it: ffmpeg -i '{path}' -c:a pcm_s16le '{folder / 'a b-pcm.wav'}'")
    assert "damaged" not in message
    (item,) = import_folder(folder, quiet=True).skipped
    assert item.reason == message


@pytest.mark.parametrize(("suffix", "name", "how"), [
    ("g722", "G.722", "-f g722 "), ("g729", "G.729", "-f g729 "), ("gsm", "GSM 06.10", "-f gsm "),
    ("sln", "16-bit samples without a header", "-f s16le -ar 8000 "), ("vox", "Dialogic ADPCM", "-f s16le"),
])  # fmt: skip
def test_telephone_codecs_without_a_header_are_listed_with_the_command(tmp_path, suffix, name, how):
    path = tmp_path / f"call.{suffix}"
    path.write_bytes(np.random.default_rng(0).bytes(8_000))
    imported = import_folder(tmp_path, quiet=True)
    assert not imported.entries
    (item,) = imported.skipped
    assert item.reason.startswith(f"{path}: is {name}")
    assert f"convert it: ffmpeg {how}" in item.reason


@pytest.mark.parametrize(("container", "subtype"), [
    ("WAV", "GSM610"), ("WAV", "IMA_ADPCM"), ("WAV", "MS_ADPCM"), ("WAV", "ULAW"), ("WAV", "ALAW"),
    ("AIFF", "PCM_16"), ("AIFF", "ULAW"), ("AU", "ULAW"), ("AU", "PCM_16"), ("CAF", "PCM_16"),
    ("CAF", "ALAC_16"), ("W64", "PCM_16"), ("RF64", "PCM_16"), ("NIST", "PCM_16"),
    ("VOC", "PCM_16"), ("FLAC", "PCM_16"),
])  # fmt: skip
def test_what_libsndfile_reads_is_read(tmp_path, container, subtype):
    suffix = {"AIFF": "aif", "AU": "au", "NIST": "sph", "RF64": "rf64"}.get(container, container.lower())
    path = tmp_path / f"a.{suffix}"
    t = np.arange(RATE_HZ) / RATE_HZ
    tone = (0.3 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)
    soundfile.write(path, tone, RATE_HZ, format=container, subtype=subtype)
    (entry,) = import_folder(tmp_path, quiet=True).entries
    assert entry.notes == ()
    pcm = read_pcm16k(path)[:RATE_HZ, 0] / 32_768
    assert np.abs(pcm - tone[: len(pcm)])[200:-200].max() < (0.2 if subtype == "GSM610" else 0.05)


def test_a_wav_file_by_another_name_is_a_wav_file(tmp_path):
    pcm = noise()
    for suffix in ("mp3", "ogg", "m4a", "flac", "webm"):
        np.testing.assert_array_equal(read(tmp_path / f"a.{suffix}", wav(pcm)).pcm, pcm)


def test_big_endian_riff_is_read_and_mended(tmp_path):
    stream = io.BytesIO()
    pcm = noise()
    soundfile.write(stream, pcm, RATE_HZ, format="WAV", subtype="PCM_16", endian="BIG")
    content = bytearray(stream.getvalue())
    at = content.index(b"data") + 4
    content[at : at + 4] = bytes(4)
    found = read(tmp_path / "a.wav", bytes(content))
    np.testing.assert_array_equal(found.pcm, pcm)
    assert found.notes == (NEVER,)


def test_the_case_of_a_writer_that_died():
    path = CASES / "wav_size_zero" / "call.wav"
    if not path.exists():
        pytest.skip("the collection of failing inputs isn't here")
    found = decode_pcm16k(path)
    assert found.pcm.shape == (96_000, 2)
    assert found.notes == (NEVER,)
    first = np.flatnonzero(np.abs(found.pcm[:, 1]) > 300)[0] / RATE_HZ
    assert first == pytest.approx(0.5, abs=0.03)


def test_the_case_of_g722():
    path = CASES / "wav_g722" / "call.wav"
    if not path.exists():
        pytest.skip("the collection of failing inputs isn't here")
    assert read_pcm16k(path).shape == (96_000, 1)
