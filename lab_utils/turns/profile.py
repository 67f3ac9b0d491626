"""A profile: chosen settings and the evidence for them ↔ a YAML file ↔ the arguments of `AgentSession`.

Production needs this module, pydantic, PyYAML and LiveKit; no plotting, Jupyter or data package:

    session = AgentSession(stt=..., llm=..., tts=..., **load_profile("profile.yaml").session_kwargs())

Conventions: durations, delays and latencies are seconds, rates are fractions from 0 to 1. A file states
every setting, since LiveKit's defaults depend on the parts chosen and on its version. What a profile doesn't
hold stays LiveKit's choice: `interruption.mode` (absent: adaptive on LiveKit's cloud and in dev mode, else by
VAD), `user_turn_limit`, echo warm-up.
"""

from __future__ import annotations

import os
import textwrap
import warnings
from typing import Annotated, Any, Final, Literal

from pydantic import Field, ValidationError

from ..core.errors import InputError
from ..core.files import Document, OneLine, dumped, read_yaml, write_whole
from ..core.models import Frozen, finding, joined
from ..core.settings import USUAL_CONDITIONS, Conditions, Settings
from ..core.text import quoted
from ..core.text.html import facts_html
from .detectors import built
from .evidence import Evidence, InterruptionEvidence
from .live_policy import pasted, policy_of, with_policy
from .node_snippet import node_snippet

FORMAT: Final = "turn-profile"
SCHEMA_VERSION: Final = 1
LIVEKIT_AGENTS: Final = "1.8.9"
"""The livekit-agents release whose timing this project measures."""

_HEADER = """\
# Turn-taking profile for a LiveKit voice agent. Use it as
#   AgentSession(stt=..., llm=..., tts=..., **load_profile("this-file.yaml").session_kwargs())
# All durations, delays and latencies are in seconds; rates are fractions from 0 to 1.
"""
_COMMENTS = {
    "vad": "When the user speaks. deactivation_threshold null: activation_threshold - 0.15, at least 0.01.",
    "detector": "End of turn: plain vad, stt, or a model (below unlikely_threshold it waits for max_delay).",
    "endpointing": "How long to wait after the last speech: min_delay, or max_delay if the end is unlikely.",
    "interruption": "When the user's speech stops the agent.",
    "preemptive": "Whether the reply is prepared before the turn is over.",
}
_POLICY_COMMENT = (
    "What AgentSession has no knob for: call lab_utils.profile.attach_policy(session) before session.start."
)
_EVIDENCE_COMMENT = """
# How this was measured. low, high: 95 % interval by recording; null: can't be told from so few.
# chosen, defaults: on all recordings; held_out: each recording under settings chosen on the others.
"""

_SNIPPET_WIDTH = 88
_INTERRUPTION_COMMENT = """
# How interruption was measured, on onsets of the user's speech and other sounds while the agent speaks.
"""
_COLUMNS = ("chosen", "defaults", "held_out")

_LATER = {"discard_audio_if_uninterruptible", "interruption_evidence"}
"""What files of older versions don't state: LiveKit's default was in force, nothing was measured."""


class BadProfile(InputError):
    """No usable profile: one line with file, key, what came, what was expected, what to try."""


class Profile(Frozen, strict=False):
    """Named settings with their evidence."""

    format: Literal["turn-profile"] = FORMAT
    schema_version: Literal[1] = SCHEMA_VERSION
    name: Annotated[str, Field(min_length=1, max_length=200)]
    livekit_agents: Annotated[str, Field(pattern=r"^[0-9][0-9A-Za-z.+-]*$")] = LIVEKIT_AGENTS
    """The livekit-agents release that the settings were measured on."""
    settings: Settings
    evidence: Evidence | None = None
    interruption_evidence: InterruptionEvidence | None = None
    """What the settings of `interruption` rest on, if they were chosen by `lab barge-in`."""

    @property
    def conditions(self) -> Conditions:
        """What the settings were measured under; the usual conditions without evidence."""
        return self.evidence.conditions if self.evidence else USUAL_CONDITIONS

    def session_kwargs(self) -> dict[str, Any]:
        """`vad` and `turn_handling` for `AgentSession(stt=…, llm=…, tts=…, **kwargs)`; new objects each time.

        Needs no network and no running event loop (`AgentSession` itself needs one). Silero takes 0.2 s to
        load: call this in the worker's prewarm function. v1-mini is given its threshold only if that differs
        from LiveKit's English one, 0.36; then it holds for every language, or for those that it names, and
        LiveKit logs the override. At
        0.36 LiveKit's calibration by the transcript's language stays in force (German 0.245, say). A text
        detector is built in a job (an entrypoint), and its plug-in imported where the worker starts. With a
        policy the session needs `attach_policy(session)` before `session.start`, which raises RuntimeError
        without.
        Warns if the installed livekit-agents isn't the one measured. Raises ImportError if LiveKit, or the
        silero plugin of a profile that uses it, isn't installed.
        """
        from livekit.agents import __version__ as installed
        from livekit.agents import inference

        if installed != self.livekit_agents:
            warnings.warn(
                f"profile {self.name!r} was measured on livekit-agents {self.livekit_agents}; {installed} is "
                "installed, whose timing may differ: install the former, or measure again",
                stacklevel=2,
            )
        vad: Any
        if self.settings.vad.model == "silero":
            from livekit.plugins import silero

            vad = silero.VAD.load(**self.settings.vad.arguments())
        else:
            vad = inference.VAD(**self.settings.vad.arguments())
        turn_detection = with_policy(built(self.settings.detector), self.settings)
        return {
            "vad": vad,
            "turn_handling": {"turn_detection": turn_detection, **self.settings.turn_handling()},
        }

    def agent_kwargs(self) -> dict[str, Any]:
        """`vad` and `turn_handling` for an `Agent` or `AgentTask`, in force while it is in charge.

        As `session_kwargs`. Raises InputError for a policy, which sets the session's `max_delay`.
        """
        if policy_of(self.settings):
            raise InputError(
                f"profile {self.name!r} has {' and '.join(self._policy)}, which are set for a whole session; "
                "give it to AgentSession, or export one without for this agent"
            )
        return self.session_kwargs()

    @property
    def _policy(self) -> list[str]:
        """What it has beyond AgentSession's knobs."""
        return [f"{name} {value}" for name, value in self.settings.policy if value]

    def _repr_html_(self) -> str:
        facts = [(name, value) for name, value in self.settings.knobs().items() if value is not None]
        if self.evidence is not None:
            facts.append(("chosen for", self.evidence.budget))
        return facts_html(f"profile {self.name}", facts)

    def node_snippet(self) -> str:
        """TypeScript to paste into an agent of the Node SDK; what it times was measured on the Python SDK."""
        title = (
            f"Turn-taking profile {self.name!r}, measured on livekit-agents {self.livekit_agents} (Python)."
        )
        if policy_of(self.settings):
            title += f"\nNOT in this code, only in the Python one: {', '.join(self._policy)}."
        return node_snippet(self.settings, title)

    def snippet(self) -> str:
        """Python to paste: builds the same session without this project; `stt`, `llm`, `tts` are yours."""
        silero, traits = self.settings.vad.model == "silero", self.settings.detector.traits
        given = self.settings.detector.arguments() or {}
        arguments = ", ".join(f"{name}={value!r}" for name, value in given.items())
        built = f"{traits.constructor}({arguments})"
        turn_detection = built if traits.constructor else repr(self.settings.detector.model)
        policy = policy_of(self.settings)
        if policy is not None:
            extra = f"{policy.extra_delay_numbers!r}, {policy.extra_delay_asked!r}"
            arguments = f"{policy.min_delay!r}, {policy.max_delay!r}, {policy.wait_shape!r}, {extra}"
            turn_detection = f"LivePolicy({arguments}).watch({turn_detection})"
        inference = built.startswith("inference.") or not silero
        lines = [
            f"# Turn-taking profile {self.name!r}, measured on livekit-agents {self.livekit_agents}.",
            "# All durations and delays are in seconds.",
            "from livekit.agents import AgentSession" + (", inference" if inference else ""),
            *(["from livekit.plugins import silero"] if silero else []),
            *([f"from {traits.imported_from} import {traits.constructor}"] if traits.imported_from else []),
            "",
            *(pasted() if policy else []),
            "session = AgentSession(",
            "    stt=stt,  # your speech-to-text, language model and text-to-speech",
            "    llm=llm,",
            "    tts=tts,",
            f"    vad={'silero.VAD.load' if silero else 'inference.VAD'}(",
            *(f"        {name}={value!r}," for name, value in self.settings.vad.arguments().items()),
            "    ),",
            "    turn_handling={",
            f"        'turn_detection': {turn_detection},",
            *(line for name, part in self.settings.turn_handling().items() for line in _entry(name, part)),
            "    },",
            ")",
            *(["attach_policy(session)  # before session.start"] if policy else []),
        ]
        return "\n".join(lines) + "\n"


def _entry(name: str, part: dict[str, Any]) -> list[str]:
    """One entry of `turn_handling`, on a line of its own if it fits, else a line for each value."""
    line = f"        {name!r}: {part!r},"
    if len(line) <= _SNIPPET_WIDTH:
        return [line]
    values = (f"            {key!r}: {value!r}," for key, value in part.items())
    return [f"        {name!r}: {{", *values, "        },"]


def to_yaml(profile: Profile) -> str:
    """The text of a profile file; equal profiles give equal text."""
    head = profile.model_dump()
    settings, evidence = head.pop("settings"), head.pop("evidence")
    interruption = head.pop("interruption_evidence")
    comments = _COMMENTS | ({"policy": _POLICY_COMMENT} if policy_of(profile.settings) else {})
    groups = [f"# {comment}\n{dumped({group: settings[group]})}" for group, comment in comments.items()]
    text = f"{_HEADER}{dumped(head)}\nsettings:\n{textwrap.indent(''.join(groups), '  ')}"
    text += _evidence_text(evidence)
    if interruption is not None:
        interruption["conditions"] = OneLine(interruption["conditions"])
        for key in _COLUMNS:
            interruption[key] = interruption[key] and _lines(interruption[key])
        text += _INTERRUPTION_COMMENT + dumped({"interruption_evidence": interruption})
    return text


def _evidence_text(evidence: dict[str, Any] | None) -> str:
    if evidence is None:
        return "\nevidence: null\n"
    evidence["recordings"] = [OneLine(recording) for recording in evidence["recordings"]]
    evidence["conditions"] = OneLine(evidence["conditions"])
    for key in ("guarantee", "as_recorded"):
        if evidence[key] is None:
            del evidence[key]
    for key in (*_COLUMNS, *(("as_recorded",) if "as_recorded" in evidence else ())):
        evidence[key] = evidence[key] and _lines(evidence[key])
    return _EVIDENCE_COMMENT + dumped({"evidence": evidence})


def _lines(figures: dict[str, Any]) -> dict[str, Any]:
    """A line for each figure that there is."""
    return {name: OneLine(value) for name, value in figures.items() if value is not None}


def save_profile(profile: Profile, path: str | os.PathLike[str]) -> None:
    """Write a profile file, whole or not at all. Raises OSError if the folder is missing or not writable."""
    write_whole(path, to_yaml(profile), durable=True)


def load_profile(path: str | os.PathLike[str]) -> Profile:
    """Read and check a profile file; needs neither LiveKit nor any plotting or Jupyter package.

    Raises BadProfile for whatever can't be used: a missing file, YAML that isn't plain data, unknown or
    missing keys, wrong types, impossible values, another schema version. A profile measured on another
    livekit-agents release loads with a UserWarning: its settings mean the same, its figures may not hold.
    """
    try:
        profile = _parse(_read(path))
    except BadProfile as bad:
        remedy = "correct the file, or export the profile again"
        raise BadProfile(f"{os.fspath(path)}: {bad}; {remedy}") from None
    if profile.livekit_agents != LIVEKIT_AGENTS:
        warnings.warn(
            f"{os.fspath(path)}: livekit_agents: measured on {profile.livekit_agents}, this version of the "
            f"workbench measures {LIVEKIT_AGENTS}: the figures may differ; measure again to be sure",
            stacklevel=2,
        )
    return profile


def _read(path: str | os.PathLike[str]) -> Document:
    try:
        return read_yaml(path, "a profile file")
    except ValueError as error:
        raise BadProfile(str(error)) from None


def _parse(read: Document) -> Profile:
    values = read.values
    if not isinstance(values, dict):
        came = "an empty file" if values is None else quoted(values)
        raise BadProfile(f"expected keys and values, got {came}")
    try:
        profile = Profile.model_validate(values, strict=True)
    except ValidationError as error:
        items = error.errors()
        version = [item for item in items if item["loc"][:1] in (("format",), ("schema_version",))]
        findings = (finding(item, line_of=read.line_of) for item in version or items)
        raise BadProfile(joined(findings)) from None
    groups = {f"settings.{group}.": getattr(profile.settings, group) for group in _COMMENTS}
    for prefix, part in {"": profile, **groups}.items():
        for name in sorted(set(type(part).model_fields) - part.model_fields_set - _LATER):
            raise BadProfile(f"{prefix}{name}: missing, expected every setting to be stated")
    return profile
