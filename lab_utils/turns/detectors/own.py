"""A user's own detector: a function from the audio heard so far to the probability that the turn is over.

Goal: a detector that AgentSession could be handed, asked when AgentSession would ask it.
Conventions: the function is given the user's channel, int16 mono at 16 kHz, shape=(samples,): the last 8 s up
to the moment of the question, or less at the start of the call. What was committed before changes nothing. A
parameter called `words` is given the words that either party has ended by then (`core.labels.Word`), as a
list in time order; where the labels have none, those of each stretch of speech, spread evenly over it.
"""

from __future__ import annotations

import hashlib
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...core.detectors import OWN, is_own
from ...core.errors import InputError
from ...core.files.users_code import imported_files
from ...core.labels import Word, spoken_words
from ...core.timeline import Floats
from .base import Predictor, Questions


@dataclass(frozen=True)
class OwnFunction:
    """Asks a user's function; `version` is what its answers depend on beside the call."""

    name: str
    function: Callable[..., Any]
    version: str

    def __call__(self, questions: Questions) -> Floats:
        """The function's probabilities, shape=(n,). Raises InputError for what is none."""
        with_words = "words" in inspect.signature(self.function).parameters
        words = spoken_words(questions.labels) if with_words else []
        ends_s = np.array([word.end_s for word in words], dtype=np.float64)
        p = np.zeros(len(questions.ends))
        moments = zip(questions.starts, questions.ends, questions.times_s.tolist(), strict=True)
        for k, (start, end, at_s) in enumerate(moments):
            audio = np.ascontiguousarray(questions.stream[start:end])
            known = words[: int(np.searchsorted(ends_s, at_s, side="right"))]
            p[k] = self._ask(audio, known if with_words else None, at_s)
        return p

    def _ask(self, audio: Any, words: list[Word] | None, at_s: float) -> float:
        try:
            said = self.function(audio) if words is None else self.function(audio, words=words)
            p = float(said)
        except Exception as error:
            finding = f"raised {type(error).__name__} when asked at {at_s:.2f} s: {error}"
            raise InputError(" ".join(f"{self.name}: {finding}; mend the function".splitlines())) from None
        if not (math.isfinite(p) and 0 <= p <= 1):
            raise InputError(
                f"{self.name}: said {p} when asked at {at_s:.2f} s; expected a probability, 0 to 1"
            )
        return p


def own_detector(function: Callable[..., Any], name: str = "", version: str = "") -> tuple[str, Predictor]:
    """Name in settings ("own:" and the name) and predictor of a user's function.

    Its answers are kept by its source: that of its module's file and of the user's own files that this
    imports, or of the function alone if it was written in a notebook. `version` takes the source's place
    where that doesn't tell all, such as other weights.
    Raises InputError for what is no such function.

    >>> own_detector(len, "length", version="1")[0]
    'own:length'
    """
    given = name or getattr(function, "__name__", type(function).__name__).strip("<>")
    full = f"{OWN}:{given}"
    if not is_own(full):
        raise InputError(f"{given!r} is no name for a detector; use letters, digits, '.', '-' and '_'")
    if not callable(function):
        raise InputError(f"{full}: is of type {type(function).__name__}; give a function of the audio")
    return full, Predictor(
        _Version(version or source_hash(function, full)), _checked(function, full, version)
    )


def _checked(function: Callable[..., Any], name: str, version: str) -> OwnFunction:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return OwnFunction(name, function, version)
    needed = [one for one in parameters if one.default is one.empty and one.name != "words"]
    positional = [one for one in needed if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    if len(needed) != 1 or len(positional) != 1:
        told = ", ".join(one.name for one in needed) or "none"
        raise InputError(
            f"{name}: needs the arguments ({told}); it is given the audio, and `words` if it has a parameter "
            "of that name"
        )
    return OwnFunction(name, function, version)


@dataclass(frozen=True)
class _Version:
    """Tells a version; can be sent to a worker."""

    text: str

    def __call__(self) -> str:
        return self.text


def source_hash(function: Callable[..., Any], name: str) -> str:
    """A hash of the source that a function comes from, with the user's own files that it imports.

    Raises InputError where there is none.
    """
    imported: set[Path] = set()
    try:
        module = inspect.getsourcefile(function)
        if module is not None and Path(module).is_file():
            source = Path(module).read_text("utf-8")
            imported = imported_files(Path(module).resolve())
        else:
            source = inspect.getsource(function)
    except (OSError, TypeError):
        raise InputError(
            f"{name}: its source can't be read, so a changed function could not be told from this one; "
            "name a Python function of a file, or give a version"
        ) from None
    sources = [source, *(path.read_text("utf-8") for path in sorted(imported))]
    text = "\n".join([getattr(function, "__qualname__", name), *sources])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
