"""The label file: exact round trip, and one clear line for everything that can be wrong in it."""

from __future__ import annotations

import contextlib
import copy
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab_utils.core.labels import Ipu, Label, Labels, Word
from lab_utils.recordings.audio import BadRecording
from lab_utils.recordings.labels.file import (
    BadLabels,
    check_duration,
    read_label_file,
    read_labels,
    write_label_file,
    write_labels,
)

GOLDEN_LABELS = Labels(
    duration_s=10.0,
    ipus=(
        Ipu("user", 1.0, 2.5, "my number is"),
        Ipu("user", 3.1, 4.0, "five"),
        Ipu("agent", 4.5, 8.0, "thank you"),
        Ipu("user", 6.0, 6.4, "mm-hm"),
    ),
    labels=(
        Label("hold", 2.5, 3.1, 0.75, "the user goes on"),
        Label("shift", 4.0, 4.5, 1.0, "construction"),
        Label("backchannel", 6.0, 6.4),
    ),
    words=(Word("user", 1.0, 1.25, "my"), Word("user", 1.25, 1.75, "nümber")),
    source="construction",
)

GOLDEN_FILE = """{
 "format": "turn-labels",
 "version": 1,
 "recording": "golden",
 "duration_s": 10.0,
 "source": "construction",
 "ipus": [
  {
   "speaker": "user",
   "start_s": 1.0,
   "end_s": 2.5,
   "text": "my number is"
  },
  {
   "speaker": "user",
   "start_s": 3.1,
   "end_s": 4.0,
   "text": "five"
  },
  {
   "speaker": "agent",
   "start_s": 4.5,
   "end_s": 8.0,
   "text": "thank you"
  },
  {
   "speaker": "user",
   "start_s": 6.0,
   "end_s": 6.4,
   "text": "mm-hm"
  }
 ],
 "labels": [
  {
   "kind": "hold",
   "start_s": 2.5,
   "end_s": 3.1,
   "confidence": 0.75,
   "reason": "the user goes on"
  },
  {
   "kind": "shift",
   "start_s": 4.0,
   "end_s": 4.5,
   "confidence": 1.0,
   "reason": "construction"
  },
  {
   "kind": "backchannel",
   "start_s": 6.0,
   "end_s": 6.4,
   "confidence": 1.0,
   "reason": ""
  }
 ],
 "words": [
  {
   "speaker": "user",
   "start_s": 1.0,
   "end_s": 1.25,
   "text": "my"
  },
  {
   "speaker": "user",
   "start_s": 1.25,
   "end_s": 1.75,
   "text": "nümber"
  }
 ]
}
"""


def document(**changes: object) -> dict:
    """The golden document with some of its keys changed."""
    return {**json.loads(GOLDEN_FILE), **changes}


def changed(place: str, index: int, **values: object) -> dict:
    """The golden document with some values of one entry changed."""
    content = copy.deepcopy(document())
    content[place][index].update(values)
    return content


def saved(folder: Path, content: object) -> Path:
    path = folder / "x.labels.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_what_is_written_is_the_golden_file(tmp_path):
    write_labels(GOLDEN_LABELS, tmp_path / "golden.labels.json")
    assert (tmp_path / "golden.labels.json").read_text(encoding="utf-8") == GOLDEN_FILE
    assert [path.name for path in tmp_path.iterdir()] == ["golden.labels.json"]


def test_the_golden_file_is_read(tmp_path):
    assert read_labels(saved(tmp_path, GOLDEN_FILE)) == GOLDEN_LABELS


def test_the_least_file_needs_no_words_texts_or_confidences(tmp_path):
    least = {"format": "turn-labels", "version": 1, "duration_s": 5, "labels": []}
    least["ipus"] = [{"speaker": "user", "start_s": 1, "end_s": 2}]
    assert read_labels(saved(tmp_path, least)) == Labels(5.0, (Ipu("user", 1.0, 2.0),), ())


def test_a_byte_order_mark_is_passed_over(tmp_path):
    assert read_labels(saved(tmp_path, "\ufeff" + GOLDEN_FILE)) == GOLDEN_LABELS


def test_condition_and_voices_survive_reading_and_writing(tmp_path):
    path = saved(tmp_path, document(condition="noise-20dB", voices={"user": "en-1", "agent": "en-2"}))
    content = read_label_file(path)
    write_label_file(content, tmp_path / "again.labels.json")
    again = read_label_file(tmp_path / "again.labels.json")
    assert again == content
    assert (again.condition, again.voices) == ("noise-20dB", {"user": "en-1", "agent": "en-2"})


def without(key: str) -> dict:
    return {name: value for name, value in document().items() if name != key}


@pytest.mark.parametrize(
    ("content", "finding"),
    [
        ("", r"is empty"),
        ("hello", r"not JSON \(expected value at line 1"),
        ('{"format": ', r"not JSON \(EOF"),
        ("[" * 10_000, "not JSON"),
        ("[1, 2]", "expected keys and values, got"),
        (document(format="other"), "format: expected 'turn-labels'.*, got 'other'"),
        (document(version=2), "version: expected 1.*, got 2; use a newer release"),
        (document(colour="red"), "colour: unknown key; remove it or correct its spelling"),
        (changed("labels", 0, star_s=1.0), r"labels\[0\]\.star_s: unknown key"),
        (without("ipus"), "ipus: missing; add it"),
        (document(duration_s=0.0), "duration_s: expected greater than 0.*, got 0.0"),
        (document(duration_s="10"), "duration_s: expected a valid number.*, got '10'"),
        (document(ipus={}), "ipus: expected a valid.*, got {}"),
        (changed("ipus", 1, speaker="caller"), r"ipus\[1\]\.speaker: expected 'user' or.*, got 'caller'"),
        (changed("ipus", 1, text=None), r"ipus\[1\]\.text: expected a valid string.*, got None"),
        (changed("labels", 2, kind="turn"), r"labels\[2\]\.kind: expected 'hold'.*, got 'turn'"),
        (changed("labels", 2, confidence=1.5), r"labels\[2\]\.confidence: expected less than.*, got 1.5"),
        (changed("labels", 2, end_s=float("nan")), r"labels\[2\]\.end_s: expected a finite.*, got nan"),
        (changed("words", 1, end_s=float("inf")), r"words\[1\]\.end_s: expected a finite number.*, got inf"),
        (changed("ipus", 0, start_s=-0.5), r"ipus\[0\]\.start_s: -0\.5 s is before the recording"),
        (changed("ipus", 2, end_s=99.0), r"ipus\[2\]\.end_s: 99 s is after the end of .* \(10 s\)"),
        (changed("words", 1, end_s=1.1), r"words\[1\]\.end_s: 1\.1 s is before start_s \(1\.25 s\)"),
        (changed("labels", 1, start_s=2.0, end_s=2.1), r"labels\[1\]\.start_s: 2 s comes after 2\.5 s; sort"),
        (changed("words", 0, start_s=1.5, end_s=1.6), r"words\[1\]\.start_s: 1\.25 s comes after 1\.5 s"),
        (changed("ipus", 1, start_s=2.0), r"ipus\[1\]: overlaps ipus\[0\] .*speak twice at once"),
        (changed("labels", 1, kind="hold", start_s=2.9), r"labels\[1\]: overlaps labels\[0\].*one label"),
        (changed("labels", 0, end_s=3.5), r"labels\[0\]: a hold while the user speaks in ipus\[1\]"),
    ],
)  # fmt: skip
def test_a_bad_file_is_refused_in_one_line_that_names_the_place(tmp_path, content, finding):
    path = saved(tmp_path, content)
    with pytest.raises(BadLabels, match=finding) as caught:
        read_labels(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_the_first_of_several_findings_is_told_with_the_number_of_the_others(tmp_path):
    content = document(colour="red", sound="loud")
    with pytest.raises(BadLabels, match=r"colour: .*\(and 1 more\)$"):
        read_labels(saved(tmp_path, content))


def test_times_that_differ_by_rounding_only_are_no_contradiction(tmp_path):
    read_labels(saved(tmp_path, changed("labels", 0, end_s=3.1004)))


def test_the_two_speakers_may_overlap(tmp_path):
    read_labels(saved(tmp_path, changed("ipus", 2, start_s=3.9)))


@pytest.mark.parametrize("kind", ["missing", "folder"])
def test_a_file_that_cannot_be_read_is_bad_labels_too(tmp_path, kind):
    path = tmp_path / "x.labels.json"
    if kind == "folder":
        path.mkdir()
    with pytest.raises(BadRecording, match="can't be read"):
        read_labels(path)


def test_labels_that_would_be_refused_are_not_written(tmp_path):
    path = tmp_path / "x.labels.json"
    for label in (Label("hold", 2.0, 12.0), Label("hold", float("nan"), 2.0)):
        with pytest.raises(BadLabels, match=r"labels\[0\]"):
            write_labels(Labels(10.0, (), (label,)), path)
    assert not list(tmp_path.iterdir())


def test_labels_of_other_audio_are_noticed(tmp_path):
    check_duration("x.labels.json", GOLDEN_LABELS, 10.05)
    with pytest.raises(BadLabels, match=r"x\.labels\.json: duration_s: 10 s, but the audio lasts 8\.500 s; "):
        check_duration("x.labels.json", GOLDEN_LABELS, 8.5)


@st.composite
def sound_labels(draw: st.DrawFn) -> Labels:
    """Labels without contradiction: user and agent alternate, each user IPU followed by a label or none."""
    step = st.floats(0.001, 3.0, allow_nan=False)
    at, ipus, labels, words = 0.0, [], [], []
    for _ in range(draw(st.integers(0, 6))):
        start, end = at + draw(step), 0.0
        end = start + draw(step)
        text = draw(st.text(max_size=5))
        ipus.append(Ipu("user", start, end, text))
        words.append(Word("user", start, end, text))
        at = end + draw(step)
        if kind := draw(st.sampled_from(["hold", "shift", "cut_off", None])):
            labels.append(Label(kind, end, at, draw(st.floats(0, 1)), draw(st.text(max_size=5))))
        ipus.append(Ipu("agent", at, at + draw(step)))
        at = ipus[-1].end_s
    duration_s = max([ipu.end_s for ipu in ipus], default=0.0) + 1.0
    return Labels(duration_s, tuple(ipus), tuple(labels), tuple(words), draw(st.text(max_size=5)))


@given(sound_labels())
def test_the_round_trip_is_exact(tmp_path_factory, labels):
    path = tmp_path_factory.mktemp("round") / "x.labels.json"
    write_labels(labels, path)
    assert read_labels(path) == labels


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_arbitrary_json_is_bad_labels(tmp_path_factory, value):
    path = saved(tmp_path_factory.mktemp("fuzz"), value if not isinstance(value, str) else json.dumps(value))
    with pytest.raises(BadLabels):
        read_labels(path)


@pytest.mark.slow
@settings(max_examples=200)
@given(st.data())
def test_a_golden_file_with_any_value_replaced_is_read_or_bad_labels(tmp_path_factory, data):
    content = document()
    target: dict | list = content
    while True:
        key = data.draw(st.sampled_from(sorted(target) if isinstance(target, dict) else range(len(target))))
        if not isinstance(target[key], dict | list) or data.draw(st.booleans()):
            break
        target = target[key]
    target[key] = data.draw(JSON)
    with contextlib.suppress(BadLabels):
        read_labels(saved(tmp_path_factory.mktemp("fuzz"), content))


@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_bad_labels(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "x.labels.json"
    path.write_bytes(data)
    with pytest.raises(BadLabels):
        read_labels(path)
