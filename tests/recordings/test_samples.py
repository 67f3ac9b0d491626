"""The sample calls below audio_samples/: the audio, the labels, and that the two agree."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
from paths import SAMPLE_CALLS, SAMPLES

pytestmark = pytest.mark.slow

FIRST = sorted(SAMPLES.glob("*.flac"))
FLACS = FIRST + sorted(SAMPLE_CALLS.glob("*/*.flac"))
FRAME = 160  # samples: 10 ms at 16 kHz
ROUNDING_S = 2e-4


def load(flac: Path) -> dict[str, Any]:
    """Return the label document beside a recording."""
    return json.loads(flac.with_suffix(".labels.json").read_text(encoding="utf-8"))


DOCUMENTS = {flac.stem: load(flac) for flac in FLACS}
CLEAN = [flac for flac in FLACS if DOCUMENTS[flac.stem]["condition"] == "clean"]


def of_kind(document: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Return the labels of one kind."""
    return [label for label in document["labels"] if label["kind"] == kind]


def turn_ipus(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the user's IPUs that belong to turns, that is, without the backchannels."""
    short = {label["start_s"] for label in of_kind(document, "backchannel")}
    return [ipu for ipu in document["ipus"] if ipu["speaker"] == "user" and ipu["start_s"] not in short]


def levels_db(audio: np.ndarray) -> np.ndarray:
    """Return the level of each 10 ms frame in dBFS."""
    frames = audio[: len(audio) // FRAME * FRAME].reshape(-1, FRAME)
    return 10 * np.log10(np.mean(frames**2, axis=1) + 1e-12)


def clean_user(flac: Path) -> tuple[np.ndarray, float, dict[str, Any]]:
    """Return the user channel of a call, its active speech level in dBFS and the labels."""
    audio = sf.read(flac)[0][:, 0]
    levels = levels_db(audio)
    active = levels[levels > np.percentile(levels, 99) - 30]
    return audio, float(10 * np.log10(np.mean(10 ** (active / 10)))), DOCUMENTS[flac.stem]


def cut(audio: np.ndarray, start_s: float, end_s: float) -> np.ndarray:
    """Return a stretch of 16 kHz audio."""
    return audio[round(start_s * 16_000) : round(end_s * 16_000)]


def test_calls_are_numbered_the_first_twelve_and_thirty_six_more() -> None:
    assert [flac.stem[:2] for flac in FIRST] == [f"{n:02d}" for n in range(1, 13)]
    assert [flac.stem[:2] for flac in FLACS] == [f"{n:02d}" for n in range(1, 49)]


def test_all_samples_stay_below_60_megabytes() -> None:
    assert sum(path.stat().st_size for path in SAMPLES.rglob("*") if path.is_file()) < 60e6


@pytest.mark.parametrize("flac", FLACS, ids=lambda flac: flac.stem)
def test_audio_is_stereo_16_khz_and_one_to_two_and_a_half_minutes(flac: Path) -> None:
    info = sf.info(flac)
    assert (info.channels, info.samplerate, info.subtype) == (2, 16_000, "PCM_16")
    assert 60 <= info.duration <= 150
    assert info.duration == pytest.approx(DOCUMENTS[flac.stem]["duration_s"], abs=ROUNDING_S)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_labels_follow_the_format(name: str) -> None:
    document = DOCUMENTS[name]
    assert (document["format"], document["version"], document["source"]) == ("turn-labels", 1, "construction")
    assert document["recording"] == name
    assert set(document["voices"]) == {"user", "agent"}
    assert all(set(ipu) == {"speaker", "start_s", "end_s", "text"} for ipu in document["ipus"])
    assert all(set(word) == {"speaker", "start_s", "end_s", "text"} for word in document["words"])
    for label in document["labels"]:
        assert set(label) == {"kind", "start_s", "end_s", "confidence", "reason"}
        assert label["kind"] in {"hold", "shift", "backchannel"}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_times_are_ordered_and_within_the_recording(name: str) -> None:
    document = DOCUMENTS[name]
    for part in ("ipus", "labels", "words"):
        starts_s = [item["start_s"] for item in document[part]]
        assert starts_s == sorted(starts_s), f"{part} must be sorted by start"
        for item in document[part]:
            assert 0 <= item["start_s"] <= item["end_s"] <= document["duration_s"], item
    for speaker in ("user", "agent"):
        own = [ipu for ipu in document["ipus"] if ipu["speaker"] == speaker]
        gaps_s = [b["start_s"] - a["end_s"] for a, b in pairwise(own)]
        assert min(gaps_s) >= 0.2 - ROUNDING_S, f"two {speaker} IPUs are closer than 0.2 s"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_words_repeat_the_text_of_the_ipu_they_lie_in(name: str) -> None:
    document = DOCUMENTS[name]
    for ipu in document["ipus"]:
        inside = [
            word["text"]
            for word in document["words"]
            if word["speaker"] == ipu["speaker"] and ipu["start_s"] <= word["start_s"] < ipu["end_s"]
        ]
        assert " ".join(inside) == ipu["text"]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_hold_lies_between_two_user_ipus_and_the_agent_is_silent(name: str) -> None:
    document = DOCUMENTS[name]
    ipus = turn_ipus(document)
    between = {(a["end_s"], b["start_s"]) for a, b in pairwise(ipus)}
    for hold in of_kind(document, "hold"):
        assert (hold["start_s"], hold["end_s"]) in between
        for ipu in document["ipus"]:
            apart = ipu["end_s"] <= hold["start_s"] or ipu["start_s"] >= hold["end_s"]
            assert ipu["speaker"] == "user" or apart, "the agent speaks in a hold"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_user_turn_ends_in_exactly_one_shift(name: str) -> None:
    document = DOCUMENTS[name]
    hold_starts_s = [hold["start_s"] for hold in of_kind(document, "hold")]
    turn_ends_s = [ipu["end_s"] for ipu in turn_ipus(document) if ipu["end_s"] not in hold_starts_s]
    shifts = of_kind(document, "shift")
    assert [shift["start_s"] for shift in shifts] == turn_ends_s
    agent_starts_s = {ipu["start_s"] for ipu in document["ipus"] if ipu["speaker"] == "agent"}
    for shift in shifts:
        overlapped = shift["start_s"] == shift["end_s"]
        assert overlapped or shift["end_s"] in agent_starts_s, "a shift ends where the agent begins"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_backchannels_lie_within_agent_speech_and_end_before_it(name: str) -> None:
    document = DOCUMENTS[name]
    for short in of_kind(document, "backchannel"):
        assert short["end_s"] - short["start_s"] <= 1.0
        later = [ipu for ipu in document["ipus"] if ipu["end_s"] > short["end_s"]]
        earlier = [ipu for ipu in document["ipus"] if ipu["start_s"] < short["start_s"]]
        assert (earlier[-1]["speaker"], later[0]["speaker"]) == ("agent", "agent")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_agent_has_the_last_word_followed_by_a_second_of_silence(name: str) -> None:
    document = DOCUMENTS[name]
    last = max(document["ipus"], key=lambda ipu: ipu["end_s"])
    assert last["speaker"] == "agent"
    assert document["duration_s"] - last["end_s"] >= 1.0


@pytest.mark.parametrize("flac", CLEAN, ids=lambda flac: flac.stem)
def test_no_unlabelled_silence_of_a_quarter_second_inside_a_user_ipu(flac: Path) -> None:
    audio, speech_db, document = clean_user(flac)
    for ipu in document["ipus"]:
        if ipu["speaker"] == "user":
            loud = np.flatnonzero(levels_db(cut(audio, ipu["start_s"], ipu["end_s"])) > speech_db - 40)
            longest_s = float(np.max(np.diff(loud), initial=0) - 1) * 0.01
            assert longest_s < 0.25, f"{longest_s:.2f} s of silence in {ipu['text']!r}"


@pytest.mark.parametrize("flac", CLEAN, ids=lambda flac: flac.stem)
def test_the_user_is_at_least_30_db_quieter_in_holds(flac: Path) -> None:
    audio, speech_db, document = clean_user(flac)
    for hold in of_kind(document, "hold"):
        silence = cut(audio, hold["start_s"] + 0.02, hold["end_s"] - 0.02)  # without the fades
        assert 10 * np.log10(np.mean(silence**2) + 1e-12) <= speech_db - 30, f"speech in the hold {hold}"


@pytest.mark.parametrize("flac", CLEAN, ids=lambda flac: flac.stem)
def test_user_ipus_begin_and_end_with_speech(flac: Path) -> None:
    audio, speech_db, document = clean_user(flac)
    for ipu in turn_ipus(document):
        for start_s, end_s in [(ipu["start_s"], ipu["start_s"] + 0.1), (ipu["end_s"] - 0.1, ipu["end_s"])]:
            assert levels_db(cut(audio, start_s, end_s)).max() > speech_db - 45, (
                f"silence at an edge of {ipu}"
            )


def test_95_percent_of_the_holds_are_under_two_and_a_half_seconds() -> None:
    holds_s = [h["end_s"] - h["start_s"] for d in DOCUMENTS.values() for h in of_kind(d, "hold")]
    assert np.mean(np.array(holds_s) < 2.5) >= 0.95
    assert min(holds_s) >= 0.2 - ROUNDING_S


@pytest.mark.parametrize(("kind", "least"), [("hold", 200), ("shift", 100), ("backchannel", 10)])
def test_there_are_enough_labels_of_each_kind(kind: str, least: int) -> None:
    assert sum(len(of_kind(document, kind)) for document in DOCUMENTS.values()) >= least


def test_each_condition_occurs_three_times_in_the_first_calls_with_both_voices_as_user() -> None:
    users: dict[str, list[str]] = {}
    for document in (DOCUMENTS[flac.stem] for flac in FIRST):
        users.setdefault(document["condition"], []).append(document["voices"]["user"])
        assert document["voices"]["user"] != document["voices"]["agent"]
    assert {condition: len(names) for condition, names in users.items()} == {
        "clean": 3,
        "noise-20dB": 3,
        "noise-10dB": 3,
        "telephone": 3,
    }
    assert all(len(set(names)) == 2 for names in users.values())
