"""What the documentation gives to type can be typed: commands are the command line's, Python runs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from doc_pages import PAGES, calls_of_ones_own, commands, measure_little, mentioned, python_blocks, run_python
from paths import ROOT

import lab_utils as lab
from lab_utils.cli import app

COMMAND_LINE = typer.main.get_command(app)
NOTEBOOKS = sorted((ROOT / "notebooks").glob("**/[!.]*.ipynb"))
NOT_RUN = {
    "detectors.md": "a module of one's own; tests/workflows compare and verify such ones",
    "eot-bench.md": "tables of another harness; tests/turns/test_eot_bench*.py",
    "extras.md": "parts of an agent; tests/latency/test_techniques_*.py run them in one",
    "formats.md": "a TextGrid of one's own; tests/recordings/test_annotations.py",
    "scale.md": "needs a cluster; tests/core/test_cluster.py has one",
}
"""Pages whose Python others run. Those of docs/how are for test_how_pages.py."""
ORDER = ("README.md", "api.md", "teaching.md", "policies.md", "slices.md", "widgets.md")
"""A page's names are there for those after it."""


def parsed(words: list[str]) -> Exception | None:
    """What the command line has against a command, which isn't run."""
    name, command = "lab", COMMAND_LINE
    rest = list(words)
    while hasattr(command, "commands"):
        if not rest:
            return ValueError(f"{name} needs a command")
        name = rest.pop(0)
        if name not in command.commands:
            return LookupError(f"there is no command {name!r}")
        command = command.commands[name]
    try:
        command.make_context(name, rest)
    except Exception as error:  # what a user would be told
        return error
    return None


def wrong(text: str) -> Iterator[str]:
    """What of a text's commands can't be typed."""
    for words in commands(text):
        if error := parsed(words):
            yield f"lab {' '.join(words)}: {getattr(error, 'message', error)}"
    for words in mentioned(text):
        error = parsed(words)
        if isinstance(error, LookupError) or type(error).__name__ == "NoSuchOption":
            yield f"lab {' '.join(words)}: {getattr(error, 'message', error)}"


def test_a_command_that_does_not_exist_is_found() -> None:
    assert len(list(wrong("    lab sweeep calls/\n    lab sweep calls/ --gird g.yaml\n    lab sweep\n"))) == 3
    assert len(list(wrong("run `lab sweep --gird` or `lab sweeps`, not `lab sweep`"))) == 2
    assert not list(wrong("    lab sweep calls/ --out results  # a comment\n"))


def test_every_command_of_the_docs_and_the_notebooks_is_one() -> None:
    count = 0
    for page in [*PAGES, *NOTEBOOKS, ROOT / "SECURITY.md"]:
        text = page.read_text("utf-8")
        assert list(wrong(text)) == [], page.name
        count += len(commands(text))
    assert count > 75


def test_all_python_of_the_docs_is_run_by_some_test() -> None:
    with_python = {page.name for page in PAGES if page.parent.name != "how" and python_blocks(page)}
    assert with_python == {*ORDER, *NOT_RUN}


@pytest.fixture
def event_loop() -> Iterator[None]:
    """AgentSession wants one, as a worker and a notebook have; another test may have taken this thread's."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


@pytest.mark.slow
@pytest.mark.usefixtures("event_loop")
def test_the_python_of_the_docs_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    calls_of_ones_own(tmp_path)
    measure_little(monkeypatch)
    lab.save_profile(lab.Profile(name="support-line", settings=lab.Settings()), tmp_path / "profile.yaml")
    from livekit.agents import AgentSession

    names: dict[str, object] = {"AgentSession": AgentSession}
    by_name = {page.name: page for page in PAGES}
    for page in ORDER:
        for block in python_blocks(by_name[page]):
            try:
                run_python(block, names)
            except Exception as error:
                raise AssertionError(f"{page}:\n{block}") from error
        names["profile"] = lab.load_profile("profile.yaml")
    assert (tmp_path / "tradeoff.png").is_file()
