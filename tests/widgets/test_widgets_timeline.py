"""The timeline's data, and its Python side: by its traits and messages, without a browser."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from paths import SAMPLES

import lab_utils as lab
from lab_utils.core.recording import Recording
from lab_utils.core.settings import EndpointingSettings, Settings
from lab_utils.widgets import timeline as module
from lab_utils.widgets.timeline import Timeline, encoded
from lab_utils.widgets.timeline_data import MOST_PEAKS, peaks, spectrogram

pytestmark = pytest.mark.slow

SAMPLE = SAMPLES / "02_lost_parcel.flac"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("traces")


@pytest.fixture(scope="module")
def call(cache: Path) -> Recording:
    return lab.load(SAMPLE, cache=cache)


@pytest.fixture
def shown(call: Recording, cache: Path) -> Timeline:
    return lab.timeline(call, cache=cache)


def answers(widget: Timeline, monkeypatch: pytest.MonkeyPatch, **asked: object) -> list[tuple[dict, list]]:
    """What the widget sends when the browser asks."""
    sent: list[tuple[dict, list]] = []
    monkeypatch.setattr(widget, "send", lambda content, buffers=None: sent.append((content, buffers or [])))
    widget._answer(widget, dict(asked), [])
    return sent


def test_it_shows_what_the_study_says(shown: Timeline, call: Recording) -> None:
    assert shown.title == "02_lost_parcel"
    assert shown.duration_s == call.duration_s
    assert shown.channels == ["user", "agent"]
    assert len(shown.labels) == len(call.labels.labels)
    assert {one["name"] for one in shown.labels} == {"hold", "end of turn", "backchannel"}
    assert [word["text"] for word in shown.words[:2]] == [word.text for word in call.labels.words[:2]]
    assert shown.threshold == Settings().detector.unlikely_threshold
    assert any(commit["is_false"] for commit in shown.commits)
    assert all(commit["latency_s"] is None for commit in shown.commits if commit["is_false"])
    assert any(commit["latency_s"] is not None for commit in shown.commits)
    n = len(shown.vad)
    assert abs(shown.vad_scale["start_s"] + (n - 1) * shown.vad_scale["step_s"] - call.duration_s) < 8.0


def test_another_setting_moves_the_commits_and_not_the_labels(
    shown: Timeline, call: Recording, cache: Path
) -> None:
    patient = Settings(endpointing=EndpointingSettings(min_delay=2.0, max_delay=3.0))
    other = lab.timeline(call, patient, cache=cache)
    assert other.labels == shown.labels
    assert other.peaks == shown.peaks
    assert sum(one["is_false"] for one in other.commits) < sum(one["is_false"] for one in shown.commits)


def test_sound_comes_when_it_is_asked_for(shown: Timeline, call: Recording, monkeypatch) -> None:
    ((content, (sound,)),) = answers(shown, monkeypatch, kind="sound")
    assert content == {"kind": "sound", "mime": "audio/wav"}
    samples, rate_hz = soundfile.read(io.BytesIO(sound), dtype="int16")
    assert rate_hz == 16_000
    np.testing.assert_array_equal(samples[:, 0], call.user)


def test_long_calls_are_sent_compressed(call: Recording, monkeypatch) -> None:
    monkeypatch.setattr(module, "LONG_S", 10.0)
    mime, sound = encoded(call)
    assert mime == "audio/ogg"
    assert len(sound) < call.duration_s * 48_000 / 8 * 1.5
    samples, rate_hz = soundfile.read(io.BytesIO(sound), dtype="float64")
    assert abs(len(samples) / rate_hz - call.duration_s) < 0.1
    heard = samples[:: rate_hz // 16_000, 0][: len(call.user)]
    assert np.corrcoef(heard, call.user[: len(heard)])[0, 1] > 0.9


def test_a_spectrogram_is_drawn_of_what_is_shown(shown: Timeline, monkeypatch) -> None:
    asked = {"from_s": 1.0, "to_s": 3.0, "columns": 400}
    ((content, (levels,)),) = answers(shown, monkeypatch, kind="spectrogram", **asked)
    assert (content["rows"], content["columns"]) == (128, 400)
    assert len(levels) == 128 * 400


def test_a_request_that_makes_no_sense_is_answered_in_words(shown: Timeline, monkeypatch) -> None:
    ((content, _),) = answers(shown, monkeypatch, kind="spectrogram", from_s="x", to_s=3.0, columns=4)
    assert content["kind"] == "problem"
    assert "ValueError" in content["text"]


@given(st.lists(st.integers(-32_768, 32_767), max_size=600))
def test_peaks_keep_the_loudest_moment_of_each_stretch(samples: list[int]) -> None:
    pcm = np.array(samples, dtype=np.int16)
    found = peaks(pcm)
    columns = max(1, len(pcm) * 200 // 16_000) if samples else 0
    assert len(found) == columns
    if samples and any(samples):
        assert np.abs(found.astype(int)).max() == 127
    edges = [k * len(pcm) // columns for k in range(columns)] + [len(pcm)]
    loudest = max([1, *(abs(one) for one in samples)])
    for k in range(columns):
        part = samples[edges[k] : edges[k + 1]]
        assert abs(int(found[k])) == round(127 * max(abs(one) for one in part) / loudest)


def test_four_hours_have_few_peaks() -> None:
    assert len(peaks(np.zeros(4 * 3600 * 16_000, dtype=np.int16))) == MOST_PEAKS


@pytest.mark.parametrize("tone_hz", [500, 3000])
def test_a_tone_is_a_line_at_its_height(tone_hz: int) -> None:
    pcm = np.round(9000 * np.sin(2 * np.pi * tone_hz * np.arange(16_000) / 16_000)).astype(np.int16)
    levels = spectrogram(pcm, 0.2, 0.8, 50).levels
    assert levels.shape == (128, 50)
    assert set(levels.argmax(axis=0)) == {127 - int(tone_hz / 62.5)}


def test_nothing_is_shown_of_nothing() -> None:
    assert spectrogram(np.zeros(100, dtype=np.int16), 5.0, 6.0, 100).levels.size == 0
    assert not len(peaks(np.zeros(0, dtype=np.int16)))
