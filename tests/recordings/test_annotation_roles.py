"""Names to user and agent, annotations to labels and back through every format a person can edit."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paths import FIXTURES as FIXTURE_FILES
from paths import SAMPLES as AUDIO

from lab_utils.core.labels import Ipu, Label, Labels, Word, as_spans
from lab_utils.recordings.annotations import BadAnnotation, read_annotation, write_annotation
from lab_utils.recordings.annotations.records import Annotation, Segment
from lab_utils.recordings.annotations.roles import annotation_of, guess_roles, labels_of
from lab_utils.recordings.labels.file import read_labels, write_labels
from lab_utils.recordings.labels.two_channel import label_two_channels

FIXTURES = FIXTURE_FILES / "annotations"
SAMPLES = sorted(AUDIO.glob("**/*.labels.json"))
BOTH = {"user": "user", "agent": "agent"}
_scratch = tempfile.TemporaryDirectory()
SCRATCH = Path(_scratch.name)

GOLDEN = Labels(
    duration_s=10.0,
    ipus=(
        Ipu("user", 1.0, 2.5, "my number is"),
        Ipu("user", 3.125, 4.0, "five"),
        Ipu("agent", 4.5, 8.0, "thank you"),
        Ipu("user", 6.0, 6.4, "mm-hm"),
        Ipu("agent", 8.125, 8.25),
    ),
    labels=(
        Label("hold", 2.5, 3.125, 0.75, "the user goes on"),
        Label("shift", 4.0, 4.5),
        Label("backchannel", 6.0, 6.4),
        Label("shift", 9.5, 9.5, 0.3333),
    ),
    words=(Word("user", 1.0, 1.25, "my"), Word("user", 1.25, 1.75, "nümber")),
    source="construction",
)


def as_edited(labels: Labels, source: str) -> Labels:
    """What comes back: all but the reasons and the source."""
    return replace(
        labels, labels=tuple(replace(one, reason="annotated") for one in labels.labels), source=source
    )


@pytest.mark.parametrize("name", ["call.TextGrid", "call.txt", "call.csv", "call.vtt", "elan"])
def test_labels_come_back_from_what_a_person_edits(name: str, tmp_path: Path) -> None:
    path = tmp_path / (name if "." in name else "call.tsv")
    form = None if "." in name else name
    write_annotation(annotation_of(GOLDEN), path, form)
    found = read_annotation(path)
    back = labels_of(found, guess_roles(found) or {}, GOLDEN.duration_s)
    assert back == as_edited(GOLDEN, found.source)


@pytest.mark.parametrize("path", SAMPLES[:3], ids=lambda path: path.name)
def test_the_sample_labels_survive_praat(path: Path, tmp_path: Path) -> None:
    labels = read_labels(path)
    grid = tmp_path / "call.TextGrid"
    write_annotation(annotation_of(labels), grid)
    back = labels_of(read_annotation(grid), BOTH, labels.duration_s)
    assert [one.kind for one in back.labels] == [one.kind for one in labels.labels]
    assert [one.start_s for one in back.labels] == pytest.approx(
        [one.start_s for one in labels.labels], abs=1e-4
    )
    assert [ipu.text for ipu in back.ipus] == [ipu.text for ipu in labels.ipus]
    assert len(back.words) == len(labels.words)
    write_labels(back, tmp_path / "call.labels.json")  # it would refuse contradictions


spans = st.lists(st.tuples(st.integers(0, 250), st.integers(2, 30)), min_size=1, max_size=8).map(
    lambda pairs: as_spans([(a / 10, (a + n) / 10) for a, n in pairs])
)


@given(user=spans, agent=spans)
def test_two_channel_labels_come_back_through_a_file(user: object, agent: object) -> None:
    labels = label_two_channels(user, agent, 30.0)  # type: ignore[arg-type]
    if not labels.labels:
        return
    for name in ("call.TextGrid", "call.txt"):
        write_annotation(annotation_of(labels), SCRATCH / name)
        back = labels_of(read_annotation(SCRATCH / name), BOTH, 30.0)
        for one, other in zip(back.labels, labels.labels, strict=True):
            assert one.kind == other.kind
            assert (one.start_s, one.end_s) == pytest.approx((other.start_s, other.end_s), abs=1e-4)
        assert [ipu.speaker for ipu in back.ipus] == [ipu.speaker for ipu in labels.ipus]


@given(user=spans, agent=spans)
def test_segments_are_labelled_as_two_channels(user: object, agent: object) -> None:
    both = [("u", user), ("a", agent)]
    segments = [Segment(name, *pair) for name, pairs in both for pair in pairs.tolist()]  # type: ignore[attr-defined]
    found = Annotation(tuple(sorted(segments, key=lambda one: one.start_s)), source="rttm")
    expected = label_two_channels(user, agent, 30.0)  # type: ignore[arg-type]
    assert labels_of(found, {"u": "user", "a": "agent"}, 30.0) == replace(expected, source="rttm")


@pytest.mark.parametrize(
    ("name", "roles", "ends"),
    [
        ("deepgram.json", {"channel 0": "user", "channel 1": "agent"}, [3.25, 5.5]),
        ("assemblyai.json", {"speaker A": "user", "speaker B": "agent"}, [3.25, 5.5]),
        ("whisperx.json", {"SPEAKER_00": "user", "SPEAKER_01": "agent"}, [3.25, 5.5]),
    ],
)
def test_words_make_the_ipus_where_segments_span_pauses(name: str, roles: dict, ends: list[float]) -> None:
    found = read_annotation(FIXTURES / name)
    joined = Segment(next(iter(roles)), 2.0, 5.5, "one long utterance over the pause")
    spanning = replace(found, segments=(*(s for s in found.segments if roles[s.speaker] == "agent"), joined))
    labels = labels_of(spanning, roles, 10.0)
    assert [(one.kind, one.start_s) for one in labels.labels] == [("hold", 3.25), ("shift", 5.5)]
    assert labels.spans("user")[:, 1].tolist() == ends
    assert [ipu.text for ipu in labels.ipus if ipu.speaker == "user"] == ["My bill is", "high"]
    assert labels.source == found.source


def test_without_an_agent_there_are_ipus_and_no_labels() -> None:
    found = Annotation((Segment("x", 0.0, 1.0), Segment("x", 2.0, 3.0)))
    labels = labels_of(found, {"x": "user"}, 5.0)
    assert (len(labels.ipus), labels.labels) == (2, ())


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("user", "agent"), ("user", "agent")),
        (("Customer 7", "AI Agent"), ("user", "agent")),
        (("Caller", "Alice"), ("user", "agent")),
        (("speaker_bot", "x"), ("agent", "user")),
        (("channel 0", "channel 1"), ("user", "agent")),
        (("channel 2", "channel 1"), ("agent", "user")),
        (("ch_1", "CH_0"), ("agent", "user")),
        (("Left", "Right"), ("user", "agent")),
        (("user", "caller", "bot"), ("user", "user", "agent")),
        (("user",), ("user",)),
        (("user", "labels"), ("user",)),
        (("agent",), None),
        (("SPEAKER_00", "SPEAKER_01"), None),
        (("speaker A", "speaker B"), None),
        (("agent", "bot"), None),
        (("user", "agent", "Bob"), None),
        (("",), None),
        ((), None),
    ],
)
def test_roles_are_guessed_from_names_only_where_they_tell(names: tuple, expected: tuple | None) -> None:
    found = Annotation(tuple(Segment(name, float(k), k + 0.5) for k, name in enumerate(names)))
    guess = guess_roles(found)
    if expected is None:
        assert guess is None
    else:
        assert guess == dict(zip(names, expected, strict=False))


def turn(start_s: float, end_s: float, speaker: str = "user", text: str = "") -> Segment:
    return Segment(speaker, start_s, end_s, text)


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        ((turn(0, 1, "Bob"),), r"speaker 'Bob' has no role \(speakers: .*say who is the user"),
        (
            (turn(0, 11),),
            "'user' ends at 11 s, but the audio lasts 10.000 s; is it the annotation of this very",
        ),
        (
            (turn(0, 1, "labels", "pause"),),
            "label 'pause' at 0 s is of no known kind; expected hold, shift, cut_off",
        ),
        ((turn(0, 1, "labels"),), "label '' at 0 s is of no known kind"),
        ((turn(0, 1, "labels", "hold 7"),), "label 'hold 7' at 0 s has confidence 7; expected 0 to 1"),
        ((turn(1, 3), turn(2, 4, "labels", "hold")), "hold from 2 to 4 s, but the user speaks from 1 to 3 s"),
        (
            (turn(1, 3, "labels", "hold"), turn(2, 4, "labels", "shift")),
            "shift from 2 to 4 s overlaps the hold from 1 to 3 s; leave one label a silence",
        ),
    ],
)
def test_what_cant_be_labels_is_refused_in_one_line(segments: tuple, message: str) -> None:
    with pytest.raises(BadAnnotation, match=message) as caught:
        labels_of(Annotation(segments, source="csv"), BOTH, 10.0, path="calls/a.csv")
    assert str(caught.value).startswith("calls/a.csv: ")


def test_another_recordings_annotation_and_wrong_arguments_are_refused() -> None:
    found = Annotation((turn(0, 1),), duration_s=20.0, source="textgrid")
    with pytest.raises(BadAnnotation, match=r"textgrid annotation: is of 20 s of audio, not of 10\.000 s"):
        labels_of(found, BOTH, 10.0)
    with pytest.raises(BadAnnotation, match="role 'boss' is unknown; expected user or agent"):
        labels_of(found, {"user": "boss"}, 20.0)  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="duration_s must be a number of seconds above 0, got nan"):
        labels_of(found, BOTH, float("nan"))


def test_ends_slightly_beyond_the_audio_are_clipped() -> None:
    found = Annotation((turn(0, 10.2), turn(9, 10.3, "agent")), (turn(9.9, 10.1, "user", "x"),))
    labels = labels_of(found, BOTH, 10.0)
    assert labels.spans("user").tolist() == [[0.0, 10.0]]
    assert labels.words == (Word("user", 9.9, 10.0, "x"),)


def test_spellings_of_kinds_are_understood() -> None:
    texts = ("Hold", "cut-off 0,5", "cutoff", "CUT OFF", "backchannel")
    found = Annotation(tuple(turn(k, k + 1, "labels", text) for k, text in enumerate(texts)))
    kinds = [one.kind for one in labels_of(found, {}, 10.0).labels]
    assert kinds == ["hold", "cut_off", "cut_off", "cut_off", "backchannel"]
