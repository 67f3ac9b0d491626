"""What a search asks of models, each answer kept as it comes: what is known isn't asked for again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import requests
from pydantic import TypeAdapter, ValidationError

from ...core.errors import InputError
from ...session.providers.schema import Providers
from ..evaluate.calls import Call
from ..evaluate.judge import Judge, script
from .ask import Model, Reply
from .figures import Figures, Limits, calls_of, failures_of, figures_of
from .turns import AskedTurn

Answer = TypeVar("Answer")
Rewrites = Callable[[str, int], list[str]]
"""Writes so many variations of some instructions."""


class Asked:
    """Replies, grades and variations. Raises InputError where a model doesn't answer."""

    def __init__(self, model: Model, limits: Limits, prices: Providers, path: Path) -> None:
        self.limits = limits
        self.prices = prices
        self._model = model
        self._answers = _Answers(path)
        self._session = requests.Session()

    def replies(self, texts: Sequence[str], turns: Sequence[AskedTurn]) -> list[list[Reply]]:
        """Replies under each of these instructions, asked turn by turn: a slow minute meets them all."""
        asked = [[self._reply(text, turn) for text in texts] for turn in turns]
        return [list(own) for own in zip(*asked, strict=True)]

    def figures(self, turns: Sequence[AskedTurn], replies: Sequence[Reply]) -> Figures:
        """What the replies measure, with `failures` and `coherence` where there is a limit."""
        figures = figures_of(turns, replies, self.prices)
        expected, judge = self.limits.expected, self.limits.judge
        if expected is not None:
            figures["failures"] = failures_of(turns, replies, expected)
        if judge is not None:
            figures["coherence"] = float(
                np.mean([self._grade(judge, one) for one in calls_of(turns, replies)])
            )
        return figures

    def rewritten(self, text: str, rewrites: Rewrites, variations: int) -> list[str]:
        """Variations of these instructions."""
        about = (*self._whose(self._model), "rewritten", variations, text)
        return self._answers.of(list[str], lambda: rewrites(text, variations), about)

    def _reply(self, text: str, turn: AskedTurn) -> Reply:
        about = (*self._whose(self._model), "reply", text, turn.call, turn.messages)
        return self._answers.of(Reply, lambda: self._model.ask(self._session, text, turn), about)

    def _grade(self, judge: Judge, call: Call) -> int:
        return self._answers.of(
            int, lambda: _graded(judge, call), (*self._whose(judge), "grade", script(call))
        )

    @staticmethod
    def _whose(model: Model | Judge) -> tuple[str, str]:
        return model.model, model.base_url


def _graded(judge: Judge, call: Call) -> int:
    judgement = judge.judge(call)
    if judgement.coherence is None:
        raise InputError(f"--judge {judge.model}: {judgement.error}")
    return judgement.coherence


class _Answers:
    """A file of answers, a line each, found by what was asked. Raises InputError for what is no such file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            text = path.read_text(encoding="utf-8") if path.exists() else ""
        except UnicodeDecodeError:
            raise self._foreign() from None
        self._known = dict(_kept(text))
        self._before = "" if text.endswith("\n") or not text else "\n"
        """Ends a line that was cut off."""

    def of(self, shape: type[Answer], ask: Callable[[], Answer], about: Sequence[Any]) -> Answer:
        """What was answered before; else what `ask` gives, which is kept at once."""
        shaped = TypeAdapter(shape)
        key = hashlib.sha256(json.dumps(about).encode()).hexdigest()[:32]
        if key not in self._known:
            self._keep(key, shaped.dump_python(ask(), mode="json"))
        try:
            return shaped.validate_python(self._known[key])
        except ValidationError:
            raise self._foreign() from None

    def _keep(self, key: str, value: Any) -> None:
        self._known[key] = value
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(self._before + json.dumps({"key": key, "value": value}) + "\n")
        self._before = ""

    def _foreign(self) -> InputError:
        return InputError(f"{self._path}: not a search's replies; move it away to begin anew")


def _kept(text: str) -> Iterator[tuple[str, Any]]:
    """What an earlier search has kept; a line that was cut off by its end is asked for again."""
    for line in text.splitlines():
        try:
            kept = json.loads(line)
            yield str(kept["key"]), kept["value"]
        except (ValueError, TypeError, KeyError):
            continue
