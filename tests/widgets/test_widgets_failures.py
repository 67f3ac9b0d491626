"""The table of failures, by its traits and messages; and in Chromium, without a kernel."""

from __future__ import annotations

import datetime as dt
import io
import math
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import soundfile
from calls import copy_samples
from test_browser import CHROMIUM, CHROMIUM_ARGS
from widget_page import served

import lab_utils as lab
from lab_utils.core.labels import user_turns
from lab_utils.core.recording import Recording
from lab_utils.core.settings import EndpointingSettings, Settings
from lab_utils.recordings.find import RecordingFiles, load_recording
from lab_utils.turns.pins import read_pins

pytestmark = pytest.mark.slow

NAMES = ("02_lost_parcel", "01_table_booking")
NOON = dt.datetime(2026, 11, 29, 12, tzinfo=dt.UTC)
LENGTHS = ((1, "under 1 s"), (3, "1 to 3 s"), (6, "3 to 6 s"), (math.inf, "6 s and more"))
GRID = {"detector": ["v1-mini"], "min_delay": [0.5], "max_delay": [2.5, 3.0]}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> lab.Study:
    folder = copy_samples(tmp_path_factory.mktemp("calls"), *NAMES)
    cache = tmp_path_factory.mktemp("traces")
    return lab.measure(folder, grid=GRID, phases=1, cache=cache, quiet=True, jobs=1)


@pytest.fixture
def browser(study: lab.Study, tmp_path: Path) -> lab.FailureBrowser:
    return lab.FailureBrowser(study, folder=tmp_path / "out", who="Ada", now=lambda: NOON)


def ask(browser: lab.FailureBrowser, kind: str, number: int) -> str:
    """What is told when a button asks for this failure."""
    told: list[str] = []
    browser.table.send = lambda content, buffers=None: told.append(content["text"])
    browser._asked(browser.table, {"kind": kind, "number": number}, [])
    return told[-1]


def hear(browser: lab.FailureBrowser, **asked: Any) -> tuple[dict[str, Any], list[bytes]]:
    sent: list[tuple[dict[str, Any], list[bytes]]] = []
    browser.table.send = lambda content, buffers=None: sent.append((content, buffers or []))
    browser._asked(browser.table, {"kind": "hear", **asked}, [])
    (one,) = sent
    return one


def test_the_table_lists_the_false_boundaries_of_all_calls(
    browser: lab.FailureBrowser, study: lab.Study
) -> None:
    frame = study.failures()
    rows = browser.table.failures
    assert [row["recording"] for row in rows] == list(frame["recording"])
    assert [row["commit_s"] for row in rows] == list(frame["commit_s"])
    assert {row["recording"] for row in rows} == set(NAMES)
    for row in rows:
        assert 0 < row["after_s"] < row["pause_s"] + 0.3
        assert row["commit_s"] == pytest.approx(row["pause_start_s"] + row["after_s"])
        assert row["words"]
    assert [one.number for one in browser.failures] == list(range(len(rows)))


def test_choosing_one_shows_its_call_at_that_moment(browser: lab.FailureBrowser) -> None:
    assert browser.timeline is None
    first = browser.table.failures[0]
    browser.table.selected = 0
    assert browser.timeline.title == first["recording"]
    assert browser.timeline.position_s == first["commit_s"]
    assert browser.timeline.span == [first["commit_s"] - 4.0, first["commit_s"] + 5.0]
    assert f"{first['after_s']:.2f} s into a pause" in browser.timeline.said
    shown = browser.timeline
    same = next(row for row in browser.table.failures[1:] if row["recording"] == first["recording"])
    browser.table.selected = same["number"]
    assert browser.timeline is shown
    other = next(row for row in browser.table.failures if row["recording"] != first["recording"])
    browser.table.selected = other["number"]
    assert browser.timeline.title == other["recording"]


def test_another_setting_has_other_failures(browser: lab.FailureBrowser) -> None:
    before = len(browser.table.failures)
    browser.table.selected = 0
    browser.show(Settings(endpointing=EndpointingSettings(max_delay=3.0)))
    assert browser.table.selected is None
    assert browser.timeline is None
    assert len(browser.table.failures) <= before


def test_it_is_heard_as_the_caller_would_and_as_recorded(
    browser: lab.FailureBrowser, study: lab.Study
) -> None:
    failure = browser.failures[0]
    content, (sound,) = hear(browser, what="interrupted", number=0)
    assert "replies at the commit" in content["text"]
    samples, rate_hz = soundfile.read(io.BytesIO(sound), dtype="int16")
    user = study.load(failure.recording).user
    first = round((failure.commit_s - 3.0) * rate_hz)
    assert (samples[:, 0] == user[first : first + len(samples)]).all()
    assert samples[3 * rate_hz :, 1].any()
    content, (recorded,) = hear(browser, what="recorded", number=0)
    assert content["text"].startswith("As recorded")
    assert recorded != sound
    content, none = hear(browser, what="recorded", number=10_000)
    assert content["kind"] == "problem"
    assert not none


def test_a_recording_that_has_changed_is_told(
    browser: lab.FailureBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changed(files: RecordingFiles) -> Recording:
        return replace(load_recording(files), sha256="00" * 32)

    monkeypatch.setattr("lab_utils.workflows.study.measured.load_recording", changed)
    content, _ = hear(browser, what="recorded", number=0)
    assert content["kind"] == "problem"
    assert "changed since it was measured" in content["text"]


def test_a_failure_is_pinned_with_what_a_check_needs(
    browser: lab.FailureBrowser, study: lab.Study, tmp_path: Path
) -> None:
    assert not any(row["pinned"] for row in browser.table.failures)
    assert ask(browser, "pin", 1).startswith("Pinned; 1 pinned in ")
    failure = browser.failures[1]
    (pin,) = read_pins(tmp_path / "out")
    assert pin.call.name == failure.recording
    assert pin.call.sha256 == study.load(failure.recording).sha256
    assert pin.label.start_s == pytest.approx(failure.pause_start_s, abs=1e-3)
    assert pin.commit.time_s == pytest.approx(failure.commit_s)
    assert pin.commit.cause == failure.cause
    assert pin.settings == study.defaults
    assert (pin.who, pin.when) == ("Ada", NOON)
    number = study.number(failure.recording)
    commits = study.commits(number, pin.settings)  # the pin says how to find the same commit again
    assert (abs(commits["commit_s"] - pin.commit.time_s) < 1e-3).any()
    assert [row["pinned"] for row in browser.table.failures].count(True) == 1
    assert ask(browser, "pin", 1).startswith("Let go; 0 pinned")
    assert not any(row["pinned"] for row in browser.table.failures)
    (tmp_path / "out" / "pins.json").write_text("{")
    assert "pins.json" in ask(browser, "pin", 0)
    assert (tmp_path / "out" / "pins.json").read_text() == "{"


def test_a_wrong_label_is_opened_where_it_is(browser: lab.FailureBrowser, study: lab.Study) -> None:
    failure = browser.failures[0]
    assert "label editor" in ask(browser, "label", 0)
    editor = browser.timeline
    assert editor.editable
    assert editor.title == failure.recording
    assert editor.position_s == pytest.approx(failure.pause_start_s)
    chosen = next(one for one in editor.labels if one["number"] == editor.selected)
    assert chosen["start_s"] == pytest.approx(failure.pause_start_s)
    opened: list[tuple[str, float]] = []
    elsewhere = lab.FailureBrowser(study, on_label=lambda *place: opened.append(place))
    ask(elsewhere, "label", 0)
    assert opened == [(failure.recording, failure.pause_start_s)]
    assert elsewhere.timeline is None


def test_line_and_turn_of_each_failure_are_told(browser: lab.FailureBrowser, study: lab.Study) -> None:
    for row in browser.table.failures:
        traced = study.corpus.recordings[study.number(row["recording"])]
        assert row["line"] == (traced.band or "unknown")
        turn = next(
            turn for turn in user_turns(traced.labels, unfinished=True) if turn.end_s >= row["pause_start_s"]
        )
        length_s = turn.end_s - turn.start_s
        expected = next(name for limit_s, name in LENGTHS if length_s < limit_s)
        assert row["slice"].startswith(f"{expected}; asked for ")


def test_a_recording_that_is_gone_is_told(browser: lab.FailureBrowser) -> None:
    def gone(number: int) -> None:
        raise FileNotFoundError(2, "No such file", "call.flac")

    browser._load = gone
    content, _ = hear(browser, what="recorded", number=0)
    assert content["kind"] == "problem"
    assert "call.flac" in content["text"]


@pytest.fixture
def page(browser: lab.FailureBrowser, tmp_path: Path) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    content, parts = hear(browser, what="interrupted", number=0)
    with served(tmp_path, browser.table, {"hear": (content, parts)}) as address, sync_playwright() as p:
        chromium = p.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        page = chromium.new_page(viewport={"width": 1024, "height": 500})
        page.goto(address)
        page.wait_for_function("() => window.drawn")
        yield page
        chromium.close()


@pytest.mark.browser
@pytest.mark.skipif(shutil.which(CHROMIUM) is None, reason=f"no Chromium at {CHROMIUM}; install it")
def test_in_the_browser_it_is_sorted_filtered_and_heard(page: Any, browser: lab.FailureBrowser) -> None:
    rows = page.locator("tbody tr")
    assert rows.count() == len(browser.table.failures)
    page.get_by_role("button", name="pause (s)").click()
    pauses = [float(text) for text in page.locator("tbody tr td:nth-child(6)").all_inner_texts()]
    assert pauses == sorted(pauses)
    page.get_by_role("searchbox").fill(NAMES[1])
    expected = sum(row["recording"] == NAMES[1] for row in browser.table.failures)
    assert rows.count() == expected
    page.get_by_role("button", name="Next failure").click()
    chosen = page.evaluate("state.selected")
    assert chosen is not None
    assert page.evaluate("sent.length") == 0  # shown, not played
    rows.nth(1).click()
    assert page.evaluate("state.selected") != chosen
    page.wait_for_function("() => document.querySelector('audio').currentTime > 0.1")
    page.evaluate(
        "() => { document.querySelector('audio').pause(); document.querySelector('audio').src = '' }"
    )
    page.get_by_role("button", name="Play with the agent replying at the commit").click()
    page.wait_for_function("() => document.querySelector('audio').currentTime > 0.1")
