"""What changed between two settings, and what may surprise in one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lab_utils.core.settings import Conditions, Settings
from lab_utils.turns.metrics.changes import Difference, change
from lab_utils.turns.metrics.per_recording import PerRecording
from lab_utils.turns.metrics.uncertainty import UNTOLD, Interval, difference_interval
from lab_utils.turns.one_setting.surprises import surprises
from lab_utils.workflows.study.change_text import change_sentence

IN_TIME = Conditions(transcription_delay=0.1)


def call(cut: float, latency_s: list[float], timeouts: float = 0.0) -> PerRecording:
    waits = np.array([latency_s])
    return PerRecording(
        holds=10,
        holds_cut=cut,
        holds_cut_at_most=cut,
        turns=len(latency_s),
        turns_cut=cut,
        turns_cut_at_most=cut,
        timeouts=timeouts,
        missed=float(np.isinf(waits).sum()),
        in_no_label=0.0,
        latency_s=waits,
    )


def test_pairs_tell_more_than_the_two_intervals() -> None:
    """Calls that differ a lot, and a setting that takes the same from each."""
    before = [call(k, [0.5 + k, 0.7 + k]) for k in (1.0, 4.0, 7.0, 9.0)]
    after = [call(k - 1.0, [0.9 + k, 1.1 + k]) for k in (1.0, 4.0, 7.0, 9.0)]
    found = change(before, after)
    assert found.false_boundary_rate.difference == pytest.approx(-0.1)
    assert found.false_boundary_rate.verdict == "beyond chance"
    assert found.latency_mean.difference == pytest.approx(0.4)
    assert found.latency_p95.difference == pytest.approx(0.4)
    assert change_sentence(found) == (
        "52 → 42 % cut off, 0.4 s later on average, p95 0.4 s later; beyond chance on 4 calls"
    )


def test_one_call_that_changes_is_within_chance() -> None:
    before = [call(2.0, [0.5, 0.7])] * 6
    found = change(before, [*before[1:], call(0.0, [0.5, 0.7])])
    assert found.false_boundary_rate.verdict == "within chance"
    assert found.latency_mean.verdict == "unchanged"
    assert change_sentence(found).endswith("within chance on 6 calls")


def test_a_latency_is_compared_where_both_answer() -> None:
    found = change([call(0.0, [0.5, 0.7])] * 3, [call(0.0, [0.5, np.inf])] * 3)
    assert found.latency_mean.difference == 0.0
    assert found.missed_rate.after == 0.5
    sentence = change_sentence(found)
    assert sentence.startswith(
        "0 % cut off as before, as fast on average, p95 never answered, 0 → 50 % never"
    )
    assert "p95 now 0.7 s" in change_sentence(change([call(0.0, [np.inf])] * 3, [call(0.0, [0.7])] * 3))


def test_latencies_of_several_takes_count_as_their_mean() -> None:
    """Calls of several sizes: how many turns each has decides how far the interval reaches."""
    sizes, waits = (1, 4, 9, 2), ((0.5, 0.9), (0.7, 1.0), (0.4, 0.5), (0.6, 0.6))
    before, after = ([call(0.0, [pair[k]] * n) for n, pair in zip(sizes, waits, strict=True)] for k in (0, 1))
    found = change(before, after).latency_mean
    gained = np.array([n * (b - a) for n, (a, b) in zip(sizes, waits, strict=True)])
    expected = difference_interval(gained, np.array(sizes, dtype=np.float64))
    assert (found.interval.low, found.interval.high) == pytest.approx((expected.low, expected.high))
    twice = [
        [replace(one, latency_s=np.tile(one.latency_s, (2, 1))) for one in part] for part in (before, after)
    ]
    again = change(*twice).latency_mean
    assert (again.before, again.after) == pytest.approx((found.before, found.after))
    assert (again.interval.low, again.interval.high) == pytest.approx(
        (found.interval.low, found.interval.high)
    )


def test_what_is_never_answered_before_and_after_is_as_before() -> None:
    found = change([call(0.0, [np.inf])] * 3, [call(0.0, [np.inf])] * 3)
    assert found.latency_p95.difference == 0.0
    assert np.isnan(found.latency_mean.difference)


def test_two_calls_tell_nothing_from_chance() -> None:
    found = change([call(2.0, [0.5])] * 2, [call(1.0, [0.6])] * 2)
    assert found.false_boundary_rate.interval == UNTOLD
    assert change_sentence(found).endswith("2 calls can't tell it from chance, 3 may")
    assert change_sentence(change([call(2.0, [0.5])], [call(2.0, [0.5])])) == "The same as A on these calls"


def test_verdicts_of_parts_that_differ_are_told_apart() -> None:
    before = [call(2.0, [0.5]), call(3.0, [0.5]), call(4.0, [0.5])]
    after = [call(1.0, [0.9]), call(3.0, [0.95]), call(4.0, [0.91])]
    sentence = change_sentence(change(before, after))
    assert sentence.endswith("the cut-offs within chance, the wait beyond chance on 3 calls")
    assert Difference(0.1, 0.2, 0.1, Interval(None, 0.3)).verdict == "can't be told"


def test_other_recordings_are_refused() -> None:
    with pytest.raises(ValueError, match="the same recordings in the same order, got 1 recordings and 2"):
        change([call(0.0, [0.5])], [call(0.0, [0.5])] * 2)


def told(settings: Settings, conditions: Conditions = IN_TIME, *calls: PerRecording) -> str:
    return "\n".join(surprises(settings, conditions, calls))


def test_usual_settings_surprise_nobody() -> None:
    assert told(Settings()) == ""
    assert told(Settings().replace(detector="stt", min_delay=0.0)) == ""
    assert told(Settings(), IN_TIME, *[call(0.0, [0.5], timeouts=1.0)] * 5) == ""


def test_each_surprise_is_told() -> None:
    assert "min_delay (0.1 s) is below the VAD's silence (0.25 s)" in told(Settings().replace(min_delay=0.1))
    assert "max_delay (0.3 s) is no longer than the wait" in told(Settings().replace(max_delay=0.3))
    assert "overrides LiveKit's calibration" in told(Settings().replace(unlikely_threshold=0.5))
    assert told(Settings().replace(unlikely_threshold={"en": 0.5})) == ""
    assert told(Settings().replace(detector="vad", unlikely_threshold=0.5)) == ""
    late = told(Settings(), Conditions(transcription_delay=0.4))
    assert "come 0.40 s after speech, later than the wait after a likely end (0.3 s)" in late
    few = told(Settings(), IN_TIME, call(0.0, [0.5, 0.6]))
    assert "Only 10 holds: one more or less cut is 10 %" in few
    assert "max_delay is never waited for at the 2 ends of turn" in few
