"""What the soak finds: what stays, tracebacks, entries made again. Its commands here are a few lines."""

from __future__ import annotations

import json
import os
import random
import runpy
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kills
import numpy as np
import pytest
import soak

from lab_utils.turns.cache import TraceCache, read_entry

posix = pytest.mark.skipif(os.name != "posix", reason="signals and links")
STAYS = """
import os, subprocess, sys
subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"], cwd=os.environ["LAB_CACHE"])
"""
WELL = ""
HIDES = "import sys; sys.stderr.write('Traceback (most recent call last): hidden')"
FAILS = "import sys; sys.exit('no')"


Commands = Callable[..., None]


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    """Lets `label` be a few lines of Python when it is disturbed, and others when it isn't."""

    def are(disturbed: str, undisturbed: str = WELL, **case: Any) -> None:
        def started(_: object, folder: Path, mark: str, *__: Any, **how: Any) -> subprocess.Popen[bytes]:
            own = {kills.MARK: mark, "LAB_CACHE": str(folder / "cache")}
            code = undisturbed if mark == "to the end" else disturbed
            return subprocess.Popen(
                [sys.executable, "-S", "-c", code],
                env=os.environ | own | how.get("environment", {}),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )

        monkeypatch.setattr(kills, "started", started)
        given = {"prepare": Path.mkdir, "arguments": lambda _: [], "result": lambda _: 1} | case
        monkeypatch.setitem(kills.CASES, "label", kills.Case(**given))

    return are


def waits(of: soak.Round) -> None:
    """A fault that is none."""
    of.ended(of.begun())


def one_round(fault: str, folder: Path) -> dict[str, Any]:
    return json.loads(json.dumps(soak.soak(60, 1, 0, ["label", fault], folder)))


@posix
def test_what_stays_on_a_full_disk_is_found_and_ended_and_the_disk_is_gone(
    commands: Commands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(kills, "GONE_S", 0.5)
    commands(STAYS)
    found = one_round("full_disk", tmp_path)
    assert found["wrong"] == 1
    assert "left running" in found["findings"][0]["wrong"]
    mounts = Path("/proc/mounts")
    assert not mounts.exists() or str(tmp_path) not in mounts.read_text()
    kills.wait_until_gone(str(tmp_path / "0 label full_disk"))
    assert not list(tmp_path.iterdir())


@posix
def test_a_command_that_does_not_end_is_killed_and_found(
    commands: Commands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commands("import time; time.sleep(60)")
    known = kills.said

    def said(process: subprocess.Popen[bytes]) -> str:
        began.append(process)
        return known(process)

    began: list[subprocess.Popen[bytes]] = []
    monkeypatch.setattr(kills, "said", said)
    monkeypatch.setitem(soak.FAULTS, "kill", waits)
    monkeypatch.setattr(kills, "ENDS_S", 0.5)
    monkeypatch.setattr(kills, "GONE_S", 0.5)
    (finding,) = one_round("kill", tmp_path)["findings"]
    assert "TimeoutExpired" in finding["wrong"]
    assert began[-1].returncode == -9


@posix
def test_a_folder_that_cannot_be_prepared_is_a_finding(commands: Commands, tmp_path: Path) -> None:
    def prepare(folder: Path) -> None:
        raise OSError("no room")

    commands(WELL, prepare=prepare)
    assert one_round("kill", tmp_path)["findings"][0]["wrong"] == "OSError: no room"


@posix
@pytest.mark.parametrize(
    ("disturbed", "undisturbed", "told", "wrong"),
    [(WELL, WELL, 0, 0), (FAILS, WELL, 1, 0), (HIDES, WELL, 0, 1), (WELL, HIDES, 0, 1)],
    ids=["well", "an error", "hidden", "hidden in the run after it"],
)
def test_a_traceback_is_found_also_of_a_command_that_ends_well(
    disturbed: str,
    undisturbed: str,
    told: int,
    wrong: int,
    commands: Commands,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    commands(disturbed, undisturbed)
    monkeypatch.setitem(soak.FAULTS, "kill", waits)
    found = one_round("kill", tmp_path)
    assert (found["told"], found["wrong"]) == (told, wrong)
    assert all("a traceback" in one["wrong"] and "hidden" in one["wrong"] for one in found["findings"])


@posix
@pytest.mark.parametrize(("then", "wrong"), [("utime", ""), ("replace", "made again"), ("remove", "lost")])
def test_entries_are_of_another_time_after_the_clock_and_may_be_dated_but_not_made_again(
    then: str, wrong: str, commands: Commands, tmp_path: Path
) -> None:
    times = []

    def prepare(folder: Path) -> None:
        folder.mkdir()
        cache = TraceCache.at(folder / "cache")
        for k in range(8):
            cache.store(f"{k:02}", values=np.arange(9))

    def result(folder: Path) -> None:
        times.extend(path.stat().st_mtime for path in soak.entries(folder))
        first = soak.entries(folder)[0]
        if then == "utime":
            os.utime(first)
        elif then == "remove":
            first.unlink()
        else:
            shutil.copy2(first, folder / "copy")
            (folder / "copy").replace(first)

    commands(WELL, prepare=prepare, result=result)
    before = soak.Undisturbed(None, 0.1)
    case = kills.CASES["label"]
    seen = soak.disturbed(case, "clock_set_back", tmp_path / "own", random.Random(3), before)
    years = {round((at - time.time()) / 31_557_600) for at in times}
    assert (years, seen.kept) == ({-10, 10}, 8)
    assert [one.partition(":")[0] for one in seen.wrong] == [wrong] * bool(wrong)


@posix
def test_an_entry_of_which_an_offset_is_damaged_is_not_taken_for_intact(tmp_path: Path) -> None:
    cache = TraceCache.at(tmp_path / "cache")
    cache.store("01", values=np.arange(9))
    cache.store("02", values=np.arange(9))
    damaged, whole = soak.entries(tmp_path)
    content = bytearray(damaged.read_bytes())
    content[-4] ^= 1  # where the archive's directory begins: past the file's end
    damaged.write_bytes(content)
    with pytest.raises(OSError, match="Invalid"):
        read_entry(damaged, "01")
    assert list(soak.intact(tmp_path)) == [whole]


def test_other_audio_of_the_same_length_is_another_result(tmp_path: Path) -> None:
    contents = []
    for k in range(2):
        (tmp_path / "out").mkdir(exist_ok=True)
        (tmp_path / "out" / "heard.flac").write_bytes(bytes([k]) * 100)
        (tmp_path / "out" / "summary.json").write_text("{}")
        contents.append(kills.CASES["run"].result(tmp_path))
    assert contents[0] != contents[1]


def test_where_there_is_no_resource_module_the_soak_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)
    assert "short_files" in runpy.run_path(str(Path(soak.__file__)))
