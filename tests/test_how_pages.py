"""The pages docs/how answer by commands: each runs as it stands, on calls of a user's."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import soundfile
from paths import ROOT, SAMPLE_CALLS
from typer.testing import CliRunner

from lab_utils.cli import app

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
SMALL = "unlikely_threshold: [0.2, 0.36]\nmin_delay: [0.3, 0.6]\nmax_delay: [1.0, 2.5]\n"
"""A grid for pages that sweep the usual one."""
EXPECTED = {"lab check": (0, 1, 2)}
"""Commands that answer by their exit code."""


def commands(page: Path) -> list[list[str]]:
    """The commands of a page that stand on lines of their own."""
    lines = re.findall(r"(?m)^    (lab .*)$", page.read_text("utf-8"))
    return [shlex.split(line) for line in lines]


def named_files(page: Path) -> dict[str, str]:
    """The files that a page shows, by the name in their first line."""
    blocks = re.findall(r"(?ms)^```yaml\n# (\S+)\n(.*?)^```", page.read_text("utf-8"))
    return dict(blocks)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two calls of the samples, one of them also with the caller alone."""
    folder = tmp_path_factory.mktemp("how")
    calls = folder / "my_calls"
    calls.mkdir()
    for name in ("14_clinic_appointment", "20_library_books"):
        for suffix in (".flac", ".labels.json"):
            (calls / f"{name}{suffix}").symlink_to(SAMPLE_CALLS / "demo" / f"{name}{suffix}")
    (folder / "small.yaml").write_text(SMALL, "utf-8")
    return folder


def test_every_page_is_in_the_table_and_ends_in_something_to_run() -> None:
    index = (ROOT / "docs" / "how" / "index.md").read_text("utf-8")
    for page in PAGES:
        assert f"]({page.name})" in index
        assert commands(page), page.name


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_says_can_be_run(page: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    for name, text in named_files(page).items():
        (place / name).write_text(text, "utf-8")
    if page.stem == "one_channel":
        audio, rate = soundfile.read(place / "my_calls" / "20_library_books.flac")
        soundfile.write(place / "my_calls" / "mono.wav", audio[: 10 * rate, 0], rate)
    for command in commands(page):
        if any(" ".join(command).startswith(known) for known in NOT_RUN):
            continue
        if command[1] in ("sweep", "check"):
            command += ["--phases", "1", "--jobs", "1"]
        if command[1] == "sweep" and "--grid" not in command:
            command += ["--grid", "small.yaml"]
        done = CliRunner().invoke(app, command[1:])
        assert done.exit_code in EXPECTED.get(" ".join(command[:2]), (0,)), f"{command}\n{done.output}"
    (place / "my_calls" / "mono.wav").unlink(missing_ok=True)
    (place / "my_calls" / "mono.labels.json").unlink(missing_ok=True)
