"""Instructions in parts, some of which may be left out or said otherwise; declared by the user in YAML.

    instructions:
      - You answer the phone of Harbour Group.        # always
      - optional: Begin each reply with a sentence of two or three words.
      - name: length                                  # how tables call it; else "part 3"
        one_of:
          - Answer in one or two sentences.
          - Answer briefly.

The parts that are in stand below each other, with an empty line between them. As it stands, a file has all
optional parts in, and the first of each alternative.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, model_validator

from ...core.errors import InputError
from ...core.files.yaml_files import read_yaml
from ...core.models import Frozen, describe

Text = Annotated[str, Field(min_length=1, max_length=200_000)]
Choice = tuple[int, ...]
"""For each part that varies: which of its `Part.texts`."""


class Part(Frozen):
    """A piece of the instructions."""

    name: str = ""
    text: Text | None = None
    """Always in."""
    optional: Text | None = None
    one_of: Annotated[list[str], Field(min_length=2)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"text": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        if sum(one is not None for one in (self.text, self.optional, self.one_of)) != 1:
            raise ValueError("expected a text, or one of the keys optional and one_of")
        if len(set(self.texts)) < len(self.texts):
            raise ValueError("the same text twice; each of one_of is a text of its own")
        return self

    @property
    def texts(self) -> tuple[str, ...]:
        """What may stand there, the first as it stands; "" is nothing."""
        if self.text is not None:
            return (self.text,)
        return (self.optional, "") if self.optional is not None else tuple(self.one_of or ())


class Parts(Frozen):
    """A file of instructions."""

    instructions: Annotated[list[Part], Field(min_length=1)]

    @model_validator(mode="after")
    def _can_be_told_apart(self) -> Self:
        names = [name for name, _ in self.varying]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"two parts are called {twice!r}; give one another name")
        if not names:
            raise ValueError("nothing in it varies; mark a part as optional, or give alternatives as one_of")
        return self

    @cached_property
    def varying(self) -> tuple[tuple[str, Part], ...]:
        """The parts that vary, in order, by their names."""
        numbered = enumerate(self.instructions, start=1)
        return tuple((one.name or f"part {k}", one) for k, one in numbered if len(one.texts) > 1)

    @property
    def as_it_stands(self) -> Choice:
        """All optional parts in, the first alternatives."""
        return (0,) * len(self.varying)

    @property
    def combinations(self) -> int:
        """How many texts there are."""
        return math.prod(len(part.texts) for _, part in self.varying)

    @property
    def longest(self) -> int:
        """Characters that no choice has more of."""
        return sum(max(len(text.strip()) + 2 for text in one.texts) for one in self.instructions) - 2

    def choices(self) -> Iterator[Choice]:
        """All of them, the one as it stands first."""
        return itertools.product(*(range(len(part.texts)) for _, part in self.varying))

    def text(self, choice: Choice) -> str:
        """The instructions of a choice."""
        chosen = iter(choice)
        texts = (one.texts[next(chosen) if len(one.texts) > 1 else 0] for one in self.instructions)
        return "\n\n".join(filter(None, (text.strip() for text in texts)))

    def in_words(self, choice: Choice) -> str:
        """What was chosen, by the parts' names."""
        told = []
        for (name, part), which in zip(self.varying, choice, strict=True):
            inside = "out" if which else "in"
            told.append(f"{name} {inside if part.optional is not None else which + 1}")
        return ", ".join(told)


def load_parts(path: Path) -> Parts:
    """What a file declares. Raises InputError, naming file, line and key, for anything else."""
    try:
        document = read_yaml(path, "instructions in parts")
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None
    try:
        return Parts.model_validate(document.values)
    except ValidationError as error:
        raise InputError(f"{path}: {describe(error, line_of=document.line_of)}") from None
