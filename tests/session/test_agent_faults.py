"""Agents that do what they should not, each in a session between sound ones, in worker processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from typing import Any

import pytest
from calls import one_question
from livekit.agents import Agent

from lab_utils.core.session_log import SessionLog
from lab_utils.core.settings import Settings
from lab_utils.session.job import Limits, SessionJob
from lab_utils.session.workers import run_sessions

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="process groups and signals of Unix"),
    pytest.mark.slow,
]


class Sound(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="Be brief.")


class Interrupts(Sound):
    async def on_enter(self) -> None:
        raise KeyboardInterrupt


class Exits(Sound):
    async def on_enter(self) -> None:
        sys.exit(3)


class ExitsWhenMade(Sound):
    def __init__(self) -> None:
        sys.exit(3)


class EndsItsProcess(Sound):
    async def on_enter(self) -> None:
        os._exit(5)


class Forks(Sound):
    async def on_enter(self) -> None:
        os.fork()  # and both go on


class Patches(Sound):
    async def on_enter(self) -> None:
        time.time = lambda: 0.0
        time.monotonic = lambda: 1e9


class StopsTheLoop(Sound):
    async def on_enter(self) -> None:
        asyncio.get_running_loop().stop()


class LeavesThreads(Sound):
    async def on_enter(self) -> None:
        for _ in range(20):
            threading.Thread(target=lambda: threading.Event().wait()).start()


class TalksWithoutEnd(Sound):
    async def llm_node(self, *_: Any) -> Any:
        while True:
            yield ""


class Terminates(Sound):
    async def on_enter(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)


class ClosesFiles(Sound):
    async def on_enter(self) -> None:
        os.closerange(3, 256)


FAULTS: dict[type[Agent], str] = {
    Interrupts: "the agent's code ended the program: KeyboardInterrupt",
    Exits: "",  # LiveKit catches it in the task of `on_enter`, and logs it
    ExitsWhenMade: "the agent's code ended the program: SystemExit: 3",
    EndsItsProcess: "it ended its process {EXIT(5)}",
    Forks: "",
    Patches: "",
    StopsTheLoop: "Event loop stopped before Future completed",
    LeavesThreads: "",
    TalksWithoutEnd: "of real time; it was busy at ",
    Terminates: "it ended its process {SIGTERM(-15)}",
    ClosesFiles: "",
}
"""A part of what is said of each session; empty where it is borne, or said in other words."""


def told(answer: SessionLog | Exception) -> str:
    return answer.failure if isinstance(answer, SessionLog) else str(answer)


def test_each_fault_stays_in_its_own_session() -> None:
    kinds: list[type[Agent]] = [Sound]
    for kind in FAULTS:
        kinds += [kind, Sound] if kind in (Patches, LeavesThreads, ClosesFiles) else [kind]
    kinds.append(Sound)
    jobs = [
        SessionJob(one_question(f"{n}"), Settings(), tail_s=4.0, agent=kind, limits=Limits(real_s=12.0))
        for n, kind in enumerate(kinds)
    ]
    answers = list(run_sessions(jobs, processes=2, quiet=True))
    sound = [answer for kind, answer in zip(kinds, answers, strict=True) if kind is Sound]
    for answer in sound:
        assert isinstance(answer, SessionLog), answer
        assert answer.failure == ""
        assert answer.events == sound[0].events
    for kind, answer in zip(kinds, answers, strict=True):
        assert kind is Sound or FAULTS[kind] in told(answer), (kind, answer)
