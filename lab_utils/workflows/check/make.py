"""Pins and the recordings they were made on → a file that CI can check without the sound."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...core.errors import InputError
from ...core.files.places import Folder
from ...core.settings import USUAL_CONDITIONS, Conditions
from ...turns.grid import DEFAULT_GRID, expand
from ...turns.pins import PinnedCalls, read_pins, without_sound, write_calls
from ..study.measured import trace_table


def pin_calls(
    paths: Sequence[str | Path],
    pins: Path,
    out: Path,
    *,
    conditions: Conditions = USUAL_CONDITIONS,
    phases: int = 4,
    jobs: int = 2,
    cache: Folder | None = None,
    quiet: bool = False,
) -> PinnedCalls:
    """Write the pinned calls of a folder of pins, traced for every setting of the default grid.

    Raises InputError without pins, or if none is of these recordings.
    """
    known = read_pins(pins)
    if not known:
        raise InputError(f"{pins}: no pinned failures; pin one in the workbench first")
    table, _ = expand(DEFAULT_GRID)
    traced = trace_table(
        paths, table, conditions=conditions, phases=phases, jobs=jobs, cache=cache, quiet=quiet
    )
    made = without_sound(traced.corpus.recordings, known, conditions)
    write_calls(made, out)
    return made
