"""The page on which labels are checked: what is drawn where, and what is said beside it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from lab_utils import plot_labels, plots
from lab_utils.core.labels import Label, Labels, Word
from lab_utils.core.recording import Recording
from lab_utils.core.timeline import SAMPLE_RATE_HZ
from lab_utils.recordings.labels.checks import label_checks

LABELS = Labels(
    duration_s=10.0,
    ipus=(),
    labels=(
        Label("hold", 0.5, 1.5, 0.6, "the user goes on"),
        Label("shift", 3.0, 3.0, 0.99, "the agent takes the floor"),
    ),
    words=(
        Word("user", 0.1, 0.4, "well $5_x"),
        Word("user", 1.6, 2.9, "yes"),
        Word("agent", 3.1, 3.4, "Fine"),
    ),
)
NOISE = np.random.default_rng(0).integers(-9000, 9000, 10 * SAMPLE_RATE_HZ).astype(np.int16)
CALL = Recording("call", "call.wav", NOISE, NOISE[::-1].copy(), "0" * 64, LABELS)
HOLD, SHIFT = label_checks(LABELS)


def extent(artist):
    return np.concatenate([path.vertices for path in artist.get_paths()])


def test_the_label_is_framed_from_its_start_and_others_are_bands():
    ax = Figure().subplots()
    artists = plots.label_strip(ax, CALL, HOLD, LABELS, ahead_s=3.0).artists
    assert artists.frame.get_xdata().tolist() == [0.0, 0.0, 1.0, 1.0, 0.0]
    assert extent(artists.others[0])[:, 0].min() == pytest.approx(2.5)
    assert ax.get_xlim() == (-1.5, 3.0)
    assert extent(artists.user)[:, 0].min() >= -0.5  # the recording begins there
    assert extent(artists.user)[:, 1].min() > 0 > extent(artists.agent)[:, 1].max()


def test_an_end_of_turn_without_silence_still_shows_and_is_hatched():
    ax = Figure().subplots()
    artists = plots.label_strip(ax, replace(CALL, agent=None), SHIFT, LABELS, ahead_s=2.0).artists
    assert np.ptp(artists.frame.get_xdata()) > 0
    assert artists.label.get_hatch()
    assert artists.agent is None


@pytest.mark.slow
def test_the_words_say_kind_length_confidence_and_reason():
    hold, shift = (plots.label_words(Figure().subplots(), check).artists for check in (HOLD, SHIFT))
    assert hold.head.get_text() == "1   0.50 s   hold, 1.00 s"
    assert (
        "confidence 0.60" in hold.confidence.get_text() != "confidence 0.60"
    )  # pointed at, not by colour alone
    assert shift.confidence.get_text() == "confidence 0.99"
    assert "[1.00 s] yes" in hold.words.get_text()
    assert shift.words.get_text().endswith("agent: Fine")
    assert hold.reason.get_text() == "the user goes on"
    edited = replace(HOLD, label=replace(HOLD.label, edited=True))
    assert plots.label_words(Figure().subplots(), edited).artists.confidence.get_text() == "corrected by hand"


@pytest.mark.slow
def test_rows_share_the_scale_of_the_longest_label_and_dollars_are_no_formula():
    figure = plots.label_page(CALL, LABELS, [HOLD, SHIFT])
    strips = figure.axes[::2]
    assert [ax.get_xlim() for ax in strips] == [(-1.5, 2.5)] * 2
    assert plots.png(figure)[:4] == b"\x89PNG"
    money = replace(HOLD, before="costs $5 or", after="$_6 or so")
    assert plots.png(plots.label_page(CALL, LABELS, [money]))[:4] == b"\x89PNG"
    assert figure.get_suptitle() == "call"


def test_a_page_is_shown_or_it_is_said_why_it_cannot():
    assert plot_labels(CALL).png()[:4] == b"\x89PNG"
    with pytest.raises(ValueError, match="page is 2, expected 1 to 1"):
        plot_labels(CALL, page=2)
    with pytest.raises(ValueError, match="has no labels to check"):
        plot_labels(replace(CALL, labels=None))
