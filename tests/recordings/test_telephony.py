"""Telephone recordings: named stereo files, headerless audio, pairs by pattern, exchanged channels."""

from __future__ import annotations

import os
import re
import struct

import numpy as np
import pytest
import soundfile
from recording_fixtures import RECORDINGS, copied

from lab_utils.recordings.audio import BadRecording, RawFormat, read_audio, write_wav
from lab_utils.recordings.find import find_all, find_recordings, load_recording
from lab_utils.recordings.importing import import_folder
from lab_utils.recordings.labels.swapped import suspect_swap
from lab_utils.recordings.pairs import PairPattern
from lab_utils.recordings.recording_files import FindOptions, parse_raw

TELEPHONY = RECORDINGS / "telephony"
SAMPLES = RECORDINGS.parents[2] / "audio_samples"
PATTERN = "{name}_{channel:rx|tx}.wav"


def test_systems_are_told_by_file_names():
    found = {files.format: files for files in find_recordings(TELEPHONY, pair=PATTERN)}
    assert set(found) == {"amazon_connect", "twilio", "audio", "raw"}
    connect, twilio = load_recording(found["amazon_connect"]), load_recording(found["twilio"])
    assert connect.provenance is not None
    assert twilio.provenance is not None
    assert connect.provenance.details == {
        "contact_id": "01234567-89ab-cdef-0123-456789abcdef", "date": "20260301", "time": "14_05"
    }  # fmt: skip
    assert twilio.provenance.details == {"recording_sid": "RE0123456789abcdef0123456789abcdef"}


def test_mu_law_and_a_law_sound_like_pcm():
    pcm = load_recording(find_recordings(next(TELEPHONY.glob("*_UTC.wav")))[0])
    for path, factor in ((next(TELEPHONY.glob("RE*.wav")), 2), (TELEPHONY / "a_law_call.wav", 3)):
        (files,) = find_recordings(path)
        law = load_recording(files)
        error = law.user.astype(float) * factor - pcm.user
        assert np.sqrt(np.mean(error**2)) < 0.03 * np.sqrt(np.mean(pcm.user.astype(float) ** 2))


def test_headerless_pairs_are_read_by_suffix_and_role():
    one, two = find_recordings(TELEPHONY / "switch")
    assert [(files.name, files.layout, files.raw) for files in (one, two)] == [
        ("42", "pair", RawFormat("ulaw")), ("43", "pair", RawFormat("alaw"))
    ]  # fmt: skip
    assert load_recording(one).duration_s == load_recording(two).duration_s == 8.0


def test_roles_may_be_identities_with_signs_of_a_pattern(tmp_path):
    for role in ("auth0|7", "{bot}*"):
        (tmp_path / f"17_{role}.ulaw").write_bytes(bytes(8_000))
    (files,) = find_recordings(tmp_path, user="auth0|7", agent="{bot}*")
    assert (files.name, files.layout) == ("17", "pair")


def test_raw_files_need_a_stated_format(tmp_path):
    pcm = np.random.default_rng(0).normal(0, 3000, (16_000, 2)).astype("<i2")
    (tmp_path / "call.raw").write_bytes(pcm.tobytes())
    with pytest.raises(BadRecording, match=r"call\.raw: has no header .*state it, for example --raw pcm16"):
        find_recordings(tmp_path)
    (files,) = find_recordings(tmp_path, raw=parse_raw("pcm16,16000,2"))
    np.testing.assert_array_equal(load_recording(files).user, pcm[:, 0])
    (tmp_path / "call.raw").write_bytes(pcm.tobytes()[:-1])
    with pytest.raises(BadRecording, match=r"call\.raw: has 63999 bytes, not a multiple of 4"):
        load_recording(files)


def test_a_wav_file_named_raw_is_noticed(tmp_path):
    write_wav(tmp_path / "call.wav", np.full(8_000, 99, np.int16))
    (tmp_path / "call.wav").rename(tmp_path / "call.ulaw")
    with pytest.raises(BadRecording, match="named as audio without a header, but has one"):
        load_recording(find_recordings(tmp_path)[0])


@pytest.mark.parametrize("text", ["", "ulaw,4000", "mp3", "pcm16,8000,3", "pcm16,8000,1,1", "ulaw,x"])
def test_raw_formats_that_make_no_sense_are_refused(text):
    with pytest.raises(ValueError, match=r"can't use raw format .*for example ulaw,8000"):
        parse_raw(text)


@pytest.mark.parametrize(
    ("pattern", "user", "agent"),
    [
        (PATTERN, "17_rx.wav", "17_TX.wav"),
        ("{channel:in|out}-{name}-*.wav", "in-17-0930.wav", "out-17-0931.wav"),
        ("{channel:caller|agent}/{name}.wav", "caller/17.wav", "agent/17.wav"),
        ("{name}/{channel:a|b}_*.wav", "17/a_1.wav", "17/b_2.wav"),
    ],
)
def test_pairs_are_found_by_pattern(tmp_path, pattern, user, agent):
    for k, name in enumerate((user, agent)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_wav(tmp_path / name, np.random.default_rng(k).normal(0, 3000, 8_000).astype(np.int16))
    (files,) = find_recordings(tmp_path, pair=pattern)
    assert (files.name, files.user, files.agent) == ("17", tmp_path / user, tmp_path / agent)


def test_a_file_that_fits_the_pattern_alone_is_skipped(tmp_path):
    write_wav(tmp_path / "17_rx.wav", np.full(8_000, 99, np.int16))
    found = find_all(tmp_path, FindOptions(pair=PATTERN))
    assert not found.recordings
    assert "finds no file of the agent for '17'; add the other channel" in found.skipped[0].reason


@pytest.mark.parametrize(
    "pattern", ["", "x.wav", "{name}.wav", "{channel:a|b}.wav", "{name}_{channel:a|A}", "{nam}"]
)
def test_patterns_that_say_too_little_are_refused(pattern):
    with pytest.raises(ValueError, match=re.escape("expected one {name} and one {channel:USER|AGENT}")):
        PairPattern.of(pattern)


def test_exchanged_channels_are_suggested_and_exchanged_only_if_asked(tmp_path):
    """An agent that greets, speaks longer, evenly, and is silent in its pauses; and a caller on a line."""
    rng = np.random.default_rng(0)
    agent, user = np.zeros(160_000), rng.normal(0, 3, 160_000)
    agent[8_000:80_000] = rng.normal(0, 3000, 72_000)
    user[90_000:120_000] = rng.normal(0, 3000, 30_000) * np.linspace(0.2, 2, 30_000)
    right, wrong = (np.stack(pair, axis=1).astype(np.int16) for pair in ((user, agent), (agent, user)))
    write_wav(tmp_path / "right.wav", right)
    write_wav(tmp_path / "wrong.wav", wrong)
    good, bad = map(load_recording, find_recordings(tmp_path))
    assert good.notes == ()
    assert "behaves like an agent's: it speaks first, speaks longer" in bad.notes[0]
    assert bad.notes[0].endswith("if user and agent are exchanged, load it with swap")
    swapped = load_recording(find_recordings(tmp_path / "wrong.wav", swap=True)[0])
    assert swapped.sha256 == good.sha256
    assert swapped.notes == ("user and agent exchanged, as asked",)


@pytest.mark.slow
def test_the_sample_calls_are_told_apart_from_their_exchange():
    """Signs are weak: none of the sound calls is suspected, and about half of the exchanged ones are."""
    recordings = [load_recording(files) for files in find_recordings(SAMPLES)[:12:2]]
    assert not any(suspect_swap(one.user, one.agent) for one in recordings)
    assert any(suspect_swap(one.agent, one.user) for one in recordings)


def test_a_name_that_is_not_utf_8_is_skipped_with_a_printable_reason(tmp_path):
    write_wav(tmp_path / "good.wav", np.random.default_rng(0).normal(0, 3000, 8_000).astype(np.int16))
    bad = os.fsencode(tmp_path) + b"/caf\xe9.wav"
    os.rename(tmp_path / "good.wav", bad)
    found = find_all(tmp_path)
    assert not found.recordings
    assert "caf\\udce9.wav: its name is not UTF-8; rename" in found.skipped[0].reason
    found.skipped[0].reason.encode("utf-8")
    assert len(read_audio(os.fsdecode(bad))[0]) == 8_000


def test_a_file_of_2_gb_is_refused_by_its_header(tmp_path):
    """Sparse on disk; were it read, this would take minutes and gigabytes."""
    path = tmp_path / "long.wav"
    n_bytes = 2_000_000_000
    with path.open("wb") as file:
        file.write(struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", n_bytes + 36, b"WAVE", b"fmt ", 16, 1, 1, 8_000,
                               16_000, 2, 16, b"data", n_bytes))  # fmt: skip
        file.truncate(n_bytes + 44)
    with pytest.raises(BadRecording, match=r"long\.wav: lasts 34\.7 h, at most 4 h can be used; cut"):
        load_recording(find_recordings(path)[0])
    report = tmp_path / "report.json"
    with report.open("wb") as file:
        file.write(b'{"chat_history": {')
        file.truncate(n_bytes)
    write_wav(tmp_path / "report.wav", np.full(8_000, 99, np.int16))
    told = r"report\.json: has 1,907 MiB, more than the 64 MiB that are read; check that it is the right"
    with pytest.raises(BadRecording, match=told):
        load_recording(find_recordings(report)[0])


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_mp4_and_webm_are_read(tmp_path, suffix):
    av = pytest.importorskip("av")
    pcm = (8_000 * np.sin(np.arange(96_000) / 20)).astype(np.int16)
    with av.open(str(tmp_path / f"call{suffix}"), "w") as container:
        stream = container.add_stream("libopus" if suffix == ".webm" else "aac", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(pcm[None, :], format="s16", layout="mono")
        frame.sample_rate = 48_000
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    (files,) = find_recordings(tmp_path)
    recording = load_recording(files)
    assert recording.duration_s == pytest.approx(2.0, abs=0.1)
    data = (tmp_path / f"call{suffix}").read_bytes()
    for cut in (b"", data[:200]):
        (tmp_path / f"call{suffix}").write_bytes(cut)
        with pytest.raises(BadRecording, match=rf"call\{suffix}: "):
            load_recording(files)


def test_the_fixture_folder_imports_whole(tmp_path):
    folder = copied("telephony", tmp_path)
    imported = import_folder(folder, FindOptions(pair=PATTERN), quiet=True)
    assert imported.formats == {"raw": 2, "amazon_connect": 1, "twilio": 1, "audio": 1}
    assert ["is the same audio as" in one.reason for one in imported.skipped] == [True]
    soundfile.info(str(folder / "a_law_call.wav"))
