"""README and docs: links lead somewhere, named modules exist, Python blocks import what there is."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from lab_utils.cli import app

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]


def page_ids(path: Path) -> str:
    return path.name


@pytest.mark.parametrize("page", PAGES, ids=page_ids)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        linked = page.parent / name if name else page
        assert linked.exists(), f"{page.name}: {target}"
        if anchor:
            heads = re.findall(r"(?m)^#+ (.*)$", linked.read_text(encoding="utf-8"))
            slugs = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
            assert anchor in slugs, f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=page_ids)
def test_named_modules_and_names_exist(page: Path) -> None:
    for dotted in re.findall(r"`(lab_utils(?:\.\w+)+)", page.read_text(encoding="utf-8")):
        assert _exists(dotted), f"{page.name}: {dotted}"


@pytest.mark.parametrize("page", PAGES, ids=page_ids)
def test_python_blocks_import_what_there_is(page: Path) -> None:
    for block in re.findall(r"(?ms)^```python\n(.*?)^```", page.read_text(encoding="utf-8")):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lab_utils"):
                module = importlib.import_module(str(node.module))
                for alias in node.names:
                    assert hasattr(module, alias.name), f"{page.name}: {node.module}.{alias.name}"
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == "lab"
            ):
                assert hasattr(importlib.import_module("lab_utils"), node.attr), (
                    f"{page.name}: lab.{node.attr}"
                )


def _exists(dotted: str) -> bool:
    """Whether a module, or a name in one, is there."""
    parts = dotted.split(".")
    for n in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:n]))
        except ModuleNotFoundError:
            continue
        for name in parts[n:]:
            if not hasattr(found, name):
                return False
            found = getattr(found, name)
        return True
    return False


def test_every_page_is_two_clicks_from_the_readme_at_most() -> None:
    reached = {ROOT / "README.md"}
    for _ in range(2):
        links = [(page, re.findall(r"\]\(([^)#\s:]+\.md)", page.read_text("utf-8"))) for page in reached]
        reached |= {(page.parent / target).resolve() for page, targets in links for target in targets}
    assert [page.name for page in PAGES if page not in reached] == []


def test_every_command_is_in_the_table_of_commands() -> None:
    table = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    names = typer.main.get_command(app).list_commands(None)
    assert [name for name in names if f"`lab {name}`" not in table] == []


def answers() -> list[tuple[str, str, str]]:
    """The rows of the table of questions: question, file, name."""
    text = (ROOT / "docs" / "code.md").read_text(encoding="utf-8")
    return re.findall(r"(?m)^\| (.+?) \| `([\w/.]+)` \| `(\w+)` \|$", text)


def test_the_questions_of_a_newcomer_are_answered() -> None:
    asked = " ".join(question for question, _, _ in answers())
    for word in (
        "latency computed",
        "detector",
        "import format",
        "knob",
        "slider",
        "technique",
        "plot",
        "key",
    ):
        assert word in asked, word


@pytest.mark.parametrize(("question", "file", "name"), answers(), ids=[name for _, _, name in answers()])
def test_an_answer_is_where_it_says(question: str, file: str, name: str) -> None:
    path = ROOT / file
    assert path.is_file(), f"{question} {file}"
    defined = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            defined |= {target.id for target in targets if isinstance(target, ast.Name)}
    assert name in defined, f"{question} {file} defines no {name}"


@pytest.mark.slow
def test_the_drawing_of_the_rooms_is_up_to_date() -> None:
    command = [sys.executable, ROOT / "docs" / "draw_rooms.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
