"""Sessions in worker processes: from a notebook, repeatable to the byte, and proof against what dies."""

import asyncio
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from calls import one_question
from livekit.agents import Agent
from paths import TESTS

from lab_utils.core.batch import WorkerDied
from lab_utils.core.session_log import SessionLog
from lab_utils.core.settings import Settings
from lab_utils.session.job import SessionJob
from lab_utils.session.log.files import read_session
from lab_utils.session.log.left_out import without_text
from lab_utils.session.workers import SessionError, in_workers, run_session, run_sessions

PATIENCE_S = 60.0


class Plain(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="Be brief.")


class EndsItsProcess(Plain):
    async def on_enter(self) -> None:
        os._exit(3)


def job(name: str, **options: Any) -> SessionJob:
    return SessionJob(one_question(name), Settings(), **{"tail_s": 4.0} | options)


# --- calls in workers -----------------------------------------------------------------------------


@pytest.mark.slow
def test_results_come_in_order_and_errors_in_their_place() -> None:
    def answer(number: int) -> int:  # local: workers needn't import this file and LiveKit
        if number == 2:
            raise ValueError("number two")
        if number in (4, 9):
            os._exit(number)
        return -number

    results = list(in_workers(answer, ((number,) for number in range(12)), 2))
    assert [result for result in results if isinstance(result, int)] == [0, -1, -3, -5, -6, -7, -8, -10, -11]
    assert isinstance(results[2], ValueError)
    assert str(results[2]) == "number two"
    for number in (4, 9):
        assert isinstance(results[number], WorkerDied)
        assert str(results[number]) == f"it ended its process {{EXIT({number})}}"


@pytest.mark.slow
def test_stopping_early_ends_the_workers() -> None:
    def parent() -> int | None:
        found = multiprocessing.parent_process()
        return found and found.pid

    results = in_workers(parent, (() for _ in range(1000)), 2)
    assert next(results) == os.getpid()
    began = time.monotonic()
    results.close()
    assert time.monotonic() - began < 10


# --- sessions in workers --------------------------------------------------------------------------


@pytest.mark.slow
def test_a_session_runs_where_a_loop_is_running() -> None:
    async def as_in_a_notebook() -> SessionLog:
        class Local(Plain):  # which no worker could import
            async def on_enter(self) -> None:
                self.session.say("I am local.")

        return run_session(one_question(), Settings(), agent=Local)

    log = asyncio.run(as_in_a_notebook())
    assert log.failure == ""
    assert log.replies[0].agent_text == "I am local."


@pytest.mark.slow
def test_a_session_that_takes_its_process_with_it_is_reported_and_the_others_are_kept(tmp_path: Path) -> None:
    jobs = [job("a"), job("b", agent=EndsItsProcess), job("c"), job("d", agent=unpicklable()), job("e")]
    results = list(run_sessions(jobs, folder=tmp_path, quiet=True))
    a, b, c, d, e = results
    assert isinstance(b, SessionError)
    assert str(b) == "b: WorkerDied: it ended its process {EXIT(3)}"
    assert isinstance(d, SessionError)
    assert str(d).startswith("d: PicklingError: ")
    for name, log in (("a", a), ("c", c), ("e", e)):
        assert isinstance(log, SessionLog)
        assert read_session(tmp_path / name).events == without_text(log).events
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "c", "e"]


def unpicklable() -> Any:
    lock = threading.Lock()
    return lambda: lock


def test_run_session_raises_what_run_sessions_reports() -> None:
    with pytest.raises(SessionError, match=r"^the call: PicklingError"):
        run_session(one_question("the call"), Settings(), agent=unpicklable())


def test_two_sessions_are_not_saved_as_one(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"the sessions of 'x/y' and 'x:y' would both be saved in .*x_y"):
        run_sessions([job("x/y"), job("x:y")], folder=tmp_path)


@pytest.mark.slow
def test_code_that_no_signal_stops_is_ended_with_its_process() -> None:
    program = f"""
        import sys
        sys.path[:0] = [{str(TESTS)!r}, {str(TESTS.parent)!r}]
        from lab_utils.session import clock, workers
        clock.install()
        from calls import one_question
        from livekit.agents import Agent
        from lab_utils.core.settings import Settings
        from lab_utils.session.job import Limits, SessionJob

        class Stubborn(Agent):
            async def on_enter(self):
                while True:
                    try:
                        while True:
                            pass
                    except BaseException:
                        pass

        workers.GRACE_S = 1.0
        limits = Limits(real_s=5.0)
        agent = lambda: Stubborn(instructions="")
        workers._run_one(SessionJob(one_question(), Settings(), agent=agent, limits=limits), None, False)
        """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "Timeout" in done.stderr
    assert "in on_enter" in done.stderr


# --- repeatable -----------------------------------------------------------------------------------

REPEATED = """
    import asyncio, sys
    from pathlib import Path
    sys.path[:0] = [TESTS, str(Path(TESTS).parent)]
    from calls import short_call
    from livekit.agents import Agent, function_tool
    from lab_utils.core.settings import Settings
    from lab_utils.core.delays import Delay
    from lab_utils.session.job import SessionJob
    from lab_utils.session.scripted.llm import ScriptedLLM, ToolRequest
    from lab_utils.session.scripted.stt import ScriptedSTT, SttTiming
    from lab_utils.session.workers import run_sessions

    class Own(Agent):
        def __init__(self):
            super().__init__(instructions="Be brief.")

        @function_tool
        async def look_up(self) -> str:
            "Look it up, in a thread."
            return str(await asyncio.to_thread(sum, range(100_000)))

    async def main(folder, processes, reverse):
        varied = SttTiming(final_delay=Delay(0.3, 0.9), revision_rate=0.3)
        jobs = [
            SessionJob(short_call("open"), Settings(), seed=1, tail_s=4.0, stt_timing=varied),
            SessionJob(short_call("reactive"), Settings(), seed=2, tail_s=4.0, mode="reactive"),
            SessionJob(
                short_call("own"), Settings().replace(detector="vad", vad="silero"), seed=3, tail_s=4.0,
                agent=Own, llm=lambda: ScriptedLLM([ToolRequest("look_up")]),
            ),
            SessionJob(
                short_call("broken"), Settings(), seed=4, tail_s=4.0,
                stt=lambda: ScriptedSTT(varied, fail_at_s=3.0, fails=5),
            ),
        ]
        jobs = jobs[::-1] if reverse else jobs
        for log in run_sessions(jobs, processes=processes, folder=folder, quiet=True):
            assert log.failure == "", log

    if __name__ == "__main__":
        asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "reverse"))
    """


@contextmanager
def load(processes: int) -> Iterator[None]:
    """Other processes that want all of the processor."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


@pytest.mark.slow
def test_logs_are_the_same_to_the_byte_whatever_runs_them(tmp_path: Path) -> None:
    script = tmp_path / "own_script.py"
    script.write_text(textwrap.dedent(REPEATED).replace("TESTS", repr(str(TESTS))))

    def files(name: str, processes: int, order: str, hash_seed: str) -> dict[str, bytes]:
        folder = tmp_path / name
        subprocess.run(
            [sys.executable, str(script), str(folder), str(processes), order],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            timeout=180,
            check=True,
        )
        return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}

    alone = files("alone", 1, "forwards", "0")
    with load(3):
        loaded = files("loaded", 2, "reverse", "1")
    assert sorted(alone) == sorted(loaded)
    assert len(alone) == 4 * 3
    for name, content in alone.items():
        assert loaded[name] == content, name


# --- interrupted ----------------------------------------------------------------------------------

ENDLESS = """
    import signal
    import sys
    from dataclasses import replace
    from pathlib import Path
    signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in a shell's background ignore it
    sys.path[:0] = [TESTS, str(Path(TESTS).parent)]
    from calls import one_question
    from lab_utils.core.settings import Settings
    from lab_utils.session.job import SessionJob
    from lab_utils.session.workers import run_sessions

    def main():
        recording = one_question()
        named = [replace(recording, name=f"call {n:03}") for n in range(300)]
        jobs = [SessionJob(one, Settings(), tail_s=4.0) for one in named]
        for log in run_sessions(jobs, processes=2, folder=Path(sys.argv[1]), quiet=True):
            pass

    if __name__ == "__main__":
        main()
    """


def until(condition: Any, what: str) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end_s, f"not within {PATIENCE_S:g} s: {what}"
        time.sleep(0.05)


def group_is_gone(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="process groups and signals of Unix")
@pytest.mark.parametrize("how", ["Ctrl-C", "SIGTERM"])
def test_an_interruption_keeps_finished_results_and_leaves_no_worker(tmp_path: Path, how: str) -> None:
    script, folder = tmp_path / "endless.py", tmp_path / "results"
    script.write_text(textwrap.dedent(ENDLESS).replace("TESTS", repr(str(TESTS))))
    run = subprocess.Popen(
        [sys.executable, str(script), str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        until(lambda: len(list(folder.glob("*/session.json"))) >= 3, "three results")
        if how == "Ctrl-C":
            os.killpg(run.pid, signal.SIGINT)  # as a terminal does it: workers too
        else:
            run.terminate()
        _, errors = run.communicate(timeout=PATIENCE_S)
        assert run.returncode in (-signal.SIGINT, -signal.SIGTERM)
        assert errors.count("Traceback") <= 1, errors
        until(lambda: group_is_gone(run.pid), "no process left")
    finally:
        if not group_is_gone(run.pid):
            os.killpg(run.pid, signal.SIGKILL)
    finished = [file.parent for file in folder.glob("*/session.json")]
    assert 3 <= len(finished) < 300
    for session in finished:
        log = read_session(session)
        assert log.recording == session.name
        assert log.events[-1].kind == "closed"
    if how == "Ctrl-C":
        assert sorted(finished) == sorted(folder.iterdir())
        assert not list(folder.rglob(".*"))
        assert json.loads((finished[0] / "report.json").read_text("utf-8"))["events"]
