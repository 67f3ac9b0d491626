"""A command that is killed at a piece of its work repeats that piece and does the rest, to the same bytes.

Each command is a process of its own, forked from a server that has imported what they need, and ended by
SIGKILL as it begins a piece; pieces are counted in a file. What a model or a server would say is made up.
Commands whose pieces are sessions: `test_going_on.py`. Kills at any moment: `tests/kills.py`.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from calls import cut, sample
from evaluated_calls import agent, user, write_call
from paths import SAMPLES
from typer.testing import CliRunner

from lab_utils.cli import app
from lab_utils.core.labels import Word
from lab_utils.recordings.labels.file import write_labels
from lab_utils.recordings.speakers.two_voices import TwoVoices
from lab_utils.turns.cache import TraceCache
from lab_utils.workflows.evaluate.judge import Verdict
from lab_utils.workflows.prompts.ask import Reply

pytestmark = pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
CALLS = 3
SECONDS = 6
WHILE_IN_HAND = 1
"""Pieces that a kill may cost; with one worker."""


def _calls(folder: Path, channels: int = 2) -> None:
    """Short calls, none like another."""
    audio, rate = soundfile.read(SAMPLES / "02_lost_parcel.flac", dtype="int16")
    for number in range(CALLS):
        part = audio[number * SECONDS * rate :][: SECONDS * rate, :channels]
        soundfile.write(folder / f"{number}.wav", part, rate)


def _mono(folder: Path) -> None:
    _calls(folder, 1)


def _swept(folder: Path) -> None:
    _calls(folder)
    audio, rate = soundfile.read(SAMPLES / "02_lost_parcel.flac", dtype="int16", frames=40 * 16_000)
    soundfile.write(folder / "long.wav", audio, rate)  # with a hold and an end of turn
    (folder.parent / "grid.yaml").write_text("detector: [vad]\nvad: [silero]\nmin_delay: [0.3, 0.6]\n")


def _finished_calls(folder: Path) -> None:
    for number in range(CALLS):
        write_call(folder / f"call-{number}", [user("Two seats, please."), agent(f"Number {number}.")])


def _spoken(folder: Path) -> None:
    """Calls whose words are known."""
    for number in range(CALLS):
        call = cut(sample("01"), 4.0, 16.0 + number)
        soundfile.write(folder / f"{number}.wav", np.stack((call.user, call.agent), axis=1), 16_000)
        write_labels(call.labels, folder / f"{number}.labels.json")
    (folder.parent / "parts.yaml").write_text(
        "instructions:\n  - You answer.\n  - one_of: [Be brief., Be kind., Be quick.]\n"
    )


def _words(pcm: np.ndarray, _: object, speaker: Any, *__: object, **___: object) -> tuple[Word, ...]:
    return (Word(speaker, 1.0, 1.5, f"{int(np.abs(pcm.astype(int)).sum())}"),)


def _two_voices(*_: object) -> TwoVoices:
    return TwoVoices(np.array([[0.5, 1.5]]), np.array([[2.0, 3.0], [4.0, 5.0]]), 0.4)


def _verdict(_: object, script: str) -> Verdict:
    return Verdict(1 + len(script) % 5)


def _reply(_: object, __: object, instructions: str, turn: Any) -> Reply:
    return Reply(
        text=f"{instructions} {turn.call}", first_sentence=instructions, first_token_s=0.2,
        first_sentence_s=0.3, prompt_tokens=20, completion_tokens=10,
    )  # fmt: skip


def loud(audio: np.ndarray) -> float:
    """A detector of one's own."""
    return 0.9 if np.abs(audio[-1600:].astype(float)).mean() < 100 else 0.1


@dataclass(frozen=True)
class Case:
    """A command, given in a folder that has `calls/`."""

    prepare: Callable[[Path], None]
    arguments: str
    piece: str
    """module:function"""
    pieces: int
    made_up: Callable[..., Any] | None = None
    """In place of the function."""
    also: tuple[tuple[str, Any], ...] = ()
    """What else is made up, by module:name."""
    says: str = ""
    """What the second run says of how far the first came; "" where it need not, as each piece is a trace or a
    line of a file."""


KEY = ("OPENAI_API_KEY", "OPENAI_BASE_URL")
CASES = {
    "import": Case(
        _calls, "import calls --out out/manifest.parquet", "lab_utils.workflows.import_:entry_of", CALLS,
        says="going on: {} of 3 recordings",
    ),
    "transcribe": Case(
        _calls, "transcribe calls --out out", "lab_utils.workflows.transcribe:transcribe_channel", 2 * CALLS,
        _words,
    ),
    "sweep": Case(
        _swept, "sweep calls --grid grid.yaml --phases 1 --out out",
        "lab_utils.turns.tracing:forked_probabilities", 13,
    ),
    "compare": Case(
        _swept, "compare calls --detector vad --detector stt --phases 1 --out out",
        "lab_utils.turns.tracing:forked_probabilities", 9,
    ),
    "eot-bench": Case(
        _swept, f"eot-bench calls --detector {Path(__file__)}:loud --out out",
        "lab_utils.workflows.detectors.eot_bench:asked", CALLS + 1, says="going on: {} of 4 recordings",
    ),
    "diarize": Case(
        _mono, "diarize calls --out out", "lab_utils.workflows.diarize.separate:tell_apart", CALLS,
        _two_voices,
        (("lab_utils.workflows.diarize.separate:voice_encoder", lambda: None),
         ("lab_utils.workflows.diarize.separate:model_version", lambda: "made up")),
        says="going on: {} of 3 recordings",
    ),
    "evaluate": Case(
        _finished_calls, "evaluate calls --judge tiny --out out",
        "lab_utils.workflows.evaluate.evaluate:asked", CALLS, _verdict,
        says="going on: {} of 3 judgements",
    ),
    "prompts": Case(
        _spoken, "prompts parts.yaml calls --model tiny --yes --out out",
        "lab_utils.workflows.prompts.ask:Model.ask", 8, _reply,
    ),
}  # fmt: skip


def _run(name: str, folder: Path, killed_at: int) -> None:
    """The command, in a process of its own; killed as it begins that piece."""
    case = CASES[name]
    os.chdir(folder)
    os.environ |= {"LAB_CACHE": "cache", "TMPDIR": str(folder / "temporary")}
    os.environ |= dict(zip(KEY, ("sk-of-a-test", "http://127.0.0.1:9/v1"), strict=True))
    tempfile.tempdir = None
    (folder / "pieces").unlink(missing_ok=True)

    def counting(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def counted(*arguments: Any, **how: Any) -> Any:
            if name in ("sweep", "compare") and not arguments[1]:  # nothing to make
                return function(*arguments, **how)
            with open("pieces", "a") as begun:
                begun.write(".")
            if os.path.getsize("pieces") == killed_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return (case.made_up or function)(*arguments, **how)

        return counted

    _replace(case.piece, counting)
    for place, made_up in case.also:
        _replace(place, lambda _, made_up=made_up: made_up)
    jobs = [] if name == "prompts" else ["--jobs", "1"]
    done = CliRunner().invoke(app, [*case.arguments.split(), *jobs])
    (folder / "said").write_text(f"{done.output}{done.exception or ''}")
    os._exit(done.exit_code)


def _replace(place: str, made: Callable[[Any], Any]) -> None:
    module, _, path = place.partition(":")
    *owners, name = path.split(".")
    owner: Any = importlib.import_module(module)
    for one in owners:
        owner = getattr(owner, one)
    setattr(owner, name, made(getattr(owner, name)))


@pytest.fixture(scope="module")
def server() -> Any:
    """Forks commands that needn't import anything."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        [__name__, *sorted({case.piece.partition(":")[0] for case in CASES.values()})]
    )
    return context


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_killed_command_repeats_the_piece_in_hand_and_gives_the_same_bytes(
    name: str, tmp_path: Path, server: Any
) -> None:
    case = CASES[name]

    here = tmp_path / "here"

    def prepare() -> None:
        (here / "calls").mkdir(parents=True)
        (here / "temporary").mkdir()
        case.prepare(here / "calls")

    def run(killed_at: int = 0) -> tuple[int, int]:
        """The exit code, and how many pieces were begun."""
        process = server.Process(target=_run, args=(name, here, killed_at))
        process.start()
        process.join()
        return process.exitcode, os.path.getsize(here / "pieces")

    def files() -> dict[str, bytes]:
        found = [path for path in sorted((here / "out").rglob("*")) if path.is_file()]
        return {
            path.name: path.read_bytes() for path in found if path.name != "profile.yaml"
        }  # of its moment

    prepare()
    assert run() == (0, case.pieces), (here / "said").read_text()
    undisturbed = files()
    assert undisturbed
    here.rename(tmp_path / "undisturbed")
    prepare()
    killed_at = case.pieces // 2 + 1
    assert run(killed_at) == (-signal.SIGKILL, killed_at)
    before = killed_at - WHILE_IN_HAND
    assert run() == (0, case.pieces - before), (here / "said").read_text()
    assert case.says.format(before) in (here / "said").read_text()
    assert files() == undisturbed
    left = [path for path in here.rglob("*") if path.name.startswith((".lab-", "lab-"))]
    assert left == [], "what the killed one was writing is gone"
    assert TraceCache(here / "cache").finished() == []
