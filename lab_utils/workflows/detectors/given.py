"""Detectors as a user names them: the lab's by name, a function of their own, a table of probabilities."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...core.detectors import DETECTORS, TEXT_DETECTORS, DetectorTraits, traits_of
from ...core.errors import InputError
from ...core.text import quoted
from ...turns.detectors import check_weights
from ...turns.detectors.base import Predictor
from ...turns.detectors.cloud_v1 import NAME as CLOUD
from ...turns.detectors.cloud_v1 import cloud_v1
from ...turns.detectors.own import own_detector
from ...turns.detectors.smart_turn import NAME, smart_turn
from ...turns.detectors.stt_services import SERVICES, SttService
from ...turns.detectors.table import Answers, read_answers
from .recorded import NAME as RECORDED

USUAL = ("vad", "v1-mini")
"""What a comparison takes if nothing is named."""
Given = str | Callable[..., Any]
SHAPED, EXTENDED = "+wait_shape", "+extra_delay"
POLICIES = (SHAPED, EXTENDED)
"""After a detector's name: tuned over shapes of the wait, or over extra delays (`core.policies`), too."""


@dataclass(frozen=True)
class GivenDetector:
    """One detector of a comparison."""

    name: str
    """As in settings; with one of `POLICIES` for the same detector with waits beyond AgentSession's two."""
    predictor: Predictor | None = None
    """Of a user's own."""
    service: SttService | None = None
    """Whose confidences the predictor's table holds; it is tuned, and told, in the service's own names."""
    options: Mapping[str, float] = field(default_factory=dict)
    """Parameters of the service that stay as they are."""

    @property
    def detector(self) -> str:
        """As in settings."""
        return asked_of(self.name)

    @property
    def policy(self) -> str:
        """Which of `POLICIES` it is tuned over; "" for AgentSession's two waits."""
        return policy_in(self.name)

    @property
    def traits(self) -> DetectorTraits:
        """What is known about it."""
        return traits_of(self.detector)

    @property
    def in_words(self) -> str:
        """What a table of answers holds; "" for a detector that is asked."""
        answers = None if self.predictor is None else self.predictor.probabilities
        return answers.in_words if isinstance(answers, Answers) else ""


def given_detectors(
    detectors: Sequence[Given] = (),
    predictions: Sequence[str | Path] = (),
    recorded: Callable[[], tuple[str, Predictor]] | None = None,
) -> tuple[GivenDetector, ...]:
    """The detectors of a comparison, in order; `USUAL` and the tables if no detector is named.

    `detectors`: names of the lab's, "module:function" or "name=module:function", functions, or a service's
    recorded confidences as "flux=table.csv" (`stt_services.SERVICES`); `predictions`:
    files of probabilities, or "name=file" (`turns.detectors.table`); `recorded`: makes the detector
    "recorded" (`recorded_detector`). Raises InputError for what is none of
    these, and for a name that comes twice.
    """
    found = [
        GivenDetector(*recorded()) if recorded and one == RECORDED else _given(one)
        for one in detectors or USUAL
    ]
    found += [GivenDetector(*_table(one)) for one in predictions]
    names = [one.name for one in found]
    check_weights(map(asked_of, names))
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        called = f"two detectors are called {twice}"
        if any(one.service for one in found if one.name == twice):
            raise InputError(
                f"{called}; a service takes one table: compare the other by itself, or, in this project's "
                "knobs, as --predictions other=TABLE"
            )
        raise InputError(f"{called}; give one another name, as in other=module:function")
    return tuple(found)


def asked_of(name: str) -> str:
    """The detector in settings of a name in a comparison.

    >>> asked_of("v1-mini+wait_shape"), asked_of("v1-mini")
    ('v1-mini', 'v1-mini')
    """
    return name.removesuffix(policy_in(name))


def policy_in(name: str) -> str:
    """The one of `POLICIES` that a name ends in, or ""."""
    return next((policy for policy in POLICIES if name.endswith(policy)), "")


def _given(one: Given) -> GivenDetector:
    if callable(one):
        return GivenDetector(*own_detector(one))
    if policy := policy_in(one):
        plain = _given(asked_of(one))
        if not plain.traits.has_threshold or plain.policy or plain.service:
            why = "has a policy already" if plain.policy else "gives no probability, which such waits need"
            why = "decides by itself" if plain.service else why
            raise InputError(f"{one}: {plain.name} {why}; leave {policy} out")
        return GivenDetector(plain.name + policy, plain.predictor)
    if one in DETECTORS:
        return GivenDetector(one)
    if one == NAME:
        return GivenDetector(*smart_turn())
    if one == CLOUD:
        return GivenDetector(*cloud_v1())
    if one.partition("=")[0] in SERVICES:
        return _service(one)
    if ":" in one:
        return GivenDetector(*load_detector(one))
    known = ", ".join((*DETECTORS, NAME, CLOUD, RECORDED))
    raise InputError(f"unknown detector {quoted(one)}; expected {known}, or a function as module:function")


def _service(given: str) -> GivenDetector:
    """A service's table of confidences, as in "flux=table.csv" or "flux=table.csv,eot_timeout_ms=3000"."""
    name, _, rest = given.partition("=")
    path, *fixed = rest.split(",")
    service, options = SERVICES[name], {}
    if not path:
        raise InputError(f"{given}: expected a table of confidences, as in {name}=confidences.csv")
    for one in fixed:
        option, _, value = one.partition("=")
        try:
            options[option] = float(value)
        except ValueError:
            raise InputError(f"{given}: {quoted(one)} is no parameter with a number") from None
    return GivenDetector(*read_answers(Path(path), name, unanswered=0.0), service, service.checked(options))


def _table(given: str | Path) -> tuple[str, Predictor]:
    name, equals, path = str(given).partition("=")
    if equals and not Path(str(given)).exists():
        return read_answers(Path(path), name)
    return read_answers(Path(given))


def load_detector(given: str) -> tuple[str, Predictor | None]:
    """Name in settings and predictor of smart-turn, "module:function", "file.py:function", "name=…" of these;
    a text detector has none of the user's own.

    The user's module is imported. Raises ValueError for what can't be.
    """
    from ...session.user_parts import BadPart, import_module

    if given == NAME:
        return smart_turn()
    if given == CLOUD:
        raise InputError(f"{CLOUD}: answers in real time, and the sessions run on a virtual clock")
    if given in TEXT_DETECTORS:
        return given, None
    name, equals, place = given.partition("=")
    if not equals:
        name, place = "", given
    module_name, _, attribute = place.rpartition(":")
    if not module_name or not attribute:
        raise BadPart.of("detector", given, "no module and function", "write module:function")
    module = import_module("detector", given, module_name)
    function = getattr(module, attribute, None)
    if not callable(function):
        offers = ", ".join(
            key for key, value in vars(module).items() if callable(value) and not key.startswith("_")
        )
        what = "no function" if function is None else "no function, but a value,"
        raise BadPart.of(
            "detector", given, f"{module_name} has {what} {attribute!r}", f"it has {offers or 'none'}"
        )
    return own_detector(function, name)
