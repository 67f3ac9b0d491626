"""Take the pictures of the workbench in docs/images anew: `make screenshots`. Needs Chromium ($CHROMIUM)."""

from __future__ import annotations

import argparse
import io
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
CALLS = ROOT / "audio_samples" / "calls" / "demo"
CHROMIUM = os.environ.get("CHROMIUM") or "/usr/bin/chromium"
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
WIDTH, HEIGHT = 1280, 800
COLOURS = 256
MOST_BYTES = 300_000
WAIT_MS = 240_000
SETTLE_MS = 4_000


@contextmanager
def workbench(calls: Path, more: list[str]) -> Iterator[str]:
    """Address of a `lab tune` that runs as long as the block."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "lab_utils.cli", "tune", str(calls), "--no-browser", "--out", out]
        command += ["--by", "Ada", *more]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        try:
            assert server.stdout is not None
            found = re.search(r"http\S+", server.stdout.readline())
            if found is None:
                raise SystemExit("take_screenshots: lab tune did not start; see above")
            yield found[0]
        finally:
            server.terminate()
            server.wait(60)


def taken(page: Page, name: str, height: int = HEIGHT) -> None:
    """The page as docs/images/NAME.png, with few colours."""
    page.set_viewport_size({"width": WIDTH, "height": height})
    page.wait_for_timeout(SETTLE_MS)
    page.mouse.move(0, 0)
    data = page.screenshot()
    picture = Image.open(io.BytesIO(data)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    path = IMAGES / f"{name}.png"
    picture.save(path, optimize=True)
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise SystemExit(f"take_screenshots: {path} has {size:,} bytes, more than {MOST_BYTES:,}")
    print(f"{path.relative_to(ROOT)}: {size / 1000:.0f} kB")


def open_tab(page: Page, title: str) -> None:
    page.get_by_role("tab", name=title).click()


def take(page: Page, address: str) -> None:
    """Every tab, one after the other."""
    page.goto(address, wait_until="commit", timeout=WAIT_MS)
    page.get_by_role("tab", name="Tuner").wait_for(timeout=WAIT_MS)
    taken(page, "tuner")
    open_tab(page, "Failures")
    page.get_by_role("button", name="Next failure").first.click(timeout=WAIT_MS)
    page.get_by_role("group", name=re.compile("Timeline of")).wait_for(timeout=WAIT_MS)
    failing = page.locator("tr[aria-selected=true] td").first.inner_text()
    taken(page, "failures", 860)
    open_tab(page, "Labels")
    page.get_by_role("button", name="Go to the next label, the least sure first").click(timeout=WAIT_MS)
    taken(page, "labels", 640)
    open_tab(page, "Sessions")
    page.get_by_label("recording").locator("visible=true").select_option(failing)
    page.get_by_role("combobox", name="settings", exact=True).nth(1).select_option("chosen setting")
    page.get_by_role("button", name="Run both").click(timeout=WAIT_MS)
    page.get_by_text("Both sessions ended well").wait_for(timeout=WAIT_MS)
    taken(page, "sessions", 1500)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("calls", nargs="?", type=Path, default=CALLS, help="recordings to show")
    chosen, more = parser.parse_known_args()
    IMAGES.mkdir(exist_ok=True)
    with workbench(chosen.calls, more) as address, sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        take(page, address)
        browser.close()


if __name__ == "__main__":
    main()
