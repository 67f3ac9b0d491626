"""What the notebooks say of the samples. They assert nothing: a user's calls must not end in a traceback.

Each function gets the names of a notebook that has just run on the samples, in its own kernel
(`test_notebooks.py`), so that nothing is computed twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

import lab_utils as lab
from lab_utils import plots
from lab_utils.turns.choose import NoneWithinBudget, choose

ROOT = Path(__file__).resolve().parents[1]
BUDGET = lab.Budget.false_boundary_rate(0.10)


def tune_endpointing(names: Mapping[str, Any]) -> None:
    """Notebook 01: the detector answers sooner on average than silence alone, and later at worst."""
    study, choice, silence, alone = (names[one] for one in ("study", "choice", "silence", "alone"))
    in_grid = study.table[study.table["detector"] == "vad"]
    assert not BUDGET.met(in_grid).any()
    with pytest.raises(NoneWithinBudget, match=r"the least in this grid is 0\.\d+"):
        choose(in_grid, BUDGET)
    defaults = study.score(study.defaults)
    ax = plots.tradeoff_figure(study.table, [], defaults=defaults, counts=study.counts).axes[0]
    drawn = next(line for line in ax.lines if line.get_label() == "best with VAD alone")
    assert min(drawn.get_ydata()) == pytest.approx(100 * in_grid["false_boundary_rate"].min())

    assert alone.settings.endpointing.min_delay == 1.8
    assert (choice.settings.endpointing.min_delay, choice.settings.endpointing.max_delay) == (1.2, 4.0)
    detects, waits = study.table.loc[choice.row], silence.table.loc[alone.row]
    assert 1 / 9.5 < detects["timeout_rate"] < 1 / 8.5
    assert max(detects["false_boundary_rate"], waits["false_boundary_rate"]) <= 0.10
    assert detects["latency_mean"] < waits["latency_mean"]
    assert detects["latency_p95"] > waits["latency_p95"]
    the_readme_tells_its_figures(study, choice)


def the_readme_tells_its_figures(study: Any, choice: Any) -> None:
    """README's table is of the same calls, grid and budget."""
    said = (ROOT / "README.md").read_text("utf-8")
    assert f"{study.counts['holds']} holds, {study.counts['turns']} ends of turn" in said
    rows = {
        "false boundaries per hold": ("false_boundary_rate", 100, 1),
        "missed ends of turn": ("missed_rate", 100, 1),
        "latency, mean": ("latency_mean", 1000, 0),
        "latency, p95": ("latency_p95", 1000, 0),
    }
    for title, (figure, factor, digits) in rows.items():
        (row,) = re.findall(rf"(?m)^\| {title} \|(.*)\|$", said)
        frames = (choice.defaults, choice.chosen, choice.held_out)
        for cell, frame in zip(row.split("|"), frames, strict=True):
            value, low, high = (factor * frame.loc[figure, name] for name in ("value", "low", "high"))
            told = [float(number) for number in re.findall(r"\d+(?:\.\d+)?", cell)]
            expected = [value, low, high][: len(told)]
            assert [round(number, digits) for number in expected] == told, (title, cell, expected)


def offline_session(names: Mapping[str, Any]) -> None:
    """Notebook 02: the profile breaks fewer turns and answers later."""
    tape, live = names["tape"], names["live"]
    assert len(tape.agreement)
    assert tape.agreement["agrees"].all()
    for ran in (tape, live):
        defaults, profile = ran.scores.to_dict("records")
        assert defaults["false boundaries"] > profile["false boundaries"]
        assert defaults["of these, heard"] >= profile["of these, heard"]
        assert defaults["e2e p50 (s)"] <= profile["e2e p50 (s)"]


def your_recordings(names: Mapping[str, Any]) -> None:
    """Notebook 03: labels that were estimated are good enough to choose by."""
    accuracy = names["label_accuracy"](names["known"])
    assert accuracy["right"].sum() / accuracy[["true", "found"]].max(axis=1).sum() > 0.9
    tables = [names[study].table for study in ("study", "true_study")]
    figures = ["false_boundary_rate", "latency_mean"]
    assert ((tables[0][figures] - tables[1][figures]).abs().max() < 0.05).all()


def latency_techniques(names: Mapping[str, Any]) -> None:
    """Notebook 05: each step, from none over LiveKit's default to all twelve, is faster."""
    latency = names["found"].without_waits
    for name in ("p50", "p95"):
        none, default, every = latency[name].tolist()
        assert none > default > every


def barge_in(names: Mapping[str, Any]) -> None:
    """Notebook 06: only words let the agent talk through backchannels."""
    measured, choice, same = names["measured"], names["choice"], names["same"]
    assert measured.counts == {"recordings": 12, "interruptions": 23, "sounds": 16}
    without = measured.table[same & (measured.table["min_words"] == 0)]
    assert without["min_duration"].nunique() > 2
    assert (without["stopped_for_good_rate"] == 1).all()  # whatever min_duration is
    assert choice.interruption.min_words > 0
    default, chosen = (frame["value"] for frame in (choice.defaults, choice.chosen))
    assert chosen["falsely_stopped_rate"] <= 0.1
    assert default["yield_mean"] < chosen["yield_mean"] < default["yield_mean"] + 0.8


def exercises(names: Mapping[str, Any]) -> None:
    """The course: solutions solve, LiveKit's defaults don't solve all, twelve calls can't promise 10 %."""
    study = names["study"]
    solutions = yaml.safe_load((ROOT / "notebooks/course/solutions.yaml").read_text("utf-8"))
    for number, knobs in solutions.items():
        said = lab.exercise(number).check(study, knobs)
        assert said.done, f"{number}: {said}"
    by_default = [lab.exercise(number).check(study, {}).done for number in solutions]
    assert by_default.count(True) <= 1
    with pytest.raises(ValueError, match="more calls with holds would be needed"):
        study.choose(BUDGET, guarantee=0.9)


CLAIMS: dict[str, Callable[[Mapping[str, Any]], None]] = {
    "01_tune_endpointing": tune_endpointing,
    "02_offline_session": offline_session,
    "03_your_recordings": your_recordings,
    "05_latency_techniques": latency_techniques,
    "06_barge_in": barge_in,
    "6_exercises": exercises,
}
