"""A user's own detectors: asked of a function, or read from a table; kept by their source."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from calls import short_call

from lab_utils.core.errors import InputError
from lab_utils.core.labels import Ipu, Labels
from lab_utils.core.settings import Settings, livekit_defaults
from lab_utils.core.traces import BUFFER_SAMPLES, EotTrace
from lab_utils.turns.detectors.base import Questions
from lab_utils.turns.detectors.own import own_detector
from lab_utils.turns.detectors.table import COLUMNS, read_answers, recorded_answers
from lab_utils.turns.replay import Block, replay
from lab_utils.turns.tracing import TraceCache, Tracer

LABELS = Labels(
    9.0, (Ipu("user", 1.0, 2.0, "One two."), Ipu("agent", 3.0, 4.0, "Three."), Ipu("user", 5.0, 6.0)), ()
)


def questions(*ends: int, labels: Labels = LABELS, sha256: str = "a" * 64) -> Questions:
    stream = np.arange(160_000, dtype=np.int64).astype(np.int16)
    at = np.array(ends, dtype=np.int64)
    return Questions(stream, np.maximum(at - 128_000, 0), at, 16_000, sha256, labels)


def test_a_function_is_given_the_audio_up_to_the_question_and_words_if_it_asks() -> None:
    heard: list[tuple[int, int, int]] = []
    said: list[list[str]] = []

    def mine(audio, words):
        heard.append((len(audio), int(audio[0]), int(audio[-1])))
        said.append([word.text for word in words])
        return 0.25

    _, predictor = own_detector(mine, version="1")
    p = predictor.probabilities(questions(40_000, 140_000))  # at 1.5 s and 7.75 s of the recording
    assert p.tolist() == [0.25, 0.25]
    assert heard == [
        (40_000, 0, np.int16(39_999 - 65_536 if 39_999 > 32_767 else 39_999)),
        (128_000, 12_000, 139_999 - 131_072),
    ]
    assert said == [["One"], ["One", "two.", "Three."]]


def wrong_value(audio):
    return 1.5


def raises(audio):
    raise RuntimeError("no\nsuch model")


def two_arguments(audio, rate):
    return 0.5


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (wrong_value, r"own:wrong_value: said 1.5 when asked at 1.50 s; expected a probability, 0 to 1"),
        (raises, r"own:raises: raised RuntimeError when asked at 1.50 s: no such model; mend the function"),
        (two_arguments, r"own:two_arguments: needs the arguments \(audio, rate\)"),
        (7, r"own:int: is of type int; give a function of the audio"),
    ],
)
def test_what_is_no_detector_is_refused_by_name(function, message) -> None:
    with pytest.raises(InputError, match=message):
        own_detector(function, version="1")[1].probabilities(questions(40_000))


def test_a_name_and_a_readable_source_are_needed() -> None:
    with pytest.raises(InputError, match="'a b' is no name for a detector"):
        own_detector(wrong_value, "a b")
    made: dict[str, object] = {}
    exec("def typed(audio):\n    return 0.5", made)
    with pytest.raises(InputError, match=r"own:typed: its source can't be read.*or give a version"):
        own_detector(made["typed"])
    assert own_detector(made["typed"], version="2")[1].model_version() == "2"


def test_settings_know_own_detectors_by_their_prefix_alone() -> None:
    settings = livekit_defaults("livekit", "own:mine")
    assert (settings.detector.unlikely_threshold, settings.endpointing.min_delay) == (0.5, 0.3)
    with pytest.raises(ValueError, match="'v1-mini', or 'own:' and the name of one of your own"):
        Settings().replace(detector="mine")
    with pytest.raises(InputError, match="own:mine is a detector of your own: hand AgentSession your object"):
        settings.detector.arguments()
    with pytest.raises(ValueError, match="min_silence_duration"):
        settings.replace(min_silence_duration=0.1)


def test_a_trace_of_8_s_tells_ends_apart_and_merges() -> None:
    one = EotTrace.of("own:mine").merged(EotTrace(np.array([0]), np.array([128_000]), np.array([0.1])))
    both = one.merged(EotTrace(np.array([1]), np.array([128_001]), np.array([0.2])))
    assert (both.hears_samples, both.since_commit) == (128_000, False)
    assert both.probabilities.tolist() == [0.1, 0.2]
    assert np.all(np.diff(both.keys) > 0)
    assert (EotTrace.of("v1-mini").hears_samples, EotTrace.of("v1-mini").since_commit) == (
        BUFFER_SAMPLES,
        True,
    )


def test_a_change_in_a_module_that_a_detector_imports_is_another_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "level_of_mine.py").write_text("LEVEL = 0.9\n")
    (tmp_path / "detector_of_mine.py").write_text(
        "from level_of_mine import LEVEL\ndef loud(audio):\n    return LEVEL\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    loud = importlib.import_module("detector_of_mine").loud
    versions = []
    for text in ("LEVEL = 0.9\n", "LEVEL = 0.9\n", "LEVEL = 0.1\n"):
        (tmp_path / "level_of_mine.py").write_text(text)
        versions.append(own_detector(loud)[1].model_version())
    assert versions[0] == versions[1] != versions[2]


@pytest.mark.slow
def test_answers_are_traced_once_and_kept_by_source_apart_from_other_detectors(tmp_path: Path) -> None:
    """A sweep's replay takes them, on the tape and on branches, and v1-mini's are untouched."""
    call = short_call()
    asked: list[int] = []

    def mine(audio):
        asked.append(len(audio))
        return 0.9 if len(asked) % 2 else 0.1

    name, predictor = own_detector(mine, "mine", version="1")
    settings = [livekit_defaults(detector=one) for one in (name, "v1-mini")]
    blocks = [Block.of(one) for one in settings]

    def traced(version: str):
        own = {name: replace(predictor, model_version=lambda: version)}
        tracer = Tracer(TraceCache(tmp_path), tail_s=2.0, own=own)
        return tracer.complete(call, tracer.trace(call, phases=2), blocks)

    first = traced("1")
    n = len(asked)
    assert n == sum(len(one.ends) for one in first.predictions(name)) > 4
    second = traced("1")
    assert len(asked) == n, "the answers were in the cache"
    for a, b in zip(first.predictions(name), second.predictions(name), strict=True):
        np.testing.assert_array_equal(a.probabilities, b.probabilities)
    assert len(first.eot[0].ends)
    assert not np.array_equal(first.eot[0].probabilities, first.predictions(name)[0].probabilities)
    assert [replay(first, one).time_s.tolist() for one in settings] == [
        replay(second, one).time_s.tolist() for one in settings
    ]
    traced("2")
    assert len(asked) == 2 * n, "another source is asked anew"
    bare = Tracer(TraceCache(tmp_path), tail_s=2.0)
    unasked = bare.trace(call, phases=1)
    with pytest.raises(ValueError, match="own:mine: nothing to ask; give its function"):
        bare.complete(call, unasked, blocks)


def table(
    tmp_path: Path, *rows: str, columns: str = "sha256,time_s,probability", name: str = "cloud.csv"
) -> Path:
    path = tmp_path / name
    path.write_text("\n".join([columns, *rows]) + "\n")
    return path


def test_a_table_answers_in_the_same_silence_and_counts_what_it_leaves_open(tmp_path: Path) -> None:
    sha, other = "a" * 64, "b" * 64
    path = table(
        tmp_path, f"{sha},2.0,0.3", f"{sha},2.0,0.3", f"{sha},2.4,0.6", f"{sha},6.0,", f"{other},2.0,0.9"
    )
    name, predictor = read_answers(path)
    answers = predictor.probabilities
    assert (name, answers.empty, answers.repeated) == ("own:cloud", 1, 1)
    asked = questions(*[16_000 + round(16_000 * at) for at in (1.99, 2.3, 2.5, 4.2, 6.3)])
    np.testing.assert_array_equal(
        answers.said(sha, asked.times_s, LABELS), [np.nan, 0.3, 0.6, np.nan, np.nan]
    )
    assert predictor.probabilities(asked).tolist() == [1.0, 0.3, 0.6, 1.0, 1.0]
    _, service = read_answers(path, unanswered=0.0)
    assert service.probabilities(asked).tolist() == [0.0, 0.3, 0.6, 0.0, 0.0]
    assert service.model_version() != predictor.model_version()
    resumed = replace(LABELS, ipus=(*LABELS.ipus, Ipu("user", 2.7, 2.75)))
    assert np.isnan(answers.said(sha, np.array([3.0]), resumed)).all(), "another silence has begun"
    assert answers.said(other, asked.times_s, LABELS)[1] == 0.9
    assert np.isnan(answers.said("c" * 64, asked.times_s, LABELS)).all()
    assert (
        read_answers(table(tmp_path, f"{sha},2.0,0.4"), "x")[1].model_version() != predictor.model_version()
    )


def test_what_a_recorded_session_said_later_in_the_same_silence_answers_too() -> None:
    """The user of LABELS speaks up to 2.0 s, and again from 4.0 s."""
    sha = "a" * 64
    rows = [(sha, 2.6, 0.4), (sha, 3.8, 0.7), (sha, 5.9, None), (sha, 5.9, None)]
    name, predictor = recorded_answers(pd.DataFrame(rows, columns=list(COLUMNS)), "recorded")
    answers = predictor.probabilities
    said = answers.said(sha, np.array([2.3, 2.7, 3.9]), LABELS)
    np.testing.assert_array_equal(said, [0.4, 0.4, 0.7])
    resumed = replace(LABELS, ipus=(*LABELS.ipus, Ipu("user", 2.5, 2.55)))
    assert np.isnan(answers.said(sha, np.array([2.3]), resumed)).all(), "said of another silence"
    assert np.isnan(answers.said(sha, np.array([1.0]), LABELS)).all(), "too long after"
    assert name == "own:recorded"
    assert answers.in_words == (
        "own:recorded: 2 answers about 1 recording(s); 2 without a probability left out; "
        "given at the moments of those sessions: approximate"
    )


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        (["a,2.0,0.3", "a,2.0,0.4"], "", r"rows 1 and 2 tell 0.3 and 0.4 of the same moment, 2 s of a…"),
        (["a,2.0,30"], "", r"row 1: probability is 30; expected 0 to 1 \(per cent, or logits\?\)"),
        (["a,2.0,likely"], "", r"row 1: probability is likely"),
        (["a,,0.3"], "", r"row 1: time_s is nan; expected seconds"),
        ([",2.0,0.3"], "", r"row 1: sha256 is empty"),
        (["a,2.0,"], "", r"holds no probability"),
        (
            ["a,2.0"],
            "recording,time_s",
            r"lacks the column\(s\) sha256, probability; it has recording, time_s",
        ),
    ],
)
def test_a_table_that_can_not_be_used_is_refused_by_row(tmp_path: Path, rows, columns, message) -> None:
    path = table(tmp_path, *rows, columns=columns or "sha256,time_s,probability")
    with pytest.raises(InputError, match=message):
        read_answers(path)


def test_files_that_are_no_table_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none.csv: No such file"):
        read_answers(tmp_path / "none.csv")
    with pytest.raises(InputError, match=r"expected a table as .csv, .parquet, .jsonl"):
        read_answers(table(tmp_path, name="cloud.txt"))
    (tmp_path / "cloud.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(InputError, match="not a readable parquet table"):
        read_answers(tmp_path / "cloud.parquet")
