"""`make docs`: the documentation as a site in a folder, from README, docs/ and notebooks; needs no network.

What the site shows is laid out in a temporary folder as in the clone, so that links lead to the same places;
notebooks become pages, and the public API is read from its docstrings. A link that leads nowhere is an error.

    python docs/build_site.py build/site
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml
from nbconvert import MarkdownExporter

import lab_utils

ROOT = Path(__file__).resolve().parents[1]
SHOWN = (
    "*.md", "LICENSE", "docs/**/*.md", "docs/images/*", "notebooks/pictures/*", "audio_samples/**/*.md",
    "audio_samples/**/LICENSE.txt", "environment.yml",
)  # fmt: skip
REFERENCE = "docs/reference.md"


def lay_out(folder: Path) -> None:
    """Copy what the site shows; make pages of the notebooks and of the public API."""
    for pattern in SHOWN:
        for path in sorted(ROOT.glob(pattern)):
            target = folder / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".md":
                target.write_text(path.read_text("utf-8").replace(".ipynb)", ".md)"), "utf-8")
            else:
                shutil.copy(path, target)
    for path in sorted((ROOT / "notebooks").glob("**/*.ipynb")):
        body, _ = MarkdownExporter().from_filename(str(path))
        target = (folder / path.relative_to(ROOT)).with_suffix(".md")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(body.replace(".ipynb)", ".md)"), "utf-8")
    (folder / REFERENCE).write_text(reference(), "utf-8")


def reference() -> str:
    """A page with the docstring of each public name."""
    parts = ["# Reference", "Every name of `import lab_utils as lab`; [what each does](api.md)."]
    for name, (module, there) in sorted(lab_utils._HOMES.items(), key=lambda item: item[0].lower()):
        heading = f"lab.{name}"
        parts.append(
            f"::: lab_utils.{module}.{there}\n    options:\n"
            f"      heading: {heading}\n      toc_label: {heading}\n      separate_signature: true"
        )
    return "\n\n".join(parts) + "\n"


def main(out: Path) -> int:
    """Build the site into a folder; 1 if a page or a link is wrong."""
    with tempfile.TemporaryDirectory() as scratch:
        pages = Path(scratch, "pages")
        pages.mkdir()
        lay_out(pages)
        plan = yaml.safe_load((ROOT / "docs" / "site.yml").read_text("utf-8"))
        plan["plugins"][1]["mkdocstrings"]["handlers"]["python"]["paths"] = [str(ROOT)]
        file = Path(scratch, "mkdocs.yml")
        plan["docs_dir"], plan["site_dir"] = str(pages), str(out.resolve())
        file.write_text(yaml.safe_dump(plan, sort_keys=False), "utf-8")
        command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-f", str(file)]
        return subprocess.run(command, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
