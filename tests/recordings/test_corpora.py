"""Public corpora in their own layouts: HarperValleyBank, eot-bench-data, AMI; and fetching them."""

from __future__ import annotations

import json
from datetime import datetime

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recording_fixtures import AGENT, RECORDINGS, USER, copied, one_line

from lab_utils.recordings.audio import BadRecording
from lab_utils.recordings.fetch import CORPORA, FetchError, corpus_named, fetch
from lab_utils.recordings.find import find_all, find_recordings, load_recording
from lab_utils.recordings.formats import eot_bench, harper_valley
from lab_utils.recordings.importing import import_folder
from lab_utils.recordings.labels.file import write_labels
from lab_utils.recordings.recording_files import RecordingFiles

SID = "00aa11bb22cc33dd"
ROWS = RECORDINGS / "eot_bench" / "validation-00000-of-00001.parquet"


def spans(labels, kind):
    return [tuple(round(edge, 2) for edge in span) for span in labels.of_kind(kind).tolist()]


def load(path):
    (files,) = find_recordings(path)
    return load_recording(files)


def test_harper_valley_has_words_and_labels_from_their_times():
    recording = load(RECORDINGS / "harper_valley")
    labels = recording.labels
    assert labels is not None
    assert labels.source == "harper_valley"
    assert spans(labels, "hold") == [(1.5, 1.9)]
    assert spans(labels, "shift") == [(2.6, 3.2), (6.0, 6.4)]
    assert [tuple(row) for row in labels.spans("user").tolist()] == list(USER)
    assert [tuple(row) for row in labels.spans("agent").tolist()] == list(AGENT)
    assert {word.text for word in labels.words} == {"hello", "there"}, "the human's words, and no [noise]"
    assert labels.ipus[0].text == "hello there"
    assert recording.provenance is not None
    assert recording.provenance.details["tasks"] == ["get branch hours"]
    assert "2.000 s shorter" in recording.notes[0], "who hangs up first is recorded for less long"


def test_one_file_of_the_corpus_stands_for_its_call():
    for folder in ("caller", "agent"):
        path = RECORDINGS / "harper_valley" / "data" / "audio" / folder / f"{SID}.wav"
        assert [(one.name, one.format) for one in find_recordings(path)] == [(SID, "harper_valley")]


def test_a_harper_valley_call_without_its_other_channel_is_skipped(tmp_path):
    corpus = copied("harper_valley", tmp_path)
    (corpus / "data" / "audio" / "caller" / f"{SID}.wav").unlink()
    found = find_all(corpus)
    assert not found.recordings
    assert f"has no caller/{SID}.wav; copy the corpus again" in found.skipped[0].reason


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ({"speaker_role": "robot"}, "[0].speaker_role: expected 'agent' or 'caller', got 'robot'"),
        ({"offset_ms": -5}, "[0].offset_ms: "),
        ({"word_offsets_ms": [1]}, "0: 1 word offsets and 2 durations"),
    ],
)
def test_a_bad_transcript_is_refused_by_its_place(tmp_path, change, finding):
    corpus = copied("harper_valley", tmp_path)
    path = corpus / "data" / "transcript" / f"{SID}.json"
    segments = json.loads(path.read_text())
    segments[0] |= change
    path.write_text(json.dumps(segments))
    with pytest.raises(BadRecording) as caught:
        load(corpus)
    assert f"{SID}.json: {finding}" in str(caught.value)


def test_words_of_another_recording_are_refused_and_stray_ones_left_out(tmp_path):
    corpus = copied("harper_valley", tmp_path)
    path = corpus / "data" / "transcript" / f"{SID}.json"
    segments = json.loads(path.read_text())
    segments[0]["offset_ms"] = 60_000
    path.write_text(json.dumps(segments))
    assert "2 of 10 words lie outside the audio" in load(corpus).notes[1]
    path.write_text(json.dumps([segment | {"offset_ms": 60_000} for segment in segments]))
    with pytest.raises(BadRecording, match=r"10 of 10 words lie outside .*use the transcript of this very"):
        load(corpus)


def test_eot_bench_rows_are_single_turns_with_their_silences():
    one, two = map(load_recording, find_recordings(RECORDINGS / "eot_bench"))
    assert (one.name, two.name, one.agent) == ("de_0002", "en-0001", None) or one.name == "en-0001"
    one, two = (one, two) if one.name == "en-0001" else (two, one)
    assert one.labels is not None
    assert spans(one.labels, "hold") == [(1.5, 1.9)], "the silence at the start is no hold"
    assert spans(one.labels, "shift") == [(2.6, 4.0)]
    assert [tuple(row) for row in one.labels.spans("user").tolist()] == [(0.5, 1.5), (1.9, 2.6)]
    assert [word.text for word in one.labels.words] == ["hello", "there"]
    assert one.provenance is not None
    assert one.provenance.details["language"] == "en"
    assert one.provenance.details["messages"][0]["content"] == "How can I help?"
    assert two.labels is not None
    assert spans(two.labels, "shift") == [(2.6, 3.5)]


def rewritten(path, change):
    rows = [change(dict(row), k) for k, row in enumerate(pq.read_table(ROWS).to_pylist())]
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ({"audio": {"bytes": b"junk", "path": ""}}, "row 0: audio can't be decoded"),
        ({"audio": {"bytes": None, "path": "/etc/passwd"}}, "row 0: audio has neither bytes nor array"),
        ({"silence_spans": [{"start": 3.0, "end": 9.0}]}, "row 0: silence_spans.0 is 3 to 9 s"),
        ({"silence_spans": [{"start": 3.0, "end": 2.0}]}, "row 0: silence_spans.0 is 3 to 2 s"),
        (
            {"silence_spans": [{"start": 2.0, "end": 3.0}, {"start": 2.5, "end": 3.5}]},
            "row 0: silence_spans.1 is 2.5",
        ),
        ({"silence_spans": []}, "row 0: has no silence spans"),
    ],
)
def test_bad_rows_are_refused_by_number(tmp_path, change, finding):
    path = rewritten(tmp_path / "x.parquet", lambda row, k: row | change if k == 0 else row)
    first = next(one for one in find_recordings(path) if one.row == 0)
    with pytest.raises(BadRecording) as caught:
        load_recording(first)
    assert f"x.parquet: {finding}" in str(caught.value)


def test_rows_with_one_id_are_skipped(tmp_path):
    path = rewritten(tmp_path / "x.parquet", lambda row, k: row | {"id": "same"})
    found = find_all(path)
    assert not found.recordings
    assert "row 0: its id 'same' occurs 2 times; make the ids distinct" in found.skipped[0].reason


def test_rows_whose_ids_differ_by_a_slash_only_are_skipped(tmp_path):
    """A slash becomes "_" in a recording's name."""
    path = rewritten(tmp_path / "x.parquet", lambda row, k: row | {"id": ("a/b", "a_b")[k]})
    assert len(find_all(path).skipped) == 2


def test_ids_that_occur_in_two_tables_are_told_apart_by_table(tmp_path):
    for name in ("one", "two"):
        rewritten(tmp_path / f"{name}.parquet", lambda row, k: row)
    assert [files.name for files in find_recordings(tmp_path)] == [
        "one.parquet/en-0001", "one.parquet/de_0002", "two.parquet/en-0001", "two.parquet/de_0002"
    ]  # fmt: skip


def test_messages_that_json_cannot_hold_do_not_stop_an_import(tmp_path):
    messages = [{"at": datetime(2026, 3, 1, 14, 5), "score": float("nan"), "bytes": b"\xff"}]
    path = rewritten(tmp_path / "x.parquet", lambda row, k: row | {"messages": messages})
    imported = import_folder(path, quiet=True)
    assert len(imported.entries) == 2
    details = json.loads(imported.entries[0].provenance)["details"]
    assert details["messages"] == 1  # how many, not what they say


def test_a_word_after_the_audio_is_left_out_and_labels_can_be_written(tmp_path):
    word = {"start": 4.03, "end": 4.08, "word": "late"}
    path = rewritten(tmp_path / "x.parquet", lambda row, k: row | {"words": [word]})
    (recording,) = [load_recording(one) for one in find_recordings(path) if one.name == "en-0001"]
    assert recording.labels is not None
    assert recording.labels.words == ()
    assert recording.notes == ("1 words lie outside the audio; left out",)
    write_labels(recording.labels, tmp_path / "x.labels.json")


def test_other_tables_are_no_recordings(tmp_path):
    pq.write_table(pa.table({"latency": [1.0]}), tmp_path / "sweep.parquet")
    (tmp_path / "cut.parquet").write_bytes(ROWS.read_bytes()[:1000])
    found = find_all(tmp_path)
    assert not found.recordings
    assert [one.reason.partition(" (")[0] for one in found.skipped] == [
        f"{tmp_path / 'cut.parquet'}: is no Parquet file, or cut off"
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_parquet_file_however_odd_raises_anything_but_bad_recording(tmp_path, data):
    """Bytes of a sound file changed at random: what is loaded or refused, nothing else happens."""
    content = bytearray(ROWS.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        where = data.draw(st.integers(0, 600) | st.integers(len(content) - 3000, len(content) - 1))
        content[where] = data.draw(st.integers(0, 255))
    path = tmp_path / "x.parquet"
    path.write_bytes(content[: data.draw(st.sampled_from([len(content), len(content) - 7]))])
    for files in find_all(path).recordings:
        try:
            load_recording(files)
        except BadRecording as error:
            one_line(error)


WORDS = st.fixed_dictionaries({"start": st.floats(), "end": st.floats(), "word": st.text(max_size=3)})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    spans=st.lists(st.fixed_dictionaries({"start": st.floats(), "end": st.floats()}), max_size=3),
    words=st.none() | st.lists(WORDS, max_size=3),
)
def test_no_row_however_odd_raises_anything_but_bad_recording(tmp_path, spans, words):
    path = rewritten(tmp_path / "x.parquet", lambda row, k: row | {"silence_spans": spans, "words": words})
    try:
        eot_bench.load(RecordingFiles("x", path, None, None, "mono", "eot_bench", row=0))
    except BadRecording as error:
        one_line(error)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(max_size=30)
    | st.from_regex(r"\[\{\"offset_ms\": ?[-0-9eE.]{1,6}[\]\}]{0,2}", fullmatch=True)
)
def test_no_transcript_however_odd_raises_anything_but_bad_recording(tmp_path, text):
    data = RECORDINGS / "harper_valley" / "data" / "audio"
    path = tmp_path / "x.json"
    path.write_text(text, "utf-8")
    files = RecordingFiles(
        "x",
        data / "caller" / f"{SID}.wav",
        data / "agent" / f"{SID}.wav",
        None,
        "pair",
        "harper_valley",
        (path,),
    )
    with pytest.raises(BadRecording):
        harper_valley.load(files)


def test_ami_gives_a_recording_per_participant_with_labels_from_rttm():
    one, two = map(load_recording, find_recordings(RECORDINGS / "ami"))
    assert (one.name, two.name) == ("ES9001a.Headset-0", "ES9001a.Headset-1")
    assert one.labels is not None
    assert two.labels is not None
    assert spans(one.labels, "hold") == [(1.5, 1.9)]
    assert spans(one.labels, "shift") == [(2.6, 3.2), (6.0, 6.4)]
    assert two.labels.spans("user") == pytest.approx(np.array(AGENT))
    assert one.provenance is not None
    assert one.provenance.details["speaker"] == "FEE005", "found by loudness: RTTM names no headset"


def test_ami_without_rttm_or_with_that_of_another_meeting_is_told(tmp_path):
    corpus = copied("ami", tmp_path)
    rttm = corpus / "rttm" / "ES9001a.rttm"
    text = rttm.read_text()
    rttm.unlink()
    assert "is an AMI headset recording without RTTM; put ES9001a.rttm" in find_all(corpus).skipped[0].reason
    rttm.write_text(text.replace(" 6.40 ", " 640.0 "))
    with pytest.raises(BadRecording, match=r"ES9001a\.rttm: has speech at 641\.0 s, but .* lasts 8\.0 s"):
        load_recording(find_recordings(corpus)[0])
    rttm.write_text(text.replace("MEE006", "FEE005"))
    two = load_recording(find_recordings(corpus)[1])
    assert two.labels is None
    assert two.notes == ("no speaker of the RTTM file wears this headset; no labels",)
    rttm.write_text(
        "\n".join(text.splitlines()[:1]) + text.splitlines()[1].replace("FEE005", "MEE006").join("\n\n")
    )
    with pytest.raises(BadRecording, match=r"'FEE005' and 'MEE006' are both loudest on ES9001a\.Headset-0"):
        load_recording(find_recordings(corpus)[0])


def test_a_meeting_whose_rttm_cant_be_read_is_skipped_on_import(tmp_path):
    corpus = copied("ami", tmp_path)
    rttm = corpus / "rttm" / "ES9001a.rttm"
    rttm.write_text(rttm.read_text() + "SPEAKER ES9001a 1 x 1 <NA> <NA> MEE006\n")
    imported = import_folder(corpus, quiet=True)
    assert imported.entries == ()
    assert len(imported.skipped) == 2
    for item in imported.skipped:
        assert "ES9001a.rttm: line 6: 'x' is not a time; expected seconds" in item.reason


@pytest.fixture
def mirror():
    """The HarperValleyBank fixture, as if it lay on a server."""
    files = fsspec.filesystem("memory")
    for path in (RECORDINGS / "harper_valley").rglob("*.*"):
        files.pipe(f"/mirror/{path.relative_to(RECORDINGS / 'harper_valley').as_posix()}", path.read_bytes())
    yield "memory://mirror"
    files.rm("/mirror", recursive=True)


def test_a_corpus_is_fetched_with_its_licence_and_then_imports(tmp_path, mirror):
    told = []
    corpus = corpus_named("harper-valley")
    made = fetch(corpus, tmp_path, source=mirror, quiet=True, tell=told.append)
    assert len(made) == 4
    assert "Licence: CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/)" in told[0]
    assert load(tmp_path).name == SID
    before = {path: path.stat().st_mtime_ns for path in made}
    fetch(corpus, tmp_path, source=mirror, quiet=True)
    assert before == {path: path.stat().st_mtime_ns for path in made}, "what is there is kept"


def test_a_limit_takes_the_first_files_of_each_part(tmp_path, mirror):
    assert len(fetch(corpus_named("harper-valley"), tmp_path, source=mirror, limit=1, quiet=True)) == 3


@pytest.mark.parametrize("source", ["foo://x/y", "memory://nothing-here", "/no/such/folder"])
def test_what_cannot_be_fetched_is_told_with_the_way_by_hand(tmp_path, source):
    with pytest.raises(FetchError, match=r"by hand: git clone https://github\.com/cricketclub") as caught:
        fetch(corpus_named("harper-valley"), tmp_path, source=source, quiet=True)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_an_unknown_corpus_lists_the_known_ones():
    with pytest.raises(FetchError, match="expected one of harper-valley, eot-bench, ami"):
        corpus_named("x")
    assert all(one.licence_url.startswith("https://") for one in CORPORA.values())
