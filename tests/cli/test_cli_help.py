"""Help is light and complete: which modules it loads, and the names of options at 80 columns."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any, get_args

import pytest
import typer
from typer.testing import CliRunner

from lab_utils import cli
from lab_utils.core.labels import LABEL_KINDS
from lab_utils.core.session_log import SessionMode
from lab_utils.latency.ablation.run import ablate
from lab_utils.recordings.fetch import CORPORA
from lab_utils.recordings.transcripts import DEFAULT_MODEL

pytestmark = pytest.mark.slow

GROUP: Any = typer.main.get_command(cli.app)
COMMANDS = sorted(GROUP.commands)
HEAVY = {"numpy", "pandas", "scipy", "matplotlib", "livekit", "onnxruntime", "pyarrow", "rich"}
SHOW_MODULES = (
    "import sys\n"
    "from lab_utils.cli import app\n"
    "app(['--help'], standalone_mode=False)\n"
    "for name in sys.argv[1:]: app([name, '--help'], standalone_mode=False)\n"
    "print('modules:', *sorted(sys.modules))\n"
)


def test_the_commands() -> None:
    files = {name.strip("_").replace("_", "-") for name in cli.__all__ if name != "app"}
    assert sorted(files | {"forget"}) == COMMANDS  # cache.py has both that look after what is kept


def test_help_loads_nothing_heavy() -> None:
    command = [sys.executable, "-c", SHOW_MODULES, *COMMANDS]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    shown, _, modules = done.stdout.partition("modules:")
    assert shown.count("Usage:") == 1 + len(COMMANDS)
    assert not HEAVY & {name.partition(".")[0] for name in modules.split()}
    assert done.stderr == ""


@pytest.fixture
def at_80_columns(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    monkeypatch.setenv("COLUMNS", "80")
    return lambda *arguments: CliRunner().invoke(cli.app, [*arguments, "--help"], terminal_width=80).stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_at_80_columns_no_name_is_cut_off(name: str, at_80_columns: Callable[..., str]) -> None:
    shown = at_80_columns(name)
    assert max(map(len, shown.splitlines())) <= 80
    for parameter in GROUP.commands[name].params:
        for option in parameter.opts:
            if option.startswith("-"):
                assert re.search(rf"(^|[ ,]){re.escape(option)}($|[ ,/])", shown, re.MULTILINE), option


def test_at_80_columns_every_command_says_in_a_sentence_what_it_does(at_80_columns) -> None:
    lines = at_80_columns().partition("Commands:")[2].strip().splitlines()
    assert len(lines) == len(COMMANDS)
    assert all(line.endswith(".") and not line.endswith("...") for line in lines)


def default_of(command: str, parameter: str) -> object:
    (found,) = [one for one in GROUP.commands[command].params if one.name == parameter]
    return found.default


def test_what_the_options_repeat_agrees_with_what_they_stand_for() -> None:
    """They are repeated so that help need not load the modules that define them."""
    assert get_args(cli.label.Kind) == LABEL_KINDS
    assert get_args(cli.run.Mode) == get_args(SessionMode)
    assert default_of("transcribe", "model") == DEFAULT_MODEL
    defaults = {name: one.default for name, one in inspect.signature(ablate).parameters.items()}
    assert default_of("techniques", "turns") == defaults["turns"]
    assert default_of("techniques", "wait") == defaults["wait_s"]
    (corpus,) = [one for one in GROUP.commands["fetch"].params if one.name == "corpus"]
    assert corpus.help == f"One of {', '.join(CORPORA)}; or smart-turn, for its weights."
