"""The recorded turns that a model answers: what the caller says, after what was really said before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import machine_error_text
from ...core.files.places import Folder
from ...core.labels import Labels, agent_messages, spoken_words, user_turns
from ...recordings.audio import BadRecording
from ...recordings.find import find_in, load_recording
from ...turns.cache import cache_folder
from ...turns.tracing import TraceCache, Tracer

Message = tuple[str, str]
"""Role of OpenAI's chat completions, and text."""


@dataclass(frozen=True)
class AskedTurn:
    """A caller's turn."""

    call: str
    messages: tuple[Message, ...]
    """What was said before it, and last the turn itself."""

    @property
    def said(self) -> str:
        """The turn."""
        return self.messages[-1][1]


def read_turns(
    paths: Sequence[str | Path],
    most: int,
    *,
    cache: Folder | None = None,
    channels: tuple[str, str] = ("caller", "agent"),
) -> tuple[list[AskedTurn], list[str]]:
    """The first turns of each recording whose words are known, at most so many of each; and what was skipped.

    Raises BadRecording if no recording can be used, or none has words.
    """
    tracer = Tracer(TraceCache(cache_folder(cache)))
    found: list[AskedTurn] = []
    files, failed = find_in(paths, channels)
    skipped = [str(error) for _, error in failed]
    without_words = ""
    for one in files:
        try:
            labels = tracer.labelled(load_recording(one)).labels
        except ValueError as error:
            skipped.append(str(error))
            continue
        except OSError as error:
            skipped.append(f"{one.user}: {machine_error_text(error)}")
            continue
        assert labels is not None
        own = turns_in(one.name, labels)[:most]
        without_words = without_words or ("" if own else one.name)
        found += own
    if found:
        return found, skipped
    if without_words:
        finding = "no words are known in any recording"
        skipped.append(str(BadRecording.of(without_words, finding, "run lab transcribe first")))
    raise BadRecording("; ".join(skipped) or "no recordings given; name a file or a folder")


def turns_in(call: str, labels: Labels) -> list[AskedTurn]:
    """All turns of a call that have words.

    >>> from lab_utils.core.labels import Ipu, Label
    >>> user = Ipu("user", 2.0, 3.0, "Hi."), Ipu("user", 6.0, 7.0, "Bye.")
    >>> agent = Ipu("agent", 0.0, 1.0, "Hello?"), Ipu("agent", 4.0, 5.0, "Yes?")
    >>> shifts = Label("shift", 3.0, 4.0), Label("shift", 7.0, 9.0)
    >>> turns_in("call", Labels(9.0, user + agent, shifts))[1].messages
    (('assistant', 'Hello?'), ('user', 'Hi.'), ('assistant', 'Yes?'), ('user', 'Bye.'))
    """
    words = [one for one in spoken_words(labels) if one.speaker == "user" and one.text.strip()]
    users: list[tuple[float, float, str]] = []
    after_s = 0.0
    for turn in user_turns(labels):
        own = [one.text.strip() for one in words if after_s <= one.middle_s <= turn.end_s]
        users.append((turn.start_s, turn.end_s, " ".join(own)))
        after_s = turn.end_s
    agents = [(start_s, text) for start_s, _, text in agent_messages(labels) if text]
    found = []
    for start_s, end_s, text in users:
        before = [(at_s, "assistant", said) for at_s, said in agents if at_s < end_s]
        before += [(at_s, "user", said) for at_s, _, said in users if at_s < start_s and said]
        history = tuple((role, said) for _, role, said in sorted(before))
        if text:
            found.append(AskedTurn(call, (*history, ("user", text))))
    return found
