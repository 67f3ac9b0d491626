"""The pages docs/how answer by commands and cells: each runs as it stands, on calls of a user's."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest
import soundfile
import yaml
from doc_pages import SMALL, calls_of_ones_own, commands, measure_little, python_blocks, run_python
from paths import ROOT
from typer.testing import CliRunner

import lab_utils
from lab_utils.cli import app
from lab_utils.workflows.barge_in import measure_barge_in

PAGES = sorted(path for path in (ROOT / "docs" / "how").glob("*.md") if path.name != "index.md")
NOT_RUN = {
    "lab tune": "stays open until it is closed; tests/widgets open it",
    "lab transcribe": "tests/recordings run it; a minute for each call",
    "lab verify REPORTS": "needs a user's reports",
    "lab fit REPORTS": "needs a user's reports",
    "lab diarize": "needs the extra [diarize]",
    "lab run my_calls/ --out sessions --json": "true_wait.md runs it",
    "lab techniques": "tests/workflows run it; minutes",
}
LITTLE = {
    "sweep": ["--phases", "1", "--jobs", "1"],
    "check": ["--phases", "1", "--jobs", "1"],
    "barge-in": ["--phases", "1", "--jobs", "1"],
}
"""One take, by command."""
EXPECTED = {"check": (0, 1, 2)}
"""Commands that answer by their exit code."""


def named_files(page: Path) -> dict[str, str]:
    """The files that a page shows, by the name in their first line."""
    blocks = re.findall(r"(?ms)^```yaml\n# (\S+)\n(.*?)^```", page.read_text("utf-8"))
    return dict(blocks)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two calls of the samples, one of them also with the caller alone."""
    folder = tmp_path_factory.mktemp("how")
    calls_of_ones_own(folder)
    (folder / "small.yaml").write_text(yaml.safe_dump(SMALL), "utf-8")
    return folder


def test_every_page_is_in_the_table_and_ends_in_something_to_run() -> None:
    index = (ROOT / "docs" / "how" / "index.md").read_text("utf-8")
    for page in PAGES:
        assert f"]({page.name})" in index
        assert commands(page.read_text("utf-8")), page.name


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_says_can_be_run(page: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    measure_little(monkeypatch)
    monkeypatch.setattr(lab_utils, "barge_in", partial(measure_barge_in, phases=1, jobs=1), raising=False)
    for name, text in named_files(page).items():
        (place / name).write_text(text, "utf-8")
    if page.stem == "one_channel":
        audio, rate = soundfile.read(place / "my_calls" / "20_library_books.flac")
        soundfile.write(place / "my_calls" / "mono.wav", audio[: 10 * rate, 0], rate)
    for command in commands(page.read_text("utf-8")):
        if any(" ".join(["lab", *command]).startswith(known) for known in NOT_RUN):
            continue
        command += LITTLE.get(command[0], [])
        if command[0] == "sweep" and "--grid" not in command:
            command += ["--grid", "small.yaml"]
        done = CliRunner().invoke(app, command)
        assert done.exit_code in EXPECTED.get(command[0], (0,)), f"{command}\n{done.output}"
    names: dict[str, object] = {}
    for block in python_blocks(page):
        run_python(block, names)
    (place / "my_calls" / "mono.wav").unlink(missing_ok=True)
    (place / "my_calls" / "mono.labels.json").unlink(missing_ok=True)
