"""One call with a chosen agent, settings, techniques and providers: whole sessions, and what came of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ...core.files.places import Folder
from ...core.labels import Labels
from ...core.recording import Recording
from ...core.session_log import SessionLog
from ...core.settings import Settings
from ...latency.ablation.cells import Cell, Plan
from ...latency.ablation.side_by_side import AgentRun, run_cells
from ...latency.techniques.choice import Techniques, livekit_default
from ...recordings.find import RecordingFiles
from ...session.job import HasSettings, conditions_in, settings_in
from ...session.metrics import session_scores
from ...session.providers.files import load_providers
from ...turns.cache import cache_folder

PER_TURNS = 1000
"""Money is told for so many turns."""


@dataclass(frozen=True)
class CallPlan:
    """What one session is run with."""

    files: RecordingFiles
    settings: Settings | HasSettings = field(default_factory=Settings)
    """Or a profile, with the conditions that it was measured under."""
    providers: str = "guide"
    """A provider profile, by name or file."""
    techniques: Techniques | None = None
    """None: what LiveKit does by itself."""
    agent: str = ""
    """Your own, as "module:Class"; else a scripted one that answers as a call centre would."""
    seed: int = 0

    def cell(self, cache: Folder | None = None) -> tuple[Plan, Cell]:
        """As an ablation runs it. Raises ValueError for a provider profile that can't be read."""
        providers = load_providers(self.providers)
        caches = providers.large.cache is not None and providers.large.cache.automatic
        techniques = self.techniques or livekit_default(caches)
        plan = Plan(
            settings_in(self.settings), conditions_in(self.settings), providers, cache_folder(cache), 0.0
        )
        return plan, Cell(self.files, "session", techniques, self.seed, self.agent)


@dataclass(frozen=True)
class CallRun:
    """A session and its figures."""

    recording: Recording
    log: SessionLog
    dollars: float
    """For LLM and TTS of this call."""

    @property
    def labels(self) -> Labels:
        """Of the recording."""
        assert self.recording.labels is not None
        return self.recording.labels

    @property
    def figures(self) -> dict[str, float]:
        """`session.metrics.SESSION_SCORES`, and `dollars_per_1000`: dollars for a thousand replies."""
        scores = session_scores(self.log, self.labels)
        replies = scores["replies"]
        per_turns = PER_TURNS * self.dollars / replies if replies else float("nan")
        return scores | {"dollars": self.dollars, "dollars_per_1000": per_turns}


def run_calls(
    plans: Sequence[CallPlan],
    *,
    jobs: int = 2,
    cache: Folder | None = None,
    cancel: threading.Event | None = None,
) -> Iterator[CallRun]:
    """Run sessions in worker processes on the virtual clock; in order, each as soon as it is done.

    `cancel`: set by another thread, it ends the sessions under way, and this with a WorkerDied. Raises
    ValueError for what can't be run, and the error of a session that could not be run at all.
    """
    cells = [plan.cell(cache) for plan in plans]
    for run in run_cells(cells, jobs=jobs, cancel=cancel):
        yield _ended(run)


def _ended(run: AgentRun) -> CallRun:
    return CallRun(run.recording, run.log, float(run.usage["dollars"]))
