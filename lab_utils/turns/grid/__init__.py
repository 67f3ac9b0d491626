"""Grids: knob name → list of values, and the table of settings that is their product.

A table has one row per setting and a column per knob (`knobs.KNOBS`). Idle knobs are NaN, so that equal
settings stand once.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from ...core.errors import InputError
from ...core.files import read_yaml
from ...core.knobs import KNOBS, RULES, is_structured, with_harmless_idle
from ...core.languages import by_language
from ...core.policies import wait_shape
from ...core.settings import (
    Conditions,
    Settings,
    default_deactivation,
    livekit_defaults,
)
from ...core.text import quoted

DEFAULT_GRID: dict[str, list[Any]] = {
    "vad": ["livekit", "silero"],
    "detector": ["vad", "v1-mini"],
    "min_silence_duration": [0.25, 0.3, 0.4, 0.55, 0.7, 0.9],
    "min_delay": [0.0, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.2],
    "max_delay": [0.8, 1.2, 1.6, 2.0, 2.5, 3.0, 4.0],
    "unlikely_threshold": [0.1, 0.15, 0.2, 0.25, 0.3, 0.36, 0.42, 0.5, 0.6],
}
"""Covers what users turn first."""

MOST_VALUES = 1_000
"""Of one knob in a grid file: more are closer together than any recording can tell apart."""
MOST_SETTINGS = 2_000_000
"""Of a table: a larger one, scored, would fill the memory of a small machine."""
MOST_IN_GRID = 100_000_000
"""Of a grid: of more than `MOST_SETTINGS` those are kept that some budget might choose (`grid.large`)."""

CONDITION_OPTIONS = {
    "transcription_delay": "--transcription-delay",
    "transcription_source": "--providers",
    "stt_silence": "--stt-silence",
    "stt_tells_end": "--stt-tells-end",
    "prediction_delay": "--prediction-delay",
    "prediction_source": "--prediction-delay",
    "frame_duration": "--frame-ms",
    "language": "--language",
}
"""Option of `lab sweep` that sets each condition."""

_TEXT_KNOBS = {name: Settings().knobs()[name] for name, knob in KNOBS.items() if knob.choices}
"""Knobs that are names, with LiveKit's defaults; all others are numbers."""


class BadGrid(InputError):
    """A grid that cannot be used; the message names the file, the knob and the remedy."""


def read_grid(path: Path) -> dict[str, list[Any]]:
    """A grid from a YAML file of knob names and lists of values. Raises BadGrid."""
    try:
        read = read_yaml(path, "a grid")
    except ValueError as error:
        raise BadGrid(f"{path}: not a readable YAML file ({error})") from None
    content = read.values
    if not isinstance(content, dict) or not content:
        raise BadGrid(f"{path}: expected knobs with lists of values, for example 'min_delay: [0.3, 0.5]'")
    for name, values in content.items():
        if name in Conditions.model_fields:
            raise BadGrid(
                f"{path}: {name} is a condition, the same for all settings, and not a knob; take it out, "
                f" and give its value to 'lab sweep' with {CONDITION_OPTIONS[name]}"
            )
        if name not in KNOBS:
            finding = f"unknown knob {quoted(name)}; knobs are {', '.join(KNOBS)}"
            raise BadGrid(f"{path}: line {read.line_of([name])}: {finding}")
        if not isinstance(values, list) or not values:
            example = f"'{name}: [{Settings().knobs()[name] or ('linear' if name == 'wait_shape' else 0.3)}]'"
            finding = f"{name} is {quoted(values)}; expected a list of values, for example {example}"
            raise BadGrid(f"{path}: line {read.line_of([name])}: {finding}")
        if len(values) > MOST_VALUES:
            finding = f"{name} has {len(values):,} values, and {MOST_VALUES:,} are the most of one knob"
            raise BadGrid(f"{path}: line {read.line_of([name])}: {finding}; give fewer, further apart")
    check_size(content, MOST_IN_GRID, f"{path}: ")
    for name, values in content.items():
        for number, value in enumerate(values):
            _check_value(f"{path}: line {read.line_of([name, number])}", name, value)
    return content


def is_large(grid: Mapping[str, Sequence[Any]]) -> bool:
    """Whether the product of a grid's lists is too large for a table of all settings."""
    check_knobs(grid)
    return math.prod(len(values) for values in grid.values()) > MOST_SETTINGS


def check_size(grid: Mapping[str, Sequence[Any]], most: int, where: str = "") -> None:
    """Raise BadGrid for a product of more settings; `where`: what the message begins with."""
    n = math.prod(len(values) for values in grid.values())
    if n > most:
        longest = max(grid, key=lambda name: len(grid[name]))
        raise BadGrid(
            f"{where}the product of these lists has {n:,} settings, and {most:,} are the most; "
            f"shorten the longest list, {longest} ({len(grid[longest]):,} values)"
        )


def check_knobs(grid: Mapping[str, Sequence[Any]]) -> None:
    """What `read_grid` asks of a file, asked of a grid in Python, whose lists may be arrays, ranges …"""
    for name, values in grid.items():
        if name not in KNOBS:
            raise BadGrid(f"grid: unknown knob {quoted(name)}; knobs are {', '.join(KNOBS)}")
        if isinstance(values, str | Mapping) or not hasattr(values, "__len__") or not len(values):
            raise BadGrid(f"grid: {name} is {quoted(values)}; expected a list of values, such as [{values}]")
        for value in values:
            if isinstance(value, str):
                _check_value("grid", name, value)


def _check_value(where: str, name: str, value: Any) -> None:
    """Refuse a value that no setting accepts, on its own or beside the most lenient others."""
    lenient = Settings.from_knobs({"detector": "vad", "min_delay": 0.0, "max_delay": 60.0})
    try:
        lenient.replace(**{name: value})
    except ValueError as error:
        raise BadGrid(f"{where}: {error}") from None


def expand(grid: Mapping[str, Sequence[Any]]) -> tuple[pd.DataFrame, int]:
    """The table of all possible settings of a grid, and how many impossible ones were left out.

    Impossible is what breaks one of `knobs.RULES`.
    Raises BadGrid for what isn't knobs with lists of values, if nothing is left, and if the product is beyond
    `MOST_SETTINGS`.
    """
    check_knobs(grid)
    check_size(grid, MOST_SETTINGS)
    lists = [[knob_value(name, value) for value in values] for name, values in grid.items()]
    places = pd.MultiIndex.from_product([range(len(values)) for values in lists], names=list(grid))
    axes = places.to_frame(index=False)
    for name, values in zip(grid, lists, strict=True):
        axes[name] = pd.Series(values, dtype=object)[axes[name]].infer_objects().to_numpy()
    table = complete(axes).drop_duplicates(ignore_index=True)
    possible = is_possible(table)
    if not possible.any():
        raise BadGrid(
            f"no setting of the grid is possible: each has {', or '.join(rule.what for rule in RULES)}; "
            "widen one of these lists"
        )
    return table[possible].reset_index(drop=True), int((~possible).sum())


def knob_value(name: str, value: Any) -> Any:
    """A knob's value as settings hold it, from that of a grid file; raises ValueError for a bad one."""
    if name == "wait_shape":
        return wait_shape(value)
    return by_language(value) if isinstance(value, Mapping) else value


def complete(table: pd.DataFrame) -> pd.DataFrame:
    """All knobs as columns; missing ones are LiveKit's defaults for the row's parts, idle ones NaN."""
    table = table.reindex(columns=list(KNOBS))
    kept = {*_TEXT_KNOBS, *structured_columns(table)}
    table = table.astype({name: object if name in kept else np.float64 for name in KNOBS})
    table = table.where(table.notna(), np.nan)  # None in a column of shapes
    table = table.fillna(_TEXT_KNOBS).astype(dict.fromkeys(_TEXT_KNOBS, str))
    for vad, detector in table[["vad", "detector"]].drop_duplicates().itertuples(index=False):
        of_parts = (table["vad"] == vad) & (table["detector"] == detector)
        for name, default in livekit_defaults(vad, detector).knobs().items():
            if name not in _TEXT_KNOBS and default is not None:
                table[name] = table[name].mask(of_parts & table[name].isna(), default)
    activation = table["activation_threshold"]
    default_of = {value: default_deactivation(value) for value in activation.unique()}
    table["deactivation_threshold"] = table["deactivation_threshold"].fillna(activation.map(default_of))
    values = {name: table[name] for name in KNOBS}
    for name, knob in KNOBS.items():
        if knob.idle is not None:
            table.loc[knob.idle.when(values), name] = np.nan
    return table


def structured_columns(table: pd.DataFrame) -> list[str]:
    """Knobs of which some value is neither a number nor a name."""
    columns = [name for name in KNOBS if not is_numeric_dtype(table[name])]
    return [name for name in columns if any(map(is_structured, table[name]))]


def storable(table: pd.DataFrame) -> pd.DataFrame:
    """The table as a file can hold it: columns that are no numbers or names as JSON texts (`restored`)."""
    columns = {name: table[name].map(json.dumps) for name in structured_columns(table)}
    return table.assign(**columns)


def restored(table: pd.DataFrame) -> pd.DataFrame:
    """The table that `storable` was given. Raises ValueError for texts that are none of its."""
    # Older tables have two delays everywhere.
    later = [name for name, knob in KNOBS.items() if knob.group == "policy" and name not in table]
    table = table.assign(**dict.fromkeys(later, np.nan))
    texts = [name for name in KNOBS if name not in _TEXT_KNOBS and not is_numeric_dtype(table[name])]

    def value(name: str, text: str) -> Any:
        read = json.loads(text)
        return knob_value(name, read) if isinstance(read, dict | list) else float(read)

    columns = {name: table[name].map(partial(value, name)).astype(object) for name in texts}
    return table.assign(**columns)


def is_possible(table: pd.DataFrame) -> pd.Series:
    """Which rows AgentSession accepts."""
    possible = pd.Series(True, index=table.index)
    for rule in RULES:
        possible &= ~rule.broken({name: table[name] for name in KNOBS})
    return possible


def row_of(settings: Settings) -> pd.DataFrame:
    """A table of one row."""
    return complete(pd.DataFrame([settings.knobs()]))


def settings_of(row: Mapping[str, Any]) -> Settings:
    """The `Settings` of one row of a table; idle knobs get LiveKit's defaults."""
    given = {name: row[name] for name in KNOBS if row[name] is not None and row[name] == row[name]}
    knobs = with_harmless_idle(livekit_defaults(given["vad"], given["detector"]).knobs() | given)
    if knobs["deactivation_threshold"] == default_deactivation(knobs["activation_threshold"]):
        del knobs["deactivation_threshold"]
    return Settings.from_knobs(knobs)
