"""What an ablation of the latency techniques gives, as a folder: tables, summary, pictures."""

from __future__ import annotations

from pathlib import Path

from .. import plots
from ..latency.ablation.files import save_ablation
from ..latency.ablation.run import Ablation
from ..latency.ablation.summary import alone_and_left_out, waterfall
from ..latency.ablation.turns import MEASURES
from ..recordings.audio import replacing


def write_techniques(found: Ablation, folder: Path) -> None:
    """Write turns.parquet, sessions.parquet, summary.json, waterfall.png and savings.png into a folder.

    The pictures count from the end of the caller's turn; those called "-after-commit" from the commit.
    """
    save_ablation(found, folder)
    for measure in MEASURES:
        suffix = "" if measure == MEASURES[0] else "-after-commit"
        steps, savings = waterfall(found.summary, measure), alone_and_left_out(found.summary, measure)
        for name, figure in (
            (f"waterfall{suffix}.png", plots.waterfall_figure(steps, measure, found.caption)),
            (f"savings{suffix}.png", plots.savings_figure(savings, measure, found.caption)),
        ):
            with replacing(folder / name) as part:
                part.write_bytes(plots.png(figure))
