"""`make cheat-sheet`: the cheat sheet on one page of A4, as HTML and as PDF; needs Chromium, no network.

python docs/print_cheat_sheet.py build/cheat_sheet
"""

from __future__ import annotations

import os
import re
import runpy
import sys
from pathlib import Path

import markdown

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Cheat sheet: livekit-turn-lab</title><style>
:root {{ color-scheme: light; }}
@page {{ size: A4; margin: 9mm; }}
body {{ font: 9pt/1.25 system-ui, sans-serif; max-width: 192mm; margin: 0 auto; color: #111; }}
h1 {{ font-size: 13pt; margin: 0 0 1mm; }}
p, ul, pre {{ margin: 1mm 0; }}
ul {{ padding-left: 4mm; }}
pre {{ background: #f2f2f2; padding: 1mm 2mm; }}
table {{ border-collapse: collapse; width: 100%; margin: 1mm 0; }}
th, td {{ border-bottom: 1px solid #bbb; padding: 0.2mm 1.5mm; text-align: left; vertical-align: top; }}
</style></head><body><main>{body}</main></body></html>
"""


def page() -> str:
    """The sheet as one HTML file that needs nothing else."""
    text = runpy.run_path(str(ROOT / "docs" / "write_cheat_sheet.py"))["cheat_sheet"]()
    without_links = re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", text)  # on paper nobody can follow them
    return PAGE.format(body=markdown.markdown(without_links, extensions=["tables", "sane_lists"]))


def print_pdf(html: Path, pdf: Path) -> None:
    """Print an HTML file by Chromium ($CHROMIUM)."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        shown = browser.new_page()
        shown.goto(html.resolve().as_uri())
        shown.pdf(path=pdf, prefer_css_page_size=True, print_background=True, tagged=True)
        browser.close()


def main(out: Path) -> None:
    """Write cheat_sheet.html and cheat_sheet.pdf into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    html = out / "cheat_sheet.html"
    html.write_text(page(), "utf-8")
    print_pdf(html, out / "cheat_sheet.pdf")
    print(f"{html}\n{out / 'cheat_sheet.pdf'}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
