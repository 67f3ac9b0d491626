"""Names and texts that users bring are drawn as they are, in every figure that shows one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from ablation_tables import made_up
from matplotlib.figure import Figure
from matplotlib.text import Text
from synthetic import Turn, complete, labels_of, traced_of
from synthetic_sessions import Exchange, session_of

from lab_utils import plot_labels, plots
from lab_utils.core.delays import Delay
from lab_utils.core.labels import Label
from lab_utils.core.recording import Recording
from lab_utils.core.settings import Settings
from lab_utils.latency.ablation.summary import alone_and_left_out, summarize, waterfall
from lab_utils.session.providers.schema import Origin
from lab_utils.session.providers.stages import Stage
from lab_utils.turns.metrics import attribute, labelled_pauses
from lab_utils.turns.replay import Block, replay

pytestmark = pytest.mark.slow

NASTY = "_$x_1$ <b>%s{a} ^2 \\alpha"
LABELS = labels_of([Turn((1.0, 0.8), ((0.9, "hold"),), gap=0.6)])
LOG = replace(
    session_of([Exchange(0.5, 4.0, error=NASTY), Exchange(6.0, 7.0)]), recording=NASTY, failure=NASTY
)


def timeline() -> Figure:
    settings = Settings().replace(min_delay=0.3)
    traced = complete(traced_of(LABELS, name=NASTY, noise=0.0), [Block.of(settings)])
    commits = attribute(replay(traced, settings), labelled_pauses(LABELS, 4.0))
    pcm = np.zeros(round(LABELS.duration_s * 16_000), np.int16)
    recording = Recording(NASTY, "call.wav", pcm, pcm, "0" * 64, LABELS)
    return plots.timeline_figure(recording, traced, commits, settings)


def labels() -> Figure:
    odd = replace(LABELS, labels=(Label("hold", 1.5, 2.4, 0.5, NASTY),))
    pcm = np.full(round(LABELS.duration_s * 16_000), 99, np.int16)
    return plot_labels(Recording(NASTY, "call.wav", pcm, pcm, "0" * 64, odd)).figure


def conditions() -> Figure:
    rows = [
        {"setting": NASTY, "channel_condition": line, "metric": metric, "value": value}
        for line in (NASTY, "clean")
        for metric, value in (("latency_mean", 0.5), ("false_boundary_rate", 0.1))
    ]
    return plots.channel_condition_figure(pd.DataFrame(rows))


def provider() -> Figure:
    return plots.provider_figure(NASTY, [Stage("a", "one stage", Delay(0.2, 0.5), Origin(source=NASTY))])


def ablation() -> list[Figure]:
    summary = summarize(*made_up({}))
    steps, savings = waterfall(summary), alone_and_left_out(summary)
    steps.loc[steps.index[0], "name"] = NASTY
    return [plots.waterfall_figure(steps, 95, NASTY), plots.savings_figure(savings, 95, NASTY)]


FIGURES: dict[str, Callable[[], Figure | list[Figure]]] = {
    "timeline": timeline,
    "labels": labels,
    "conditions": conditions,
    "provider": provider,
    "ablation": ablation,
    "session": lambda: plots.session_figure(LOG, names=[NASTY]),
    "latency": lambda: plots.latency_figure(LOG, names=[NASTY]),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name == "ablation")) for name in FIGURES]
)
def test_a_users_text_is_no_formula(name) -> None:
    assert Text()._preprocess_math(NASTY)[1], "left alone it would be one"
    made = FIGURES[name]()
    for figure in made if isinstance(made, list) else [made]:
        plots.png(figure)
        shown = [drawn_as(text) for text in figure.findobj(Text) if r"\alpha" in text.get_text()]
        assert shown, "the text is in the figure"
        for text in shown:
            assert NASTY in " ".join(text.split()).replace("\N{HAIR SPACE}", ""), text


def test_a_name_that_begins_with_an_underscore_stays_in_the_legend() -> None:
    (ax,) = conditions().axes
    told = [text.get_text() for text in ax.get_legend().get_texts()]
    assert sum(r"\alpha" in text for text in told) == 2, "the setting's and the condition's"


def drawn_as(text: Text) -> str:
    """What is drawn of a text; refuses one that would be read as a formula."""
    if not text.get_parse_math():
        return text.get_text()
    drawn, as_formula = text._preprocess_math(text.get_text())
    assert not as_formula, f"read as a formula: {text.get_text()}"
    return drawn
