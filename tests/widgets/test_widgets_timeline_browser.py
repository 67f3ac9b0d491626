"""The timeline in Chromium: drawn, heard, and stepped through by keyboard; no kernel, no JupyterLab."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import ipywidgets as w
import numpy as np
import pytest
from paths import SAMPLES
from test_browser import CHROMIUM, CHROMIUM_ARGS
from widget_page import live, served

import lab_utils as lab
from lab_utils.core.labels import Label, Labels
from lab_utils.core.recording import Recording
from lab_utils.core.timeline import WINDOW_S
from lab_utils.recordings.labels.file import read_label_file, read_labels
from lab_utils.widgets.pulse import Pulse
from lab_utils.widgets.timeline import Timeline, encoded
from lab_utils.widgets.timeline_data import MOST_PEAKS, TimelineData, label_items

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which(CHROMIUM) is None, reason=f"no Chromium at {CHROMIUM}; install it or set $CHROMIUM"
    ),
]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Timeline:
    return lab.timeline(SAMPLES / "02_lost_parcel.flac", cache=tmp_path_factory.mktemp("traces"))


@pytest.fixture
def page(shown: Timeline, tmp_path: Path) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    mime, sound = encoded(shown.recording)
    answers = {"sound": ({"kind": "sound", "mime": mime}, [sound])}
    with served(tmp_path, shown, answers) as address, sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        page = browser.new_page(viewport={"width": 1024, "height": 600})
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(address)
        page.wait_for_function("() => window.drawn")
        page.locator(".lab-timeline").focus()
        yield page
        assert not problems
        browser.close()


def status(page: Any) -> str:
    return str(page.locator(".lab-status").inner_text())


def test_the_next_failure_is_told_and_shown(page: Any, shown: Timeline) -> None:
    failures = [commit for commit in shown.commits if commit["is_false"]]
    page.keyboard.press("n")
    assert status(page).startswith("False boundary at")
    assert page.evaluate("state.position_s") == pytest.approx(failures[0]["time_s"])
    page.keyboard.press("n")
    assert page.evaluate("state.position_s") == pytest.approx(failures[1]["time_s"])
    page.keyboard.press("p")
    assert page.evaluate("state.position_s") == pytest.approx(failures[0]["time_s"])
    page.keyboard.press("p")
    assert status(page) == "No earlier failure"


def test_space_plays_from_the_playhead(page: Any) -> None:
    page.keyboard.press("n")
    at_s = page.evaluate("state.position_s")
    page.keyboard.press(" ")
    page.wait_for_function("() => document.querySelector('.lab-bar button').textContent === 'Pause'")
    before = page.locator(".lab-where").inner_text()
    page.wait_for_function("old => document.querySelector('.lab-where').textContent !== old", arg=before)
    page.keyboard.press(" ")
    page.wait_for_function("() => document.querySelector('.lab-bar button').textContent === 'Play'")
    assert at_s < page.evaluate("state.position_s") < at_s + 30
    assert page.evaluate("sent.filter((one) => one.kind === 'sound').length") == 1


def test_zooming_asks_the_kernel_for_nothing(page: Any) -> None:
    before = page.evaluate("sent.length")
    picture = "document.querySelector('.lab-tracks').toDataURL()"
    all_of_it = page.evaluate(picture)
    page.keyboard.press("n")
    for _ in range(4):
        page.keyboard.press("+")
    page.wait_for_function(f"old => {picture} !== old", arg=all_of_it)
    page.keyboard.press("0")
    page.wait_for_function(f"old => {picture} === old", arg=all_of_it)
    assert page.evaluate("sent.length") == before


def test_a_label_is_chosen_by_a_click(page: Any, shown: Timeline) -> None:
    page.keyboard.press("]")
    for _ in range(4):
        page.keyboard.press("+")
    first = shown.labels[0]
    assert f"{first['name']}, {first['end_s'] - first['start_s']:.2f} seconds" in status(page)
    page.locator("[part~='region']").first.click()
    page.wait_for_function("() => state.selected !== null")
    assert page.evaluate("state.selected") in {label["number"] for label in shown.labels}
    assert "inset" in page.locator("[part~='region'][aria-current='true']").evaluate("e => e.style.boxShadow")


def test_every_control_has_a_name(page: Any) -> None:
    names = page.locator(".lab-timeline button:visible").evaluate_all(
        "all => all.map((one) => one.getAttribute('aria-label') ?? one.textContent)"
    )
    assert len(names) == len(set(names)) == 9
    assert "failure ›: Next failure (n)" in names
    for picture in ("canvas.lab-tracks", ".lab-timeline"):
        assert page.locator(picture).get_attribute("aria-label")


@pytest.fixture
def editing(tmp_path: Path) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    for suffix in (".flac", ".labels.json"):
        shutil.copy(SAMPLES / f"02_lost_parcel{suffix}", tmp_path)
    editor = lab.label_editor(tmp_path / "02_lost_parcel.flac", "Ada", cache=tmp_path / "traces")
    with served(tmp_path, editor, {}) as address, sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        page = browser.new_page(viewport={"width": 1400, "height": 600})
        page.goto(address)
        page.wait_for_function("() => window.drawn")
        yield page
        browser.close()


def test_two_tabs_on_one_label_file_lose_no_edit(tmp_path: Path) -> None:
    """Each has a Python of its own; what one no longer sees is told, and both edits are in the file."""
    from playwright.sync_api import sync_playwright

    for suffix in (".flac", ".labels.json"):
        shutil.copy(SAMPLES / f"02_lost_parcel{suffix}", tmp_path)
    file = tmp_path / "02_lost_parcel.labels.json"
    before = read_labels(file).labels
    with ExitStack() as opened:
        browser = opened.enter_context(sync_playwright()).chromium.launch(
            executable_path=CHROMIUM, args=CHROMIUM_ARGS
        )
        tabs = []
        for who in ("Ada", "Grace"):
            (tmp_path / who).mkdir()
            editor = lab.label_editor(tmp_path / "02_lost_parcel.flac", who, cache=tmp_path / "traces")
            address = opened.enter_context(live(tmp_path / who, editor, threading.Lock()))
            tabs.append(browser.new_page(viewport={"width": 1400, "height": 600}))
            tabs[-1].goto(address)
            tabs[-1].wait_for_function("() => window.drawn")
            tabs[-1].locator("[part~='region']").first.wait_for()
        ada, grace = tabs
        for tab in tabs:
            tab.get_by_role("button", name="Go to the next label, the least sure first").click()
            tab.wait_for_function("() => state.selected !== null")
        ada.get_by_role("button", name="Remove the selected label").click()
        ada.get_by_text("1 edit in").wait_for()
        grace.get_by_label("Kind of label").select_option("backchannel")  # she still sees it
        grace.get_by_text("has been changed elsewhere; look again").wait_for()
        grace.wait_for_function("n => state.labels.length === n", arg=len(before) - 1)
        grace.get_by_role("button", name="Go to the next label, the least sure first").click()
        grace.wait_for_function("() => state.labels[state.selected]?.kind !== 'backchannel'")
        grace.get_by_label("Kind of label").select_option("backchannel")
        grace.get_by_text("2 edits in").wait_for()
        browser.close()
    entries = read_label_file(file).edits or ()
    assert [entry.who for entry in entries] == ["Ada", "Grace"]
    after = read_labels(file).labels
    assert len(after) == len(before) - 1
    assert (
        sum(one.kind == "backchannel" for one in after)
        == sum(one.kind == "backchannel" for one in before) + 1
    )


def edits(page: Any) -> list[dict[str, Any]]:
    return list(page.evaluate("sent.filter((one) => one.kind === 'edit')"))


def test_a_label_that_is_dragged_tells_where_it_went(editing: Any) -> None:
    editing.get_by_role("button", name="Go to the next label, the least sure first").click()
    editing.wait_for_function("() => state.selected !== null")
    box = editing.locator("[part~='region']").first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    editing.mouse.move(x, y)
    editing.mouse.down()
    editing.mouse.move(x + 15, y, steps=4)
    editing.mouse.move(x + 30, y, steps=4)
    editing.mouse.up()
    editing.wait_for_function("() => sent.some((one) => one.kind === 'edit')")
    (edit,) = edits(editing)
    assert edit["what"] == "move"
    assert edit["start_s"] > edit["label"]["start_s"] + 0.05
    length_s = edit["label"]["end_s"] - edit["label"]["start_s"]
    assert edit["end_s"] - edit["start_s"] == pytest.approx(length_s, abs=1e-6)


def test_the_buttons_ask_for_edits_of_the_chosen_label(editing: Any) -> None:
    editing.get_by_role("button", name="Remove the selected label").click()
    assert status(editing) == "Click a label first"
    editing.get_by_role("button", name="Go to the next label, the least sure first").click()
    editing.get_by_label("Kind of label").select_option("backchannel")
    editing.get_by_role("button", name="Merge the selected label with the next").click()
    editing.get_by_role("button", name="Take back the last edit").click()
    assert [edit["what"] for edit in edits(editing)] == ["retype", "merge", "undo"]
    assert edits(editing)[0]["to"] == "backchannel"
    assert editing.get_by_role("button", name="Do again what was undone").is_disabled()


def test_a_panel_says_when_its_python_is_gone(tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    panel = w.VBox()
    with served(tmp_path, Pulse(panel), {}) as address, sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        page = browser.new_page()
        page.clock.install()
        page.goto(address)
        page.wait_for_function("() => window.drawn")
        page.evaluate("name => (document.body.className = name)", panel._dom_classes[0])
        page.evaluate("document.body.click()")
        assert page.evaluate("sent.length") == 1
        page.clock.fast_forward(7_000)
        assert not page.get_by_role("alert").inner_text()
        page.clock.fast_forward(2_000)
        assert "load the page again" in page.get_by_role("alert").inner_text()
        page.evaluate("tell('msg:custom', { kind: 'here' }, [])")  # it was only busy
        assert not page.get_by_role("alert").inner_text()
        browser.close()


HOURS = 4
LONG_S = 3600.0 * HOURS


def long_call() -> Timeline:
    """The timeline of a call of four hours, of which only the peaks are made."""
    silence = np.zeros(16, dtype=np.int16)
    recording = Recording("long", "long.flac", silence, silence, "0" * 64)
    labels = Labels(LONG_S, (), tuple(Label("hold", 5.0 * k, 5.0 * k + 0.5) for k in range(2880)))
    data = TimelineData(
        title="long",
        duration_s=LONG_S,
        channels=("user", "agent"),
        peaks=np.tile(np.array([3, -90, 40, -2], dtype=np.int8), MOST_PEAKS // 2).tobytes(),
        labels=label_items(labels),
        words=[
            {"speaker": "user", "start_s": 1.0 * k, "end_s": k + 0.4, "text": "word"} for k in range(14_400)
        ],
        vad=np.zeros(int(LONG_S / WINDOW_S), dtype=np.uint8).tobytes(),
        vad_scale={"start_s": WINDOW_S, "step_s": WINDOW_S, "activation": 0.5, "deactivation": 0.35},
        threshold=0.4,
        commits=[
            {
                "time_s": 5.0 * k,
                "cause": "detector",
                "is_false": k % 9 == 0,
                "probability": 0.5,
                "latency_s": None,
            }
            for k in range(2880)
        ],
    )
    return Timeline(recording, data)


def test_a_call_of_four_hours_opens_and_is_stepped_through(tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    widget = long_call()
    assert len(widget.peaks) == 2 * MOST_PEAKS  # not 230 million samples a channel
    with served(tmp_path, widget, {}) as address, sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        page = browser.new_page(viewport={"width": 1024, "height": 600})
        page.goto(address)
        page.wait_for_function("() => window.drawn", timeout=60_000)
        page.locator(".lab-timeline").focus()
        page.keyboard.press("n")
        assert status(page).startswith("False boundary at 0:45.0")
        for _ in range(6):
            page.keyboard.press("+")
        page.wait_for_function("() => document.querySelector('.lab-where').textContent.includes('4:00:00')")
        page.keyboard.press("n")
        assert status(page).startswith("False boundary at 1:30.0")
        browser.close()
