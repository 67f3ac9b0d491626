"""Latency of every configuration, what each technique saves, and what each configuration costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...core.timeline import Floats
from .estimates import PERCENTILES, Estimate, Estimator
from .guide.claims import DISCARDED_LINE, DISCARDED_SHARE, LEVELS, SAVINGS, STAGE_FIGURES, View
from .guide.verdicts import Level, Saved, Verdict, judge_level, judge_saving, judge_share
from .plan import BASELINE, DEFAULT, FULL, MISTAKE, TECHNIQUES, Family, SwitchName, alone, left_out, stacked
from .turns import COUNTED, MEASURES, STAGES, acted, matrix

PER_TURNS = 1000
CHANGED_S = 0.001
"""A turn counts as affected by a technique if its total differs by at least this with and without it."""


@dataclass(frozen=True)
class Summary:
    """The results of an ablation. All intervals are 95 % intervals by recording. A limit that can't be
    computed from so few recordings is NaN."""

    latency: pd.DataFrame
    """A row per configuration and measure (`MEASURES`, `STAGES`): configuration, measure, turns (asked for),
    answered, p50, p90, p95 (s), each with `_low` and `_high` (NaN for stages)."""
    savings: pd.DataFrame
    """A row per technique (or lever), view, measure and `on` ("all", or "its": turns where it acts): without,
    with (the configurations compared), turns (answered in both), affected (share of these that differ),
    saved_p50, saved_p95, saved_mean (s, positive is faster), each with `_low` and `_high`."""
    costs: pd.DataFrame
    """A row per configuration: turns, sessions, failed, and per 1,000 turns `COUNTED` and dollars;
    discarded_share (discarded preemptive replies per turn)."""
    verdicts: tuple[Verdict, ...]
    """The guide's claims are about the twelve: there are none for levers."""
    family: Family = TECHNIQUES


def summarize(
    turns: pd.DataFrame, sessions: pd.DataFrame, seed: int = 0, family: Family = TECHNIQUES
) -> Summary:
    """The summary of an ablation's tables (`turns`). Raises ValueError if there is no turn."""
    if turns.empty:
        raise ValueError(
            "no turns: none of the recordings has a labelled end of turn (a label of kind shift)"
        )
    wide = {name: matrix(turns, name) for name in (*MEASURES, *STAGES)}
    recordings = wide[MEASURES[0]].index.get_level_values("recording").to_numpy(str)
    estimator = Estimator.of(recordings, seed)
    costs = _costs(sessions)
    savings = pd.DataFrame(_savings(family, turns, wide, estimator))
    claims = _verdicts(turns, sessions, wide, savings, costs, estimator) if family is TECHNIQUES else ()
    return Summary(
        latency=pd.DataFrame(_latencies(wide, estimator)),
        savings=savings,
        costs=costs,
        verdicts=tuple(claims),
        family=family,
    )


def _latencies(wide: dict[str, pd.DataFrame], estimator: Estimator) -> Iterator[dict[str, Any]]:
    for measure, frame in wide.items():
        for name in frame:
            values = frame[name].to_numpy(np.float64)
            known = values[np.isfinite(values)]
            row = {"configuration": name, "measure": measure, "turns": len(values), "answered": len(known)}
            for q in PERCENTILES:
                if measure in MEASURES:
                    row |= _columns(f"p{q}", estimator.percentile(values, q))
                else:
                    row[f"p{q}"] = float(np.percentile(known, q)) if len(known) else np.nan
            yield row


def _columns(name: str, estimate: Estimate) -> dict[str, float]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


class Comparison(NamedTuple):
    """Two configurations that differ in one technique or lever."""

    technique: SwitchName
    view: View
    without: str
    with_: str


def comparisons(family: Family = TECHNIQUES) -> Iterator[Comparison]:
    """Each one alone against the baseline, left out of all, and added to the stack."""
    for name in family.names:
        yield Comparison(name, "alone", BASELINE, alone(name))
        yield Comparison(name, "left out", left_out(name), family.full)
        yield Comparison(name, "stacked", family.before(name), stacked(name))


def _savings(
    family: Family, turns: pd.DataFrame, wide: dict[str, pd.DataFrame], estimator: Estimator
) -> Iterator[dict[str, Any]]:
    where = {name: _acted(turns, wide[MEASURES[0]], name) for name in family.names}
    for pair in comparisons(family):
        for measure in MEASURES:
            without, with_ = (wide[measure][name].to_numpy(np.float64) for name in (pair.without, pair.with_))
            for on in ("all", "its"):
                after = with_ if on == "all" else np.where(where[pair.technique][pair.with_], with_, np.nan)
                difference = without - after
                known = np.isfinite(difference)
                changed = np.abs(difference[known]) > CHANGED_S
                yield {
                    "technique": pair.technique,
                    "view": pair.view,
                    "measure": measure,
                    "on": on,
                    "without": pair.without,
                    "with": pair.with_,
                    "turns": int(known.sum()),
                    "affected": float(changed.mean()) if known.any() else np.nan,
                    **_columns("saved_p50", estimator.saved_at(without, after, 50)),
                    **_columns("saved_p95", estimator.saved_at(without, after, 95)),
                    **_columns("saved_mean", estimator.saved_mean(without, after)),
                }


def _acted(turns: pd.DataFrame, like: pd.DataFrame, technique: SwitchName) -> pd.DataFrame:
    """`turns.acted` with a row per turn and a column per configuration, as in `like`."""
    frame = matrix(turns.assign(acted=acted(turns, technique)), "acted")
    return frame.loc[like.index].eq(True)


def _costs(sessions: pd.DataFrame) -> pd.DataFrame:
    of = sessions.groupby("configuration", sort=False)
    sums = of[[*COUNTED, "dollars"]].sum()
    n_turns = of["turns"].sum()
    costs = sums.mul(PER_TURNS / n_turns, axis=0)
    costs.insert(0, "failed", of["failure"].agg(lambda reasons: int((reasons != "").sum())))
    costs.insert(0, "sessions", of.size())
    costs.insert(0, "turns", n_turns)
    costs["discarded_share"] = sums["discarded_replies"] / n_turns
    return costs.reset_index()


def _verdicts(
    turns: pd.DataFrame,
    sessions: pd.DataFrame,
    wide: dict[str, pd.DataFrame],
    savings: pd.DataFrame,
    costs: pd.DataFrame,
    estimator: Estimator,
) -> Iterator[Verdict]:
    total, greeted = MEASURES[0], bool(sessions["greeted"].all())
    for claim in SAVINGS:
        of = savings[(savings["technique"] == claim.technique) & (savings["measure"] == total)]
        rows = {(row["view"], row["on"]): _saved(row) for row in of.to_dict("records")}
        stages = {stage: _mean_saved(wide[stage], BASELINE, alone(claim.technique)) for stage in STAGES}
        yield judge_saving(claim, rows, stages, greeted)
    words = matrix(turns, "words").loc[wide[total].index]
    tool = matrix(turns, "tool").loc[wide[total].index].eq(True)
    for level in LEVELS:
        name = level.configuration
        chosen = np.ones(len(words), np.bool_)
        if level.most_words is not None:
            chosen = (words[name] <= level.most_words).to_numpy()
        yield judge_level(
            level,
            Level(
                total=_p95(wide[total][name], chosen, estimator),
                after_commit=_p95(wide["after_commit_s"][name], chosen, estimator),
                commit=_p95(wide["commit_s"][name], chosen, estimator),
                without_tool=_p95(wide["after_commit_s"][name], chosen & ~tool[name].to_numpy(), estimator),
                turns=int(chosen.sum()),
            ),
        )
    share = costs.set_index("configuration")["discarded_share"]
    sums = sessions.groupby(["configuration", "recording"])[["discarded_replies", "turns"]].sum()
    each = sums["discarded_replies"] / sums["turns"]
    for name, subject in ((DEFAULT, DEFAULT), (FULL, "all twelve")):
        told, shares = f"discarded replies, {subject}", each.loc[name].tolist()
        yield judge_share(told, float(share[name]), shares, DISCARDED_SHARE, DISCARDED_LINE)


def _p95(column: pd.Series, chosen: NDArray[np.bool_], estimator: Estimator) -> Estimate:
    return estimator.percentile(np.where(chosen, column.to_numpy(np.float64), np.nan), 95)


def _saved(row: Mapping[Any, Any]) -> Saved:
    def estimate(name: str) -> Estimate:
        return Estimate(row[name], row[f"{name}_low"], row[f"{name}_high"])

    return Saved(
        p95=estimate("saved_p95"),
        p50=estimate("saved_p50"),
        mean=estimate("saved_mean"),
        turns=row["turns"],
        affected=row["affected"],
    )


def _mean_saved(stage: pd.DataFrame, without: str, with_: str) -> float:
    """Mean seconds that a stage saves, over the turns that have the stage in both; NaN if none has."""
    difference: Floats = (stage[without] - stage[with_]).to_numpy(np.float64)
    known = difference[np.isfinite(difference)]
    return float(known.mean()) if len(known) else np.nan


def waterfall(summary: Summary, measure: str = MEASURES[0]) -> pd.DataFrame:
    """The stack step by step, a row each: name, p50 and p95, saved_p50 and saved_p95 (each with intervals).

    The baseline comes first, then the techniques (or levers), LiveKit's default last. First and last row have
    no savings.
    """
    _check_measure(measure)
    latency = summary.latency[summary.latency["measure"] == measure].set_index("configuration")
    of = summary.savings[
        (summary.savings["measure"] == measure)
        & (summary.savings["view"] == "stacked")
        & (summary.savings["on"] == "all")
    ].set_index("technique")
    saved = [f"saved_p{q}{end}" for q in (50, 95) for end in ("", "_low", "_high")]
    level = [f"p{q}{end}" for q in (50, 95) for end in ("", "_low", "_high")]
    rows = [{"name": summary.family.none} | latency.loc[BASELINE, level].to_dict()]
    for name in summary.family.names:
        rows.append(
            {"name": name} | latency.loc[stacked(name), level].to_dict() | of.loc[name, saved].to_dict()
        )
    rows.append({"name": DEFAULT} | latency.loc[DEFAULT, level].to_dict())
    return pd.DataFrame(cast(Any, rows), columns=["name", *level, *saved])


def _check_measure(measure: str) -> None:
    if measure not in MEASURES:
        wanted = " or ".join(map(repr, MEASURES))
        raise ValueError(f"measure is {measure!r}; expected {wanted}: latencies are in seconds")


LEVEL_TIMES = ("p50", "p95", "commit_p95", "after_commit_p95", "answer_p95")
"""Columns of `levels` in seconds."""


def levels(summary: Summary) -> pd.DataFrame:
    """The main agents, one row each: `BASELINE`, `DEFAULT`, the full stack and the mistakes.

    Columns: answered (share of the turns); p50, p95, commit_p95, after_commit_p95, answer_p95 (s); per turn
    llm_calls, discarded_replies and false_boundaries; per 1,000 turns dollars, wasted_look_ups and
    wrong_answers.
    """
    latency = summary.latency.set_index(["configuration", "measure"])
    costs = summary.costs.set_index("configuration")
    mistakes = [name for name in costs.index if str(name).startswith(MISTAKE)]
    rows = {}
    for name in (*summary.family.agents, *mistakes):
        total, cost = latency.loc[(name, MEASURES[0])], costs.loc[name]
        rows[name] = {
            "answered": total["answered"] / total["turns"],
            "p50": total["p50"],
            "p95": total["p95"],
            "commit_p95": latency.loc[(name, "commit_s"), "p95"],
            "after_commit_p95": latency.loc[(name, "after_commit_s"), "p95"],
            "answer_p95": latency.loc[(name, "answer_s"), "p95"],
            **{one: cost[one] / PER_TURNS for one in ("llm_calls", "discarded_replies", "false_boundaries")},
            **{one: cost[one] for one in ("dollars", "wasted_look_ups", "wrong_answers")},
        }
    return pd.DataFrame.from_dict(rows, orient="index").astype(float)


def by_stage(summary: Summary) -> pd.DataFrame:
    """All stages, first those that the guide names: a row each, p50 and p95 (s) of three agents.

    Columns: stage, guide (its figure for all twelve; NaN where it has none), then for `BASELINE`, `DEFAULT`
    and the full stack p50 and p95.
    """
    latency = summary.latency.set_index(["measure", "configuration"])
    names = [*STAGE_FIGURES, *(name for name in (*STAGES, *MEASURES) if name not in STAGE_FIGURES)]
    rows = [
        {"stage": name, "guide": STAGE_FIGURES.get(name, np.nan)}
        | {
            f"{agent}, {q}": latency.loc[(name, agent), q]
            for agent in summary.family.agents
            for q in ("p50", "p95")
        }
        for name in names
    ]
    return pd.DataFrame(rows)


def alone_and_left_out(summary: Summary, measure: str = MEASURES[0]) -> pd.DataFrame:
    """What each technique saves alone and left out, a row each: technique, alone_p50 … left_out_p95_high."""
    _check_measure(measure)
    of = summary.savings[(summary.savings["measure"] == measure) & (summary.savings["on"] == "all")]
    rows = []
    for name in summary.family.names:
        row: dict[str, Any] = {"technique": name}
        for view in ("alone", "left out"):
            (one,) = of[(of["technique"] == name) & (of["view"] == view)].to_dict("records")
            for q in (50, 95):
                for end in ("", "_low", "_high"):
                    row[f"{view.replace(' ', '_')}_p{q}{end}"] = one[f"saved_p{q}{end}"]
        rows.append(row)
    return pd.DataFrame(rows)
