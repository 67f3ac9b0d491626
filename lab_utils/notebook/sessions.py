"""Notebook 02: rehearse a call, see and hear the sessions, prove the replay."""

from __future__ import annotations

import html

import pandas as pd
from IPython.display import HTML, Audio, Image
from pandas.io.formats.style import Styler

from .. import plots
from ..core.labels import Labels
from ..core.timeline import SAMPLE_RATE_HZ
from ..session.metrics import false_boundaries, heard_replies, session_scores
from ..session.rehearsal import Rehearsal
from ..widgets.tuner import wav
from .shown import image, left


def scores(rehearsal: Rehearsal) -> pd.DataFrame:
    """What came of each session, one row each; see `metrics.session_scores`."""
    rows = {name: session_scores(log, _labels(rehearsal)) for name, log in rehearsal.logs.items()}
    names = {"false_boundaries": "false boundaries", "heard": "of these, heard"}
    names |= {"interrupted": "interrupted replies", "e2e_p50": "e2e p50 (s)", "e2e_p95": "e2e p95 (s)"}
    table = pd.DataFrame.from_dict(rows, orient="index").rename(columns=names).round(2)
    counts = [name for name in table if not str(name).startswith("e2e")]
    return table.astype(dict.fromkeys(counts, int))


def telling_span(rehearsal: Rehearsal, before_s: float = 4.0, after_s: float = 6.0) -> tuple[float, float]:
    """Seconds around a moment at which the first session fails and the last one does not.

    That is a false boundary, if possible one whose reply was heard; without any, the first commit.
    """
    logs = list(rehearsal.logs.values())
    first, last = (false_boundaries(log, _labels(rehearsal)) for log in (logs[0], logs[-1]))
    heard = set(heard_replies(logs[0]))
    spans = {at_s: (max(0.0, at_s - before_s), at_s + after_s) for at_s in first.tolist()}
    shared = {
        at_s: any(start_s <= other < end_s for other in last) for at_s, (start_s, end_s) in spans.items()
    }
    if spans:
        return spans[min(spans, key=lambda at_s: (at_s not in heard, shared[at_s], at_s))]
    at_s = next((event.time_s for event in logs[0].of_kind("commit")), before_s)
    return max(0.0, at_s - before_s), at_s + after_s


def timelines(rehearsal: Rehearsal, span: tuple[float, float] | None = None) -> Image:
    """The sessions' timelines, stacked; all of it, or a span of seconds."""
    logs = list(rehearsal.logs.values())
    labels = rehearsal.recording.labels if logs[0].mode == "open_loop" else None  # else they lie elsewhere
    return image(plots.session_figure(logs, span, labels, names=list(rehearsal.logs)))


def latencies(rehearsal: Rehearsal) -> Image:
    """The sessions' replies and where the time of each went, side by side."""
    return image(plots.latency_figure(list(rehearsal.logs.values()), names=list(rehearsal.logs)))


def hear(rehearsal: Rehearsal, span: tuple[float, float]) -> HTML:
    """A player for a span of each session: caller left, agent right."""
    first, last = (round(SAMPLE_RATE_HZ * max(0.0, at_s)) for at_s in span)
    players = []
    for name, log in rehearsal.logs.items():
        if not len(log.heard[first:last]):
            raise ValueError(f"{name}: lasts {log.duration_s:.1f} s, asked for {span[0]:.1f}-{span[1]:.1f} s")
        player = Audio(data=wav(log.heard[first:last]))
        players.append(f"<div><b>{html.escape(name)}</b></div>{player._repr_html_()}")
    return HTML("".join(players))


def said(rehearsal: Rehearsal, name: str) -> Styler:
    """The conversation of one session: one row per reply, with LiveKit's end-to-end latency."""
    rows = [
        {
            "caller": reply.user_text,
            "agent": reply.agent_text,
            "interrupted": "yes" if reply.interrupted else "",
            "e2e (s)": reply.stages.get("e2e_latency", float("nan")),
        }
        for reply in rehearsal.logs[name].replies
    ]
    return left(pd.DataFrame(rows).style.format(precision=2, na_rep="", escape="html"))


def _labels(rehearsal: Rehearsal) -> Labels:
    assert rehearsal.recording.labels is not None
    return rehearsal.recording.labels
