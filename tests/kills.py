"""Kills commands at random moments (SIGKILL) and runs them again; the test suite does it once each.

    python tests/kills.py              # 20 times each of `CASES`
    python tests/kills.py label 5      # five times one of them

After a kill nothing of the command may be left running, every file that it writes is whole or not there, and
the next run gives what a run that nobody disturbed gives, leaving no temporary file.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import soundfile
import yaml

ROOT = Path(__file__).resolve().parents[1]
CALL = ROOT / "audio_samples" / "02_lost_parcel.flac"
MARK = "LAB_KILL_TEST"
GONE_S = 30.0
"""Workers look for their parent twice a second; a busy machine lets them wait."""
ENDS_S = 600.0
"""No command of `CASES` takes as long."""


@dataclass(frozen=True)
class Case:
    """A command, in a folder of its own."""

    prepare: Callable[[Path], None]
    arguments: Callable[[Path], list[str]]
    result: Callable[[Path], Any]
    """What it has made; raises for a file that is not whole."""


@dataclass(frozen=True)
class Survived:
    """What was seen of one command."""

    kills: int
    before_the_end: int
    """How often it was still running when it was killed."""
    finished_by_then: int
    """How often the result was there all the same."""


def survive(name: str, kills: int, folder: Path, seed: int = 0) -> Survived:
    """Kill a command so often, each time in a fresh folder and at another moment, and run it again."""
    case, moments = CASES[name], random.Random(f"{name} {seed}")
    undisturbed = folder / "undisturbed"
    case.prepare(undisturbed)
    start_s = time.monotonic()
    run_to_end(case, undisturbed)
    lasts_s = time.monotonic() - start_s
    expected = case.result(undisturbed)
    early = finished = 0
    for k in range(kills):
        own = folder / str(k)
        case.prepare(own)
        process = started(case, own, f"{folder} {k}")
        try:
            process.wait(moments.uniform(0.2, 1.0) * lasts_s)
        except subprocess.TimeoutExpired:
            early += 1
        process.kill()
        process.wait()
        wait_until_gone(f"{folder} {k}")
        found = case.result(own)
        assert found in (None, expected) or name in UNFINISHED, f"half of it is there: {found}"
        finished += found == expected
        run_to_end(case, own)
        again = case.result(own)
        assert again == expected, f"kill {k}: {again} instead of {expected}"
        left = [str(path) for path in own.rglob("*") if path.name.startswith((".lab-", "lab-"))]
        assert not left, left
        shutil.rmtree(own)
    return Survived(kills, early, finished)


def started(
    case: Case,
    folder: Path,
    mark: str,
    more: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    limit: Callable[[], None] | None = None,
) -> subprocess.Popen[bytes]:
    """The command, with more options and variables, and what the new process calls first.

    `mark`: by which all of its processes are known.
    """
    command = [sys.executable, "-m", "lab_utils.cli", *case.arguments(folder), *more]
    temporary = folder / "temporary"
    temporary.mkdir(exist_ok=True)
    own = {MARK: mark, "LAB_CACHE": str(folder / "cache"), "TMPDIR": str(temporary)}
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | own | (environment or {}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=limit,
    )


def run_to_end(case: Case, folder: Path) -> str:
    """Run the command, which has to end well; what it says on stderr."""
    process = started(case, folder, "to the end")
    text = said(process)
    assert process.returncode == 0, text
    return text


def said(process: subprocess.Popen[bytes]) -> str:
    """What a command says on stderr until it ends and its processes, which share it, do.

    Raises subprocess.TimeoutExpired, and kills the command, if one of them doesn't.
    """
    deadline = time.monotonic() + ENDS_S
    while True:
        over = process.poll() is not None or time.monotonic() > deadline
        try:
            return process.communicate(timeout=GONE_S)[1].decode(errors="replace")
        except subprocess.TimeoutExpired:
            if over:
                process.kill()
                process.wait()
                raise


def wait_until_gone(mark: str) -> None:
    """Wait for the command's processes, which end by themselves."""
    deadline = time.monotonic() + GONE_S
    while left := running(mark):
        assert time.monotonic() < deadline, f"left running: {left}"
        time.sleep(0.2)


def running(mark: str) -> list[psutil.Process]:
    """The command's processes."""
    return [process for process in psutil.process_iter() if _environment(process).get(MARK) == mark]


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except psutil.Error:
        return {}


def _call(folder: Path, seconds: int = 12) -> None:
    folder.mkdir(parents=True)
    audio, rate = soundfile.read(CALL, dtype="int16", frames=seconds * 16_000)
    soundfile.write(folder / "call.wav", audio, rate)


def _two_calls(folder: Path) -> None:
    """So that a run that is killed may have finished one."""
    _call(folder)
    audio, rate = soundfile.read(CALL, dtype="int16", start=12 * 16_000, frames=6 * 16_000)
    soundfile.write(folder / "other.wav", audio, rate)


def _labelled_call(folder: Path) -> None:
    _call(folder)
    content = {
        "format": "turn-labels",
        "version": 1,
        "recording": "call",
        "duration_s": 12.0,
        "source": "by hand",
        "ipus": [{"speaker": "user", "start_s": 1.0, "end_s": 2.0, "text": ""}],
        "labels": [{"kind": "hold", "start_s": 2.0, "end_s": 3.0, "reason": ""}],
    }
    (folder / "call.labels.json").write_text(json.dumps(content))


def _labels(folder: Path) -> Any:
    content = json.loads((folder / "call.labels.json").read_text())
    kinds = [(one["kind"], one["start_s"], one["end_s"]) for one in content["labels"]]
    return None if kinds == [("hold", 2.0, 3.0)] else kinds


def _words(folder: Path) -> Any:
    file = folder / "call.labels.json"
    return json.loads(file.read_text()) if file.exists() else None


def _swept(folder: Path) -> None:
    """The results of a small sweep, made once."""
    if not (SWEPT / "results").exists():
        _call(SWEPT)
        case = Case(_call, lambda at: _sweep(at), lambda _: None)
        run_to_end(case, SWEPT)
    shutil.copytree(SWEPT, folder)


def _sweep(at: Path, out: str = "results") -> list[str]:
    (at / "grid.yaml").write_text("detector: [vad]\nvad: [silero]\nmin_delay: [0.3, 0.6, 1.0]\n")
    return ["sweep", str(at / "call.wav"), "--grid", str(at / "grid.yaml"), "--out", str(at / out)]


def _profile(folder: Path) -> Any:
    file = folder / "profile.yaml"
    return yaml.safe_load(file.read_text()) if file.exists() else None


def _ablation(folder: Path) -> Any:
    out = folder / "out"
    tables = {path.name: pd.read_parquet(path) for path in sorted(out.glob("*.parquet"))}
    if not (out / "summary.json").exists():
        return None
    # Real seconds that sessions took are the machine's.
    plain = {name: t.drop(columns=[c for c in t if "real" in str(c)]) for name, t in tables.items()}
    return {name: table.replace({np.nan: None}).to_json() for name, table in plain.items()}


def _long_call(folder: Path) -> None:
    _call(folder, 40)  # with a hold and an end of turn


def _manifest(folder: Path) -> Any:
    file = folder / "manifest.parquet"
    return (
        pd.read_parquet(file).astype(str).replace(str(folder), "", regex=True).to_json()
        if file.exists()
        else None
    )


def _verified(folder: Path) -> Any:
    file = folder / "verified.json"
    return json.loads(file.read_text().replace(str(folder), "")) if file.exists() else None


def _folder(folder: Path) -> Any:
    """The files of `out`, by what is in them; None before the last of them, the summary."""
    out = folder / "out"
    if not (out / "summary.json").exists():
        return None
    files = [file for file in sorted(out.rglob("*.*")) if file.suffix != ".jsonl"]  # it tells times
    return {str(file.relative_to(out)): _content(file, folder) for file in files}


def _content(file: Path, folder: Path) -> Any:
    if file.suffix == ".parquet":
        return pd.read_parquet(file).to_json()
    if file.suffix in (".json", ".yaml", ".csv"):
        return file.read_text().replace(str(folder), "")
    return hashlib.sha256(file.read_bytes()).hexdigest()


UNFINISHED = ("techniques",)
"""Several files, which come one after the other."""
SWEPT = Path(tempfile.gettempdir()) / f"lab-kills-{os.getpid()}"
CASES: dict[str, Case] = {
    "label": Case(
        _labelled_call,
        lambda at: ["label", str(at / "call.wav"), "--at", "2.5", "--kind", "shift", "--by", "Ann"],
        _labels,
    ),
    "export": Case(
        _swept,
        lambda at: [
            *("export", str(at / "results"), "--name", "line", "-o", str(at / "profile.yaml")),
            *("--max-latency-p95", "30"),
        ],
        _profile,
    ),
    "transcribe": Case(_call, lambda at: ["transcribe", str(at / "call.wav")], _words),
    "import": Case(
        _call,
        lambda at: ["import", str(at), "--out", str(at / "manifest.parquet")],
        _manifest,
    ),
    "verify": Case(
        _call,
        lambda at: ["verify", str(at / "call.wav"), "--settings", "2", "--out", str(at / "verified.json")],
        _verified,
    ),
    "run": Case(
        _two_calls,
        lambda at: ["run", str(at / "call.wav"), str(at / "other.wav"), "--out", str(at / "out")],
        _folder,
    ),
    "sweep": Case(_call, lambda at: _sweep(at, "out"), _folder),
    "compare": Case(
        _long_call,
        lambda at: [
            *("compare", str(at / "call.wav"), "--detector", "vad", "--detector", "stt"),
            *("--out", str(at / "out")),
        ],
        _folder,
    ),
    "optimize": Case(
        _long_call,
        lambda at: [
            *("optimize", *_sweep(at)[1:4], "--evaluations", "6", "--phases", "1"),
            *("--out", str(at / "out")),
        ],
        _folder,
    ),
    "techniques": Case(
        _call,
        lambda at: ["techniques", str(at / "call.wav"), "--turns", "1", "--out", str(at / "out")],
        _ablation,
    ),
}


def main() -> None:
    names = sys.argv[1:2] or list(CASES)
    kills = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            try:
                print(name, survive(name, kills, Path(folder)), flush=True)
            finally:
                shutil.rmtree(SWEPT, ignore_errors=True)


if __name__ == "__main__":
    main()
