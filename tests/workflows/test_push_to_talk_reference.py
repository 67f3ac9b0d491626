"""Push-to-talk as a reference beside detectors: a commit waits for the press and the final transcript."""

from __future__ import annotations

import pytest

from lab_utils.core.errors import InputError
from lab_utils.core.settings import Conditions
from lab_utils.workflows.detectors import push_to_talk


@pytest.mark.parametrize(
    ("transcript_s", "press_s", "commit_s"), [(0.0, 0.2, 0.2), (0.45, 0.2, 0.45), (0.3, 0.3, 0.3)]
)
def test_the_commit_comes_with_the_later_of_press_and_transcript(transcript_s, press_s, commit_s) -> None:
    found = push_to_talk(Conditions(transcription_delay=transcript_s), press_s)
    assert (found.latency_s, found.false_boundary_rate, found.missed_rate) == (commit_s, 0.0, 0.0)
    assert f"{1000 * commit_s:.0f} ms" in found.in_words
    assert ("the final transcript comes later" in found.in_words) == (commit_s > press_s)


@pytest.mark.parametrize("press_s", [-0.1, float("nan"), float("inf"), 11.0])
def test_a_reaction_that_is_no_time_is_refused(press_s: float) -> None:
    with pytest.raises(InputError, match=r"a reaction of .* s; expected 0 to 10 seconds after the end"):
        push_to_talk(Conditions(), press_s)
