"""Fuzzing targets: the import formats, through the same entry as `lab import`; tables: `fuzz_tables`.

Each input becomes one file of a folder that holds what else a recording of that format has. Beyond what comes
out, a target checks that nothing is lost: the manifest of what was imported gives the same recordings again,
and labels can be written.
"""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from fuzz_target import Target, dumped, imports_soundly, noise
from recording_fixtures import RECORDINGS, copied, one_line

from lab_utils.recordings.audio import BadRecording
from lab_utils.recordings.formats.livekit_history import read_history
from lab_utils.recordings.pairs import PairPattern
from lab_utils.recordings.recording_files import FindOptions, parse_raw

Preparing = Callable[[Path], Callable[[bytes], None]]


def _importing(name: str, still: Callable[[Path], object]) -> Preparing:
    """Fuzzes the file `name` of a folder that holds what `still` puts there."""

    def prepare(folder: Path) -> Callable[[bytes], None]:
        calls = folder / "calls"
        calls.mkdir()
        still(calls)
        target = calls / name
        target.parent.mkdir(parents=True, exist_ok=True)

        def try_one(data: bytes) -> None:
            target.write_bytes(data)
            imports_soundly(calls)

        return try_one

    return prepare


def _reporting(folder: Path) -> Callable[[bytes], None]:
    """Fuzzes a session report, as `lab import` and `lab evaluate` read it."""
    prepared = _importing("report.json", lambda calls: noise(calls / "audio.wav", 2.0))(folder)

    def try_one(data: bytes) -> None:
        prepared(data)
        try:
            read_history(folder / "calls" / "report.json")
        except BadRecording as error:
            one_line(error)

    return try_one


def _corpus(name: str) -> Callable[[Path], object]:
    return lambda calls: copied(name, calls)


def egress_audio(calls: Path) -> None:
    for k, path in enumerate(sorted((RECORDINGS / "egress").glob("*.json"))):
        shutil.copy(path, calls)
        for one in json.loads(path.read_text())["files"]:
            # Names end in .ogg; what they hold is told by their content.
            wav = noise(calls / "x.wav", 2.0, 1, seed=k)
            wav.rename(calls / one["filename"])
    noise(calls / "room.wav", 2.0, 2)


def _egress_seeds() -> tuple[bytes, ...]:
    old = json.loads(_bytes("egress/EG_TR_AMagent.json"))
    info = {
        "egressId": old["egress_id"],
        "roomId": old["room_id"],
        "startedAt": str(old["started_at"]),
        "participant": {"identity": old["publisher_identity"]},
        "fileResults": [
            {"filename": "x/" + old["files"][0]["filename"], "startedAt": str(old["started_at"])}
        ],
    }
    room = {
        "egressId": "EG_1",
        "roomComposite": {"audioMixing": "DUAL_CHANNEL_AGENT"},
        "fileResults": [{"filename": "room.wav"}],
    }
    return dumped(old, info, {"event": "egress_ended", "egressInfo": info}, room)


def _named_audio(folder: Path) -> Callable[[bytes], None]:
    """The first byte chooses the file's name, and with it the format."""
    suffixes = ("wav", "flac", "ogg", "mp3", "mp4", "ulaw", "alaw", "raw")
    names = ("RE" + 32 * "0" + ".wav", *(f"call.{suffix}" for suffix in suffixes), "17_caller.wav")
    calls = folder / "calls"

    def try_one(data: bytes) -> None:
        shutil.rmtree(calls, ignore_errors=True)
        noise(calls / "17_agent.wav", 0.5, 1)
        if data:
            (calls / names[data[0] % len(names)]).write_bytes(data[1:])
        imports_soundly(calls, FindOptions(raw=parse_raw("pcm16,8000,2")))

    return try_one


def _named_audio_seeds() -> tuple[bytes, ...]:
    pcm = np.random.default_rng(1).normal(0, 3000, (4_000, 2)).astype(np.int16)

    def audio(number: int, container: str, subtype: str, samples: Any = pcm) -> bytes:
        stream = io.BytesIO()
        soundfile.write(stream, samples, 8_000, format=container, subtype=subtype)
        return bytes([number]) + stream.getvalue()

    kinds = [(0, "WAV", "ULAW"), (1, "WAV", "PCM_16"), (1, "WAVEX", "FLOAT"), (1, "RF64", "ALAW"),
             (1, "AIFF", "PCM_24"), (2, "FLAC", "PCM_16"), (3, "OGG", "VORBIS"), (3, "OGG", "OPUS"),
             (4, "MP3", "MPEG_LAYER_III")]  # fmt: skip
    headerless = tuple(bytes([number]) + pcm.tobytes()[:2_000] for number in (6, 7, 8))
    mono = audio(9, "WAV", "PCM_16", pcm[:, 0])
    return (*(audio(*kind) for kind in kinds), *headerless, mono)


def _file_names(folder: Path) -> Callable[[bytes], None]:
    """An input is three file names, one a line: of two audio files and of a manifest."""
    calls = folder / "calls"

    def try_one(data: bytes) -> None:
        shutil.rmtree(calls, ignore_errors=True)
        calls.mkdir()
        made = 0
        for k, name in enumerate(data.split(b"\n")[:3]):
            path = os.path.join(os.fsencode(calls), name.replace(b"\0", b"").replace(b"/", b"\r"))
            try:
                if k < 2:
                    noise(calls / ".x.wav", 0.2, 1 + k, seed=k).rename(os.fsdecode(path))
                else:
                    Path(os.fsdecode(path)).write_text('{"egress_id": "x", "files": []}')
                made += 1
            except OSError:
                pass  # a name that no file can have
        imported = imports_soundly(calls)
        assert len(imported.entries) + len(imported.skipped) <= made

    return try_one


def _options(folder: Path) -> Callable[[bytes], None]:
    """What `--pair`, `--raw`, `--user` and `--agent` take, one a line."""
    calls = folder / "calls"
    for k, name in enumerate(
        ("17_rx.wav", "17_tx.wav", "in-3.ulaw", "out-3.ulaw", "a/caller.wav", "a/agent.wav")
    ):
        noise(calls / name, 0.1, 1, seed=k)

    def try_one(data: bytes) -> None:
        pair, raw, user, agent, *_ = (*data.decode("utf-8", "surrogateescape").split("\n"), "", "", "", "")
        try:
            PairPattern.of(pair)
        except ValueError:
            pair = ""
        try:
            stated = parse_raw(raw)
        except ValueError:
            stated = None
        try:
            options = FindOptions(user or "caller", agent or "agent", pair, stated)
        except ValueError:
            return
        imports_soundly(calls, options)

    return try_one


def _labels() -> tuple[bytes, ...]:
    labels = {"format": "turn-labels", "version": 1, "duration_s": 2.0,
              "ipus": [{"speaker": "user", "start_s": 0.1, "end_s": 0.5, "text": "x"},
                       {"speaker": "agent", "start_s": 0.8, "end_s": 1.5}],
              "labels": [{"kind": "shift", "start_s": 0.5, "end_s": 0.8}],
              "words": [{"speaker": "user", "start_s": 0.1, "end_s": 0.4, "text": "x"}]}  # fmt: skip
    return dumped(labels)


def _report() -> tuple[bytes, ...]:
    """The fixture's report, at eight times the speed: short audio is read sooner."""
    values = json.loads(_bytes("livekit/call-17/session_report.json"))
    origin = values["audio_recording_started_at"]
    for item in values["chat_history"]["items"]:
        for key in item.get("metrics", {}).keys() & {"started_speaking_at", "stopped_speaking_at"}:
            item["metrics"][key] = origin + (item["metrics"][key] - origin) / 8
    call = {"type": "function_call", "call_id": "c", "name": "book", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "c", "output": "", "is_error": False}
    values["chat_history"]["items"] += [call, output]
    return dumped(values)


def _spans() -> tuple[bytes, ...]:
    """The fixture's spans, at eight times the speed, as one object and as one a line."""
    dump = json.loads(_bytes("otlp/call-17.otlp.json"))
    spans = [
        span
        for resource in dump["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]
    origin = min(int(span["startTimeUnixNano"]) for span in spans)
    for span in spans:
        for key in ("startTimeUnixNano", "endTimeUnixNano"):
            span[key] = str(origin + (int(span[key]) - origin) // 8)
    return (*dumped(dump), b"\n".join(dumped(*({"resourceSpans": [one]} for one in dump["resourceSpans"]))))


def _bytes(name: str) -> bytes:
    return (RECORDINGS / name).read_bytes()


SID = "00aa11bb22cc33dd"
_TRANSCRIPT = f"harper_valley/data/transcript/{SID}.json"
_METADATA = f"harper_valley/data/metadata/{SID}.json"
_RTTM = "ami/rttm/ES9001a.rttm"
TARGETS = {
    "livekit_report": Target(_report, _reporting, is_json=True),
    "livekit_egress": Target(_egress_seeds, _importing("EG_TR_AMagent.json", egress_audio), is_json=True),
    "otlp": Target(
        _spans, _importing("call-17.json", lambda calls: noise(calls / "call-17.wav", 2.0)), is_json=True
    ),
    "harper_valley": Target(
        lambda: (_bytes(_TRANSCRIPT),), _importing(_TRANSCRIPT, _corpus("harper_valley")), is_json=True
    ),
    "harper_metadata": Target(
        lambda: (_bytes(_METADATA),), _importing(_METADATA, _corpus("harper_valley")), is_json=True
    ),
    "ami": Target(lambda: (_bytes(_RTTM),), _importing(_RTTM, _corpus("ami"))),
    "labels": Target(
        _labels, _importing("call.labels.json", lambda calls: noise(calls / "call.wav", 2.0)), is_json=True
    ),
    "audio": Target(_named_audio_seeds, _named_audio),
    "names": Target(
        lambda: (b"caller.wav\nagent.wav\nEG_1.json", b"x.flac\nx.Headset-0.wav\nx.labels.json"), _file_names
    ),
    "options": Target(
        lambda: (
            b"{name}_{channel:rx|tx}.wav\npcm16,8000,2",
            b"{channel:in|out}-{name}.ulaw\nulaw\ncustomer\nbot",
        ),
        _options,
    ),
}
