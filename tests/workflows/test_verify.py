"""Summing up a comparison: counts by mode, timelines side by side, what is left out."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from paths import SAMPLES

from lab_utils.core.settings import Conditions, Settings
from lab_utils.recordings.audio import BadRecording
from lab_utils.session.commits import Moment
from lab_utils.workflows import verify as workflow
from lab_utils.workflows.verify import Case, Outcome, draw_cases
from lab_utils.workflows.verify import run as verify_run


def outcome(number: int, replayed: list[float], session: list[float], **more: object) -> Outcome:
    case = Case(number, 0, Settings(), Conditions(), 0, number % 2 == 1, False)
    both = [tuple(Moment(t, "detector") for t in times) for times in (replayed, session)]
    return Outcome(case, "call", both[0], both[1], **{"excluded": 0, **more})  # type: ignore[arg-type]


GOOD = outcome(0, [1.0, 2.0], [1.0, 2.0002], excluded=1)
SHORT = outcome(1, [1.0], [1.0, 5.0])
LATE = outcome(2, [1.0, 4.0], [1.0, 4.1])


def test_counts_and_takes_the_error_where_numbers_are_equal() -> None:
    counts = workflow.counts_of([GOOD, SHORT, LATE])
    assert counts["settings"] == 3
    assert counts["commits"] == 6
    assert counts["mismatches"] == 2
    assert counts["largest_error_s"] == pytest.approx(0.1)
    assert counts["excluded"] == 1
    assert workflow.counts_of([SHORT])["largest_error_s"] is None


def test_groups_are_the_modes() -> None:
    found = workflow.groups([LATE, SHORT, GOOD])
    assert found == {
        ("v1-mini", "fixed", "traced", "from words", "goes on"): [SHORT],
        ("v1-mini", "fixed", "traced", "modelled", "goes on"): [LATE, GOOD],
    }


def test_timelines_stand_side_by_side_with_gaps_where_a_commit_is_missing() -> None:
    lines = workflow.aligned(outcome(0, [1.0, 3.0, 4.0], [1.0, 2.0, 4.1, 6.0]))
    times = [(a and a.time_s, b and b.time_s, agree) for a, b, agree in lines]
    assert times == [
        (1.0, 1.0, True), (None, 2.0, False), (3.0, None, False), (4.0, 4.1, False), (None, 6.0, False)
    ]  # fmt: skip


def test_the_summary_is_plain_and_holds_what_repeats_a_mismatch() -> None:
    summary = workflow.summary_of(workflow.Verification(7, ("calls",), (GOOD, SHORT), ("x.wav: silent; …",)))
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    (bad,) = summary["mismatched"]
    assert (summary["seed"], bad["case"]) == (7, 1)
    assert bad["settings"] == Settings().model_dump()
    assert bad["conditions"] == Conditions().model_dump()
    assert bad["session"] == [[1.0, "detector"], [5.0, "detector"]]
    assert summary["exclusion_rule"]


def fake_verify(answers):
    return lambda files, cases, **_: iter(answers(case) for case in cases)


def test_a_bad_recording_is_left_out_and_a_crash_is_a_mismatch(monkeypatch) -> None:
    def answers(case: Case):
        if case.recording == 0:
            return BadRecording("01: silent; use another")
        return KeyError("boom") if case.number == 1 else Outcome(case, "y", (), (), 0)

    monkeypatch.setattr(verify_run, "compare_cases", fake_verify(answers))
    paths = [SAMPLES / "01_table_booking.flac", SAMPLES / "02_lost_parcel.flac", SAMPLES / "x.labels.json"]
    proved = workflow.verify(paths, 4, quiet=True)
    assert proved.skipped == ("01: silent; use another",)
    assert [one.case.number for one in proved.outcomes] == [1, 3]
    (bad,) = proved.mismatches
    assert bad.failure == "KeyError: 'boom'"


def test_one_case_alone_is_the_case_of_the_draw(monkeypatch) -> None:
    monkeypatch.setattr(verify_run, "compare_cases", fake_verify(lambda case: Outcome(case, "y", (), (), 0)))
    paths = [SAMPLES / "01_table_booking.flac", SAMPLES / "02_lost_parcel.flac"]
    (alone,) = workflow.verify(paths, seed=3, case=5, quiet=True).outcomes
    assert alone.case in draw_cases(24, 2, seed=3)
    assert alone.case.number == 5


def test_without_a_usable_recording_it_says_why(monkeypatch) -> None:
    monkeypatch.setattr(
        verify_run, "compare_cases", fake_verify(lambda case: BadRecording("01: silent; use another"))
    )
    with pytest.raises(BadRecording, match="silent"):
        workflow.verify([SAMPLES / "01_table_booking.flac"], 2, quiet=True)
    with pytest.raises(BadRecording, match="no recordings given"):
        workflow.verify([], 2)


def test_an_interruption_says_what_was_found_so_far(monkeypatch) -> None:
    def verify(files, cases, **_):
        yield replace(SHORT, case=cases[0])
        raise KeyboardInterrupt

    monkeypatch.setattr(verify_run, "compare_cases", verify)
    with pytest.raises(KeyboardInterrupt, match=r"1 of 4 setting\(s\) compared, these disagree: \[0\]"):
        workflow.verify([SAMPLES / "01_table_booking.flac"], 4, quiet=True)
