"""A user's own worker with its real providers, in real time: each stage measured, a provider profile written.

Two steps: `prepare` runs the worker's entrypoint up to its session and tells what would be sent to whom;
`measure` plays the turns. In the first step a provider gets only what the worker's own code sends, and
the request without words with which a new AgentSession of LiveKit's warms the LLM's connection up.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from ...core.batch.made_of import environment_hash
from ...core.errors import InputError
from ...core.files.places import Folder
from ...core.recording import Recording
from ...latency import fitting
from ...recordings.audio import BadRecording
from ...recordings.find import find_every, load_recording
from ...session.entrypoint.facts import NO_FACTS, RoomFacts
from ...session.entrypoint.load import OPTION, load_worker
from ...session.entrypoint.probe import LiveParts, parts_given
from ...session.job import Limits, SessionJob
from ...session.providers.files import load_providers
from ...session.providers.schema import Providers
from ...session.user_parts import LOADED_LATE, BadPart, users_code
from ...session.workers import in_workers, run_watched
from ...turns.cache import cache_folder
from ...turns.cache.finished import Kept, Run
from ...turns.tracing import TraceCache, Tracer
from .figures import Measured, figures_of, measured
from .prompts import AS_IT_IS, read_prompts, side_by_side
from .script import Estimate, estimate, first_turns, told, turns_of

LEAST = 5
"""Figures below which a stage stays as in the base. So few give a wide interval, which is shown."""
TAIL_S = 8.0
"""Silence after the last turn, in which it is answered."""
Result = TypeVar("Result")


@dataclass(frozen=True)
class Plan:
    """What a probe is going to do; can be sent to a worker process."""

    worker: str
    room: RoomFacts
    live: LiveParts
    base: Providers
    """What gives the figures that a probe doesn't measure, prices among them."""
    recordings: tuple[Recording, ...]
    repeats: int
    tail_s: float = TAIL_S
    prompts: Mapping[str, str | None] = field(default_factory=lambda: dict(read_prompts(())))
    """By name; None for the worker's own, which is the first."""
    code: str = ""
    """A hash of the user's modules that are loaded with the worker."""
    environment: str = ""
    """A hash of the environment of these modules."""

    @property
    def turns(self) -> int:
        """How many turns are played under each prompt."""
        return self.repeats * sum(map(turns_of, self.recordings))

    def sessions(self, day: str = "") -> list[Played]:
        """All that are played on a day, in order."""
        return [
            Played(one, prompt, number, day)
            for number in range(self.repeats)
            for one in self.recordings
            for prompt in self.prompts
        ]

    def estimate(self, sessions: Sequence[Played]) -> Estimate:
        """What some of them come to."""
        texts = self.prompts.items()
        length = {name: self.live.instructions if text is None else len(text) for name, text in texts}
        return estimate([(one.recording, length[one.prompt]) for one in sessions], self.live, self.base)

    def told(self, sessions: Sequence[Played]) -> list[str]:
        """What some of them send, to whom and for how much, a line each."""
        return told(self.live, self.estimate(sessions), self.base, tuple(self.prompts))


@dataclass(frozen=True)
class Played:
    """One session of a probe."""

    recording: Recording
    prompt: str
    number: int
    """Of the repetition, from 0."""
    day: str
    """On which it is played, as the profile tells: what a provider did on another one isn't gone on from."""


@dataclass(frozen=True)
class Probe:
    """What a probe found."""

    fitted: fitting.Fit
    profile: Providers
    shown: dict[str, np.ndarray]
    """`figures.SHOWN` → seconds, shape=(n,)."""
    sessions: tuple[Measured, ...]
    """Under the worker's own prompt."""
    prompts: pd.DataFrame
    """`prompts.side_by_side`"""
    failed: Mapping[str, tuple[str, ...]]
    """Name of a prompt → why sessions under it ended early; only prompts with such sessions."""


def prepare(
    worker: str,
    paths: Sequence[str | Path],
    base: str,
    *,
    turns: int = 10,
    repeats: int = 3,
    instructions: Sequence[Path] = (),
    room: RoomFacts = NO_FACTS,
    channels: tuple[str, str] = ("caller", "agent"),
    cache: Folder | None = None,
    tail_s: float = TAIL_S,
    isolated: bool = True,
) -> Plan:
    """Load what is to be played, `turns` of each recording, and ask the worker for its parts.

    `instructions`: files with further prompts for the worker's agent. `isolated`: run the worker's code in a
    process of its own. Raises BadPart for a worker that can't be used, BadRecording or InputError for
    recordings or prompts that can't.
    """
    before = load_providers(base)
    tracer = Tracer(TraceCache(cache_folder(cache)))
    recordings = [
        first_turns(tracer.labelled(load_recording(files)), turns) for files in find_every(paths, channels)
    ]
    silent = [one.name for one in recordings if one.labels and not len(one.labels.spans("agent"))]
    if silent:
        finding = "nobody answers in it, and the caller waits for the recorded agent's cues"
        raise BadRecording.of(silent[0], finding, "give recordings with both sides")
    prompts = read_prompts(instructions)
    try:
        (asked,) = _values(_answers(_ask, [(worker, room)], isolated))
    except BadPart as error:  # it names an option of `lab run`, which is an argument here
        raise BadPart(str(error).removeprefix(f"--{OPTION} ")) from None
    live, code, environment = asked
    return Plan(worker, room, live, before, tuple(recordings), repeats, tail_s, prompts, code, environment)


def _without_asking(_: Sequence[Played]) -> None:
    """Nobody is asked."""


def measure(
    plan: Plan,
    name: str,
    *,
    agree: Callable[[Sequence[Played]], None] = _without_asking,
    least: int = LEAST,
    isolated: bool = True,
    quiet: bool = False,
    today: dt.date | None = None,
) -> Probe:
    """Play the turns in real time, `repeats` times, one session after the other; `name`: of the profile.

    Stages with fewer than `least` figures stay as in the base. Inside `going_on` a session that was played
    `today` (the date of this call, if not given) isn't played again. `agree` is called before any is played,
    with those that are; what it raises stops it. Raises InputError if no stage has more figures, with what
    the sessions failed of.
    """
    today = today or dt.date.today()
    work = [(plan, one) for one in plan.sessions(today.isoformat())]
    by_prompt: dict[str, list[Measured]] = {prompt: [] for prompt in plan.prompts}
    run = Run(play, work, Kept(Measured, partial(_may_stand, plan)), "session", paid=True)
    if rest := [played for *_, played in run.rest]:
        agree(rest)
    answers = run.all(_answers(run.work, run.rest, isolated, quiet=quiet))
    for (_, played), one in zip(work, _values(answers), strict=True):
        by_prompt[played.prompt].append(one)
        if one.code != plan.code:
            run.say_once(LOADED_LATE)
    sessions = tuple(by_prompt[AS_IT_IS])
    figures, shown = figures_of(sessions, "lab probe")
    try:
        fitted = fitting.fit(figures, least)
    except ValueError as error:
        failures = ", ".join(sorted({one.failure for one in sessions if one.failure}))
        why = f"; the sessions ended early: {failures}" if failures else ""
        raise InputError(f"{error}{why}") from None
    profile = fitting.profile_of(fitted, plan.base, name, today)
    failed = {
        prompt: tuple(one.failure for one in several if one.failure) for prompt, several in by_prompt.items()
    }
    return Probe(
        fitted,
        _named(profile, plan.live),
        shown,
        sessions,
        side_by_side(by_prompt, plan.base),
        {prompt: failures for prompt, failures in failed.items() if failures},
    )


def _answers(
    function: Callable[..., Result], arguments: list[tuple[Any, ...]], isolated: bool, *, quiet: bool = True
) -> Generator[Result | Exception]:
    """What the function gives for each."""
    if not isolated:
        return (function(*one) for one in arguments)
    return in_workers(
        function, arguments, 1, real_time=True, task="live sessions", unit="session", quiet=quiet
    )


def _values(answers: Generator[Result | Exception]) -> Iterator[Result]:
    """Raises the first error."""
    with closing(answers):
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
            yield answer


def _ask(worker: str, room: RoomFacts) -> tuple[LiveParts, str, str]:
    """The worker's parts, and hashes of its code and of what that may look up in the environment."""
    live = parts_given(load_worker(worker), room)
    return live, users_code(), environment_hash()


def _may_stand(plan: Plan, one: Measured) -> bool:
    """Whether a session needn't be played again: it came to its end, and the plan, by which it is found,
    knows all of the user's modules that it loaded."""
    return not one.failure and one.code == plan.code


def play(plan: Plan, of: Played) -> Measured:
    """One session, in this process."""
    job = SessionJob(
        of.recording,
        plan.live.settings,
        mode="reactive",
        tail_s=plan.tail_s,
        real_time=True,
        limits=Limits(real_s=Limits().real_s + 4 * of.recording.duration_s),
        worker=load_worker(plan.worker),
        room=plan.room,
        keep_audio=False,
        instructions=plan.prompts[of.prompt],
    )
    return replace(measured(run_watched(job), plan.base), code=users_code())


def _named(profile: Providers, live: LiveParts) -> Providers:
    """The profile with the providers and models that were measured."""
    parts = {"large": live.llm, "tts": live.tts}
    named: dict[str, object] = {
        part: getattr(profile, part).model_copy(update={"provider": one.provider, "model": one.model})
        for part, one in parts.items()
    }
    return profile.model_copy(update=named | {"stt": profile.stt.named(live.stt.provider, live.stt.model)})
