"""Pinned calls without sound: they replay the same, hold no words, and a broken file is refused."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from synthetic import Turn, complete, labels_of, traced_of

from lab_utils.core.errors import InputError
from lab_utils.core.labels import Word
from lab_utils.core.settings import USUAL_CONDITIONS, Settings
from lab_utils.core.traces import Traced
from lab_utils.turns.pins import (
    Pin,
    PinnedCall,
    PinnedCommit,
    PinnedLabel,
    read_calls,
    without_sound,
    write_calls,
)
from lab_utils.turns.replay import Block, replay
from lab_utils.turns.sweep import Corpus, score_one

SETTINGS = Settings()


def call(name: str = "a") -> Traced:
    labels = labels_of([Turn((1.0, 1.5), ((0.7, "hold"),), gap=0.6, reply=2.0, rest=0.6)] * 3)
    labels = replace(labels, words=(Word("user", 1.0, 1.4, "secret-word"),))
    traced = traced_of(labels, name=name, offsets=(0, 128), vads=("livekit", "silero"), tail_s=8.0)
    return complete(replace(traced, finals=np.array([[1.5, 1.75]])), [Block.of(SETTINGS)])


def pin_of(traced: Traced) -> Pin:
    return Pin(
        call=PinnedCall(name=traced.name, sha256=traced.sha256, duration_s=traced.duration_s, traces=""),
        label=PinnedLabel(kind="hold", start_s=2.0, end_s=2.7),
        commit=PinnedCommit(time_s=2.5, cause="vad", probability=None),
        settings=SETTINGS,
        conditions=USUAL_CONDITIONS,
        when=dt.datetime(2026, 11, 29, tzinfo=dt.UTC),
    )


@pytest.fixture
def written(tmp_path: Path) -> tuple[Traced, Path]:
    traced, path = call(), tmp_path / "a.pinned.json"
    write_calls(without_sound([traced], [pin_of(traced)], USUAL_CONDITIONS), path)
    return traced, path


def test_what_is_read_replays_to_the_last_bit(written: tuple[Traced, Path]) -> None:
    traced, path = written
    (read,) = (one.to_traced() for one in read_calls(path).calls)
    assert len(replay(traced, SETTINGS).time_s)
    for phase in range(traced.phases):
        there, here = (replay(one, SETTINGS, phase=phase) for one in (traced, read))
        assert there.time_s.tolist() == here.time_s.tolist()
        np.testing.assert_array_equal(there.probability, here.probability)
    figures = [score_one(Corpus.of([one]), SETTINGS) for one in (traced, read)]
    assert figures[0].equals(figures[1])
    np.testing.assert_array_equal(read.finals, traced.finals)


def test_no_word_is_in_the_file(written: tuple[Traced, Path]) -> None:
    text = written[1].read_text()
    assert "secret" not in text
    assert '"text":"x"' in text


def test_calls_without_a_pin_stay_out_and_pins_of_other_calls_alone_are_refused(tmp_path: Path) -> None:
    traced = call()
    other = replace(call("b"), sha256="1" * 64)
    made = without_sound([traced, other], [pin_of(traced)], USUAL_CONDITIONS)
    assert [one.name for one in made.calls] == ["a"]
    with pytest.raises(InputError, match="none of the 1 pinned failures is of one of these 1 recordings"):
        without_sound([other], [pin_of(traced)], USUAL_CONDITIONS)


def test_a_broken_file_is_refused_by_name(written: tuple[Traced, Path]) -> None:
    path = written[1]
    good = json.loads(path.read_text())

    def refused(**changes: object) -> str:
        path.write_text(json.dumps(good | {"calls": [good["calls"][0] | changes]}))
        with pytest.raises(InputError, match=r"a\.pinned\.json") as error:
            read_calls(path)
        return str(error.value)

    assert "its takes don't fit together" in refused(eot=good["calls"][0]["eot"][:1])
    assert "calls" in refused(duration_s="long")
    vad = good["calls"][0]["vad"]
    assert "expected" in refused(vad=vad | {"silero": [vad["silero"][0] | {"probabilities": [1.5]}] * 2})
    path.write_text("{")
    with pytest.raises(InputError, match="is damaged or cut off"):
        read_calls(path)
