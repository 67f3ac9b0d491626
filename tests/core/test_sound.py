"""A failure as the caller would hear it: the agent's reply begins at the commit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lab_utils.core.labels import Ipu, Labels
from lab_utils.core.recording import Recording
from lab_utils.core.sound import interruption

RATE_HZ = 16_000
USER = np.arange(10 * RATE_HZ, dtype=np.int64).astype(np.int16)
AGENT = np.full(10 * RATE_HZ, 7, dtype=np.int16)
AGENT[6 * RATE_HZ : 8 * RATE_HZ] = 1000 + np.arange(2 * RATE_HZ) % 500
LABELS = Labels(10.0, (Ipu("user", 1.0, 5.0), Ipu("agent", 0.0, 0.8), Ipu("agent", 6.0, 8.0)), ())
CALL = Recording("call", "call.wav", USER, AGENT, "ab" * 32, LABELS)


def test_the_recorded_reply_begins_at_the_commit_over_what_the_user_says() -> None:
    heard = interruption(CALL, commit_s=3.0, lead_s=1.0).stereo
    assert len(heard) == 3 * RATE_HZ  # 1 s before, 2 s of reply
    np.testing.assert_array_equal(heard[:, 0], USER[2 * RATE_HZ : 5 * RATE_HZ])
    np.testing.assert_array_equal(heard[:RATE_HZ, 1], AGENT[2 * RATE_HZ : 3 * RATE_HZ])
    np.testing.assert_array_equal(heard[RATE_HZ:, 1], AGENT[6 * RATE_HZ : 8 * RATE_HZ])


def test_a_long_reply_is_cut_and_a_commit_at_the_start_has_less_before() -> None:
    heard = interruption(CALL, commit_s=0.5, lead_s=3.0, longest_reply_s=0.25).stereo
    assert len(heard) == round(0.75 * RATE_HZ)


@pytest.mark.parametrize("call", [replace(CALL, agent=None), replace(CALL, labels=None)])
def test_a_tone_stands_for_an_agent_that_was_not_recorded(call: Recording) -> None:
    heard = interruption(call, commit_s=3.0, lead_s=1.0).stereo
    reply = heard[RATE_HZ:, 1].astype(float)
    assert len(reply) == round(1.5 * RATE_HZ)
    assert np.abs(np.fft.rfft(reply)).argmax() / 1.5 == pytest.approx(440, abs=1)


def test_after_the_last_reply_a_tone_is_heard_beyond_the_end() -> None:
    heard = interruption(CALL, commit_s=9.5, lead_s=1.0).stereo
    assert len(heard) == round(2.5 * RATE_HZ)
    assert not heard[round(1.5 * RATE_HZ) :, 0].any()
    assert heard[RATE_HZ:, 1].any()


def test_a_moment_outside_is_refused() -> None:
    with pytest.raises(ValueError, match=r"call: has no moment 11\.0 s, it lasts 10\.0 s; give the time"):
        interruption(CALL, 11.0)
