"""Write `docs/knobs.md` from the table of knobs.

python docs/write_knobs.py  # a test says when that is due
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from lab_utils.core.detectors import DETECTORS  # noqa: E402
from lab_utils.core.knobs import KNOBS, RULES, Knob  # noqa: E402
from lab_utils.core.policies import SHAPES  # noqa: E402
from lab_utils.core.settings import Settings  # noqa: E402

_HEAD = """\
# Knobs and grids

What a sweep may vary and the tuner shows. A grid is a YAML file of knob names and lists of values: all their
combinations are tried, impossible ones left out and counted; settings that differ in idle knobs alone count
once. Without `--grid`, a grid of 5,928 settings is used. Durations and delays are seconds. This page is made
from the table in `lab_utils/core/knobs.py`.

| knob | values | LiveKit's default | what it does |
|---|---|---|---|
"""


def knob_page() -> str:
    """The page as Markdown."""
    rows = [
        f"| `{knob.name}` | {_values(knob)} | {_defaults(knob)} | {knob.help} |\n" for knob in KNOBS.values()
    ]
    idle = [f"- `{knob.name}`: {knob.idle.reason}.\n" for knob in KNOBS.values() if knob.idle is not None]
    detectors = [
        f"| `{one.name}` | {one.help} | {one.needs.replace('_', ' ')} | {'yes' if one.streams else 'no'} "
        f"| {'yes' if one.has_threshold else 'no'} |\n"
        for one in DETECTORS.values()
    ]
    parts = (
        _HEAD,
        *rows,
        "\nIdle, which means that they change nothing, are:\n\n",
        *idle,
        "\nAgentSession can't use:\n\n",
        *(f"- {rule.what}.\n" for rule in RULES),
        "\n## Detectors\n\n| detector | judges by | a replay needs | streams | has a threshold |\n",
        "|---|---|---|---|---|\n",
        *detectors,
    )
    return "".join(parts)


def _values(knob: Knob) -> str:
    if knob.choices:
        return ", ".join(f"`{choice}`" for choice in knob.choices)
    bounds = _bounds(knob)
    if not bounds:
        return f"{', '.join(f'`{name}`' for name in ('null', *SHAPES))} or points"
    unit = f" {knob.unit}" if knob.unit else ""
    least = f"{bounds['ge']:g}" if "ge" in bounds else f"above {bounds['gt']:g}"
    return f"{least} to {bounds['le']:g}{unit}"


def _bounds(knob: Knob) -> dict[str, float]:
    """The hard bounds of a number, from the field that checks it."""
    group = type(getattr(Settings(), knob.group))
    schema = group.model_json_schema()["properties"][knob.field]
    found = next((one for one in schema.get("anyOf", [schema]) if "maximum" in one), schema)
    names = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum"}
    return {short: found[name] for short, name in names.items() if name in found}


def _defaults(knob: Knob) -> str:
    usual = Settings().knobs()[knob.name]
    parts_of: dict[Any, list[str]] = {}
    for part, value in knob.default_with.items():
        parts_of.setdefault(value, []).append(part)
    others = (f"{value} with {' or '.join(parts)}" for value, parts in parts_of.items())
    return "; ".join(["by itself" if usual is None else f"{usual}", *others])


if __name__ == "__main__":
    (ROOT / "docs" / "knobs.md").write_text(knob_page(), encoding="utf-8")
