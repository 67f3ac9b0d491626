"""What a call should have achieved, declared by the user in YAML.

    calls:
      - match: "*booking*"             # names of calls, as shell patterns; "*" if left out
        tools: [book_table]            # each called at least once, without an error
        agent_says: ["see you (on|at)"]
        caller_says: []
        claims:                        # what the agent may say only after a tool has been called
          - says: "I('ve| have) (just )?booked"
            tool: book_table

Texts are regular expressions, searched in what was said, whatever the case. Every entry whose `match` fits
a call's name holds for it.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError

from ...core.errors import InputError
from ...core.files.yaml_files import read_yaml
from ...core.models import Frozen, describe

_WANTED = "expectations of calls"


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(
            f"no regular expression ({error}); write \\ before signs that stand for themselves"
        ) from None
    return pattern


Pattern = Annotated[str, Field(min_length=1), AfterValidator(_compiles)]
Name = Annotated[str, Field(min_length=1)]


class Claim(Frozen):
    """Words by which the agent says that it has done something."""

    says: Pattern
    tool: Name
    """The tool whose call makes them true."""


class Expected(Frozen):
    """What some calls should have achieved; nothing is expected by default."""

    match: Name = "*"
    tools: list[Name] = Field(default_factory=list)
    agent_says: list[Pattern] = Field(default_factory=list)
    caller_says: list[Pattern] = Field(default_factory=list)
    claims: list[Claim] = Field(default_factory=list)


class Expectations(Frozen):
    """All entries of a file."""

    calls: list[Expected] = Field(default_factory=list)

    def of(self, name: str) -> tuple[Expected, ...]:
        """The entries that hold for a call, by its name or the last part of it ("monday/booking-3")."""
        names = name, name.rpartition("/")[2]
        return tuple(one for one in self.calls if any(fnmatchcase(given, one.match) for given in names))


def load_expectations(path: Path) -> Expectations:
    """What a file declares. Raises InputError, naming file, line and key, for anything else."""
    try:
        document = read_yaml(path, _WANTED)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None
    try:
        return Expectations.model_validate(document.values)
    except ValidationError as error:
        raise InputError(f"{path}: {describe(error, line_of=document.line_of)}") from None


def said_in(pattern: str, text: str) -> bool:
    """Whether a pattern occurs in what was said; upper and lower case are the same, and so are apostrophes.

    >>> said_in("I've booked", "Great, I’ve booked it.")
    True
    """
    return re.search(pattern, text.replace("’", "'"), re.IGNORECASE) is not None
