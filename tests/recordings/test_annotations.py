"""Annotation files: one call in every format, exact round trips, one clear line for what can't be read."""

from __future__ import annotations

import codecs
import json
import os
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from paths import FIXTURES as FIXTURE_FILES
from praatio import textgrid as praat
from upath import UPath

from lab_utils.recordings.annotations import FORMATS, BadAnnotation, read_annotation, write_annotation
from lab_utils.recordings.annotations import source as source_module
from lab_utils.recordings.annotations.records import Annotation, Segment
from lab_utils.recordings.audio import BadRecording

FIXTURES = FIXTURE_FILES / "annotations"
FILES = sorted(path for path in FIXTURES.glob("*.*") if path.suffix not in (".py", ".md"))
WRITABLE = [name for name, found in FORMATS.items() if found.write]
SUFFIX = {name: found.suffixes[0] for name, found in FORMATS.items()}

GOLDEN = (
    Segment("agent", 0.25, 1.5, "How can I help?"),
    Segment("user", 2.0, 3.25, "My bill is"),
    Segment("user", 4.0, 5.5, 'é, um, too "high".'),
    Segment("agent", 6.25, 8.0, "Let me look."),
)
GOLDEN_WORDS = (
    Segment("user", 2.0, 2.25, "My"),
    Segment("user", 2.25, 2.75, "bill"),
    Segment("user", 2.75, 3.25, "is"),
    Segment("user", 4.0, 5.5, "high"),
)
# file: (format, names of user and agent, has text, words, duration)
EXPECTED = {
    "assemblyai.json": ("assemblyai", ("speaker A", "speaker B"), True, GOLDEN_WORDS, 10.0),
    "audacity.txt": ("audacity", ("user", "agent"), True, (), None),
    "call.rttm": ("rttm", ("user", "agent"), False, GOLDEN_WORDS, None),
    "comma.csv": ("csv", ("user", "agent"), True, (), None),
    "deepgram.json": ("deepgram", ("channel 0", "channel 1"), True, None, 10.0),
    "elan.txt": ("elan", ("user", "agent"), True, (), None),
    "elan_columns.txt": ("elan", ("user", "agent"), True, (), None),
    "long.TextGrid": ("textgrid", ("user", "agent"), True, (), 10.0),
    "semicolon.csv": ("csv", ("user", "agent"), True, (), None),
    "short.TextGrid": ("textgrid", ("user", "agent"), True, (), 10.0),
    "voices.vtt": ("webvtt", ("user", "agent"), True, (), None),
    "whisper.json": ("whisper", ("", ""), True, GOLDEN_WORDS, None),
    "whisperx.json": ("whisper", ("SPEAKER_00", "SPEAKER_01"), True, GOLDEN_WORDS, None),
}


_scratch = tempfile.TemporaryDirectory()
SCRATCH = Path(_scratch.name)
"""Of the property tests, whose examples share it: hypothesis doesn't mix with pytest's folders."""


def test_the_fixtures_are_what_make_py_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FIXTURES))
    monkeypatch.delitem(sys.modules, "make", raising=False)
    import make

    monkeypatch.setattr(make, "HERE", tmp_path)
    make.main()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        p.name: p.read_bytes() for p in FILES
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_call_reads_the_same_from_every_format(path: Path) -> None:
    source, (user, agent), has_text, words, duration_s = EXPECTED[path.name]
    found = read_annotation(path)
    named = {"user": user, "agent": agent}
    expected = [Segment(named[s.speaker], s.start_s, s.end_s, s.text if has_text else "") for s in GOLDEN]
    assert [one for one in found.segments if one.speaker != "labels"] == expected
    if words is not None:
        assert found.words == tuple(Segment(named[w.speaker], w.start_s, w.end_s, w.text) for w in words)
    assert (found.source, found.duration_s) == (source, duration_s)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_exactly_one_format_recognises_a_file(path: Path) -> None:
    head = path.read_bytes()[:4096]
    assert [name for name, one in FORMATS.items() if one.sniff(head)] == [EXPECTED[path.name][0]]
    marked = codecs.BOM_UTF16_LE + path.read_text(encoding="utf-8").encode("utf-16-le")
    assert [name for name, one in FORMATS.items() if one.sniff(marked)] == [EXPECTED[path.name][0]]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_and_windows_line_ends_are_understood(
    path: Path, encoding: str, tmp_path: Path
) -> None:
    copy = tmp_path / f"call{path.suffix}"
    copy.write_bytes(path.read_text(encoding="utf-8").replace("\n", "\r\n").encode(encoding))
    assert read_annotation(copy) == read_annotation(path)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_latin_1_is_read_where_the_format_allows(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / f"call{path.suffix}"
    copy.write_bytes(path.read_text(encoding="utf-8").replace("high", "hïgh").encode("latin-1"))
    if path.suffix in (".json", ".vtt"):
        with pytest.raises(BadAnnotation, match=r"is not UTF-8 text \(byte \d+\); save it again as UTF-8"):
            read_annotation(copy)
    else:
        found = read_annotation(copy)
        assert any("hïgh" in one.text for one in (*found.segments, *found.words))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_cut_off_anywhere_gives_less_or_the_projects_error(path: Path, tmp_path: Path) -> None:
    data = path.read_bytes()
    whole = read_annotation(path)
    copy = tmp_path / path.name
    for length in range(0, len(data), max(1, len(data) // 60)):
        copy.write_bytes(data[:length])
        try:
            found = FORMATS[EXPECTED[path.name][0]].read(copy)
        except BadAnnotation:
            pass
        else:
            # formats of lines have no end mark: a file cut between lines, or in the last text, is one
            assert path.suffix not in (".json",)
            assert len(found.segments) <= len(whole.segments)


names = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters=":"),
    min_size=1,
    max_size=8,
).filter(
    lambda name: (
        name.casefold() not in ("labels", "hold", "shift", "cut_off", "backchannel", "phones", "words")
    )
)
texts = st.lists(
    st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=6), max_size=4
).map(" ".join)


def spans(step_s: float) -> st.SearchStrategy[tuple[float, float]]:
    return st.tuples(st.integers(0, 90_000), st.integers(0, 5_000)).map(
        lambda pair: (round(pair[0] * step_s, 6), round((pair[0] + pair[1]) * step_s, 6))
    )


@st.composite
def annotations(draw: st.DrawFn, step_s: float = 0.001) -> Annotation:
    def segments(max_size: int, min_size: int) -> list[Segment]:
        parts = draw(st.lists(st.tuples(names, spans(step_s), texts), min_size=min_size, max_size=max_size))
        return [Segment(name, *span, text) for name, span, text in parts]

    speech = sorted(segments(6, 1), key=lambda one: (one.start_s, one.end_s))
    words = sorted(segments(4, 0), key=lambda one: (one.start_s, one.end_s))
    return Annotation(tuple(speech), tuple(words))


def contents(found: Annotation) -> list[tuple[str, Segment]]:
    tagged = [("segment", one) for one in found.segments] + [("word", one) for one in found.words]
    return sorted(
        tagged, key=lambda pair: (pair[0], pair[1].start_s, pair[1].end_s, pair[1].speaker, pair[1].text)
    )


@pytest.mark.slow
@given(found=annotations())
@example(found=Annotation((Segment("a", 0.0, 0.0, ""),)))
@example(
    found=Annotation(
        (Segment("a", 1.0, 2.0, "intervals [1]: item [2]"), Segment("a", 1.5, 3.0, '""IntervalTier"'))
    )
)
@example(
    found=Annotation((Segment("<b>&amp;", 0.0, 1.0, "--> </v> &lt; NOTE"), Segment("7", 5.0, 6.0, "8,9;1.5")))
)
def test_what_is_written_reads_the_same(found: Annotation) -> None:
    for name in WRITABLE:
        path = SCRATCH / f"round trip{SUFFIX[name]}"
        write_annotation(found, path, name)
        expected = contents(found) if name != "rttm" else contents(without_texts(found))
        assert contents(read_annotation(path, name)) == expected
        assert contents(read_annotation(path)) == expected  # also recognised


def without_texts(found: Annotation) -> Annotation:
    """What RTTM keeps: no text of a segment, no blank in a word."""
    segments = tuple(Segment(one.speaker, one.start_s, one.end_s) for one in found.segments)
    words = tuple(Segment(w.speaker, w.start_s, w.end_s, w.text.replace(" ", "_")) for w in found.words)
    return Annotation(segments, words)


@pytest.mark.parametrize("name", WRITABLE)
def test_a_speaker_without_a_name_comes_back(name: str, tmp_path: Path) -> None:
    found = Annotation((Segment("", 0.5, 1.0),), (Segment("", 0.5, 1.0, "yes"),))
    path = tmp_path / f"call{SUFFIX[name]}"
    write_annotation(found, path, name)
    expected = "channel 1" if name == "rttm" else ""  # what RTTM calls the speaker of a channel
    back = read_annotation(path, name)
    assert {one.speaker for one in (*back.segments, *back.words)} == {expected}
    assert back.words[0].text == "yes"


def test_praatio_reads_our_textgrid_as_we_do(tmp_path: Path) -> None:
    path = tmp_path / "call.TextGrid"
    found = read_annotation(FIXTURES / "call.rttm")
    write_annotation(found, path)
    grid = praat.openTextgrid(str(path), includeEmptyIntervals=False)
    assert grid.tierNames == ("agent", "user", "user - words")
    entries = [Segment("user", e.start, e.end, e.label) for e in grid.getTier("user - words").entries]
    assert entries == list(read_annotation(path).words)


def test_a_remote_place_is_read_and_written() -> None:
    place = UPath("memory://annotations/call.rttm")
    place.parent.mkdir(parents=True, exist_ok=True)
    write_annotation(Annotation(GOLDEN), place)
    assert len(read_annotation("memory://annotations/call.rttm").segments) == 4
    with pytest.raises(BadAnnotation, match=r"memory://nowhere/x\.rttm: can't be read"):
        read_annotation("memory://nowhere/x.rttm")
    with pytest.raises(BadAnnotation, match=r"can't be opened \(.*check the address"):
        read_annotation("nonsense://nowhere/x.rttm")


def test_a_file_url_is_written_whole(tmp_path: Path) -> None:
    write_annotation(Annotation(GOLDEN), f"file://{tmp_path}/call.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["call.csv"]
    assert len(read_annotation(f"file://{tmp_path}/call.csv").segments) == 4


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux only")
def test_a_file_name_that_is_not_utf_8_works_and_is_shown_escaped(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.rttm")
    write_annotation(Annotation(GOLDEN), path)
    assert len(read_annotation(path).segments) == 4
    path.write_bytes(b"SPEAKER x 1 nan 1 <NA> <NA> a <NA> <NA>\n")
    with pytest.raises(BadAnnotation) as caught:
        read_annotation(path)
    assert "caf\\udce9.rttm: line 1: 'nan' is not a time" in str(caught.value)


def test_nothing_is_left_behind_by_a_failure(tmp_path: Path) -> None:
    labels = Annotation((Segment("labels", 0.0, 1.0, "hold"),))
    with pytest.raises(BadAnnotation, match="RTTM has no text of a segment; use TextGrid"):
        write_annotation(labels, tmp_path / "call.rttm")
    with pytest.raises(BadAnnotation, match="nothing to write"):
        write_annotation(Annotation(()), tmp_path / "call.csv")
    with pytest.raises(BadAnnotation, match="can't be written"):
        write_annotation(Annotation(GOLDEN), tmp_path / "no folder" / "call.csv")
    with pytest.raises(
        BadAnnotation, match=r"suffix '\.doc' is of no format that is written; expected \.rttm"
    ):
        write_annotation(Annotation(GOLDEN), tmp_path / "call.doc")
    with pytest.raises(BadAnnotation, match="whisper is read only; choose one of rttm"):
        write_annotation(Annotation(GOLDEN), tmp_path / "call.json", "whisper")
    with pytest.raises(ValueError, match="unknown annotation format 'ass', expected one of rttm"):
        write_annotation(Annotation(GOLDEN), tmp_path / "call.ass", "ass")
    assert list(tmp_path.iterdir()) == []


GRID = '"ooTextFile"\n"TextGrid"\n\n\n0\n10\n<exists>\n1\n"IntervalTier"\n"a"\n0\n10\n1\n'
DEEP = '{"results": {"channels": [{"alternatives": [{"words": [%s]}]}]}}'
BAD = {
    "empty.rttm": ("", "is empty; copy or export it again"),
    "blank.csv": (" \n\n", "is empty"),
    "prose.rttm": ("hello there", "line 1: 'hello' is no type of RTTM"),
    "short.rttm": ("SPEAKER a 1 0 1\n", "line 1: has 5 fields, expected 9 or 10; is the file cut off"),
    "nan.rttm": ("SPEAKER a 1 NaN 1 <NA> <NA> x <NA> <NA>", "line 1: 'NaN' is not a time"),
    "inf.rttm": ("SPEAKER a 1 0 inf <NA> <NA> x <NA> <NA>", "line 1: 'inf' is not a time"),
    "minus.rttm": ("SPEAKER a 1 -3 1 <NA> <NA> x <NA> <NA>", "start -3 s is before the recording"),
    "back.rttm": ("SPEAKER a 1 3 -1 <NA> <NA> x <NA> <NA>", "end 2 s is before start 3 s"),
    "huge.rttm": ("SPEAKER a 1 1e300 1 <NA> <NA> x <NA> <NA>", "is not within 100 hours; .* milliseconds"),
    "two.rttm": (
        "SPEAKER a 1 0 1 <NA> <NA> x <NA> <NA>\nSPEAKER b 1 0 1 <NA> <NA> x <NA> <NA>",
        r"about 2 recordings \('a, b'\), none named 'two'",
    ),
    "other.rttm": ("NOISE a 1 0 1 <NA> <NA> x <NA> <NA>", "has no SPEAKER line"),
    "cut.TextGrid": (GRID + "0\n", r"is cut off: tier 1 \('a'\) interval 1: xmax is missing"),
    "open.TextGrid": (GRID + '0\n1\n"hel', "line 16: a text doesn't end; is it cut off"),
    "silent.TextGrid": (GRID + '0\n10\n""\n', "holds no segment"),
    "minus.TextGrid": (GRID + '-5\n1\n"x"\n', "start -5 s is before the recording"),
    "back.TextGrid": (GRID + '5\n1\n"x"\n', "end 1 s is before start 5 s"),
    "count.TextGrid": (GRID[:-2] + '1e6\n0\n1\n"x"\n', "interval 2: xmin is missing"),
    "class.TextGrid": (GRID.replace("IntervalTier", "Sound"), "tier 1: class 'Sound', expected IntervalTier"),
    "other.TextGrid": (GRID.replace("TextGrid", "Pitch"), 'is not a TextGrid; expected "ooTextFile" and'),
    "binary.TextGrid": ("ooBinaryFile\x08TextGrid", "is a binary TextGrid; save it in Praat as a text file"),
    "comma.txt": ("1.0\t2.0\tuser\n1.0 2.0 user\n", "line 2: has no tab; expected start, end and label"),
    "nan.txt": ("1.0\t2.0\tuser\nnan\t2.0\tuser\n", "line 2: 'nan' is not a time"),
    "cut_elan.txt": (
        "a\tb\t00:00:01.000\t00:00:02.000\t00:00:01.000\thello\na\tb\t00:00:03",
        "row 2: has 3 columns, expected 6",
    ),
    "back_elan.txt": (
        "a\tb\t00:00:01.000\t00:00:02.000\t00:00:01.000\thello\na\tb\t00:00:03.000\t00:00:02.000\t00:00:01.000\tx",
        "row 2: end 2 s is before start 3 s",
    ),
    "no.csv": ("name,text\na,b\n", "header: 'name, text' has no start or no end; expected a header"),
    "twice.csv": ("speaker,name,start,end\na,b,0,1\n", "two columns for the speaker, 'speaker' and 'name'"),
    "cells.csv": ("speaker,start,end\na,0\n", "line 2: has 2 cells, the header asks for 3"),
    "quote.csv": ('speaker,start,end,text\na,0,1,"hel', "line 2: unexpected end of data; check the quotes"),
    "nul.csv": (
        "speaker,start,end\na,0,\x001\n",
        r"is not text \(control character '\\x00' at character 22\)",
    ),
    "ms.csv": ("speaker,start,end\na,0,999999999\n", "line 2: end 1e\\+09 s is not within 100 hours"),
    "no.vtt": (
        "hello\n00:00:01.000 --> 00:00:02.000\nhi\n",
        "is not WebVTT; expected WEBVTT on its first line",
    ),
    "cut.vtt": ("WEBVTT\n\n00:00:01.000 --> 00:0", "has a damaged cue .* is the file cut off"),
    "back.vtt": ("WEBVTT\n\n00:00:03.000 --> 00:00:01.000\nhi\n", "cue 1: end 1 s is before start 3 s"),
    "none.vtt": ("WEBVTT\n", "holds no segment"),
    "cut.json": (DEEP[:60], "is no known annotation|not JSON"),
    "nest.json": ('{"segments": ' + "[" * 100_000, r"not JSON \(recursion limit exceeded"),
    "digits.json": (DEEP % ('{"word": "a", "start": 0, "end": ' + "9" * 5000 + "}"), "number out of range"),
    "inf.json": (
        DEEP % '{"word": "a", "start": 0, "end": 1e999}',
        r"words\[0\].end: expected a finite number, got inf",
    ),
    "nan.json": (
        DEEP % '{"word": "a", "start": NaN, "end": 1}',
        r"words\[0\].start: expected a finite number, got nan",
    ),
    "str.json": (DEEP % '{"word": "a", "start": "0", "end": 1}', r"start: expected a valid number, got '0'"),
    "lack.json": (
        DEEP % '{"word": "a", "start": 0}',
        r"words\[0\].end: missing; add it; expected the JSON of Deep",
    ),
    "back.json": (DEEP % '{"word": "a", "start": 2, "end": 1}', r"words\[0\]: end 1 s is before start 2 s"),
    "minus.json": ('{"segments": [{"start": -1, "end": 1}]}', r"segments\[0\]: start -1 s is before"),
    "silence.json": ('{"text": "", "segments": []}', "holds no segment"),
    "queued.json": (
        '{"status": "queued", "audio_url": "x"}',
        "status: 'queued'; expected a completed transcript",
    ),
    "error.json": ('{"status": "error", "audio_url": "x", "error": "no"}', r"status: 'error' \('no'\)"),
    "null.json": ('{"status": "completed", "audio_url": "x", "words": null}', "neither words nor utterances"),
    "what.json": (
        '{"hello": 1}',
        r"""is no known annotation: begins with '{"hello": 1}'; tried rttm, textgrid""",
    ),
    "song.txt": ("la la la", "is no known annotation: begins with 'la la la'"),
    "image.bin": ("\x89PNG\r\n\x1a\n\x00", "is no known annotation"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_gives_one_line_saying_what_is_wrong(name: str, tmp_path: Path) -> None:
    content, message = BAD[name]
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(BadAnnotation, match=message) as caught:
        read_annotation(path)
    assert isinstance(caught.value, BadRecording)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_missing_file_a_folder_and_a_huge_file_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BadAnnotation, match=r"can't be read \(No such file"):
        read_annotation(tmp_path / "no.rttm")
    with pytest.raises(BadAnnotation, match=r"can't be read \(Is a directory"):
        read_annotation(tmp_path)
    huge = tmp_path / "huge.json"
    with huge.open("wb") as file:
        file.write(b"{")
        file.truncate(source_module.MAX_BYTES * 2)  # takes no space
    with pytest.raises(BadAnnotation, match="more than the 48 MiB that are read"):
        read_annotation(huge)
    with pytest.raises(ValueError, match="unknown annotation format 'ass'"):
        read_annotation(huge, "ass")


def test_rttm_of_a_corpus_gives_the_recording_the_file_is_named_after(tmp_path: Path) -> None:
    path = tmp_path / "b.rttm"
    path.write_text(
        ";; made\nSPKR-INFO a 1 <NA> <NA> <NA> unknown x <NA>\n"
        "SPEAKER a 1 0 1 <NA> <NA> x <NA>\nSPEAKER b 2 3 1 <NA> <NA> <NA> <NA> <NA>\n"
    )
    assert read_annotation(path).segments == (Segment("channel 2", 3.0, 4.0),)


def test_audacity_labels_without_colons_are_names_or_texts(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("0,5\t1,0\tuser\n1.5\t2\tagent\n1.0\t1.5\thold 0.5\n")
    found = read_annotation(path).segments
    assert found == (
        Segment("user", 0.5, 1.0),
        Segment("labels", 1.0, 1.5, "hold 0.5"),
        Segment("agent", 1.5, 2.0),
    )
    path.write_text("0\t1\thello there\n1\t1\tyes\n")
    assert read_annotation(path).segments == (
        Segment("", 0.0, 1.0, "hello there"),
        Segment("", 1.0, 1.0, "yes"),
    )


@pytest.mark.parametrize(
    "row",
    [
        "T\t1.5\t3.5\t2.0\thi",
        "T\tP\t00:00:01.500\t1.500\t1500\t00:00:03.500\t3.500\t3500\t00:00:02.000\t2.000\t2000\thi",
        "T\tP\t1500\t3500\t2000\thi",
        "T\tP\t00:00:01.500\t00:00:03.500\thi",
        "1.5\t3.5\t2.0\thi",
        '"#file:///a.wav -- offset: 0"\nT\t1.5\t3.5\t2.0\thi',
    ],
)
def test_elan_times_are_found_in_any_choice_of_columns(row: str, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(row + "\n")
    found = read_annotation(path)
    assert found.source == "elan"
    assert [(one.start_s, one.end_s, one.text) for one in found.segments] == [(1.5, 3.5, "hi")]


def test_elan_headers_of_another_language_and_commas(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        'Temps de départ - ss.msec,Temps de fin - ss.msec,kind,user\n1.5,2.5,,"oui, bien"\n', "utf-8"
    )
    assert read_annotation(path).segments == (Segment("user", 1.5, 2.5, "oui, bien"),)


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("Speaker\tStart Time\tEnd Time\tTranscript", "a\t0:01.5\t00:00:02.500\thi"),
        ("spk|onset|dur|utterance|confidence", "a|1.5|1|hi|0.9"),
        ("START_S;END_S;ROLE;TEXT", "1,5;2,5;a;hi"),
        ("start_ms,end_ms,speaker_id,text", "1500,2500,a,hi"),
        ("start,start_ms,end,end_ms,name,value", "1.5,1500,2.5,2500,a,hi"),
        ("sep=,\nstart,end,speaker,text", "1.5,2.5,a,hi"),
    ],
)
def test_csv_headers_in_several_spellings(header: str, row: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{header}\n{row}\n\n")
    assert read_annotation(path).segments == (Segment("a", 1.5, 2.5, "hi"),)


def test_csv_channels_stand_in_for_speakers(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("channel,start,end\n1,0,1\n")
    assert read_annotation(path).speakers == ("channel 1",)


def test_webvtt_voices_go_on_and_names_before_colons_are_found(tmp_path: Path) -> None:
    path = tmp_path / "a.vtt"
    path.write_text("WEBVTT\n\n00:01.000 --> 00:02.000\n<v.loud A &amp; B>one\ntwo</v>\n<v C>three\n")
    assert read_annotation(path).segments == (
        Segment("A & B", 1.0, 2.0, "one two"),
        Segment("C", 1.0, 2.0, "three"),
    )
    path.write_text(
        "WEBVTT\n\n1\n00:01.000 --> 00:02.000\nAnn Lee: hello\n\n2\n00:03.000 --> 00:04.000\nBo: yes\n"
    )
    assert read_annotation(path).segments == (
        Segment("Ann Lee", 1.0, 2.0, "hello"),
        Segment("Bo", 3.0, 4.0, "yes"),
    )


def test_textgrid_of_the_forced_aligner_has_words_and_no_phones(tmp_path: Path) -> None:
    path = tmp_path / "a.TextGrid"
    tier = '"IntervalTier" "{}" 0 1 2 0 0.5 "{}" 0.5 1 "sil" ! a comment "here"\n'
    path.write_text(
        'File type = "ooTextFile"\n"TextGrid" 0 1 <exists> 3\n'
        + tier.format("x - words", "hi")
        + tier.format("x - phones", "HH")
        + tier.format("words", "ho")
    )
    found = read_annotation(path)
    assert (found.segments, found.words) == ((), (Segment("x", 0.0, 0.5, "hi"), Segment("", 0.0, 0.5, "ho")))


def test_deepgram_diarization_and_plain_answers(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(
        DEEP % '{"word": "a", "start": 0, "end": 1, "speaker": 1}, {"word": "b", "start": 1, "end": 2}'
    )
    assert read_annotation(path).words == (Segment("speaker 1", 0.0, 1.0, "a"), Segment("", 1.0, 2.0, "b"))


def test_a_long_answer_on_one_line_is_recognised(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(
        json.dumps({"text": "word " * 100_000, "segments": [{"start": 0, "end": 1, "text": "a"}]})
    )
    assert read_annotation(path).segments == (Segment("", 0.0, 1.0, "a"),)


def test_assemblyai_channels(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    word = {"text": "a", "start": 0, "end": 1000, "speaker": "2", "channel": "2"}
    path.write_text(json.dumps({"status": "completed", "text": "a", "words": [word], "audio_duration": 3}))
    assert read_annotation(path).words == (Segment("channel 2", 0.0, 1.0, "a"),)


def test_whisper_lists_and_words_beside_segments(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    word = {"word": " a", "start": 0.0, "end": 0.5, "probability": 0.9}
    path.write_text(json.dumps([{"id": 1, "start": 0.0, "end": 1.0, "text": " a b", "words": [word]}]))
    assert read_annotation(path).words == (Segment("", 0.0, 0.5, "a"),)
    path.write_text(
        json.dumps(
            {"task": "transcribe", "duration": 2.0, "words": [word], "segments": [{"start": 0, "end": 1}]}
        )
    )
    found = read_annotation(path)
    assert (found.words, found.duration_s) == ((Segment("", 0.0, 0.5, "a"),), 2.0)


@pytest.mark.parametrize("name", FORMATS)
@given(data=st.binary(max_size=400))
def test_random_bytes_give_the_projects_error_or_an_annotation(name: str, data: bytes) -> None:
    _read_or_refuse(name, data)


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
@given(
    edits=st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 40), st.binary(max_size=12)), min_size=1, max_size=4
    )
)
def test_damaged_files_give_the_projects_error_or_an_annotation(
    path: Path, edits: list[tuple[float, int, bytes]]
) -> None:
    data = path.read_bytes()
    for place, length, new in edits:
        at = int(place * len(data))
        data = data[:at] + new + data[at + length :]
    _read_or_refuse(EXPECTED[path.name][0], data)


def _read_or_refuse(name: str, data: bytes) -> None:
    path = SCRATCH / f"fuzz{SUFFIX[name]}"
    path.write_bytes(data)
    for read in (FORMATS[name].read, read_annotation):
        try:
            found = read(path)
        except BadAnnotation:
            continue
        for one in (*found.segments, *found.words):
            assert 0.0 <= one.start_s <= one.end_s <= source_module.MAX_S + 1.0
