"""Write `docs/cheat_sheet.md` from the tables of knobs, detectors and figures.

python docs/write_cheat_sheet.py  # a test says when that is due
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from lab_utils.core.detectors import DETECTORS  # noqa: E402
from lab_utils.core.knobs import KNOBS, RULES  # noqa: E402
from lab_utils.turns.choose import MOST_MISSED  # noqa: E402
from lab_utils.turns.metrics import LONGEST_HOLD_S, SHORTEST_HOLD_S  # noqa: E402
from lab_utils.workflows.study.figure_texts import SHOWN  # noqa: E402

_HEAD = f"""\
# Cheat sheet

One page for the [course](teaching.md), made from the code's tables. Exact definitions: [terms](terms.md),
[figures](figures.md).

- **Hold**: a pause inside a turn, scored from {SHORTEST_HOLD_S:g} to {LONGEST_HOLD_S:g} s.
- **End of turn**: the pause after which the agent answers.
- **Commit**: the agent decides that the turn is over. **False boundary**: a commit in a hold.
- **Latency**: from the true end of speech to the commit.
- **Missed**: never answered; a choice may miss {MOST_MISSED:.0%} of the turns.

When it commits, by silence or by an audio detector:

    commit  = max(trigger, last speech + delay)
    trigger = the later of: last speech + min_silence_duration, in whole windows of the VAD; the transcript
    delay   = max_delay where a detector's probability of an end is below unlikely_threshold, else min_delay

| knob | LiveKit's default | changes nothing |
|---|---|---|
"""


def cheat_sheet() -> str:
    """The page as Markdown."""
    default_of = runpy.run_path(str(ROOT / "docs" / "write_knobs.py"))["_defaults"]
    knobs = [
        f"| `{knob.name}` | {default_of(knob)}{f' ({knob.unit})' if knob.unit else ''} "
        f"| {knob.idle.reason if knob.idle else ''} |\n"
        for knob in KNOBS.values()
    ]
    detectors = [f"- `{one.name}`: {one.help}.\n" for one in DETECTORS.values()]
    figures = [f"| {name} | `{metric}` | {unit} |\n" for metric, name, unit in SHOWN]
    parts = (
        _HEAD,
        *knobs,
        "\nAgentSession can't use:\n\n",
        *(f"- {rule.what}.\n" for rule in RULES),
        "\nDetectors:\n\n",
        *detectors,
        "\n| figure | in tables | shown in |\n|---|---|---|\n",
        *figures,
    )
    return "".join(parts)


if __name__ == "__main__":
    (ROOT / "docs" / "cheat_sheet.md").write_text(cheat_sheet(), encoding="utf-8")
