"""`make docs`: the documentation as a site in a folder, from README, docs/ and notebooks; needs no network.

What the site shows is laid out in a temporary folder as in the clone, so that links lead to the same places;
notebooks become pages, and the public API is read from its docstrings. A link that leads nowhere is an error.

    python docs/build_site.py build/site
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
import yaml
from nbconvert import MarkdownExporter

import lab_utils

ROOT = Path(__file__).resolve().parents[1]
SHOWN = (
    "*.md", "LICENSE", "docs/**/*.md", "docs/images/*", "docs/site.css", "notebooks/pictures/*",
    "audio_samples/**/*.md", "audio_samples/**/LICENSE.txt", "environment.yml",
)  # fmt: skip
REFERENCE = "docs/reference.md"
QUESTION = "*A question: its code is folded away in the notebook, for it holds the answer.*"
RUN_IT = "*A notebook: `make lab` opens it in JupyterLab, to run, see and hear.*"


def lay_out(folder: Path) -> None:
    """Copy what the site shows; make pages of the notebooks and of the public API."""
    for pattern in SHOWN:
        for path in sorted(ROOT.glob(pattern)):
            target = folder / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".md":
                text = path.read_text("utf-8").replace(".ipynb)", ".md)")
                target.write_text(without_mermaid(text), "utf-8")
            else:
                shutil.copy(path, target)
    for path in sorted((ROOT / "notebooks").glob("**/*.ipynb")):
        body, _ = MarkdownExporter().from_notebook_node(to_read(nbformat.read(path, as_version=4)))
        target = (folder / path.relative_to(ROOT)).with_suffix(".md")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(body.replace(".ipynb)", ".md)"), "utf-8")
    (folder / REFERENCE).write_text(reference(), "utf-8")


def to_read(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A notebook as a page: how to run it, and no code that gives an answer away."""
    for number, cell in enumerate(notebook.cells):
        if cell.metadata.get("jupyter", {}).get("source_hidden"):
            notebook.cells[number] = nbformat.v4.new_markdown_cell(QUESTION)
    notebook.cells.insert(1, nbformat.v4.new_markdown_cell(RUN_IT))
    return notebook


def without_mermaid(text: str) -> str:
    """The drawing of the rooms in words: a browser would fetch what draws it."""

    def told(drawing: re.Match[str]) -> str:
        below = dict(re.findall(r"(\w+) --> (\w+)", drawing[1]))
        rooms = re.findall(r'<b>(\w+)</b><br/>(.*?)"\]', drawing[1])
        rows = [f"| `{room}` | {what} | {below.get(room, '')} |" for room, what in rooms]
        return "\n".join(["| room | what it is | is above |", "|---|---|---|", *rows])

    return re.sub(r"(?s)```mermaid\n(.*?)```", told, text)


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


def under_public_names(html: str) -> str:
    """Signatures under the name that a user calls, where the module has another."""
    for name, (_, there) in lab_utils._HOMES.items():
        html = html.replace(f'<span class="nf">{there}</span>', f'<span class="nf">{name}</span>')
    return html


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
        built = subprocess.run(command, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, check=False)
    if built.returncode == 0:
        page = (out / REFERENCE).with_suffix(".html")
        page.write_text(under_public_names(page.read_text("utf-8")), "utf-8")
    return built.returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
