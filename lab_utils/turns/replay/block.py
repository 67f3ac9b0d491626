"""Blocks of settings that a replay decides together, and a table of settings cut into them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from ...core.detectors import Needs, traits_of
from ...core.knobs import KNOBS
from ...core.languages import ENGLISH_UNLIKELY_THRESHOLD, ByLanguage, threshold_in
from ...core.policies import WaitShape
from ...core.settings import USUAL_CONDITIONS, Conditions, Settings, VadSettings
from ...core.timeline import Floats, Ints
from ...core.traces import Traced
from .decisions import Delays, distinct
from .endpointing import Learners, learned_min_delays
from .extra_delays import ExtraDelays
from .records import Rows
from .said import MissingTexts, Speech


@dataclass(frozen=True)
class Block:
    """Settings that differ in threshold and waits only; arrays of shape=(settings,)."""

    vad: VadSettings
    detector: str
    endpointing_mode: str
    alpha: float
    conditions: Conditions
    threshold: Floats
    min_delay: Floats
    max_delay: Floats
    min_words: Ints | None = None
    """Words that a turn needs to be committed while the agent speaks; None: any will do."""
    by_language: Mapping[int, ByLanguage] = field(default_factory=dict)
    """Settings whose threshold differs by language, by place; `threshold` then has the English one."""
    shapes: Mapping[int, WaitShape] = field(default_factory=dict)
    """Settings with a `wait_shape`, by place."""
    extra: ExtraDelays | None = None
    """What is added to waits by what was said; None where nothing is."""
    finals_s: Floats = field(default_factory=lambda: np.zeros((0, 2)))
    """`Traced.finals` at stream times; set by `on`."""
    interruptible: bool = True
    """Whether the user may interrupt the agent; only text detectors know less where it can't be."""
    speech: Speech | None = None
    """What a text detector, or who extends waits by what was said, may come to know; set by `on`. None in a
    language that a text detector doesn't know."""

    def __len__(self) -> int:
        return len(self.threshold)

    @property
    def needs(self) -> Needs:
        """What the detector decides by, beside the VAD."""
        return traits_of(self.detector).needs

    @classmethod
    def of(cls, settings: Settings, conditions: Conditions = USUAL_CONDITIONS) -> Block:
        """A block of one."""
        threshold = settings.detector.unlikely_threshold
        # Speech that can't be interrupted refuses nothing (agent_activity.py:2740).
        wanted = settings.interruption.min_words if settings.interruption.enabled else 0
        judged = settings.detector.traits.has_threshold
        shape = settings.policy.wait_shape if judged else None
        return cls(
            vad=settings.vad,
            detector=settings.detector.model,
            endpointing_mode=settings.endpointing.mode,
            alpha=settings.endpointing.alpha,
            conditions=conditions,
            threshold=np.array([float(threshold)]),
            by_language={0: threshold} if isinstance(threshold, ByLanguage) else {},
            min_delay=np.array([settings.endpointing.min_delay]),
            max_delay=np.array([settings.endpointing.max_delay]),
            min_words=np.array([wanted]) if wanted else None,
            shapes={} if shape is None else {0: shape},
            extra=ExtraDelays.of([settings.policy]) if judged else None,
            interruptible=settings.interruption.enabled,
        )

    def on(self, traced: Traced, offset_s: float) -> Block:
        """The block as it is on one recording: with the thresholds of its language, and its own finals.

        `offset_s`: stream time less recording time.
        """
        language = traced.language or self.conditions.language
        if self.needs == "words":
            return self._about_words(traced, language or "en", offset_s)
        threshold = self.threshold
        calibrated = traits_of(self.detector).default_threshold is None
        if (language not in ("", "en") and calibrated) or self.by_language:
            own = threshold_in(ENGLISH_UNLIKELY_THRESHOLD, language)
            threshold = np.where(threshold == ENGLISH_UNLIKELY_THRESHOLD, own, threshold)
            for place, values in self.by_language.items():
                threshold[place] = threshold_in(values, language)
        speech = None if self.extra is None else self._spoken(traced, offset_s)
        finals_s = traced.finals + offset_s
        return replace(self, threshold=threshold, by_language={}, finals_s=finals_s, speech=speech)

    def _spoken(self, traced: Traced, offset_s: float) -> Speech:
        """Who says what; raises ValueError if extra delays depend on what nobody knows."""
        speech = Speech.of(traced.labels, offset_s, interruptible=self.interruptible)
        if self.extra is not None and (self.extra.asked_s > 0).any() and not any(speech.agent):
            raise ValueError(
                "extra_delay_asked depends on what the agent said, and the labels have no words of it; write "
                "them with `lab transcribe`, or set extra_delay_asked to 0"
            )
        return speech

    def _about_words(self, traced: Traced, language: str, offset_s: float) -> Block:
        """`on` for a text detector (turn_detector/base.py, `unlikely_threshold`). Raises MissingTexts."""
        answers = traced.texts.get(self.detector)
        if answers is None or answers.thresholds is None:
            raise MissingTexts(())
        here = replace(self, finals_s=traced.finals + offset_s)
        own = answers.threshold_in(language)
        if own is None:
            return here
        threshold = np.where(self.threshold == ENGLISH_UNLIKELY_THRESHOLD, own, self.threshold)
        return replace(here, threshold=threshold, speech=self._spoken(traced, offset_s))

    @property
    def learners(self) -> Learners:
        """The settings' delays, for a walk through the events (`stt` mode)."""
        return Learners(
            self.min_delay, self.max_delay, self.alpha if self.endpointing_mode == "dynamic" else None
        )

    def delays(self, rows: Rows, agent: Floats) -> Delays:
        """The block's distinct delays; learned ones are computed from the pauses and the agent's turns.

        Learned ones have a row for each pause of the tape, then of each branch.
        """
        if self.endpointing_mode == "fixed":
            columns, place = distinct(np.concatenate((self.min_delay, self.max_delay)))
            min_column, max_column = place.reshape(2, -1)
            first = columns
        else:
            pairs, place = np.unique(np.stack((self.min_delay, self.max_delay)), axis=1, return_inverse=True)
            parts = [learned_min_delays(rows.tape, agent, pairs[0], pairs[1], self.alpha)]
            for one in rows.branches:
                learned = learned_min_delays(one.world(rows.tape), one.agent, pairs[0], pairs[1], self.alpha)
                parts.append(learned[one.shared :])
            learned = np.concatenate(parts)
            columns = np.concatenate((learned, np.broadcast_to(pairs[1], learned.shape)), axis=1)
            first = pairs.reshape(-1)
            min_column = place.reshape(-1)
            max_column = min_column + pairs.shape[1]
        return Delays(self.threshold, columns, min_column, max_column, first, self._shapes())

    def _shapes(self) -> tuple[tuple[WaitShape, Ints], ...]:
        """Each shape with the places of its settings."""
        places: dict[WaitShape, list[int]] = {}
        for place, shape in self.shapes.items():
            places.setdefault(shape, []).append(place)
        return tuple((shape, np.array(of, dtype=np.int64)) for shape, of in places.items())


IN_A_BLOCK = ["unlikely_threshold", "min_delay", "max_delay"]
"""Knobs in which the settings of a block differ."""


def blocks_of(table: pd.DataFrame, conditions: Conditions, most: int) -> Iterator[tuple[Ints, Block]]:
    """Cut a table of settings (`grid.complete`) into blocks of at most `most` rows, with their row numbers.

    Idle knobs (NaN) take the value of a knob in force.
    Rows are ordered by threshold first: neighbours then mostly decide alike, which numpy selects much faster.

    >>> table = pd.DataFrame([Settings().replace(min_delay=s).knobs() for s in (0.9, 0.3)])
    >>> [(rows.tolist(), block.min_delay.tolist()) for rows, block in blocks_of(table, Conditions(), most=10)]
    [([1, 0], [0.3, 0.9])]
    """
    table = table.reset_index(drop=True).sort_values(IN_A_BLOCK, kind="stable", key=_numbers)
    shared = [name for name, knob in KNOBS.items() if name not in IN_A_BLOCK and knob.group != "policy"]
    shapes = {k: one for k, one in enumerate(table["wait_shape"]) if isinstance(one, WaitShape)}
    extra_s = table[["extra_delay_numbers", "extra_delay_asked"]].fillna(0.0).to_numpy(np.float64)
    # Settings with a policy are walked through event by event, so they stand in blocks of their own.
    has_extra = pd.Series((extra_s > 0).any(axis=1), table.index, name="has_extra")
    keys = [*shared, table["wait_shape"].notna().rename("has_shape"), has_extra]
    row_numbers = table.index.to_numpy()
    threshold = _numbers(table["unlikely_threshold"]).fillna(0.0).to_numpy(np.float64)
    several = {k: one for k, one in enumerate(table["unlikely_threshold"]) if isinstance(one, ByLanguage)}
    min_delay = table["min_delay"].to_numpy(np.float64)
    max_delay = table["max_delay"].fillna(table["min_delay"]).to_numpy(np.float64)
    for rows in table.groupby(keys, sort=False, dropna=False).indices.values():
        first_row = table.iloc[rows[0]]
        settings = Settings.from_knobs({name: first_row[name] for name in shared})
        for first in range(0, len(rows), most):
            part = rows[first : first + most]
            yield (
                row_numbers[part],
                replace(
                    Block.of(settings, conditions),
                    threshold=threshold[part],
                    by_language={k: several[row] for k, row in enumerate(part) if row in several},
                    shapes={k: shapes[row] for k, row in enumerate(part) if row in shapes},
                    extra=ExtraDelays(*extra_s[part].T) if has_extra.iloc[part[0]] else None,
                    min_delay=min_delay[part],
                    max_delay=max_delay[part],
                ),
            )


def _numbers(column: pd.Series) -> pd.Series:
    """Thresholds by language as the English one."""
    return column.astype(np.float64)


def blocks_of_settings(
    settings: Sequence[Settings], conditions: Conditions
) -> Iterator[tuple[list[int], Block]]:
    """Settings in blocks of those that may be decided together, with their places in the sequence.

    >>> vad, other = (Settings().replace(detector="vad", min_delay=delay_s) for delay_s in (0.9, 0.3))
    >>> found = blocks_of_settings([vad, Settings(), other], Conditions())
    >>> [(places, block.detector, block.min_delay.tolist()) for places, block in found]
    [([0, 2], 'vad', [0.9, 0.3]), ([1], 'v1-mini', [0.3])]
    """
    alone = [Block.of(one, conditions) for one in settings]
    groups: dict[tuple[Any, ...], list[int]] = {}
    for place, one in enumerate(alone):
        counts = one.min_words is None
        waits = one.endpointing_mode, one.alpha, bool(one.shapes), one.extra is None
        key = (one.vad, one.detector, *waits, counts, one.interruptible)
        groups.setdefault(key, []).append(place)
    for places in groups.values():
        counted = [words for k in places if (words := alone[k].min_words) is not None]
        policies = [settings[k].policy for k in places]
        yield (
            places,
            replace(
                alone[places[0]],
                threshold=np.concatenate([alone[k].threshold for k in places]),
                by_language={
                    k: alone[place].by_language[0]
                    for k, place in enumerate(places)
                    if alone[place].by_language
                },
                shapes={k: alone[place].shapes[0] for k, place in enumerate(places) if alone[place].shapes},
                extra=ExtraDelays.of(policies) if alone[places[0]].extra is not None else None,
                min_delay=np.concatenate([alone[k].min_delay for k in places]),
                max_delay=np.concatenate([alone[k].max_delay for k in places]),
                min_words=np.concatenate(counted) if counted else None,
            ),
        )
