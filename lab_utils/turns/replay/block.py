"""Blocks of settings that a replay decides together, and a table of settings cut into them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ...core.settings import USUAL_CONDITIONS, Conditions, EndpointingSettings, Settings, VadSettings
from ...core.timeline import Floats, Ints
from .decisions import Delays
from .endpointing import Learner, learned_min_delays
from .records import Pauses


@dataclass(frozen=True)
class Block:
    """Settings that differ in threshold and delays only; arrays of shape=(settings,)."""

    vad: VadSettings
    detector: str
    endpointing_mode: str
    alpha: float
    conditions: Conditions
    threshold: Floats
    min_delay: Floats
    max_delay: Floats

    def __len__(self) -> int:
        return len(self.threshold)

    @classmethod
    def of(cls, settings: Settings, conditions: Conditions = USUAL_CONDITIONS) -> Block:
        """A block of one."""
        return cls(
            vad=settings.vad,
            detector=settings.detector.model,
            endpointing_mode=settings.endpointing.mode,
            alpha=settings.endpointing.alpha,
            conditions=conditions,
            threshold=np.array([settings.detector.unlikely_threshold]),
            min_delay=np.array([settings.endpointing.min_delay]),
            max_delay=np.array([settings.endpointing.max_delay]),
        )

    def learners(self, agent: Floats) -> list[Learner]:
        """Each setting's delays, for one walk through the events (`stt` mode)."""
        alpha = self.alpha if self.endpointing_mode == "dynamic" else None
        pairs = zip(self.min_delay.tolist(), self.max_delay.tolist(), strict=True)
        return [Learner(low, high, alpha, agent) for low, high in pairs]

    def delays(self, pauses: Pauses, agent: Floats) -> Delays:
        """The block's distinct delays; learned ones are computed from the pauses and the agent's turns."""
        if self.endpointing_mode == "fixed":
            columns, place = np.unique(np.concatenate((self.min_delay, self.max_delay)), return_inverse=True)
            min_column, max_column = place.reshape(2, -1)
            first = columns
        else:
            pairs, place = np.unique(np.stack((self.min_delay, self.max_delay)), axis=1, return_inverse=True)
            learned = learned_min_delays(pauses, agent, pairs[0], pairs[1], self.alpha)
            columns = np.concatenate((learned, np.broadcast_to(pairs[1], learned.shape)), axis=1)
            first = pairs.reshape(-1)
            min_column = place.reshape(-1)
            max_column = min_column + pairs.shape[1]
        return Delays(self.threshold, columns, min_column, max_column, first)


_VAD_KNOBS = [
    "vad",
    "activation_threshold",
    "deactivation_threshold",
    "min_speech_duration",
    "min_silence_duration",
]
_OTHER_KNOBS = ["detector", "endpointing_mode"]


def blocks_of(table: pd.DataFrame, conditions: Conditions, most: int) -> Iterator[tuple[Ints, Block]]:
    """Cut a table of settings (`grid.complete`) into blocks of at most `most` rows, with their row numbers.

    Idle knobs (NaN) take the value of a knob in force.
    Rows are ordered by threshold first: neighbours then mostly decide alike, which numpy selects much faster.
    """
    by = ["unlikely_threshold", "min_delay", "max_delay"]
    table = table.reset_index(drop=True).sort_values(by, kind="stable")
    row_numbers = table.index.to_numpy()
    for rows in table.groupby(_VAD_KNOBS + _OTHER_KNOBS, sort=False).indices.values():
        shared = table.iloc[rows[0]].to_dict()
        names = {"model": shared["vad"]} | {name: shared[name] for name in _VAD_KNOBS[1:]}
        settings = VadSettings.model_validate(names)
        for first in range(0, len(rows), most):
            part = row_numbers[rows[first : first + most]]
            chosen = table.loc[part]
            min_delay = chosen["min_delay"].to_numpy(np.float64)
            yield (
                part,
                Block(
                    vad=settings,
                    detector=str(shared["detector"]),
                    endpointing_mode=str(shared["endpointing_mode"]),
                    alpha=EndpointingSettings().alpha,
                    conditions=conditions,
                    threshold=chosen["unlikely_threshold"].fillna(0.0).to_numpy(np.float64),
                    min_delay=min_delay,
                    max_delay=chosen["max_delay"].fillna(chosen["min_delay"]).to_numpy(np.float64),
                ),
            )
