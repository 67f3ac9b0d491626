"""The closed form of replies against real sessions: drawn agents and settings on recordings.

Runs in a worker process with a virtual clock. Commits are the session's own: when they come is the replay's
matter (`lab verify`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np

from ...core.delays import rng_for
from ...core.session_log import SessionLog
from ...core.settings import Settings
from ...session.providers.files import builtin_providers, load_providers
from ..ablation.cells import Cell, Plan
from ..ablation.timing import answer_s
from ..techniques.choice import LEVER_NAMES, NAMES, Techniques
from .records import ReplyTimes

TOLERANCE_S = 1e-3
TOLERANCE_SHARE = 1e-6
"""Of what a call costs."""
ALWAYS, NEVER = frozenset({"async_evaluation"}), frozenset({"semantic_cache"})
STAGES = ("llm_node_ttft", "tts_node_ttfb")
"""LiveKit's own figures that are compared too, of replies that were heard."""
ELEVENLABS = (120, 160, 250, 290)
"""Its `chunk_length_schedule` where none is given, but the plug-in's `auto_mode` is off."""
T = TypeVar("T")


class Drawn(NamedTuple):
    """An agent and its settings."""

    number: int
    recording: int
    settings: Settings
    techniques: Techniques
    providers: str
    seed: int
    schedule: tuple[int, ...] | None = None
    """Of the TTS, `chunk_length_schedule`."""


def draw(number: int, recordings: int, seed: int) -> Drawn:
    """The case of this number: the same whatever else is drawn."""
    rng = rng_for(seed, f"replies {number}")

    def one(of: Sequence[T]) -> T:
        return of[int(rng.integers(len(of)))]

    techniques = [name for name in NAMES if name in ALWAYS or (name not in NEVER and rng.random() < 0.6)]
    levers = [name for name in LEVER_NAMES if rng.random() < 0.4]
    knobs = {
        "detector": one(("v1-mini", "v1-mini", "vad")),
        "min_delay": one((0.2, 0.3, 0.5, 0.8)),
        "max_delay": one((1.0, 2.5)),
        "min_silence_duration": one((0.25, 0.25, 0.4, 0.55)),
    }
    values = Settings().replace(**knobs).model_dump()
    values["interruption"] |= {"min_duration": one((0.3, 0.5, 0.8))}
    values["interruption"] |= {"false_interruption_timeout": one((2.0, 1.0, None))}
    values["preemptive"] |= {"max_retries": one((0, 1, 3)), "max_speech_duration": one((1.0, 3.0, 10.0))}
    return Drawn(
        number,
        int(rng.integers(recordings)),
        Settings.model_validate(values),
        Techniques.of(*techniques).with_levers(*levers),
        one(builtin_providers()),
        int(rng.integers(10_000)),
        _schedule(rng_for(seed, f"replies {number} schedule")),
    )


def _schedule(rng: np.random.Generator) -> tuple[int, ...] | None:
    """A quarter of the agents have one; ElevenLabs' own is among them."""
    if rng.random() < 0.75:
        return None
    return (
        ELEVENLABS if rng.random() < 0.3 else tuple(rng.integers(50, 200, int(rng.integers(1, 4))).tolist())
    )


@dataclass(frozen=True)
class ReplyProof:
    """One session and its closed form."""

    case: Drawn
    recording: str
    replies: int = 0
    """Commits compared: when the agent is heard after each, or that it isn't."""
    heard: int = 0
    stages: int = 0
    """Figures of LiveKit's compared."""
    largest_error_s: float = 0.0
    """Infinity where one is heard and the other isn't."""
    wrong: tuple[str, ...] = ()
    """What differs by more than `TOLERANCE_S`, in words."""
    failure: str = ""

    @property
    def agrees(self) -> bool:
        """Whether nothing differs, and the session came to its end."""
        return not self.wrong and not self.failure


def prove(plan: Plan, cell: Cell, case: Drawn) -> ReplyProof:
    """Run the case's session and compare each reply, in a worker."""
    from ..ablation.measure import ran  # LiveKit must be imported after the worker's clock is installed
    from .call import Heard, answered
    from .signals import Voice

    job, log, used = ran(plan, cell)
    if log.failure:
        return ReplyProof(case, cell.files.name, failure=log.failure)
    assert job.transcripts is not None
    assert job.traces is not None
    commits = [(event.time_s, str(event.data["text"])) for event in log.of_kind("commit")]
    heard = Heard(job.transcripts, Voice(job.traces.vad.probabilities), commits)
    found = answered(heard, plan.settings, plan.conditions, cell.techniques, plan.providers, cell.seed)
    dollars = found.usage.dollars(plan.providers)
    return compared(case, cell.files.name, log, found.replies, dollars, float(used["dollars"]))


def plan_of(case: Drawn, base: Plan) -> Plan:
    """The plan of a case's session: `base` with its settings and providers, and a greeting."""
    providers = load_providers(case.providers)
    tts = providers.tts.model_copy(update={"chunk_length_schedule": case.schedule})
    providers = providers.model_copy(update={"tts": tts})
    return Plan(case.settings, base.conditions, providers, base.cache, base.wait_s, True)


def compared(
    case: Drawn,
    name: str,
    log: SessionLog,
    found: Sequence[ReplyTimes],
    dollars: float,
    theirs_dollars: float,
) -> ReplyProof:
    """What a session did, and cost, against what was computed."""
    commits = [event.time_s for event in log.of_kind("commit")]
    plays = np.array([event.time_s for event in log.of_kind("playout_starts")])
    told = {reply.commit_s: reply.stages for reply in log.replies if reply.commit_s is not None}
    errors, wrong, stages = [0.0], [], 0
    for commit_s, until_s, ours in zip(commits, [*commits[1:], math.inf], found, strict=True):
        between = plays[(plays >= commit_s) & (plays < until_s)]
        theirs = {"heard": float(between.min()) - commit_s if len(between) else math.inf}
        mine = {"heard": ours.heard_s - commit_s}
        if case.techniques.levers & {"tool_preamble", "tool_filler"}:
            begins_s = answer_s(log, commit_s, until_s)
            theirs["answer"] = math.inf if math.isnan(begins_s) else begins_s - commit_s
            mine["answer"] = ours.answer_s - commit_s if ours.answer_s < until_s else math.inf
        if len(between) and commit_s in told:
            theirs |= {name: told[commit_s][name] for name in STAGES if name in told[commit_s]}
            mine |= {STAGES[0]: ours.first_token_s - ours.asked_s, STAGES[1]: ours.audio_s - ours.sentence_s}
            stages += len(theirs) - 1
        for what, value in theirs.items():
            error = 0.0 if mine[what] == value else abs(mine[what] - value)
            errors.append(error)
            if error > TOLERANCE_S:
                wrong.append(
                    f"commit at {commit_s:.3f} s, {what}: {value:.4f} s, computed {mine[what]:.4f} s"
                )
    if abs(dollars - theirs_dollars) > TOLERANCE_SHARE * theirs_dollars:
        wrong.append(f"LLM and TTS: ${theirs_dollars:.6f}, computed ${dollars:.6f}")
    n_heard = sum(ours.heard_s < math.inf for ours in found)
    return ReplyProof(case, name, len(commits), n_heard, stages, max(errors), tuple(wrong))
