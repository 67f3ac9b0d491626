"""A command that is killed goes on: no finished session is run again, and the bytes are the same."""

from __future__ import annotations

import datetime
import importlib
import json
import math
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import kills
import numpy as np
import pytest
import soundfile
from paths import SAMPLES

from lab_utils.core.batch import ENDED, WorkerDied
from lab_utils.core.delays import rng_for
from lab_utils.core.settings import Conditions, Settings
from lab_utils.latency.ablation.cells import Rows
from lab_utils.latency.reply.proof import ReplyProof, draw
from lab_utils.session.commits import Moment
from lab_utils.session.entrypoint.facts import NO_FACTS
from lab_utils.session.log.files import session_folder
from lab_utils.session.metrics.stages import stage_frame
from lab_utils.session.prepare import stt_timing
from lab_utils.session.user_parts import BadPart
from lab_utils.session.workers import in_workers
from lab_utils.turns.barge_in.replay import AgentSpeech
from lab_utils.turns.cache import TraceCache
from lab_utils.turns.cache.finished import Kept, going_on
from lab_utils.workflows.barge_in.verify import SceneProof, draw_setting
from lab_utils.workflows.run import FILES, Result, recording, recordings
from lab_utils.workflows.run.probe import Probed, probe
from lab_utils.workflows.verify import Outcome, draw_cases

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="SIGKILL")]

WORKERS = 1
COUNTING = """
import importlib.machinery, os
load = importlib.machinery.SourceFileLoader.exec_module
def exec_module(self, module):
    load(self, module)
    if module.__name__ == "lab_utils.session.run":
        run = module.run
        def counted(job):
            with open(os.environ["COUNTED"], "a") as file:
                file.write("one session\\n")
            return run(job)
        module.run = counted
importlib.machinery.SourceFileLoader.exec_module = exec_module
"""
COMMANDS: dict[str, tuple[list[str], int]] = {
    "run": (["run", "calls"], 3),
    "verify": (["verify", "calls", "--settings", "6", "--seed", "3"], 6),
    "techniques": (["techniques", "calls/0.wav", "--turns", "1"], 36),
}
"""Each with how many sessions it takes."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three short calls, and what counts sessions."""
    folder = tmp_path_factory.mktemp("going-on")
    (folder / "calls").mkdir()
    audio, rate = soundfile.read(SAMPLES / "02_lost_parcel.flac", dtype="int16")
    for number, start_s in enumerate((0, 12, 24)):
        part = audio[start_s * rate : (start_s + 12) * rate]
        soundfile.write(folder / "calls" / f"{number}.wav", part, rate)
    (folder / "counting").mkdir()
    (folder / "counting" / "sitecustomize.py").write_text(COUNTING)
    return folder


def lab(place: Path, name: str, out: str, until: Callable[[], bool] = lambda: False) -> tuple[int, str]:
    """Run a command, kill it and all of its processes once `until` says so; its sessions and its stderr."""
    counted = place / f"{out}.count"
    counted.unlink(missing_ok=True)
    arguments = [str(place / one) if one.startswith("calls") else one for one in COMMANDS[name][0]]
    case = kills.Case(
        lambda _: None, lambda _: [*arguments, "--out", str(place / "out" / out)], lambda _: None
    )
    python = os.pathsep.join([str(place / "counting"), os.environ.get("PYTHONPATH", "")])
    environment = {"COUNTED": str(counted), "PYTHONPATH": python}
    process = kills.started(case, place, out, ["--jobs", str(WORKERS)], environment, os.setsid)
    deadline = time.monotonic() + kills.ENDS_S
    while process.poll() is None and not until() and time.monotonic() < deadline:
        time.sleep(0.005)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    text = kills.said(process)
    kills.wait_until_gone(out)
    return len(counted.read_text().splitlines()) if counted.exists() else 0, text


def finished(place: Path) -> list[Any]:
    return TraceCache(place / "cache").finished()


def bytes_of(out: Path) -> dict[str, bytes]:
    if out.is_file():
        return {"": out.read_bytes()}
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def test_a_recording_is_run_again_unless_all_its_files_lie_there_as_they_were(tmp_path: Path) -> None:
    folder = session_folder(tmp_path, "call")
    folder.mkdir()
    for name in FILES[1:]:
        (folder / name).write_text(name)
    plan = replace(plan_of_a_run(), out=tmp_path, code="what was loaded")
    done = Result("call", "call.wav", "done", files=recording._hashes(folder), code=plan.code)
    assert len(done.files) == len(FILES) - 1
    assert recording.may_stand(plan, done)
    assert not recording.may_stand(plan, replace(done, outcome="failed"))
    assert not recording.may_stand(plan, replace(done, code="and more"))
    for change in (lambda path: path.write_text("other"), Path.unlink):
        change(folder / FILES[-1])
        assert not recording.may_stand(plan, done)
        (folder / FILES[-1]).write_text(FILES[-1])
        assert recording.may_stand(plan, done)
    assert not recording.may_stand(replace(plan, out=tmp_path / "elsewhere"), done)


def test_a_result_is_read_as_it_was_kept() -> None:
    rows = [{"reply": 1, "commit_s": 1 / 3, "interrupted": True, "saved": math.nan, "missing": "llm"}]
    for stages in (stage_frame(rows), stage_frame([]), None):
        result = Result("call", "call.wav", "done", counts={"commits": 3}, stages=stages, notes=("a",))
        kept = Kept(Result)
        again = kept.read(kept.text(result).encode())
        assert replace(again, stages=None) == replace(result, stages=None)
        assert stages is again.stages is None or stages.to_csv() == again.stages.to_csv()
        assert stages is None or (stages.dtypes == again.stages.dtypes).all()


def test_what_proofs_and_ablations_came_to_is_read_as_it_was_kept() -> None:
    """Drawn settings of all kinds, infinity and NaN among the figures."""
    moment = Moment(100 / 3, "detector")
    came: list[Any] = [Outcome(case, "call", (moment,), (), 1) for case in draw_cases(60, 3)]
    came += [ReplyProof(draw(k, 3, 0), "call", largest_error_s=math.inf, wrong=("a",)) for k in range(40)]
    speech = AgentSpeech(((0.5, 2 / 3),), math.inf, True)
    scenes = [draw_setting(rng_for(0, f"scene {k}")) for k in range(40)]
    came += [SceneProof(k, "call", one[0], one[1], speech, None) for k, one in enumerate(scenes)]
    for one in (speech, *came):
        kept = Kept(type(one))
        assert kept.read(kept.text(one).encode()) == one
    rows = Rows(({"turn": 1, "commit_s": math.nan, "tool": True},), {"failure": "", "dollars": 1 / 3})
    assert repr(Kept(Rows).read(Kept(Rows).text(rows).encode())) == repr(rows)


def plan_of_a_run() -> recording.Plan:
    settings, conditions = Settings(), Conditions()
    timing = stt_timing(settings, conditions)
    return recording.Plan(
        *(settings, conditions, "open_loop", 0, False, None, timing, {"agent": "mine.py:Mine"}, None),
        *(NO_FACTS, Path("cache"), Path("out"), False),
    )


def test_a_run_of_the_users_code_is_told_by_that_code(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Probed(code="what was loaded", environment="of these variables")
    monkeypatch.setattr(recordings, "in_workers", lambda *_, **__: iter([answer]))
    plan = recordings._probed(plan_of_a_run(), print, 4.0, keep_settings=True)
    assert (plan.code, plan.environment) == (answer.code, answer.environment)


def test_a_run_on_the_clock_goes_on_on_the_same_day_and_runs_all_on_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = [tmp_path / f"{number}.wav" for number in range(3)]
    for number, path in enumerate(calls):
        soundfile.write(path, np.full(16_000, number, dtype=np.int16), 16_000)
    ran: list[str] = []

    def run_one(plan: recording.Plan, files: Any) -> Result:
        if len(ran) == killed_at:
            raise KeyboardInterrupt
        ran.append(files.name)
        return Result(files.name, str(files.user), "done", stages=stage_frame([]))

    def here(function: Callable[..., Any], arguments: list[Any], *_: Any, **__: Any) -> Any:
        return (function(*one) for one in arguments)

    def run_on(day: int, *, real_time: bool = True) -> list[str]:
        """What is told."""
        ran.clear()
        told: list[str] = []
        date = SimpleNamespace(today=lambda: datetime.date(2026, 11, day))
        monkeypatch.setattr(recordings, "dt", SimpleNamespace(date=date))
        with going_on(tmp_path / "cache", told.append):
            recordings.run_recordings(calls, None, out=tmp_path / "out", real_time=real_time, quiet=True)
        return told

    monkeypatch.setattr(recordings, "run_one", run_one)
    monkeypatch.setattr(recordings, "in_workers", here)
    killed_at = 2
    with pytest.raises(KeyboardInterrupt):
        run_on(29)
    killed_at = -1
    assert run_on(29) == ["going on: 2 of 3 sessions were finished before"]
    assert ran == ["2"]
    assert (run_on(30), ran) == ([], ["0", "1", "2"])
    assert (run_on(30, real_time=False), len(ran)) == ([], 3)


@pytest.mark.parametrize(
    ("real_time", "order", "finished"), [(False, ["0", "2", "1", "0"], ["1", "2"]), (True, ["0", "0"], [])]
)
def test_ctrl_c_beside_another_run_tells_all_that_is_finished(
    real_time: bool, order: list[str], finished: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is paid for is in order in both."""
    calls = [tmp_path / f"{number}.wav" for number in range(3)]
    for number, path in enumerate(calls):
        soundfile.write(path, np.full(16_000, number, dtype=np.int16), 16_000)
    ran: list[str] = []
    told: list[Any] = []

    def run_one(plan: recording.Plan, files: Any) -> Result:
        ran.append(files.name)
        if ran == ["0"]:  # in hand of the first run
            with pytest.raises(recordings.Interrupted, match=f"{len(finished)} of 3 recording"):
                run()
            if finished:
                told.extend(json.loads((tmp_path / "out" / "summary.json").read_text())["recordings"])
        elif files.name == "0":
            assert len(ran) == len(order)
            raise KeyboardInterrupt
        return Result(files.name, str(files.user), "done", stages=stage_frame([]))

    def here(function: Callable[..., Any], arguments: list[Any], *_: Any, **__: Any) -> Any:
        return (function(*one) for one in arguments)

    def run() -> None:
        with going_on(tmp_path / "cache", print):
            recordings.run_recordings(calls, None, out=tmp_path / "out", real_time=real_time, quiet=True)

    monkeypatch.setattr(recordings, "run_one", run_one)
    monkeypatch.setattr(recordings, "in_workers", here)
    run()
    assert ran[: len(order)] == order
    assert [one["name"] for one in told] == finished


def test_what_a_judge_and_live_services_are_asked_is_paid_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class Made(Exception):
        pass

    def made(*_: Any, paid: bool = False) -> None:
        raise Made(paid)

    nothing: Any = SimpleNamespace(prompts=(), sessions=lambda _: [])
    asks: dict[str, Callable[[Any], Any]] = {
        "evaluate.evaluate": lambda module: list(module._judged_by(nothing, [], True)),
        "evaluate.ai_evaluation": lambda module: module.graded(nothing, [], Path()),
        "probe.probe": lambda module: module.measure(nothing, "mine"),
    }
    for name, ask in asks.items():
        module = importlib.import_module(f"lab_utils.workflows.{name}")
        monkeypatch.setattr(module, "Run", made)
        with pytest.raises(Made, match="True"):
            ask(module)


@pytest.mark.parametrize(("why", "tries"), [(ENDED, 2), (f"{ENDED} {{EXIT(1)}}", 1)])
def test_a_worker_that_ends_for_no_known_reason_is_tried_once_more(
    why: str, tries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Any] = [WorkerDied(why), Probed(code="loaded")]
    monkeypatch.setattr(recordings, "in_workers", lambda *_, **__: iter([answers.pop(0)]))
    if tries == 2:
        assert recordings._probed(plan_of_a_run(), print, 4.0, keep_settings=True).code == "loaded"
    else:
        with pytest.raises(BadPart, match=r"can't be tried out: .*EXIT"):
            recordings._probed(plan_of_a_run(), print, 4.0, keep_settings=True)
    assert len(answers) == 2 - tries


AGENT = """
from livekit.agents import Agent
{top}
class A(Agent):
    def __init__(self):
        super().__init__(instructions="Help.")

    async def on_enter(self):
{inside}
        assert words
"""


def test_no_agent_goes_on_from_another_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another one by its environment, or by modules that it loads when a session is under way."""
    cache = tmp_path / "cache"
    (tmp_path / "tone.py").write_text("words = 'Hello'\n")
    agents = {
        "early": AGENT.format(top="from tone import words", inside=""),
        "late": AGENT.format(top="", inside="        from tone import words"),
    }
    for name, code in agents.items():
        (tmp_path / f"{name}.py").write_text(code)

    audio, rate = soundfile.read(SAMPLES / "02_lost_parcel.flac", dtype="int16", frames=2 * 16_000)
    calls = [tmp_path / "one.wav", tmp_path / "two.wav"]
    for path in calls:
        soundfile.write(path, audio, rate)
    asked: list[int] = []

    def work_of(name: str, *, known: bool = False) -> str:
        """What is told. Sessions that are left are run, unless it is `known` what they come to."""

        def in_workers_(function: Callable[..., Any], arguments: list[Any], *more: Any, **how: Any) -> Any:
            if function is not probe:
                asked.append(len(arguments))
                if known:
                    return (WorkerDied("it isn't run here") for _ in arguments)
            return in_workers(function, arguments, *more, **how)

        monkeypatch.setattr(recordings, "in_workers", in_workers_)
        said: list[str] = []
        with going_on(cache, said.append):
            recordings.run_recordings(
                *(calls, None), agent=f"{tmp_path / name}.py:A", out=tmp_path / "out", cache=cache, jobs=1
            )
        return " ".join(said)

    assert "modules of your own" in work_of("late")
    assert not TraceCache(cache).finished()
    monkeypatch.setenv("GREETING", "one")
    assert work_of("early") == ""
    monkeypatch.setenv("PWD", "elsewhere")
    assert "2 of 2" in work_of("early", known=True)
    monkeypatch.setenv("GREETING", "two")
    assert work_of("early", known=True) == ""
    assert asked == [2, 2, 0, 2]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_killed_command_runs_the_rest_of_its_sessions_and_gives_the_same_bytes(
    name: str, place: Path
) -> None:
    sessions = COMMANDS[name][1]
    enough = sessions // 2
    assert lab(place, name, f"{name}-whole")[0] == sessions
    assert not finished(place), "it has ended well"

    begun, _ = lab(place, name, name, lambda: len(finished(place)) >= enough)
    there = len(finished(place))
    assert enough <= there <= begun < sessions
    assert begun - there <= WORKERS, "in hand"
    again, text = lab(place, name, name)
    assert again == sessions - there
    assert any(line.startswith(f"lab: going on: {there} of {sessions} ") for line in text.splitlines())
    assert bytes_of(place / "out" / name) == bytes_of(place / "out" / f"{name}-whole")
    assert not finished(place)
