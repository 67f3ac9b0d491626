"""Reports of real sessions → a provider profile with the latencies that they show."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import plots
from ..core.files import write_whole
from ..latency import fitting
from ..session.providers.files import load_providers, save_providers
from ..session.providers.schema import Providers


def fit_providers(
    reports: Sequence[Path], base: str, out: Path, plot: Path | None = None
) -> tuple[fitting.Fit, Providers]:
    """Fit the stages' latencies, write the profile (and a picture), and return the fit and its base.

    `base`: the provider profile, by name or file, that gives what the reports don't show. Raises ValueError
    for reports or a base that can't be read, and for an output that is a folder.
    """
    for path in (out, plot):
        if path is not None and path.is_dir():
            raise ValueError(f"{path}: is a folder; name a file")
    before = load_providers(base)
    fitted = fitting.fit(fitting.read_figures(reports, before))
    profile = fitting.profile_of(fitted, before, out.stem, dt.date.today())
    out.parent.mkdir(parents=True, exist_ok=True)
    save_providers(profile, out)
    if plot is not None:
        plot.parent.mkdir(parents=True, exist_ok=True)
        write_whole(plot, plots.png(plots.fit_figure(fitted)))
    return fitted, before


def summary_of(fitted: fitting.Fit) -> dict[str, Any]:
    """The fit as plain values; times in seconds."""
    stages = {
        stage.stage: {
            "n": stage.n,
            "left_out": fitted.figures.left_out[stage.stage],
            "p50_s": stage.delay.p50_s,
            "p50_interval_s": stage.p50_interval_s,
            "p95_s": stage.delay.p95_s,
            "p95_interval_s": stage.p95_interval_s,
            "ks": stage.ks,
            "ks_limit": stage.ks_limit,
            "log_normal": stage.log_normal,
            "models": fitted.figures.models[stage.stage],
        }
        for stage in fitted.stages
    }
    skipped = [item.reason for item in fitted.figures.skipped]
    files = len(fitted.figures.files)
    return {"files": files, "stages": stages, "too_few": dict(fitted.too_few), "skipped": skipped}
