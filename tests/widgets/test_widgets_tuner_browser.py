"""The tuner in Chromium, talking with Python: by keyboard alone; and what axe-core says of every widget."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from paths import SAMPLES
from test_browser import CHROMIUM, CHROMIUM_ARGS
from widget_page import live, served

import lab_utils as lab

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which(CHROMIUM) is None, reason=f"no Chromium at {CHROMIUM}; install it or set $CHROMIUM"
    ),
]
NAMES = ("02_lost_parcel", "01_table_booking", "03_blocked_card")
GRID = {"vad": ["livekit"], "detector": ["vad", "v1-mini"], "min_delay": [0.3, 0.5], "max_delay": [2.5]}
STATE = "document.querySelector('.lab-tuner').dataset.state"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> lab.Study:
    folder = tmp_path_factory.mktemp("calls")
    for name in NAMES:
        for suffix in (".flac", ".labels.json"):
            shutil.copy(SAMPLES / f"{name}{suffix}", folder)
    return lab.measure(folder, grid=GRID, phases=1, quiet=True, jobs=1)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        yield browser
        browser.close()


@pytest.fixture
def talking(study: lab.Study, chromium: Any, tmp_path: Path) -> Iterator[tuple[Any, lab.Tuner]]:
    lock = threading.Lock()

    def deliver(call: Callable[[], None]) -> None:
        with lock:
            call()

    tuner = lab.Tuner(study, presets_file=tmp_path / "presets.json", deliver=deliver)
    with live(tmp_path, tuner, lock) as address:
        page = chromium.new_page(viewport={"width": 1024, "height": 900}, color_scheme="dark")
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(address)
        page.wait_for_function("() => window.drawn")
        yield page, tuner
        page.close()
        assert not problems


def faults(page: Any) -> list[str]:
    """What axe-core finds serious or critical."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(page).response["violations"]
    return [
        f"{one['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


def test_the_keyboard_suffices(talking: tuple[Any, lab.Tuner], tmp_path: Path) -> None:
    page, tuner = talking
    assert not faults(page)
    slider = page.get_by_label("min_delay (s)", exact=True)
    slider.focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    assert slider.input_value() == "0.5"
    page.wait_for_function(f"() => state.controls.values.min_delay === 0.5 && {STATE} === 'exact'")
    assert "→" in page.locator(".lab-sentence").inner_text()
    page.locator("canvas.lab-tradeoff").focus()
    page.keyboard.press("ArrowRight")
    read = page.locator(".lab-hover").inner_text()
    page.keyboard.press("Enter")
    page.wait_for_function(f"() => state.said === 'Took this setting' && {STATE} === 'exact'")
    taken = tuner.settings.knobs()
    assert f"detector {taken['detector']}" in read
    page.get_by_role("button", name="Undo the last step").press("Enter")
    page.wait_for_function("() => state.controls.values.min_delay === 0.5")
    page.get_by_label("turn detector").select_option("vad")
    page.wait_for_function("() => document.querySelector('.lab-idle') !== null")
    assert (
        "Idle: only english, multilingual and v1-mini give a probability"
        in page.locator(".lab-knobs").inner_text()
    )
    page.get_by_label("min_delay, as a number").fill("4")
    page.get_by_label("min_delay, as a number").press("Enter")
    page.wait_for_function("() => state.controls.values.min_delay === 4")
    page.get_by_label("File of the profile").fill(str(tmp_path / "agent.yaml"))
    page.wait_for_function(f"() => {STATE} === 'exact'")
    page.get_by_role("button", name="Export what the controls say as a profile").press("Enter")
    page.get_by_text("Wrote").wait_for()
    assert lab.load_profile(tmp_path / "agent.yaml").settings == tuner.settings
    page.get_by_role("button", name="Copy a snippet for Node").press("Enter")
    page.wait_for_function("() => document.querySelector('.lab-code').value.includes('minDelay: 4000')")
    assert not faults(page)


def test_dragging_never_queues(talking: tuple[Any, lab.Tuner]) -> None:
    """Of a hundred moves in a row only few are asked for, and the last one is what is shown."""
    page, tuner = talking
    page.evaluate("""() => {
        const named = (one) => one.innerText.startsWith('min_delay');
        const range = [...document.querySelectorAll('.lab-knob')].find(named).querySelector('input');
        for (let k = 1; k <= 100; k++) {
            range.value = 0.3 + 0.05 * (k % 40);
            range.dispatchEvent(new Event('input'));
        }
    }""")
    page.wait_for_function("() => sent.length >= 2 && state.serial === sent.at(-1).serial")
    assert page.evaluate("sent.length") == 2
    assert tuner.panel.state()["values"]["min_delay"] == pytest.approx(0.3 + 0.05 * 20)


def test_axe_finds_no_serious_fault_in_the_other_widgets(
    study: lab.Study, chromium: Any, tmp_path: Path
) -> None:
    file = tmp_path / "02_lost_parcel.flac"
    for suffix in (".flac", ".labels.json"):
        shutil.copy(SAMPLES / f"02_lost_parcel{suffix}", tmp_path)
    played = lab.BeatTheEndpointer(study, 2)
    for _ in range(2):
        played.press([0.5 * k for k in range(60)])  # in pauses too, so that there is something to hear again
    widgets = {
        "endpointer": played,
        "timeline": lab.timeline(file),
        "editor": lab.label_editor(file, "Ada"),
        "failures": lab.FailureBrowser(study).table,
    }
    found: list[str] = []
    for name, widget in widgets.items():
        (tmp_path / name).mkdir()
        with served(tmp_path / name, widget, {}) as address:
            for scheme in ("light", "dark"):
                page = chromium.new_page(viewport={"width": 1024, "height": 600}, color_scheme=scheme)
                page.goto(address)
                page.wait_for_function("() => window.drawn")
                found += [f"{name}, {scheme}: {fault}" for fault in faults(page)]
                page.close()
    assert not found
