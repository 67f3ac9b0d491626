"""The course's exercises, from easy to hard; `solutions.yaml` beside the notebook has a setting for each."""

from __future__ import annotations

from ...core.errors import InputError
from .properties import Exercise

_ANSWERS = {"missed_rate": 0.02}
"""Never answering is no solution of anything."""
_EXERCISES = (
    Exercise("Cut at most half of the holds.", {"false_boundary_rate": 0.50} | _ANSWERS),
    Exercise(
        "Answer within half a second on average, by silence alone or with a detector, and find out what it "
        "costs.",
        {"latency_mean": 0.50} | _ANSWERS,
    ),
    Exercise(
        "Cut at most a quarter of the holds, and answer within a second on average.",
        {"false_boundary_rate": 0.25, "latency_mean": 1.0} | _ANSWERS,
    ),
    Exercise(
        "Nobody waits for more than 1.5 s, and at most a fifth of the holds is cut.",
        {"longest_wait": 1.5, "false_boundary_rate": 0.20} | _ANSWERS,
        {"longest_wait": "Longest is max_delay, after a detector's “unlikely”. Do you need a detector?"},
    ),
    Exercise(
        "Cut at most 15 % of the holds, and answer 95 of 100 turns within 1.4 s.",
        {"false_boundary_rate": 0.15, "latency_p95": 1.4} | _ANSWERS,
        {"latency_p95": "If a detector finds more than 5 % of the ends unlikely, the p95 is max_delay."},
    ),
    Exercise(
        "Cut at most 10 % of the holds, and answer within 1.6 s on average.",
        {"false_boundary_rate": 0.10, "latency_mean": 1.6} | _ANSWERS,
    ),
    Exercise(
        "Cut at most 10 % of the holds, and let nobody wait for more than 2 s.",
        {"false_boundary_rate": 0.10, "longest_wait": 2.0} | _ANSWERS,
        {"longest_wait": "With a detector the longest wait is max_delay, without one min_delay."},
    ),
    Exercise(
        "With a detector whose “unlikely” is wrong at few ends of turn: at most 5 % of the turns end by "
        "max_delay, at most a quarter of the holds is cut, and the mean is within 0.95 s.",
        {"timeout_rate": 0.05, "false_boundary_rate": 0.25, "latency_mean": 0.95} | _ANSWERS,
    ),
)


def exercise(number: int) -> Exercise:
    """One of the course's exercises, from 1; `check(study, knobs)` tells what a setting meets.

    Raises InputError for a number that there is no exercise of.
    """
    if number not in range(1, len(_EXERCISES) + 1):
        raise InputError(f"there is no exercise {number!r}; they are 1 to {len(_EXERCISES)}")
    return _EXERCISES[number - 1]
