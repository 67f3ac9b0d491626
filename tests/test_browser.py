"""The first notebook in a real JupyterLab in headless Chromium: drag, click, undo, export, hear a failure;
and restart the kernel below all that. Then a notebook of the course as slides.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from test_notebooks import ROOT, kernel_environment, samples_cache

from lab_utils import load_profile

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["samples_cache"]  # a fixture

NOTEBOOK = "01_tune_endpointing.ipynb"
CHROMIUM = os.environ.get("CHROMIUM") or "/usr/bin/chromium"
CHROMIUM_ARGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
MS = 1000
"""Playwright counts in milliseconds."""
TUNER = ".lab-tuner"
SETTLED = f"() => document.querySelector('{TUNER}').dataset.state === 'exact'"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which(CHROMIUM) is None, reason=f"no Chromium at {CHROMIUM}; install it or set $CHROMIUM"
    ),
    pytest.mark.skipif(find_spec("playwright") is None, reason="the Python package playwright is missing"),
]


@pytest.fixture
def jupyterlab(tmp_path: Path, samples_cache: Path) -> Iterator[str]:
    """Address of a JupyterLab of its own, with a copy of the notebooks' folder and its own settings."""
    shutil.copytree(ROOT / "notebooks", tmp_path / "work" / "notebooks")
    (tmp_path / "work" / "audio_samples").symlink_to(ROOT / "audio_samples")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    environment = kernel_environment(samples_cache) | {
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "JUPYTER_DATA_DIR": str(tmp_path / "data"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "workspaces"),
    }
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", "--ip=127.0.0.1"]
    command += [f"--port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}"]
    command.append(f"--ServerApp.root_dir={tmp_path / 'work'}")
    no_news = (
        tmp_path / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    )
    no_news.parent.mkdir(parents=True)
    no_news.write_text('{"fetchNews": "false", "checkForUpdates": false}')
    with (tmp_path / "jupyter.log").open("wb") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{address}/api/status?token={token}", server, tmp_path / "jupyter.log")
        yield f"{address}/lab/tree/notebooks/{NOTEBOOK}?token={token}"
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(240):
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except (urllib.error.URLError, OSError):
            assert server.poll() is None, log.read_text()
            time.sleep(0.25)
    raise AssertionError(f"JupyterLab did not answer in a minute:\n{log.read_text()}")


def test_the_tuner_moves_takes_undoes_and_exports(jupyterlab: str, tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        try:
            page.goto(jupyterlab)
            _run_all_cells(page)
            _move_a_slider(page)
            _take_a_point(page)
            _drag_the_budget(page)
            _export_and_load(page, tmp_path / "exported.yaml")
            page.screenshot(path=tmp_path / "tuner.png")
            _play_a_failure(page)
            _restart_the_kernel(page, jupyterlab)
            _show_slides(page, jupyterlab)
        except BaseException:
            page.screenshot(path=tmp_path / "failed.png")
            raise
        finally:
            browser.close()


def _run_all_cells(page: Page) -> None:
    page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=60 * MS)
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=60 * MS)  # before, Run asks for a kernel
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    _scroll_to(page, TUNER, seconds=300)
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(
        timeout=120 * MS
    )  # each cell that runs takes the focus
    _scroll_to(page, TUNER, seconds=30)


def _scroll_to(page: Page, selector: str, seconds: float) -> None:
    """JupyterLab shows only the cells in sight: go up and down until the one with this element has come."""
    end = time.monotonic() + seconds
    while not (page.locator(selector).count() and page.locator(selector).first.is_visible()):
        errors = page.locator("[data-mime-type='application/vnd.jupyter.stderr'] .ansi-red-fg")
        assert not errors.count(), errors.first.inner_text()
        assert time.monotonic() < end, f"no {selector} after {seconds} s"
        page.locator(".jp-WindowedPanel-outer").first.evaluate(
            "e => { e.scrollTop = e.scrollTop + e.clientHeight >= e.scrollHeight ? 0 : e.scrollTop + 500 }"
        )
        page.wait_for_timeout(400)


def _move_a_slider(page: Page) -> None:
    page.locator(TUNER).evaluate("e => e.scrollIntoView({block: 'start'})")
    slider = page.get_by_label("min_delay (s)", exact=True)
    before = _seen(page)
    slider.focus()
    for _ in range(8):
        page.keyboard.press("ArrowRight")
    assert slider.input_value() == "0.7"
    _wait_for_another(page, before)
    after = _seen(page)
    assert all(new != old for new, old in zip(after, before, strict=True))
    box = slider.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.7 / 3 * box["width"], box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + box["height"] / 2, steps=10)
    page.mouse.up()
    assert 1.3 < float(slider.input_value()) < 1.7
    _wait_for_another(page, after)


def _wait_for_another(page: Page, before: tuple[str, str]) -> None:
    """The figures of the last move are there: its own, and exact."""
    page.wait_for_function(
        "old => document.querySelector('.lab-figures').innerText !== old && "
        "document.querySelector('.lab-tuner').dataset.state === 'exact'",
        arg=before[0],
        timeout=120 * MS,
    )


def _seen(page: Page) -> tuple[str, str]:
    """The figures, and the picture."""
    picture = page.locator("canvas.lab-tradeoff").evaluate("e => e.toDataURL()")
    return page.locator(".lab-figures").inner_text(), picture


def _take_a_point(page: Page) -> None:
    """Point at a setting of the frontier by keyboard, click there, and undo."""
    slider = page.get_by_label("min_delay (s)", exact=True)
    before, delay = _seen(page), slider.input_value()
    plot = page.locator("canvas.lab-tradeoff")
    plot.focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    named = page.locator(".lab-hover").inner_text()
    assert "cut off" in named
    x, y = map(float, str(plot.get_attribute("data-pointed")).split(","))
    plot.click(position={"x": x, "y": y})
    _wait_for_another(page, before)
    assert f"min_delay {float(slider.input_value()):g}" in page.locator(".lab-hover").inner_text()
    page.get_by_role("button", name="Undo the last step").click()
    page.wait_for_function("([e, old]) => e.value === old", arg=[slider.element_handle(), delay])
    page.wait_for_function(SETTLED, timeout=60 * MS)


def _drag_the_budget(page: Page) -> None:
    plot = page.locator("canvas.lab-tradeoff")
    before = page.locator(".lab-suggestion").inner_text()
    box = plot.bounding_box()
    assert box is not None
    y = box["y"] + float(str(plot.get_attribute("data-budget")))
    page.mouse.move(box["x"] + box["width"] - 40, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 40, y - 80, steps=8)
    page.mouse.up()
    page.wait_for_function("old => document.querySelector('.lab-suggestion').innerText !== old", arg=before)


def _export_and_load(page: Page, file: Path) -> None:
    slider = page.get_by_label("min_delay (s)", exact=True)
    said = float(slider.input_value())
    page.get_by_label("File of the profile").fill(str(file))
    page.get_by_role("button", name="Export what the controls say as a profile").click()
    page.get_by_text(f"Wrote {file}").wait_for()
    assert load_profile(file).settings.endpointing.min_delay == said
    page.get_by_role("button", name="Back to the setting that it began with").click()
    page.wait_for_function("e => e.value === '0.3'", arg=slider.element_handle())
    page.get_by_role("button", name="Load a profile into the controls").click()
    page.wait_for_function("([e, old]) => Number(e.value) === old", arg=[slider.element_handle(), said])


def _play_a_failure(page: Page) -> None:
    """The list follows the tuner: back at LiveKit's defaults there are failures to choose from."""
    from playwright.sync_api import TimeoutError as NotShown

    page.get_by_role("button", name="Back to the setting that it began with").click()
    _scroll_to(page, ".lab-failures tbody tr", seconds=30)
    for _ in range(4):  # a list that comes anew after the click has nothing selected
        page.get_by_role("button", name="Next failure").click()
        with contextlib.suppress(NotShown):
            page.locator(".lab-waves").wait_for(timeout=60 * MS)
            break
    page.get_by_role("button", name="Play with the agent replying at the commit").click()
    page.wait_for_function("() => document.querySelector('.lab-bar audio').currentTime > 0.1")


def _restart_the_kernel(page: Page, address: str) -> None:
    """Views whose Python is gone say so when they are used, and what to do."""
    server, token = address.partition("/lab/tree")[0], address.rpartition("token=")[2]
    (kernel,) = json.loads(urllib.request.urlopen(f"{server}/api/kernels?token={token}").read())
    request = urllib.request.Request(
        f"{server}/api/kernels/{kernel['id']}/restart?token={token}", data=b"", method="POST"
    )
    urllib.request.urlopen(request, timeout=60).close()
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=60 * MS)
    page.locator(".lab-failures tbody tr").last.click()
    page.get_by_text("If the kernel was restarted, run the cell again").wait_for(timeout=120 * MS)
    _scroll_to(page, TUNER, seconds=30)
    slider = page.get_by_label("min_delay (s)", exact=True)
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.get_by_text("If it was restarted, run the cell again").wait_for(timeout=120 * MS)


def _show_slides(page: Page, address: str) -> None:
    """One slide after the other, its cells run and shown by keyboard, and nothing from elsewhere."""
    outside: list[str] = []
    home = address.partition("/lab/tree")[0]
    own = (home, home.replace("http", "ws"), "data:", "blob:")
    page.on("request", lambda one: None if one.url.startswith(own) else outside.append(one.url))
    page.goto(address.replace(NOTEBOOK, "course/1_what_is_a_turn.ipynb") + "&reset")
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=60 * MS)
    title, quiz = (page.get_by_role("heading", name=name) for name in ("What is a turn", "Predict, before"))
    page.locator("[data-jp-item-name=deck] button, [data-jp-item-name=deck] jp-button").first.click()
    quiz.wait_for(state="hidden", timeout=120 * MS)
    assert title.is_visible()
    page.keyboard.press("Shift+Enter")  # to the slide's code
    page.keyboard.press("Shift+Enter")  # runs it
    quiz.wait_for(timeout=120 * MS)
    assert not title.is_visible()
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("ArrowLeft")
    page.get_by_role("button", name="Predict").wait_for(timeout=120 * MS)  # the kernel answers on a slide
    assert not page.get_by_text('answer="no, they go on"').is_visible()
    assert not outside
