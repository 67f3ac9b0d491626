"""Made-up tables of an ablation whose savings are known by construction."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lab_utils.core.settings import USUAL_CONDITIONS, Settings
from lab_utils.latency.ablation.plan import TECHNIQUES, Family, configurations, lever_configurations
from lab_utils.latency.ablation.run import Ablation
from lab_utils.latency.ablation.summary import summarize
from lab_utils.latency.ablation.turns import COUNTED, SESSION_COLUMNS, STAGES, TURN_COLUMNS, table
from lab_utils.session.providers.files import load_providers

RECORDINGS = ("a", "b", "c", "d")
TURNS, SEEDS = 8, 3
BASE_S, COMMIT_S = 2.0, 0.4


def made_up(
    saves_s: Mapping[str, float] | None = None,
    *,
    noise_s: float = 0.2,
    recordings=RECORDINGS,
    family: Family = TECHNIQUES,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Turns and sessions in which every technique (or lever) takes `saves_s` off each turn, whatever
    the others do.

    Every fourth turn is a hit of the cache, the next one is answered by the small model, the next one needs
    the tool, where the techniques are on.
    """
    saves = {name: 0.01 * (place + 1) for place, name in enumerate(family.names)} | dict(saves_s or {})
    make = configurations if family is TECHNIQUES else lever_configurations
    rng = np.random.default_rng(1)
    own = {
        (recording, seed, turn): float(rng.normal(0, noise_s))
        for recording in recordings
        for seed in range(SEEDS)
        for turn in range(TURNS)
    }
    turns, sessions = [], []
    for name, techniques in make(automatic_cache=True).items():
        on = techniques.on if family is TECHNIQUES else techniques.levers
        saved = sum(saves[one] for one in on)
        for recording in recordings:
            for seed in range(SEEDS):
                for turn in range(TURNS):
                    total = BASE_S - saved + own[recording, seed, turn]
                    by = {1: "cache"} if techniques.semantic_cache else {}
                    by |= {2: "small"} if techniques.model_routing or techniques.short_turn_models else {}
                    turns.append(
                        {
                            "configuration": name,
                            "recording": recording,
                            "seed": seed,
                            "turn": turn,
                            "end_s": 5.0 * turn,
                            "words": turn + 1,
                            "answered_by": by.get(turn % 4, "large"),
                            "tool": turn % 4 == 3,
                            "turn_total_s": total,
                            "after_commit_s": total - COMMIT_S,
                            **dict.fromkeys(STAGES, 0.1),
                            "commit_s": COMMIT_S,
                            "answer_s": total,
                        }
                    )
                sessions.append(
                    {
                        "configuration": name,
                        "recording": recording,
                        "seed": seed,
                        "turns": TURNS,
                        "greeted": True,
                        **dict.fromkeys(COUNTED, 2),
                        "dollars": 0.01,
                        "failure": "",
                    }
                )
    return table(turns, TURN_COLUMNS), table(sessions, SESSION_COLUMNS)


def ablation_of(turns: pd.DataFrame, sessions: pd.DataFrame) -> Ablation:
    """The twelve techniques under LiveKit's turn-taking, with these tables."""
    return Ablation(
        settings=Settings(),
        conditions=USUAL_CONDITIONS,
        providers=load_providers("guide"),
        seed=0,
        draws=SEEDS,
        wait_s=8.0,
        greeting=None,
        recordings=RECORDINGS,
        skipped=(),
        untranscribed=(),
        configurations=configurations(automatic_cache=True),
        turns=turns,
        sessions=sessions,
        summary=summarize(turns, sessions),
    )
