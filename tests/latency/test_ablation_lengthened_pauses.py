"""Recordings whose caller waits."""

import numpy as np
import pytest
from calls import sample

from lab_utils.core.timeline import to_samples
from lab_utils.latency.ablation.lengthened_pauses import with_lengthened_pauses
from lab_utils.latency.ablation.timing import turns_of
from lab_utils.recordings.find import audio_sha256

WAIT_S = 7.0


@pytest.fixture(scope="module", params=["01_table_booking", "06_insurance_claim"])
def pair(request):
    recording = sample(request.param)
    return recording, with_lengthened_pauses(recording, WAIT_S)


def test_no_turn_begins_before_the_caller_has_waited(pair):
    recording, waited = pair
    waits = [turn.until_s - turn.end_s for turn in turns_of(waited.labels)]
    assert min(waits) >= WAIT_S - 1e-3
    before = [turn.until_s - turn.end_s for turn in turns_of(recording.labels)]
    assert min(before) < WAIT_S
    assert all(
        new == pytest.approx(max(old, WAIT_S), abs=1e-3) for old, new in zip(before, waits, strict=True)
    )


def test_what_is_said_stays_as_it_was_and_is_where_the_labels_say(pair):
    recording, waited = pair
    spans = zip(recording.labels.spans("user"), waited.labels.spans("user"), strict=True)
    for (start_s, end_s), (new_start_s, new_end_s) in spans:
        assert new_end_s - new_start_s == pytest.approx(end_s - start_s)
        length = to_samples(end_s - start_s)
        old, new = to_samples(start_s), to_samples(new_start_s)
        shifts = [
            np.array_equal(recording.user[old : old + length], waited.user[new + k : new + k + length])
            for k in (-1, 0, 1)
        ]
        assert any(shifts)
    assert len(waited.labels.words) == len(recording.labels.words)
    assert len(waited.labels.labels) == len(recording.labels.labels)


def test_both_channels_grow_alike_under_a_hash_of_their_own(pair):
    recording, waited = pair
    assert len(waited.user) == len(waited.agent) > len(recording.user)
    assert waited.labels.duration_s == pytest.approx(waited.duration_s)
    assert waited.sha256 == audio_sha256(waited.user, waited.agent) != recording.sha256


def test_background_goes_on_through_the_longer_pause():
    recording = sample("06_insurance_claim")  # noise at 10 dB
    waited = with_lengthened_pauses(recording, WAIT_S)
    turn = turns_of(waited.labels)[0]
    pause = waited.user[to_samples(turn.end_s + 0.5) : to_samples(turn.until_s - 0.5)].astype(float)
    levels = [np.sqrt(np.mean(part**2)) for part in np.array_split(pause, 8)]
    assert min(levels) > 0.3 * max(levels)


def test_a_recording_that_waits_long_enough_is_left_alone():
    recording = sample("01_table_booking")
    assert with_lengthened_pauses(recording, 0.0) is recording
