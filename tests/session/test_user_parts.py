"""Agents and plug-ins by name: found, refused with a reason, and never imported twice."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from livekit.agents import Agent, cli

from lab_utils.session.user_parts import BadPart, import_module, load_parts, users_code

CODE = """
from dataclasses import dataclass
from livekit.agents import Agent
from beside_mine import INSTRUCTIONS

@dataclass
class Notes:
    text: str = ""

class Mine(Agent):
    def __init__(self):
        super().__init__(instructions=INSTRUCTIONS)

class Picky(Agent):
    def __init__(self, customer, *, greeting="hi"):
        super().__init__(instructions=customer)

class Shop:
    def agent():
        return Mine()

def made():
    return Mine()

def wrong():
    return Notes()

there = Mine()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "my_agents.py").write_text(CODE)
    (tmp_path / "beside_mine.py").write_text("INSTRUCTIONS = 'be brief'")
    (tmp_path / "broken.py").write_text("raise NameError('oops')")
    (tmp_path / "needy.py").write_text("import no_such_library")
    (tmp_path / "leaves.py").write_text("raise SystemExit(0)")
    (tmp_path / "json.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name in ("my_agents", "beside_mine", "user_json"):
            del sys.modules[name]


@pytest.mark.parametrize(
    "name", ["my_agents:Mine", "my_agents.py:Mine", "my_agents:made", "my_agents:Shop.agent", "json.py:Mine"]
)
def test_a_class_or_function_by_module_or_path(folder, name) -> None:
    make = load_parts({"agent": name})["agent"]
    assert make is not None
    first, second = make(), make()
    assert isinstance(first, Agent)
    assert first is not second
    assert first.instructions == "be brief"


def test_a_file_is_imported_once_and_from_anywhere(folder, monkeypatch, tmp_path_factory) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    name = str(folder / "my_agents.py")
    one = load_parts({"agent": f"{name}:Mine"})["agent"]
    two = load_parts({"agent": f"{name}:made"})["agent"]
    assert one is not None
    assert two is not None
    assert type(one()) is type(two())


def test_a_worker_file_does_not_start_its_worker(folder) -> None:
    (folder / "works.py").write_text(f"{CODE}\nfrom livekit.agents import cli\ncli.run_app(None)")
    run_app = cli.run_app
    assert load_parts({"agent": "works.py:Mine"})["agent"] is not None
    assert cli.run_app is run_app
    del sys.modules["works"]


def test_callables_and_nothing_pass_through() -> None:
    assert load_parts({"agent": dict, "stt": None}) == {"agent": dict, "stt": None}


@pytest.mark.parametrize(
    ("name", "finding"),
    [
        ("my_agents", "write module:Class"),
        ("my_agents:", "write module:Class"),
        ("my_agents:Min", "has no 'Min'; it has Mine, Picky"),
        ("no_such_module:Mine", "no module 'no_such_module'"),
        ("no_such.py:Mine", "no file no_such.py in"),
        ("broken:Mine", r"importing broken failed at broken.py:1 with NameError: oops"),
        ("broken.py:Mine", r"importing broken.py failed at broken.py:1 with NameError: oops"),
        (
            "needy:Mine",
            "importing needy failed at needy.py:1 with ModuleNotFoundError: No module named 'no_such_lib",
        ),
        ("leaves:Mine", "importing leaves failed at leaves.py:1 with SystemExit"),
        ("my_agents:Notes", "is the class Notes, not an Agent"),
        ("my_agents:Picky", r"needs arguments \(customer\)"),
        ("my_agents:there", "exists already"),
        ("my_agents:CODE", "has no 'CODE'"),
    ],
)
def test_what_cannot_be_used_is_named_with_a_remedy(folder, name, finding) -> None:
    with pytest.raises(BadPart, match=finding) as bad:
        load_parts({"agent": name})
    assert str(bad.value).startswith(f"--agent {name}: ")
    assert "\n" not in str(bad.value)


def test_a_function_that_returns_something_else_is_found_out_when_called(folder) -> None:
    make = load_parts({"agent": "my_agents:wrong"})["agent"]
    assert make is not None
    with pytest.raises(BadPart, match="returned of type Notes, not an Agent"):
        make()


def test_each_kind_has_its_own_class(folder) -> None:
    for kind, wanted in (("stt", "STT"), ("llm", "LLM"), ("tts", "TTS")):
        with pytest.raises(BadPart, match=f"--{kind} my_agents:Mine: is the class Mine, not an? {wanted}"):
            load_parts({kind: "my_agents:Mine"})  # type: ignore[dict-item]


def test_a_change_in_any_module_of_the_users_is_another_code(tmp_path: Path) -> None:
    """Also in one that theirs imports; what isn't loaded and what is installed isn't looked at."""
    beside, other = tmp_path / "its_prompts.py", tmp_path / "not_loaded.py"
    (tmp_path / "its_agent.py").write_text("import its_prompts\nimport pandas\n")
    beside.write_text("HELLO = 1\n")
    import_module("agent", "its_agent.py:A", str(tmp_path / "its_agent.py"))
    before = users_code()
    other.write_text("x = 1\n")
    assert users_code() == before
    beside.write_text("HELLO = 2\n")
    assert users_code() != before
