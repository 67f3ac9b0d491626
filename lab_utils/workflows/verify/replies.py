"""The closed form of replies against real sessions, on drawn agents over one's own recordings."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...core.files.places import Folder
from ...core.settings import USUAL_CONDITIONS, Settings
from ...latency.ablation.cells import Cell, Plan
from ...latency.reply.proof import TOLERANCE_S, ReplyProof, draw, plan_of, prove
from ...recordings.find import find_every
from ...session.providers.files import load_providers
from ...session.workers import in_workers
from ...turns.cache import cache_folder
from ...turns.cache.finished import Kept, Run, came_to_its_end


def verify_replies(
    paths: Sequence[str | Path],
    settings: int = 24,
    *,
    seed: int = 0,
    case: int | None = None,
    cache: Folder | None = None,
    jobs: int = 2,
    channels: tuple[str, str] = ("caller", "agent"),
    quiet: bool = False,
) -> list[ReplyProof]:
    """Draw `settings` agents over the recordings, or the one of a number; compare every reply of each.

    Raises BadRecording if a recording can't be used, and the error of a session that couldn't be run.
    """
    files = find_every(paths, channels)
    base = Plan(Settings(), USUAL_CONDITIONS, load_providers("guide"), cache_folder(cache), 0.0)
    drawn = [draw(number, len(files), seed) for number in (range(settings) if case is None else [case])]
    drawn.sort(key=lambda one: one.recording)  # workers load each recording once
    work = [
        (plan_of(one, base), Cell(files[one.recording], str(one.number), one.techniques, one.seed), one)
        for one in drawn
    ]
    proofs = []
    run = Run(prove, work, Kept(ReplyProof, came_to_its_end), "session")
    answers = in_workers(
        run.work, run.rest, min(jobs, len(work)), task="sessions", unit="session", quiet=quiet
    )
    for answer in run.all(answers):
        if isinstance(answer, Exception):
            raise answer
        proofs.append(answer)
    return sorted(proofs, key=lambda one: one.case.number)


def replies_summary(proofs: Sequence[ReplyProof]) -> dict[str, Any]:
    """Plain figures: what was compared, by technique and lever too, and what differs."""
    errors = [one.largest_error_s for one in proofs if one.largest_error_s < math.inf]
    with_ = Counter(
        name for one in proofs for name in (*one.case.techniques.on, *sorted(one.case.techniques.levers))
    )
    return {
        "settings": len(proofs),
        "recordings": sorted({one.recording for one in proofs}),
        "replies": sum(one.replies for one in proofs),
        "heard": sum(one.heard for one in proofs),
        "stages": sum(one.stages for one in proofs),
        "tolerance_s": TOLERANCE_S,
        "largest_error_s": round(max(errors, default=0.0), 9),
        "mismatches": sum(not one.agrees for one in proofs),
        "sessions_with": dict(sorted(with_.items())),
        "wrong": [
            {"case": one.case.number, "recording": one.recording, "failure": one.failure, "wrong": one.wrong}
            for one in proofs
            if not one.agrees
        ],
    }
