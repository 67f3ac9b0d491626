"""The first notebook in a real JupyterLab in headless Chromium: run all, move a slider, hear a failure."""

from __future__ import annotations

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
READ_PICTURE = """async image => {
    const bytes = new Uint8Array(await (await fetch(image.src)).arrayBuffer());
    return Array.from(bytes).reduce((a, b) => (31 * a + b) | 0, bytes.length).toString();
}"""

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


def test_a_slider_moves_numbers_and_pictures(jupyterlab: str, tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        try:
            page.goto(jupyterlab)
            _run_all_cells(page)
            _move_a_slider(page, tmp_path)
            _go_to_a_call_with_a_failure(page)
            _choose_a_failure(page, tmp_path)
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
    _scroll_to(page, "audio.jupyter-widgets", seconds=120)


def _scroll_to(page: Page, selector: str, seconds: float) -> None:
    """JupyterLab draws only the cells in sight: go up and down until the one with this element has come."""
    end = time.monotonic() + seconds
    while not page.locator(selector).count():
        errors = page.locator("[data-mime-type='application/vnd.jupyter.stderr'] .ansi-red-fg")
        assert not errors.count(), errors.first.inner_text()
        assert time.monotonic() < end, f"no {selector} after {seconds} s"
        page.locator(".jp-WindowedPanel-outer").first.evaluate(
            "e => { e.scrollTop = e.scrollTop + e.clientHeight >= e.scrollHeight ? 0 : e.scrollTop + 500 }"
        )
        page.wait_for_timeout(400)


def _move_a_slider(page: Page, screenshots: Path) -> None:
    page.locator(".widget-dropdown").first.evaluate("e => e.scrollIntoView({block: 'start'})")
    slider = page.locator(".widget-slider", has_text="min_delay")
    before = _seen(page)
    page.screenshot(path=screenshots / "tuner-before.png")
    slider.locator(".noUi-handle").focus()
    for _ in range(8):
        page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "n => !document.querySelector('.widget-html table').innerText.includes(n)", arg=before[0]
    )
    page.wait_for_timeout(3000)  # the last of the eight moves, and what it has computed
    after = _seen(page)
    page.screenshot(path=screenshots / "tuner-after.png")
    assert slider.locator(".widget-readout").inner_text().strip() == "0.70"
    assert all(new != old for new, old in zip(after, before, strict=True))


def _seen(page: Page) -> tuple[str, str, str]:
    """The numbers, and a checksum of each picture's bytes."""
    pictures = page.locator("img.widget-image")
    assert pictures.count() == 2
    texts = [pictures.nth(k).evaluate(READ_PICTURE) for k in range(2)]
    return page.locator(".widget-html table").first.inner_text(), texts[0], texts[1]


def _go_to_a_call_with_a_failure(page: Page) -> None:
    """The first sample call has no false boundary under this setting; the tuner says which one has."""
    title = page.locator(".widget-html", has_text="in this recording")
    named = title.inner_text().partition("The next with one: ")[2].strip()
    before = _seen(page)[2]
    page.locator(".widget-dropdown", has_text="recording").locator("select").select_option(label=named)
    page.wait_for_function("() => document.querySelectorAll('.widget-select option').length > 0")
    page.wait_for_timeout(1000)
    assert _seen(page)[2] != before


def _choose_a_failure(page: Page, screenshots: Path) -> None:
    before = _seen(page)
    page.locator(".widget-select select").select_option(index=0)
    player = page.locator("audio.jupyter-widgets")
    page.wait_for_function("e => e.duration > 3 && e.currentTime > 0", arg=player.element_handle())
    player.evaluate("e => e.scrollIntoView({block: 'end'})")
    page.wait_for_timeout(500)
    page.screenshot(path=screenshots / "tuner-failure.png")
    assert _seen(page)[2] != before[2]
