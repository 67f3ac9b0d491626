"""Pictures of single records: labels to check by eye, a provider profile, settings on bad lines."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from .. import plots
from ..core.errors import InputError
from ..core.recording import Recording
from ..recordings.labels.checks import ROWS, check_page, label_checks, least_sure_first
from ..session.providers.files import load_providers
from ..session.providers.schema import Providers
from ..session.providers.stages import stages


def plot_labels(
    recording: Recording, page: int = 1, *, by_confidence: bool = True, rows: int = ROWS
) -> plots.Picture:
    """A page of a labelled recording's holds and ends of turn, to check by eye; the least sure first.

    Raises ValueError for a recording without labels and for a page that there isn't.
    """
    if recording.labels is None:
        raise InputError(f"{recording.name}: has no labels to check; write some with 'lab transcribe'")
    checks = label_checks(recording.labels)
    shown = check_page(least_sure_first(checks) if by_confidence else checks, page, rows)
    order = "least sure first" if by_confidence else "in order of time"
    pages = f"page {page} of {-(-len(checks) // rows)}"
    title = f"{recording.name}: {len(checks)} holds and ends of turn, {order}; {pages}"
    return plots.Picture(plots.label_page(recording, recording.labels, shown, title))


def plot_providers(providers: Providers | str | Path) -> plots.Picture:
    """A provider profile, or one by name or file: each stage from its median to its 95th percentile."""
    profile = providers if isinstance(providers, Providers) else load_providers(str(providers))
    return plots.Picture(plots.provider_figure(profile.name, stages(profile)))


def plot_conditions(scores: pd.DataFrame) -> plots.Picture:
    """How settings hold on bad lines (`Study.score_conditions`)."""
    return plots.Picture(plots.channel_condition_figure(scores))
