"""Audio as it is heard over a path: as long as before, in place, the same each time, and hardly different."""

from __future__ import annotations

import numpy as np
import pytest
from paths import SAMPLES

from lab_utils.recordings.find import find_recordings, load_recording
from lab_utils.recordings.heard_paths import HEARD_PATHS, as_heard


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return load_recording(find_recordings(SAMPLES)[0]).user[: 16_000 * 6]


@pytest.mark.parametrize("path", HEARD_PATHS)
def test_a_path_keeps_length_and_place_and_gives_the_same_samples_each_time(speech, path):
    heard = as_heard(speech, path)
    assert heard.dtype == np.int16
    assert len(heard) == len(speech)
    np.testing.assert_array_equal(heard, as_heard(speech, path))
    middle = slice(200, -200)
    alike = [np.dot(speech[middle].astype(float), np.roll(heard, k)[middle]) for k in range(-40, 41)]
    assert int(np.argmax(alike)) - 40 == 0


@pytest.mark.parametrize(("path", "most"), [("16k", 0.0), ("24k", 0.05), ("opus", 0.6)])
def test_what_is_heard_differs_a_little_from_what_was_recorded(speech, path, most):
    difference = np.std(speech.astype(float) - as_heard(speech, path)) / np.std(speech.astype(float))
    assert difference <= most
    assert (difference > 0) == (path != "16k")


def test_silence_and_no_audio_at_all_are_heard_as_such():
    assert not as_heard(np.zeros(1000, dtype=np.int16), "24k").any()
    for path in HEARD_PATHS:
        assert len(as_heard(np.zeros(0, dtype=np.int16), path)) == 0


def test_an_unknown_path_is_refused_by_name():
    with pytest.raises(ValueError, match="unknown path 'fax'; expected one of 16k, 24k, opus"):
        as_heard(np.ones(100, dtype=np.int16), "fax")
