"""Time stamps of compressed audio: what wasn't sent is silence, and no pause moves, in every container."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opus_tracks import (
    BURSTS,
    PACKET,
    PRE_SKIP,
    RATE_HZ,
    bursts,
    bursts_in,
    ends,
    mux,
    ogg,
    packets,
    pages,
    sent,
    starts,
)
from paths import CASES

from lab_utils.recordings.audio import BadRecording, audio_header, decode_pcm16k, read_pcm16k
from lab_utils.recordings.decoding.ogg import OggOpus, needs_placing, packet_samples
from lab_utils.recordings.decoding.placement import LONGEST_START_S, Blocks, Placement
from lab_utils.recordings.decoding.source import NotDecodable
from lab_utils.recordings.importing import import_folder

pytestmark = pytest.mark.slow

OTHER = ((2.0, 2.8),)


@pytest.fixture(scope="module")
def call():
    """All packets of six seconds, and the numbers of those that are sent."""
    found = packets(bursts())
    return found, sent(len(found))


@pytest.fixture(scope="module")
def other():
    found = packets(bursts(OTHER))
    return found, sent(len(found), OTHER)


def assert_bursts(pcm: np.ndarray, expected=BURSTS, later_s: float = 0.0) -> None:
    found = bursts_in(pcm)
    assert len(found) == len(expected), found
    np.testing.assert_allclose(np.array(found) - later_s, expected, atol=0.021)


@pytest.mark.parametrize("suffix", ["webm", "mka", "mkv", "mp4"])
def test_packets_that_were_not_sent_are_silence(tmp_path, call, suffix):
    decoded = decode_pcm16k(mux(tmp_path / f"a.{suffix}", [call]))
    assert_bursts(decoded.pcm[:, 0])
    (note,) = decoded.notes
    gaps = np.diff(call[1])
    missing_s = sum(gaps - 1) * PACKET / RATE_HZ
    assert note == f"{missing_s:.1f} s of silence in {sum(gaps > 1)} gaps, by its time stamps"


@pytest.mark.parametrize("a_page", [1, 2, 5, 25])
def test_granule_positions_count(tmp_path, call, a_page):
    path = ogg(tmp_path / "a.ogg", *call, a_page=a_page)
    assert needs_placing(path)
    decoded = decode_pcm16k(path)
    assert_bursts(decoded.pcm[:, 0])
    assert ("a gap lies isn't told" in " ".join(decoded.notes)) == (a_page > 1)


def test_where_a_gap_lies_among_many_packets_of_a_page_is_said_to_be_unknown(tmp_path, call):
    notes = decode_pcm16k(ogg(tmp_path / "a.ogg", *call, a_page=50)).notes
    assert any("where in a page of up to " in note and "isn't told" in note for note in notes)


def test_a_whole_stream_needs_nothing_and_its_length_is_kept(tmp_path, call):
    path = ogg(tmp_path / "a.ogg", call[0], range(len(call[0])), a_page=25)
    assert not needs_placing(path)
    decoded = decode_pcm16k(path)
    assert decoded.notes == ()
    assert len(decoded.pcm) == (len(call[0]) * PACKET - PRE_SKIP) // 3
    assert_bursts(decoded.pcm[:, 0])


def test_the_same_packets_with_and_without_gaps_sound_the_same(tmp_path, call):
    whole = ogg(tmp_path / "a.ogg", call[0], range(len(call[0])))
    every, some = (OggOpus(path).read(1 << 30) for path in (whole, ogg(tmp_path / "b.ogg", *call)))
    assert len(every) == len(some)
    for start_s, end_s in BURSTS:
        part = slice(round((start_s + 0.1) * RATE_HZ), round((end_s - 0.1) * RATE_HZ))
        np.testing.assert_allclose(some[part], every[part], atol=0.02)


def test_one_lost_packet_is_twenty_milliseconds(tmp_path, call):
    numbers = [k for k in range(len(call[0])) if k != 100]
    decoded = decode_pcm16k(ogg(tmp_path / "a.ogg", call[0], numbers))
    assert decoded.notes == ("0.0 s of silence in 1 gap, by its time stamps",)
    assert_bursts(decoded.pcm[:, 0])


def test_positions_that_count_starts_are_understood(tmp_path, call):
    """Pion's oggwriter: the first page says 1."""
    assert_bursts(read_pcm16k(ogg(tmp_path / "a.ogg", *call, granule=starts))[:, 0])


@pytest.mark.parametrize("start_s", [0.7, 1.0])
@pytest.mark.parametrize("suffix", ["webm", "mka", "mp4", "ogg"])
def test_a_late_start_counts(tmp_path, call, suffix, start_s):
    path = tmp_path / f"a.{suffix}"
    if suffix == "ogg":
        ogg(path, *call, granule=lambda k: ends(k) + round(start_s * RATE_HZ))
    else:
        mux(path, [call], start_s)
    decoded = decode_pcm16k(path)
    assert_bursts(decoded.pcm[:, 0], later_s=start_s)
    assert "s of silence before its first sound" in decoded.notes[0]


def test_a_clock_of_the_senders_own_is_no_late_start(tmp_path, call):
    path = ogg(tmp_path / "a.ogg", *call, granule=lambda k: ends(k) + 3600 * RATE_HZ)
    assert_bursts(read_pcm16k(path)[:, 0], later_s=PRE_SKIP / RATE_HZ)


def test_chained_streams_are_joined(tmp_path, call):
    first = pages(call[0], range(len(call[0])), serial=1)
    second = pages(*call, granule=lambda k: ends(k) + 77_777, serial=2)
    (tmp_path / "a.ogg").write_bytes(b"".join(first + second))
    decoded = decode_pcm16k(tmp_path / "a.ogg")
    later_s = len(call[0]) * PACKET / RATE_HZ
    assert_bursts(decoded.pcm[:, 0], [*BURSTS, *((a + later_s, b + later_s) for a, b in BURSTS)])
    assert "2 streams one after the other; joined end to end" in decoded.notes


@pytest.mark.parametrize("suffix", ["ogg", "webm", "mka", "mp4"])
def test_two_mono_tracks_are_the_two_channels(tmp_path, call, other, suffix):
    path = tmp_path / f"a.{suffix}"
    if suffix == "ogg":
        one, two = pages(*call, serial=1), pages(*other, serial=2)
        path.write_bytes(b"".join([one[0], two[0], one[1], two[1], *one[2:], *two[2:]]))
    else:
        mux(path, [call, other])
    header = audio_header(path)
    assert header is not None
    assert header.channels == 2
    decoded = decode_pcm16k(path)
    assert_bursts(decoded.pcm[:, 0])
    assert_bursts(decoded.pcm[:, 1], OTHER)
    assert decoded.notes[0].startswith("two mono tracks: track 1 ")
    assert "taken as the user, track 2 " in decoded.notes[0]
    assert any(note.startswith("agent's track: ") and "of silence in" in note for note in decoded.notes)


@pytest.mark.parametrize("suffix", ["ogg", "webm"])
def test_three_tracks_are_refused_by_name(tmp_path, call, suffix):
    path = tmp_path / f"a.{suffix}"
    if suffix == "ogg":
        streams = [pages(*call, serial=k) for k in range(3)]
        path.write_bytes(b"".join(page for part in zip(*streams, strict=True) for page in part))
    else:
        mux(path, [call] * 3)
    with pytest.raises(BadRecording, match=r"has 3 audio tracks \(track 1 .*track 3 .*\), expected one"):
        read_pcm16k(path)


def test_a_pair_of_tracks_names_the_file_of_each_note(tmp_path, call, other):
    mux(tmp_path / "caller.webm", [call])
    ogg(tmp_path / "agent.ogg", *other)
    (tmp_path / "agent.ogg").rename(tmp_path / "agent.webm")  # a suffix only finds a file
    (entry,) = import_folder(tmp_path, quiet=True).entries
    assert [note.partition(":")[0] for note in entry.notes[:2]] == ["caller.webm", "agent.webm"]


def test_a_gap_of_an_hour_is_refused_without_filling_the_memory(tmp_path, call):
    path = ogg(tmp_path / "a.ogg", *call, granule=lambda k: ends(k) + (k > 50) * 3600 * RATE_HZ)
    with pytest.raises(BadRecording, match=r"has a gap of 60 min at 1\.\d s by its time stamps; cut it"):
        read_pcm16k(path)


@pytest.mark.parametrize(
    ("packet", "samples"),
    [
        (b"", 0),
        (b"\x48", 960),
        (b"\x49", 1920),
        (b"\x4b\x03", 2880),
        (b"\x0b", 0),
        (b"\xe0", 120),
        (b"\x18", 2880),
    ],
)
def test_the_length_of_a_packet_is_in_its_first_byte(packet, samples):
    assert packet_samples(packet) == samples


def naive_placed(pieces, rate_hz: int) -> np.ndarray:
    """Samples at their times: the slow twin of `Placement`, for pieces in order that don't go back far."""
    length = max((start + len(samples) for start, samples in pieces), default=0)
    placed, end = np.zeros(length, np.float32), 0
    for start, samples in pieces:
        at = start if abs(start - end) > 0.01 * rate_hz or end == 0 else end
        new = samples[max(0, end - at) :]
        placed = np.pad(placed, (0, max(0, max(at, end) + len(new) - len(placed))))
        placed[max(at, end) : max(at, end) + len(new)] = new
        end = max(end, max(at, end) + len(new))
    return placed[:end]


@given(st.lists(st.tuples(st.integers(-90, 400), st.integers(1, 120)), min_size=1, max_size=12))
def test_placement_equals_its_slow_twin(steps):
    rate_hz, pieces, at = 8_000, [], 0
    for k, (gap, length) in enumerate(steps):
        at = max(0, at + gap)
        pieces.append((at, np.full((length, 1), k + 1, np.float32)))
        at += length
    placement = Placement(rate_hz, 1)
    given_ = [block for start, samples in pieces for block in placement.place(start, samples)]
    expected = naive_placed([(start, samples[:, 0]) for start, samples in pieces], rate_hz)
    np.testing.assert_array_equal(np.concatenate(given_)[:, 0], expected)
    assert placement.end == len(expected)


def test_blocks_cut_pieces_without_losing_any():
    pieces = [np.arange(k, k + n, dtype=np.float32)[:, None] for k, n in ((0, 3), (3, 5), (8, 2))]
    blocks = Blocks(iter(pieces), 1)
    assert [blocks.read(4)[:, 0].tolist() for _ in range(4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9], []]


def test_time_stamps_that_begin_anew_are_joined():
    placement = Placement(1_000, 1)
    piece = np.ones((3_000, 1), np.float32)
    for start in (0, 0, 3_000):
        list(placement.place(start, piece))
    assert placement.end == 9_000
    assert placement.notes() == (
        "time stamps begin anew 1 times; joined end to end there, by its time stamps",
    )
    late = Placement(1_000, 1)
    list(late.place(round(LONGEST_START_S * 1_000) + 1, piece))
    assert late.end == 3_000
    with pytest.raises(NotDecodable, match="has a gap of"):
        list(placement.place(10**9, piece))


SPEECH = {"agent": (0.52, 11.37, 18.92), "caller": (4.26, 5.62, 9.89, 13.60, 16.88)}


@pytest.mark.parametrize("suffix", ["ogg", "webm"])
@pytest.mark.parametrize("name", SPEECH)
def test_speech_begins_where_it_was_spoken(name, suffix):
    """Two tracks of a public sample call, as recorded with DTX."""
    path = CASES / f"opus_dtx_{suffix}" / f"{name}.{suffix}"
    if not path.exists():
        pytest.skip("the collection of failing inputs isn't here")
    pcm = read_pcm16k(path)[:, 0] / 32_768.0
    levels = np.sqrt((pcm[: len(pcm) // 160 * 160].reshape(-1, 160) ** 2).mean(axis=1))
    on = np.flatnonzero(levels > 0.01) / 100
    begins = [t for k, t in enumerate(on) if k == 0 or t - on[k - 1] > 0.3]
    np.testing.assert_allclose(begins, SPEECH[name], atol=0.011)
