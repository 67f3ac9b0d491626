"""Warnings where the detector hears too little to judge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from synthetic import Turn, complete, labels_of, traced_of

from lab_utils.core.settings import Conditions, Settings
from lab_utils.core.traces import Traced
from lab_utils.turns.deafness import detector_warnings
from lab_utils.turns.replay import Block
from lab_utils.turns.sweep import Corpus

CONDITIONS = Conditions()


def call(low: float, high: float, *, name: str = "a", band: str = "telephone", turns: int = 8) -> Traced:
    """A call whose detector says anything between two probabilities."""
    drawn = [Turn((1.0, 1.2), ((0.7, "hold"),), gap=1.0, reply=1.0, rest=0.4) for _ in range(turns)]
    recording = replace(traced_of(labels_of(drawn), name=name, noise=0.0), band=band)
    before = None
    while before is None or len(before.eot[0].ends) < len(recording.eot[0].ends):
        before = recording
        recording = complete(recording, [Block.of(Settings(), CONDITIONS)])
        said = np.linspace(low, high, len(recording.eot[0].ends))
        recording = replace(recording, eot=(replace(recording.eot[0], probabilities=said),))
    return recording


@pytest.mark.slow
def test_a_deaf_detector_is_told_beside_what_it_gives_on_clean_speech():
    corpus = Corpus.of([call(0.0, 0.3, name=f"call {k}") for k in range(4)] + [call(0.5, 0.9, name="good")])
    (line,) = detector_warnings(corpus, CONDITIONS)
    assert line.startswith(
        "v1-mini hardly hears turns end on 4 of 5 recordings (call 0, call 1, call 2 and 1 more;"
    )
    assert "line: telephone" in line
    assert "and 0.73 on clean wide-band speech" in line


def test_the_threshold_of_the_language_decides():
    quiet = call(0.25, 0.33)
    assert detector_warnings(Corpus.of([quiet]), CONDITIONS)
    assert not detector_warnings(Corpus.of([replace(quiet, language="de")]), CONDITIONS)


def test_a_detector_that_says_the_same_everywhere_is_told():
    (line,) = detector_warnings(Corpus.of([call(0.5, 0.5)]), CONDITIONS)
    assert line.startswith("v1-mini gives every pause of a the same probability")


def test_too_few_ends_of_turn_are_not_judged():
    assert not detector_warnings(Corpus.of([call(0.0, 0.2, turns=4)]), CONDITIONS)
    assert not detector_warnings(Corpus.of([call(0.0, 0.2, turns=0)]), CONDITIONS)
