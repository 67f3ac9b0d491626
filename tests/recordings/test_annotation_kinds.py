"""Transcripts of many programs: each told by its own marks, read in its own unit, or refused by its right
name.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paths import CASES
from paths import FIXTURES as FIXTURE_FILES

from lab_utils.recordings.annotations import FORMATS, BadAnnotation, read_annotation
from lab_utils.recordings.annotations.records import Annotation
from lab_utils.recordings.annotations.roles import guess_roles, labels_of
from lab_utils.recordings.annotations.stt_json.kinds import KINDS, kind_of_json

FIXTURES = FIXTURE_FILES / "annotations"
WORDS = (
    ("a", 0.5, 0.9, "Good"),
    ("a", 0.9, 1.3, "evening"),
    ("b", 2.0, 2.4, "Yes"),
    ("b", 2.5, 2.9, "please"),
)
"""Speaker, start, end, text: what each file below says."""


def texts(speaker: str | None = None) -> str:
    return " ".join(text for name, *_, text in WORDS if speaker in (None, name))


def openai_words() -> Any:
    words = [{"word": text, "start": s, "end": e} for _, s, e, text in WORDS]
    return {"task": "transcribe", "language": "english", "duration": 3.0, "text": texts(), "words": words}


def openai_diarized() -> Any:
    parts = [
        {
            "type": "transcript.text.segment",
            "id": str(k),
            "speaker": name.upper(),
            "start": s,
            "end": e,
            "text": text,
        }
        for k, (name, s, e, text) in enumerate(WORDS)
    ]
    return {"task": "transcribe", "duration": 3.0, "text": texts(), "segments": parts}


def whisper_timestamped() -> Any:
    words = [{"text": text, "start": s, "end": e, "confidence": 0.9} for _, s, e, text in WORDS]
    one = {"id": 0, "seek": 0, "start": 0.5, "end": 2.9, "text": texts(), "tokens": [1], "confidence": 0.9}
    return {"text": texts(), "segments": [one | {"words": words}], "language": "en"}


def whisper_cpp(*, full: bool = True) -> Any:
    def offsets(s: float, e: float) -> dict[str, Any]:
        return {"offsets": {"from": round(s * 1000), "to": round(e * 1000)}}

    entries = []
    for k, (name, s, e, text) in enumerate(WORDS):
        half = (s + e) / 2
        tokens = [
            {"text": "[_BEG_]", "id": 50364, "p": 0.9} | offsets(s, s),
            {"text": f" {text[:2]}", "id": 1, "p": 0.9} | offsets(s, half),
            {"text": text[2:], "id": 2, "p": 0.9} | offsets(half, e),
        ]
        entry = {"timestamps": {"from": "00:00:00,000", "to": "00:00:01,000"}, "text": f" {text}"} | offsets(
            s, e
        )
        entries.append(entry | {"speaker": "01"["ab".index(name)], "tokens": tokens if full else [], "k": k})
    return {"systeminfo": "AVX = 1", "model": {}, "result": {"language": "en"}, "transcription": entries}


def scribe() -> Any:
    words: list[dict[str, Any]] = []
    for name, s, e, text in WORDS:
        words += [
            {"text": " ", "start": s, "end": s, "type": "spacing", "speaker_id": f"speaker_{name}"}
        ] * bool(words)
        words.append({"text": text, "start": s, "end": e, "type": "word", "speaker_id": f"speaker_{name}"})
    words.append(
        {"text": "(laughs)", "start": 2.9, "end": 3.0, "type": "audio_event", "speaker_id": "speaker_b"}
    )
    return {"language_code": "eng", "language_probability": 0.98, "text": texts(), "words": words}


def scribe_channels() -> Any:
    parts = [
        {"language_code": "eng", "channel_index": k, "text": texts(name),
         "words": [{"text": t, "start": s, "end": e, "type": "word"} for n, s, e, t in WORDS if n == name]}
        for k, name in enumerate("ab")
    ]  # fmt: skip
    return {"transcripts": parts}


def aws_item(s: float, e: float, text: str, **more: Any) -> dict[str, Any]:
    times = {"start_time": f"{s:.3f}", "end_time": f"{e:.3f}"}
    return {"type": "pronunciation", "alternatives": [{"confidence": "0.99", "content": text}]} | times | more


STOP = {"type": "punctuation", "alternatives": [{"confidence": "0.0", "content": "."}]}


def aws_speakers(*, in_items: bool = True) -> Any:
    items: list[dict[str, Any]] = []
    for name, s, e, text in WORDS:
        items += [aws_item(s, e, text, **({"speaker_label": f"spk_{name}"} if in_items else {})), STOP]
    segments = [
        {"start_time": f"{s:.3f}", "end_time": f"{e:.3f}", "speaker_label": f"spk_{name}",
         "items": [{"start_time": f"{s:.3f}", "end_time": f"{e:.3f}", "speaker_label": f"spk_{name}"}]}
        for name, s, e, _ in WORDS
    ]  # fmt: skip
    results = {
        "transcripts": [{"transcript": texts()}],
        "speaker_labels": {"speakers": 2, "segments": segments},
    }
    return {"jobName": "x", "accountId": "1", "status": "COMPLETED", "results": results | {"items": items}}


def aws_channels() -> Any:
    channels = [
        {
            "channel_label": f"ch_{k}",
            "items": [aws_item(s, e, t) for n, s, e, t in WORDS if n == name] + [STOP],
        }
        for k, name in enumerate("ab")
    ]
    results = {"transcripts": [{"transcript": texts()}], "channel_labels": {"number_of_channels": 2}}
    results["channel_labels"]["channels"] = channels
    results["items"] = [item for channel in channels for item in channel["items"]]
    return {"jobName": "x", "accountId": "1", "results": results, "status": "COMPLETED"}


def lens_turn(name: str, s: float, e: float, text: str) -> dict[str, Any]:
    return {
        "Id": text,
        "Content": text,
        "BeginOffsetMillis": round(s * 1000),
        "EndOffsetMillis": round(e * 1000),
    }


ROLES = {"a": "CUSTOMER", "b": "AGENT"}


def contact_lens() -> Any:
    turns = [lens_turn(*word) | {"ParticipantId": ROLES[word[0]], "Sentiment": "NEUTRAL"} for word in WORDS]
    people = [{"ParticipantId": role, "ParticipantRole": role} for role in ROLES.values()]
    return {
        "Version": "1.1.0",
        "Channel": "VOICE",
        "JobStatus": "COMPLETED",
        "Participants": people,
        "Transcript": turns,
    }


def call_analytics() -> Any:
    turns = [
        lens_turn(*word) | {"ParticipantRole": ROLES[word[0]], "Items": [
            {"Type": "pronunciation", "Confidence": "0.9", "Content": word[3],
             "BeginOffsetMillis": round(word[1] * 1000), "EndOffsetMillis": round(word[2] * 1000)}]}
        for word in WORDS
    ]  # fmt: skip
    return {"JobStatus": "COMPLETED", "LanguageCode": "en-US", "Transcript": turns, "AccountId": "1"}


def deepgram() -> Any:
    words = [
        {
            "word": text.lower(),
            "punctuated_word": text,
            "start": s,
            "end": e,
            "confidence": 0.9,
            "speaker": "ab".index(n),
        }
        for n, s, e, text in WORDS
    ]
    channels = [{"alternatives": [{"transcript": texts(), "confidence": 0.9, "words": words}]}]
    return {"metadata": {"duration": 3.0, "channels": 1}, "results": {"channels": channels}}


READ: dict[str, tuple[Any, str, tuple[str, str], int]] = {
    "openai words": (openai_words(), "whisper", ("", ""), 4),
    "openai diarized": (openai_diarized(), "whisper", ("A", "B"), 0),
    "whisper-timestamped": (whisper_timestamped(), "whisper", ("", ""), 4),
    "whisper.cpp": (whisper_cpp(full=False), "whisper_cpp", ("speaker 0", "speaker 1"), 0),
    "whisper.cpp full": (whisper_cpp(), "whisper_cpp", ("speaker 0", "speaker 1"), 4),
    "scribe": (scribe(), "elevenlabs", ("speaker_a", "speaker_b"), 4),
    "scribe channels": (scribe_channels(), "elevenlabs", ("channel 0", "channel 1"), 4),
    "aws speakers": (aws_speakers(), "aws_transcribe", ("spk_a", "spk_b"), 4),
    "aws older speakers": (aws_speakers(in_items=False), "aws_transcribe", ("spk_a", "spk_b"), 4),
    "aws channels": (aws_channels(), "aws_transcribe", ("ch_0", "ch_1"), 4),
    "contact lens": (contact_lens(), "aws_contact_lens", ("customer", "agent"), 0),
    "call analytics": (call_analytics(), "aws_contact_lens", ("customer", "agent"), 4),
    "deepgram": (deepgram(), "deepgram", ("speaker 0", "speaker 1"), 4),
    "deepgram JS SDK": ({"result": deepgram(), "error": None}, "deepgram", ("speaker 0", "speaker 1"), 4),
    "deepgram response": ({"response": {"data": deepgram()}}, "deepgram", ("speaker 0", "speaker 1"), 4),
    "deepgram list": ([deepgram()], "deepgram", ("speaker 0", "speaker 1"), 4),
}
REFUSED: dict[str, Any] = {
    "Rev AI": {"monologues": [{"speaker": 0, "elements": [
        {"type": "text", "value": "Hi", "ts": 0.5, "end_ts": 0.9}]}]},
    "Speechmatics": {"format": "2.9", "job": {"id": "x"}, "metadata": {}, "results": [
        {"type": "word", "start_time": 0.5, "end_time": 0.9, "alternatives": [{"content": "Hi"}]}]},
    "Google Speech-to-Text": {"results": [{"alternatives": [{"transcript": "Hi", "words": [
        {"startTime": "0.500s", "endTime": "0.900s", "word": "Hi"}]}], "resultEndTime": "1s"}]},
    "Azure Speech": {"source": "x", "combinedRecognizedPhrases": [], "recognizedPhrases": [
        {"offsetInTicks": 5000000, "durationInTicks": 4000000, "nBest": [{"display": "Hi"}]}]},
    "Gladia": {"id": "x", "status": "done", "result": {"metadata": {}, "transcription": {"utterances": [
        {"start": 0.5, "end": 0.9, "text": "Hi", "channel": 0, "words": []}]}}},
    "Vosk": {"result": [{"conf": 1.0, "start": 0.5, "end": 0.9, "word": "hi"}], "text": "hi"},
    "Soniox": {"text": "Hi", "tokens": [{"text": "Hi", "start_ms": 500, "end_ms": 900, "speaker": "1"}]},
    "Deepgram's streaming messages": {"type": "Results", "start": 0.0, "duration": 1.0, "channel": {
        "alternatives": [{"transcript": "hi", "words": [{"word": "hi", "start": 0.5, "end": 0.9}]}]}},
}  # fmt: skip


def written(path: Path, value: Any) -> Path:
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


def spoken(annotation: Annotation) -> list[tuple[str, float, float, str]]:
    return [
        (one.speaker, one.start_s, one.end_s, one.text) for one in annotation.words or annotation.segments
    ]


@pytest.mark.parametrize("name", READ)
def test_what_each_program_wrote_is_read_in_its_unit(tmp_path, name):
    value, kind, (a, b), n_words = READ[name]
    path = written(tmp_path / "t.json", value)
    assert kind_of_json(path.read_bytes()) == kind
    annotation = read_annotation(path)
    assert annotation.source == kind
    assert len(annotation.words) == n_words
    expected = [({"a": a, "b": b}[speaker], s, e, text) for speaker, s, e, text in WORDS]
    assert spoken(annotation) == [
        (one[0], pytest.approx(one[1]), pytest.approx(one[2]), one[3]) for one in expected
    ]
    assert annotation == read_annotation(path, kind)


def test_roles_follow_from_contact_lens_alone(tmp_path):
    annotation = read_annotation(written(tmp_path / "t.json", contact_lens()))
    assert guess_roles(annotation) == {"customer": "user", "agent": "agent"}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_read_is_refused_by_its_name(tmp_path, name):
    path = written(tmp_path / "t.json", REFUSED[name])
    with pytest.raises(BadAnnotation) as caught:
        read_annotation(path)
    remedy = "export SRT, WebVTT, RTTM or CSV from it"
    assert str(caught.value) == f"{path}: is the JSON of {name}, which isn't read here; {remedy}"


def test_every_kind_is_read_or_refused_above():
    fixtures = {"assemblyai"}
    assert {kind for _, kind, *_ in READ.values()} | REFUSED.keys() | fixtures | {"IBM Watson"} == set(KINDS)
    assert {name for name in KINDS if name in FORMATS} == {kind for _, kind, *_ in READ.values()} | fixtures


@pytest.mark.parametrize(
    "value",
    [
        {"text": "a b", "words": [{"text": "a", "start": 0.5, "end": 0.9}]},
        {"words": [{"word": "a", "start": 0.5, "end": 0.9}]},
        [{"start": 0, "end": 1, "text": "a"}],
        {"transcript": "a", "utterance": 1},
        {},
        [],
        7,
    ],
)
def test_words_and_text_alone_tell_no_program(tmp_path, value):
    with pytest.raises(BadAnnotation, match=r"is no known annotation|not JSON"):
        read_annotation(written(tmp_path / "t.json", value))


@pytest.mark.parametrize("name", READ)
def test_a_format_that_is_named_wrongly_is_corrected(tmp_path, name):
    value, kind, *_ = READ[name]
    for other in ("deepgram", "assemblyai", "whisper", "elevenlabs", "aws_transcribe"):
        if other != kind:
            with pytest.raises(BadAnnotation, match=f"is the JSON of {kind}, not of "):
                read_annotation(written(tmp_path / "t.json", value), other)


def scaled(value: Any, factor: float) -> Any:
    """All numbers below keys of time, so many times as large."""
    keys = ("start", "end", "start_time", "end_time", "BeginOffsetMillis", "EndOffsetMillis", "from", "to")
    if isinstance(value, dict):
        return {
            key: (f"{float(one) * factor:.6f}" if isinstance(one, str) else one * factor)
            if key in keys and (isinstance(one, int | float) or str(one).replace(".", "").isdigit())
            else scaled(one, factor)
            for key, one in value.items()
        }
    return [scaled(one, factor) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("factor", [0.001, 1000.0])
@pytest.mark.parametrize(
    "name", [name for name in READ if name not in ("openai diarized", "whisper.cpp", "contact lens")]
)
def test_times_that_are_off_by_a_thousand_are_refused(tmp_path, name, factor):
    with pytest.raises(BadAnnotation, match=r"its times are off by a thousand"):
        read_annotation(written(tmp_path / "t.json", scaled(READ[name][0], factor)))


@pytest.mark.parametrize("factor", [0.0001, 1000.0])
@pytest.mark.parametrize("suffix", ["csv", "srt", "vtt"])
def test_text_files_too(tmp_path, suffix, factor):
    rows = [(s * factor, e * factor, f"{text} please") for _, s, e, text in WORDS]

    def clock(t: float) -> str:
        return f"{int(t // 3600):02d}:{int(t // 60) % 60:02d}:{t % 60:06.3f}"

    if suffix == "csv":
        text = "start,end,text\n" + "".join(f"{s:.6f},{e:.6f},{said}\n" for s, e, said in rows)
    else:
        cues = [f"{clock(s)} --> {clock(e)}\n{said}\n" for s, e, said in rows]
        text = ("WEBVTT\n\n" if suffix == "vtt" else "") + "\n".join(cues)
        text = text.replace(".", ",") if suffix == "srt" else text
        if factor < 1:
            pytest.skip("captions have whole milliseconds")
    with pytest.raises(BadAnnotation, match="its times are off by a thousand"):
        read_annotation(written(tmp_path / f"t.{suffix}", text))


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.*")), ids=lambda path: path.name)
def test_the_fixtures_of_old_are_not_suspected(path):
    if path.suffix not in (".py", ".md"):
        assert read_annotation(path).segments


def test_assemblyai_in_seconds_is_refused(tmp_path):
    words = [{"text": t, "start": s, "end": e, "confidence": 0.9, "speaker": None} for _, s, e, t in WORDS]
    path = written(tmp_path / "t.json", {"audio_url": "x", "status": "completed", "words": words})
    with pytest.raises(BadAnnotation, match=r"words\[0\]: start 0\.5 is no whole number of milliseconds"):
        read_annotation(path)


SRT = "1\n00:00:00,500 --> 00:00:01,300\nAnna: Good evening\n\n"
SRT += "2\n00:00:02,000 --> 00:00:02,900\nBot: Yes\nplease\n"


@pytest.mark.parametrize("encode", [
    lambda text: text.encode(), lambda text: b"\xef\xbb\xbf" + text.encode(),
    lambda text: text.replace("\n", "\r\n").encode(), lambda text: text.encode("utf-16"),
    lambda text: text.replace(",500", ".500").encode(),
    lambda text: text.replace("\n\n", "\n\n\n\n").encode(),
    lambda text: text.replace("1\n00", "00").replace("2\n00", "00").encode(),
    lambda text: text.replace("\n\n", "\n").encode(), lambda text: text.rstrip().encode(),
    lambda text: text.replace("00:00:0", "00:0").encode(),
    lambda text: text.replace("Anna: ", "[Anna] ").replace("Bot: ", "[Bot] ").encode(),
    lambda text: text.replace("Anna: ", "<v Anna>").replace("Bot: ", "<v Bot>").encode(),
    lambda text: text.replace("evening", "<i>evening</i>").replace("Good", "{\\an8}Good").encode(),
])  # fmt: skip
@pytest.mark.parametrize("suffix", ["srt", "txt"])
def test_srt_as_many_programs_write_it(tmp_path, encode, suffix):
    path = tmp_path / f"t.{suffix}"
    path.write_bytes(encode(SRT))
    annotation = read_annotation(path)
    assert annotation.source == "srt"
    assert spoken(annotation) == [("Anna", 0.5, 1.3, "Good evening"), ("Bot", 2.0, 2.9, "Yes please")]


def test_a_number_that_is_said_is_not_the_number_of_a_cue(tmp_path):
    text = "1\n00:00:00,500 --> 00:00:01,300\n42\n\n2\n00:00:02,000 --> 00:00:02,900\n7\n"
    assert [one[3] for one in spoken(read_annotation(written(tmp_path / "t.srt", text)))] == ["42", "7"]


@pytest.mark.parametrize(("text", "match"), [
    ("1\n00:00:00,500 --> 00:00:01,300\na\n\n2\n00:00:02 --> 00:\n", "line 6: damaged times"),
    ("1\n00:00:00,500 -> 00:00:01,300\na\n", "has no cue"),
    ("1\n00:00:03,000 --> 00:00:01,300\na\n", "cue 1: end 1.3 s is before start 3 s"),
])  # fmt: skip
def test_damaged_srt_says_where(tmp_path, text, match):
    with pytest.raises(BadAnnotation, match=match):
        read_annotation(written(tmp_path / "t.srt", text))


def nameless(name: str, folder: Path) -> Path:
    """Three segments in a format, of which one has no speaker."""
    rows = [("SPEAKER_00", 0.5, 2.0, "Hello"), ("", 3.0, 3.3, "mm"), ("SPEAKER_01", 4.0, 5.0, "Welcome")]
    if name == "whisperx":
        parts: list[dict[str, Any]] = [
            {"start": s, "end": e, "text": t, "words": [{"word": t, "start": s, "end": e, "score": 0.9}]}
            | ({"speaker": who} if who else {})
            for who, s, e, t in rows
        ]
        return written(folder / "t.json", {"segments": parts, "word_segments": [], "language": "en"})
    if name == "csv":
        lines = "".join(f"{who},{s},{e},{t}\n" for who, s, e, t in rows)
        return written(folder / "t.csv", f"speaker,start,end,text\n{lines}")
    label = "<v {0}>{1}" if name == "vtt voices" else "{0}: {1}"
    cues = [
        f"00:00:{s:06.3f} --> 00:00:{e:06.3f}\n{label.format(who, t) if who else t}\n"
        for who, s, e, t in rows
    ]
    if name == "srt":
        return written(folder / "t.srt", "\n".join(cues).replace(".", ","))
    return written(folder / "t.vtt", "WEBVTT\n\n" + "\n".join(cues))


@pytest.mark.parametrize("name", ["whisperx", "csv", "vtt voices", "vtt names", "srt"])
def test_one_nameless_segment_is_left_out_with_a_note_and_spoils_nothing(tmp_path, name):
    annotation = read_annotation(nameless(name, tmp_path))
    (note,) = annotation.notes
    assert note.startswith("1 of 3 segments has no speaker's name (the first from 3 to 3.3 s); left out")
    labels = labels_of(annotation, {"SPEAKER_00": "user", "SPEAKER_01": "agent"}, 6.0)
    assert [(one.kind, one.start_s, one.end_s) for one in labels.labels] == [("shift", 2.0, 4.0)]
    assert len(labels.ipus) == 2
    asked = labels_of(annotation, {"SPEAKER_00": "user", "SPEAKER_01": "agent", "": "user"}, 6.0)
    assert [(one.start_s, one.end_s) for one in asked.labels] == [(2.0, 3.0), (3.3, 4.0)]


def test_names_that_tell_roles_do_so_beside_a_nameless_segment(tmp_path):
    path = nameless("csv", tmp_path)
    path.write_text(path.read_text().replace("SPEAKER_00", "customer").replace("SPEAKER_01", "agent"))
    assert guess_roles(read_annotation(path)) == {"customer": "user", "agent": "agent"}


def test_a_file_whose_other_speaker_has_no_name_keeps_both(tmp_path):
    """Half of it is nobody's: that is a speaker, not a slip."""
    rows = "agent,0,1,Hello there\n,2,3,I want help\nagent,4,5,Of course\n,6,7,Thank you\n"
    annotation = read_annotation(written(tmp_path / "t.csv", f"speaker,start,end,text\n{rows}"))
    assert guess_roles(annotation) == {"agent": "agent", "": "user"}
    with pytest.raises(BadAnnotation, match="speaker '' has no role"):
        labels_of(annotation, {"agent": "agent"}, 8.0)


KEYS = (
    "results", "words", "segments", "text", "start", "end", "result", "transcription", "channels",
    "alternatives", "items", "type", "Transcript", "monologues", "channel", "offsets", "tokens",
)  # fmt: skip


@given(st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
))  # fmt: skip
def test_no_json_however_odd_makes_the_telling_fail(value):
    assert kind_of_json(json.dumps(value).encode()) in {"", *KINDS}


CASE_FILES = {
    "openai_words_only/t.json": ("whisper", 5, 0),
    "whisper_timestamped/t.words.json": ("whisper", 2, 1),
    "scribe_json/t.json": ("elevenlabs", 2, 0),
    "whisperx_unassigned/t.json": ("whisper", 3, 3),
}


@pytest.mark.parametrize("name", CASE_FILES)
def test_the_cases(name):
    if not (CASES / name).exists():
        pytest.skip("the collection of failing inputs isn't here")
    annotation = read_annotation(CASES / name)
    assert (annotation.source, len(annotation.words), len(annotation.segments)) == CASE_FILES[name]
    if name.startswith("scribe"):
        assert spoken(annotation) == [("speaker_0", 0.52, 0.81, "Hello"), ("speaker_1", 1.9, 2.4, "yes")]
    if name.startswith("openai"):
        assert annotation.duration_s == 3.0
