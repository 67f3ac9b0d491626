"""The replay's commits are the real session's, on drawn settings; and a wrong replay is noticed.

A small draw for CI; `make verify` takes a large one.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paths import SAMPLES

from lab_utils.core.recording import Recording
from lab_utils.core.session_log import SessionEvent, SessionLog
from lab_utils.core.settings import Conditions, Settings
from lab_utils.core.traces import Commits
from lab_utils.recordings.find import RecordingFiles, find_recordings
from lab_utils.recordings.heard_paths import HEARD_PATHS
from lab_utils.session.commits import Moment
from lab_utils.workflows.verify.cases import Case, draw_cases
from lab_utils.workflows.verify.compare import Outcome, outcome
from lab_utils.workflows.verify.run import compare_cases

SEED = 2
COUNT = 20


@pytest.fixture(scope="module")
def files() -> list[RecordingFiles]:
    names = ("01_table_booking", "02_lost_parcel")
    return [files for name in names for files in find_recordings(SAMPLES / f"{name}.flac")]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(os.environ.get("LAB_CACHE") or tmp_path_factory.mktemp("cache"))


def run(files: list[RecordingFiles], cases: list[Case], cache: Path) -> list[Outcome]:
    outcomes = []
    for one in compare_cases(files, cases, cache=cache):
        assert isinstance(one, Outcome), repr(one)
        outcomes.append(one)
    return outcomes


def leaves(values: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Every field of nested settings, by its path."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


def test_every_field_of_settings_and_conditions_is_drawn() -> None:
    seen: dict[str, set[Any]] = {}
    for case in draw_cases(200, 1, SEED):
        drawn = case.settings.model_dump() | {"conditions": case.conditions.model_dump()}
        for name, value in leaves(drawn):
            seen.setdefault(name, set()).add(str(value))
    once = [name for name, values in seen.items() if len(values) < 2]
    assert once == [
        "conditions.transcription_source",
        "conditions.prediction_source",
    ]  # words, which move nothing


@pytest.mark.slow
def test_replay_and_session_agree_on_a_small_draw(files, cache) -> None:
    cases = draw_cases(COUNT, len(files), SEED)
    assert {(case.settings.detector.model, case.settings.endpointing.mode) for case in cases} == {
        (detector, mode) for detector in ("vad", "stt", "v1-mini") for mode in ("fixed", "dynamic")
    }
    assert any(case.live for case in cases)
    assert {case.path for case in cases} == set(HEARD_PATHS)
    assert sum(case.settings.interruption.min_words > 0 for case in cases) >= 3
    outcomes = run(files, cases, cache)
    assert not [one for one in outcomes if not one.agrees]
    assert max(one.largest_error_s for one in outcomes) < 1e-6
    compared = sum(len(one.session) for one in outcomes)
    assert compared > 10 * COUNT
    shaped = [one for one in outcomes if one.case.settings.policy.wait_shape is not None]
    assert any(moment.cause == "max_delay" for one in shaped for moment in one.session)
    waiting = [one for one in outcomes if one.case.waits is not None]
    assert len({one.case.settings.detector.model for one in waiting}) >= 2
    assert any(one.on_branch for one in waiting), "an answer must come while the caller waits"
    # Words that `min_words` held back are committed when the session closes.
    held = [one.excluded for one in outcomes if one.case.settings.interruption.min_words]
    assert max(held) <= 1
    excluded = sum(one.excluded for one in outcomes) - sum(held)
    assert excluded <= 0.02 * compared, "what can't be compared must be little"


@pytest.mark.slow
def test_another_min_delay_in_the_session_is_noticed(files, cache) -> None:
    """Both sides are real here: what a replay of the wrong setting would be set against."""
    settings = Settings().replace(min_silence_duration=0.3, min_delay=0.4, max_delay=1.5)
    case = Case(0, 0, settings, Conditions(), phase=0, from_words=False, live=False)
    other = replace(case, number=1, settings=settings.replace(min_delay=0.402))
    ours, theirs = run(files, [case, other], cache)
    assert ours.agrees
    assert theirs.agrees
    assert not replace(ours, session=theirs.session).agrees


@pytest.mark.slow
def test_waits_are_longer_in_the_session_while_numbers_are_given_and_after_it_was_asked(files, cache) -> None:
    """In a call in which a name is spelled and a phone number is given."""
    plain = Settings().replace(min_delay=0.3, max_delay=1.6)
    policies = [{}, {"extra_delay_numbers": 0.7}, {"extra_delay_asked": 0.9}]
    cases = [
        Case(k, 0, plain.replace(**policy), Conditions(), phase=0, from_words=True, live=False)
        for k, policy in enumerate(policies)
    ]
    outcomes = run(files, cases, cache)
    assert all(one.agrees for one in outcomes)
    usual, numbers, asked = (one.session for one in outcomes)
    assert usual != numbers != asked != usual
    assert max(len(numbers), len(asked)) <= len(usual)


def made_up(session: list[tuple[float, str]], failure: str = "") -> SessionLog:
    events = tuple(SessionEvent(time_s, "commit", {"cause": cause}) for time_s, cause in session)
    heard = np.zeros((0, 2), np.int16)
    return SessionLog(
        "x", "0" * 64, Settings(), "open_loop", "virtual", 0, 0, 20.0, events, (), heard, {}, (), failure
    )


TRUE = [(1.0, "detector"), (4.5, "max_delay"), (9.25, "vad")]
CASE = Case(0, 0, Settings(), Conditions(), 0, False, False)
RECORDING = Recording("x", "x.wav", np.zeros(160_000, np.int16), None, "0" * 64)


@pytest.mark.parametrize(
    ("session", "agrees"),
    [
        (TRUE, True),
        ([(1.0005, "detector"), *TRUE[1:]], True),
        ([(1.002, "detector"), *TRUE[1:]], False),
        ([(1.0, "max_delay"), *TRUE[1:]], False),
        (TRUE[1:], False),
        (TRUE[:-1], False),
        ([*TRUE, (9.9, "vad")], False),
        ([*TRUE, (18.5, "vad")], True),  # after the end of the audio, at 18 s
        ([], False),
    ],
)
def test_number_time_and_cause_must_be_equal_up_to_the_end_of_the_audio(session, agrees) -> None:
    replayed = Commits(
        np.array([time_s for time_s, _ in TRUE]),
        tuple(cause for _, cause in TRUE),
        np.full(3, np.nan),
        np.array([time_s for time_s, _ in TRUE]) - 0.5,
    )
    compared = outcome(CASE, RECORDING, replayed, made_up(session), 18.0)
    assert compared.agrees is agrees
    assert compared.excluded == sum(time_s >= 18.0 for time_s, _ in session)


def test_a_session_that_failed_agrees_with_nothing() -> None:
    replayed = Commits(np.zeros(0), (), np.zeros(0), np.zeros(0))
    assert outcome(CASE, RECORDING, replayed, made_up([]), 18.0).agrees
    assert not outcome(CASE, RECORDING, replayed, made_up([], "the LLM is gone"), 18.0).agrees
    assert Outcome(CASE, "x", (Moment(1.0, "vad"),), (), 0).largest_error_s == float("inf")


def test_a_large_draw_covers_every_combination_of_modes() -> None:
    cases = draw_cases(300, 12, seed=0)
    seen = Counter(
        (c.settings.detector.model, c.settings.endpointing.mode, c.settings.vad.model, c.from_words)
        for c in cases
    )
    assert len(seen) == 3 * 2 * 2 * 2
    live = {(c.settings.detector.model, c.settings.vad.model) for c in cases if c.live}
    assert len(live) == 3 * 2, "LiveKit's own models in every mode"
    assert {case.phase for case in cases} == {0, 1, 2, 3}
    assert {case.path for case in cases} == set(HEARD_PATHS)
    waiting = {(c.settings.detector.model, c.settings.vad.model) for c in cases if c.waits is not None}
    assert len(waiting) == 3 * 2, "branches in every mode"
    assert {case.conditions.frame_duration for case in cases} == {0.01, 0.02, 0.032, 0.05}
    assert len({case.recording for case in cases}) == 12
    delays = np.array([case.settings.endpointing.min_delay for case in cases])
    assert (delays == 0).any()
    assert delays.max() > 1.0


def test_a_case_depends_on_seed_and_number_alone() -> None:
    few, many = draw_cases(5, 3, seed=4), draw_cases(50, 3, seed=4)
    assert set(few) <= set(many)
    assert [case.recording for case in many] == sorted(case.recording for case in many)
    assert set(few).isdisjoint(draw_cases(5, 3, seed=5))
