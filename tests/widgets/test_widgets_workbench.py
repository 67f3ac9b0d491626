"""The workbench by its traits; and `lab tune` in Chromium, from the command to a failure that plays."""

from __future__ import annotations

import base64
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from calls import copy_samples
from paths import ROOT
from test_browser import CHROMIUM, CHROMIUM_ARGS, MS, TUNER

import lab_utils as lab
from lab_utils.recordings.labels.file import read_labels
from lab_utils.turns.replay import MissingTraces
from lab_utils.widgets import failures as failures_module
from lab_utils.widgets.failures import FailureBrowser
from lab_utils.widgets.workbench import report_panel
from lab_utils.widgets.workbench.label_panel import LabelPanel
from lab_utils.widgets.workbench.report_panel import ReportPanel
from lab_utils.widgets.workbench.server import free_port
from lab_utils.widgets.workbench.setup import Setup, hand_over
from lab_utils.widgets.workbench.workbench import Workbench, open_workbench

pytestmark = pytest.mark.slow

# Tests in a shell's background would hand on that Ctrl-C is ignored.
PROGRAM = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from lab_utils.cli import app; app()"
)
NAMES = ("02_lost_parcel", "01_table_booking")
GRID = {"detector": ["v1-mini"], "min_delay": [0.5], "max_delay": [2.5, 3.0]}


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_samples(tmp_path_factory.mktemp("calls"), *NAMES)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("traces")


@pytest.fixture(scope="module")
def study(calls: Path, cache: Path) -> lab.Study:
    return lab.measure(calls, grid=GRID, phases=1, cache=cache, quiet=True, jobs=1)


@pytest.fixture(scope="module")
def choice(study: lab.Study) -> lab.Choice:
    return study.choose(nearest=True)


@pytest.fixture
def workbench(study: lab.Study, choice: lab.Choice, cache: Path, tmp_path: Path) -> Workbench:
    """As a page opens it: from what the server hands over."""
    folder = tmp_path / "handed"
    folder.mkdir()
    setup = Setup(str(tmp_path / "out"), str(cache), "Ada")
    hand_over(folder, study, choice, setup)
    return open_workbench(str(folder))


def titled(workbench: Workbench, title: str) -> Any:
    workbench.tabs.selected_index = workbench.tabs.titles.index(title)
    return workbench.section(title)


def test_each_section_is_made_when_it_is_first_looked_at(workbench: Workbench, study: lab.Study) -> None:
    assert workbench.section("Tuner") is not None
    assert workbench.section("Failures") is None
    failures = titled(workbench, "Failures")
    assert isinstance(failures, FailureBrowser)
    assert len(failures.failures) == len(study.failures())
    assert titled(workbench, "Failures") is failures
    labels = titled(workbench, "Labels")
    assert isinstance(labels, LabelPanel)
    workbench.tabs.selected_index = workbench.tabs.titles.index("Failures")
    failures._asked(failures.table, {"kind": "label", "number": 0}, [])
    assert workbench.tabs.titles[workbench.tabs.selected_index] == "Labels"
    assert labels.editor.title == failures.failures[0].recording
    assert labels.editor.position_s == pytest.approx(failures.failures[0].pause_start_s)
    labels.edit(study.corpus.recordings[0].name)
    assert labels.editor.title == study.corpus.recordings[0].name
    assert labels.editor.who == "Ada"
    labels.who.value = "Grace"
    labels.edit(study.corpus.recordings[1].name, at_s=7.0)
    assert labels.editor.title == study.corpus.recordings[1].name
    assert labels.editor.who == "Grace"
    assert labels.editor.position_s == 7.0


def test_failures_follow_the_tuner_or_say_that_it_still_computes(
    workbench: Workbench, study: lab.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = lab.Settings.from_knobs({"max_delay": 3.0})
    failures = titled(workbench, "Failures")
    scorer = SimpleNamespace(corpus=study.corpus)
    workbench._tuner = SimpleNamespace(settings=patient, scorer=scorer)
    titled(workbench, "Labels")
    assert titled(workbench, "Failures") is failures
    assert failures._settings == patient
    assert len(failures.failures) == len(study.failures(patient))

    def missing(*_: Any) -> None:
        raise MissingTraces("a prediction")

    with monkeypatch.context() as patched:
        patched.setattr(failures_module, "failures_of", missing)
        workbench._tuner = SimpleNamespace(settings=study.defaults, scorer=scorer)
        titled(workbench, "Labels")
        assert titled(workbench, "Failures") is None
        shown = workbench.tabs.children[workbench.tabs.selected_index].children[0]
        assert "still computing" in shown.value
    workbench._tuner = SimpleNamespace(settings=patient, scorer=scorer)
    titled(workbench, "Labels")
    assert len(titled(workbench, "Failures").failures) == len(study.failures(patient))


def page_of(study: lab.Study, choice: lab.Choice, *, name: str, sound: bool, words: bool) -> str:
    return f"{name}{' by hand' if choice.by_hand else ''}, {sound}, {words}"


def test_profile_and_report_are_written_where_the_panel_says(
    workbench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_panel, "report_page", page_of)  # it has tests of its own, and takes seconds
    panel = titled(workbench, "Report and export")
    assert isinstance(panel, ReportPanel)
    panel.name.value = "support-line"
    panel.export.click()
    panel.wait()
    profile = lab.load_profile(tmp_path / "out" / "support-line.yaml")
    assert profile.settings == workbench.settings
    assert "support-line.yaml" in panel.told.value
    assert not panel.export.disabled
    panel.report.click()
    panel.wait()
    assert (tmp_path / "out" / "support-line.html").read_text() == "support-line by hand, False, False"
    linked = re.search(r"download='support-line.html' href='data:text/html;base64,(\S+)'", panel.told.value)
    assert base64.b64decode(linked[1]) == b"support-line by hand, False, False"
    panel.name.value = "../elsewhere"
    panel.export.click()
    assert "without slashes" in panel.told.value
    panel.name.value = "support-line"
    panel.folder.value = str(tmp_path / "out" / "support-line.yaml")  # a file
    panel.export.click()
    panel.wait()
    assert "choose another place" in panel.told.value


def test_a_recording_that_is_gone_is_told_in_its_section(study: lab.Study, cache: Path) -> None:
    gone = study.files[0].user.with_name("elsewhere.flac")
    study.files[0].user.rename(gone)
    try:
        panel = LabelPanel(study, "Ada", cache)
        assert panel.editor is None
        assert study.files[0].user.name in panel.note.value
        assert "alert" in panel.note.value
    finally:
        gone.rename(study.files[0].user)
    panel.edit()
    assert panel.editor is not None


def test_a_port_in_use_is_told() -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ValueError, match=r"--port \d+: can't be listened on"):
            free_port(taken.getsockname()[1])
    assert 0 < free_port(None) < 65_536


@pytest.fixture
def served(calls: Path, cache: Path, study: lab.Study, tmp_path: Path) -> Iterator[tuple[str, Any]]:
    """Address of a running `lab tune`, and its process."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (tmp_path / "grid.yaml").write_text(yaml.safe_dump(GRID))
    (tmp_path / "calls").symlink_to(calls)  # paths as a user types them: from where the command is given
    command = [sys.executable, "-c", PROGRAM, "tune", "calls", "--grid", "grid.yaml"]
    command += ["--phases", "1", "--cache", str(cache), "--out", "out", "--no-browser"]
    with (tmp_path / "errors").open("w") as errors:
        environment = os.environ | {"TMPDIR": str(scratch), "PYTHONPATH": str(ROOT)}
        server = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=tmp_path, env=environment
        )
    try:
        line = server.stdout.readline()
        assert "http://127.0.0.1" in line, (tmp_path / "errors").read_text()
        yield re.search(r"http\S+", line)[0], server
    finally:
        server.kill()
        server.stdout.close()


@pytest.mark.browser
@pytest.mark.skipif(shutil.which(CHROMIUM) is None, reason=f"no Chromium at {CHROMIUM}; install it")
def test_from_recordings_to_a_failure_that_plays(served: tuple[str, Any], tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    address, server = served
    assert [*(tmp_path / "scratch").glob("lab-tune-*")]
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(address.partition("?")[0] + "voila/static/main.js")
    elsewhere: list[str] = []
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        page = browser.new_page(viewport={"width": 1024, "height": 800})
        page.on("request", lambda request: elsewhere.append(request.url))
        try:
            page.goto(address, wait_until="commit", timeout=120 * MS)
            page.get_by_role("tab", name="Tuner").wait_for(timeout=120 * MS)
            assert not page.get_by_text("open_workbench").count()  # no code
            slider = page.get_by_label("min_silence_duration (s)", exact=True)  # what it needs isn't traced
            drawn = page.locator(TUNER).get_attribute("data-drawn")
            slider.press("ArrowRight")
            page.wait_for_function(
                "([tuner, old]) => tuner.dataset.drawn !== old && tuner.dataset.state === 'exact'",
                arg=[page.locator(TUNER).element_handle(), drawn],
                timeout=120 * MS,
            )
            page.get_by_role("button", name="Export what the controls say as a profile").click()
            page.get_by_text(f"Wrote {tmp_path / 'my-agent.yaml'}").wait_for(timeout=60 * MS)
            page.get_by_role("button", name="Undo the last step").click()
            page.get_by_role("tab", name="Failures").click()
            page.get_by_role("button", name="Next failure").click(timeout=60 * MS)
            page.get_by_role("button", name="Play with the agent replying at the commit").click()
            page.wait_for_function(
                "() => document.querySelector('.lab-timeline audio').currentTime > 0.1", timeout=60 * MS
            )
            page.get_by_role("group", name=re.compile("Timeline of")).wait_for(timeout=60 * MS)
            page.get_by_role("button", name="Open this pause in the label editor").click()
            least_sure = page.get_by_role("button", name="Go to the next label, the least sure first")
            least_sure.wait_for(timeout=60 * MS)  # in the tab of the labels
            _move_a_label(page, tmp_path / "calls")
            page.get_by_role("tab", name="Sessions").click()
            page.get_by_role("button", name="Run both").click(timeout=60 * MS)
            page.get_by_role("button", name="Cancel").click(timeout=60 * MS)
            page.get_by_text("Cancelled.").wait_for(timeout=60 * MS)
        except BaseException:
            page.screenshot(path=tmp_path / "failed.png")
            raise
        finally:
            browser.close()
    own = address.partition("?")[0]
    assert not [url for url in elsewhere if not url.startswith((own, "blob:", "data:"))]
    server.send_signal(signal.SIGINT)
    assert server.wait(30) == 0
    assert "the workbench has ended" in (tmp_path / "errors").read_text()
    assert not [*(tmp_path / "scratch").glob("lab-tune-*")]
    assert lab.load_profile(tmp_path / "my-agent.yaml").settings.vad.min_silence_duration == 0.3


def _move_a_label(page: Any, calls: Path) -> None:
    """Drag the least sure label: it is in the file; and back."""
    page.get_by_role("button", name="Go to the next label, the least sure first").click()
    region = page.locator("[part~='region'][aria-current='true']").locator("visible=true")
    region.wait_for(timeout=60 * MS)
    name = page.locator(".lab-timeline .lab-heading").locator("visible=true").inner_text()
    file = calls / f"{name}.labels.json"
    before = read_labels(file).labels
    box = region.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 4, y, steps=3)
    page.mouse.move(x + 8, y, steps=3)
    page.mouse.up()
    page.get_by_text("1 edit in").wait_for(timeout=60 * MS)
    (gone,) = set(before) - set(read_labels(file).labels)
    (moved,) = set(read_labels(file).labels) - set(before)
    assert moved.kind == gone.kind
    assert 0 < moved.start_s - gone.start_s < 1
    page.get_by_role("button", name="Take back the last edit").click()
    page.get_by_text("0 edits in").wait_for(timeout=60 * MS)
    assert read_labels(file).labels == before
