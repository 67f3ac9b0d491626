"""Sessions of one recording, run and compared: in figures, by eye, by ear, and with the replay."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..core.errors import InputError
from ..core.files.places import Folder
from ..core.labels import Labels
from ..core.recording import Recording
from ..core.session_log import SessionLog, SessionMode
from ..core.settings import Conditions, Settings
from ..core.sound import Sound
from ..core.timeline import SAMPLE_RATE_HZ
from ..session.job import HasSettings
from ..session.metrics import false_boundaries, heard_replies, session_scores
from ..session.sessions import SessionSet, against_replay, run_settings
from .load import load
from .tables import TextTable

if TYPE_CHECKING:
    from .. import plots

Span = tuple[float, float]
SCORE_NAMES = {
    "false_boundaries": "false boundaries",
    "heard": "of these, heard",
    "interrupted": "interrupted replies",
    "as_resumed": "replies as the caller resumes",
    "e2e_p50": "e2e p50 (s)",
    "e2e_p95": "e2e p95 (s)",
}


@dataclass(frozen=True)
class Sessions(SessionSet):
    """The sessions of one recording, by the name of their settings."""

    @property
    def _labels(self) -> Labels:
        if self.recording.labels is None:
            raise InputError(f"{self.recording.name}: has no labels; load it with lab_utils.load")
        return self.recording.labels

    @property
    def scores(self) -> pd.DataFrame:
        """What came of each session, one row each; see `session.metrics.session_scores`."""
        rows = {name: session_scores(log, self._labels) for name, log in self.logs.items()}
        table = pd.DataFrame.from_dict(rows, orient="index").rename(columns=SCORE_NAMES).round(2)
        counts = [name for name in table if not str(name).startswith("e2e")]
        return table.astype(dict.fromkeys(counts, int))

    @property
    def agreement(self) -> pd.DataFrame:
        """The commits of replay and session side by side (`session.commits.commit_pairs`).

        Without rows if no session has a replay: a reactive caller, or dynamic endpointing.
        """
        if not self.replayed:
            columns = ["replay_s", "session_s", "difference_s", "replay_cause", "session_cause", "agrees"]
            return pd.DataFrame(columns=columns)
        return against_replay(self)

    def difference(self, before_s: float = 4.0, after_s: float = 6.0) -> Span:
        """Seconds around a moment at which the first session fails and the last one does not.

        That is a false boundary, if possible one whose reply was heard; without any, the first commit.
        """
        logs = list(self.logs.values())
        first, last = (false_boundaries(log, self._labels).tolist() for log in (logs[0], logs[-1]))
        heard = set(heard_replies(logs[0]))
        spans = {at_s: (max(0.0, at_s - before_s), at_s + after_s) for at_s in first}
        if spans:
            shared = {
                at_s: any(start_s <= other < end_s for other in last)
                for at_s, (start_s, end_s) in spans.items()
            }
            return spans[min(spans, key=lambda at_s: (at_s not in heard, shared[at_s], at_s))]
        at_s = next((event.time_s for event in logs[0].of_kind("commit")), before_s)
        return max(0.0, at_s - before_s), at_s + after_s

    def replies(self, name: str) -> TextTable:
        """The conversation of one session: a row for each reply, with LiveKit's end-to-end latency in s."""
        if name not in self.logs:
            raise InputError(f"no session {name!r}; expected one of {list(self.logs)}")
        return TextTable(
            pd.DataFrame(
                {
                    "caller": reply.user_text,
                    "agent": reply.agent_text,
                    "interrupted": "yes" if reply.interrupted else "",
                    "e2e (s)": f"{reply.stages['e2e_latency']:.2f}" if "e2e_latency" in reply.stages else "",
                }
                for reply in self.logs[name].replies
            )
        )

    def listen(self, name: str, span: Span) -> Sound:
        """A stretch of one session: caller left, agent right. Raises ValueError beyond its end."""
        if name not in self.logs:
            raise InputError(f"no session {name!r}; expected one of {list(self.logs)}")
        log = self.logs[name]
        first, last = (round(SAMPLE_RATE_HZ * max(0.0, at_s)) for at_s in span)
        if not len(log.heard[first:last]):
            raise InputError(f"{name}: lasts {log.duration_s:.1f} s, asked for {span[0]:.1f}-{span[1]:.1f} s")
        return Sound(log.heard[first:last], name)

    def plot_timelines(self, span: Span | None = None) -> plots.Picture:
        """The sessions' timelines, stacked; all of it, or a span of seconds."""
        from .. import plots

        logs = list(self.logs.values())
        labels = self.recording.labels if logs[0].mode == "open_loop" else None  # else they lie elsewhere
        return plots.Picture(plots.session_figure(logs, span, labels, names=list(self.logs)))

    def plot_latency(self) -> plots.Picture:
        """The sessions' replies and where the time of each went, side by side."""
        from .. import plots

        return plots.Picture(plots.latency_figure(list(self.logs.values()), names=list(self.logs)))

    def _repr_html_(self) -> str:
        return str(self.scores.to_html())


def compare(
    recording: Recording | str | Path,
    settings: Mapping[str, Settings | HasSettings],
    *,
    conditions: Conditions | None = None,
    mode: SessionMode = "open_loop",
    agent: Callable[[], Any] | None = None,
    seed: int = 0,
    folder: str | Path | None = None,
    text: bool = False,
    cache: Folder | None = None,
    jobs: int = 2,
    quiet: bool = False,
) -> Sessions:
    """Run a recording (or its file) under several settings or profiles, each as a real `AgentSession`.

    Sessions run in processes of their own, on a virtual clock. `conditions`: those of each profile if not
    given. `agent`: an `Agent` subclass, or what returns
    one. With a `folder` each log is kept in it, with what was said only if `text`. What went wrong in a
    session is in its log; a session that could not be run at all raises its error.
    """
    call = recording if isinstance(recording, Recording) else load(recording, cache=cache)
    ran = run_settings(
        call,
        settings,
        conditions=conditions,
        mode=mode,
        agent=agent,
        seed=seed,
        folder=folder,
        text=text,
        cache=cache,
        processes=jobs,
        quiet=quiet,
    )
    return Sessions(ran.recording, ran.logs, ran.replayed)


def run_session(
    recording: Recording | str | Path,
    settings: Settings | HasSettings | None = None,
    *,
    mode: SessionMode = "open_loop",
    agent: Callable[[], Any] | None = None,
    seed: int = 0,
    cache: Folder | None = None,
) -> SessionLog:
    """Run a recording (or its file) as one real `AgentSession`, under LiveKit's defaults if not told."""
    chosen = {"session": settings or Settings()}
    ran = compare(recording, chosen, mode=mode, agent=agent, seed=seed, cache=cache, jobs=1, quiet=True)
    return ran.logs["session"]
