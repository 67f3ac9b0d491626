"""Synthesize the sample calls of `dialogues.yaml`: stereo FLAC (left = user, right = agent) and exact labels.

Every turn is synthesized whole, then cut where the script has a `|`, so that the words before a pause keep
the melody of an unfinished sentence. The synthesizers' own phoneme durations say where a word ends; the cut
is moved to the quietest point nearby. Speech edges are found by energy on the clean voice, everything outside
them is muted, and only then are noise or telephone band applied: the labels are true by construction.

Units: times in seconds from the start of the recording (`_s`), audio is float mono at 16 kHz, levels in dBFS.
Run `python audio_samples/make_samples.py` in an environment made from `audio_samples/requirements.txt`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr
import yaml
from tqdm import tqdm
from voices import RATE_HZ, VOICES, Voice

HERE = Path(__file__).resolve().parent
SPEECH_DBFS = -23.0  # RMS over the frames that hold speech
BACKCHANNEL_DBFS = -28.0
FLOOR_DBFS = {"user": -78.0, "agent": -84.0}  # white, so that silence is not digital zero
FRAME_S = 0.010
EDGE_DB = -45.0  # a frame is speech above this level relative to the turn's loudest frames
MIN_SILENCE_S = 0.2  # a shorter silence does not split an IPU
MIN_BURST_S = 0.04  # shorter bursts are clicks of the synthesizer
FADE_S = 0.020
SNAP_S = 0.080  # how far a cut may move to find the quietest point
LEAD_IN_S, TAIL_S = 0.5, 1.4  # silence before the first word and after the last
PAUSE = {"median_s": 0.55, "sigma": 0.8, "range_s": (0.25, 4.0)}  # log-normal, clipped
REPLY = {  # gap before a turn, log-normal, clipped; a `gap:` in the script overrides it
    "agent": {"median_s": 0.55, "sigma": 0.5, "range_s": (0.2, 1.5)},
    "user": {"median_s": 0.65, "sigma": 0.6, "range_s": (0.2, 1.8)},
}
TOKEN = re.compile(r"\{[^}]*\}|\||[^\s|{}]+")
NOT_LETTERS = re.compile(r"[\sˈˌːʲ,.?!;:]")


@dataclass
class Ipu:
    """A stretch of speech: where it begins in its turn (seconds), its faded audio and its words."""

    start_s: float
    end_s: float
    audio: np.ndarray
    lead_s: float  # audio before start_s: the fade-in
    words: list[tuple[str, float]]  # text, start (seconds within the turn)


@dataclass
class Turn:
    """A synthesized turn; times are relative to the onset of its first word."""

    ipus: list[Ipu]
    backchannels: list[tuple[str, float]] = field(default_factory=list)  # text, time of the word it follows

    @property
    def end_s(self) -> float:
        """Offset of the last word."""
        return self.ipus[-1].end_s


def draw(rng: np.random.Generator, median_s: float, sigma: float, range_s: tuple[float, float]) -> float:
    """Draw a duration from a clipped log-normal, in seconds on the 16 kHz grid."""
    drawn_s = float(np.clip(rng.lognormal(np.log(median_s), sigma), *range_s))
    return round(drawn_s * RATE_HZ) / RATE_HZ


def level_db(audio: np.ndarray, frame_s: float = FRAME_S, hop_s: float = FRAME_S) -> np.ndarray:
    """Return the level of each frame in dBFS."""
    frame, hop = round(frame_s * RATE_HZ), round(hop_s * RATE_HZ)
    padded = np.pad(audio, (0, frame))
    frames = np.lib.stride_tricks.sliding_window_view(padded, frame)[: max(len(audio), 1) : hop]
    return 10 * np.log10(np.mean(np.square(frames, dtype=np.float64), axis=1) + 1e-12)


def to_level(audio: np.ndarray, dbfs: float) -> np.ndarray:
    """Scale so that the RMS of the frames that hold speech (within 30 dB of the loudest) is `dbfs`."""
    levels = level_db(audio)
    active = levels[levels > np.percentile(levels, 98) - 30.0]
    return audio * 10 ** ((dbfs - 10 * np.log10(np.mean(10 ** (active / 10)))) / 20)


def word_starts(voice: Voice, words: list[str], phonemes: str, starts_s: np.ndarray) -> list[float]:
    """Time the words: match each, phonemized alone, to the phonemes of the turn; interpolate the rest."""
    alone = [NOT_LETTERS.sub("", voice.phonemes(word)) for word in words]
    kept = [i for i, c in enumerate(phonemes) if not NOT_LETTERS.match(c)]
    matcher = SequenceMatcher(None, "".join(alone), "".join(phonemes[i] for i in kept), autojunk=False)
    pairs = [(a + k, b + k) for a, b, size in matcher.get_matching_blocks() for k in range(size)]
    pairs = [(-1, -1), *pairs, (sum(map(len, alone)), len(kept))]
    firsts = np.concatenate([[0], np.cumsum([len(word) for word in alone])[:-1]])
    where = np.interp(firsts, *np.array(pairs, float).T)
    return [float(starts_s[kept[min(round(x), len(kept) - 1)]]) for x in where]


def quietest(audio: np.ndarray, around_s: float) -> float:
    """Return the middle of the quietest 20 ms within `SNAP_S` of a time; near ties go to the nearest."""
    shifts_s = np.arange(-SNAP_S, SNAP_S + 1e-9, 0.005)
    starts = np.clip(np.round((around_s + shifts_s - 0.010) * RATE_HZ).astype(int), 0, len(audio) - 1)
    power = np.array([np.mean(np.square(audio[start : start + 320])) for start in starts])
    return float(around_s + shifts_s[np.argmin(10 * np.log10(power + 1e-12) + 40.0 * np.abs(shifts_s))])


def speech_spans(audio: np.ndarray, loudest_db: float) -> list[tuple[float, float]]:
    """Return the spans (seconds) louder than the loudest frames + `EDGE_DB`; bridge silences < 0.2 s."""
    active = level_db(audio) > loudest_db + EDGE_DB
    edges = np.flatnonzero(np.diff(np.concatenate([[0], active.astype(int), [0]])))
    bursts = [(a, b) for a, b in edges.reshape(-1, 2) * FRAME_S if b - a >= MIN_BURST_S]
    spans: list[tuple[float, float]] = []
    for start_s, end_s in bursts:
        if spans and start_s - spans[-1][1] < MIN_SILENCE_S - 1e-9:
            spans[-1] = (spans[-1][0], end_s)
        else:
            spans.append((start_s, end_s))
    return [(a, min(b, len(audio) / RATE_HZ)) for a, b in spans]


def excerpt(piece: np.ndarray, start_s: float, end_s: float) -> tuple[np.ndarray, float]:
    """Cut a span out with 20 ms fades outside it where the piece allows; also return the lead in seconds."""
    fade = round(FADE_S * RATE_HZ)
    start = max(0, round(start_s * RATE_HZ) - fade)
    cut = piece[start : round(end_s * RATE_HZ) + fade].copy()
    ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(fade) + 0.5) / fade)
    cut[:fade] *= ramp[: len(cut)]
    cut[-fade:] *= ramp[::-1][-len(cut) :]
    return cut, start_s - start / RATE_HZ


def make_turn(voice: Voice, script: str, rng: np.random.Generator, dbfs: float = SPEECH_DBFS) -> Turn:
    """Synthesize one scripted turn, cut it at its `|` marks and insert drawn pauses."""
    words: list[str] = []
    segments: list[list[str]] = [[]]
    marks: list[tuple[str, int]] = []
    for token in TOKEN.findall(script):
        if token == "|":
            segments.append([])
        elif token.startswith("{"):
            marks.append((token[1:-1], len(words)))
        else:
            words.append(token)
            segments[-1].append(token)
    spoken = [voice.phonemes(" ".join(segment)).strip() for segment in segments]
    phonemes = " ".join(spoken)
    audio, starts_s = voice.speak(phonemes)
    audio = to_level(audio, dbfs)
    begins_s = word_starts(voice, words, phonemes, starts_s)
    joins = np.cumsum([len(part) + 1 for part in spoken])[:-1] - 1  # the spaces between the segments
    cuts_s = [quietest(audio, (starts_s[j] + starts_s[j + 1]) / 2) for j in joins]
    loudest_db = float(np.percentile(level_db(audio), 98))
    at_s, ipus = 0.0, []
    edges_s = [0.0, *cuts_s, len(audio) / RATE_HZ]
    for number, segment in enumerate(segments):
        low_s, high_s = edges_s[number], edges_s[number + 1]
        piece = audio[round(low_s * RATE_HZ) : round(high_s * RATE_HZ)]
        spans = speech_spans(piece, loudest_db)
        first = sum(map(len, segments[:number]))
        mine = [(words[i], begins_s[i] - low_s) for i in range(first, first + len(segment))]
        for k, (start_s, end_s) in enumerate(spans):
            if ipus:
                at_s += start_s - spans[k - 1][1] if k else draw(rng, **PAUSE)
            next_s = spans[k + 1][0] if k + 1 < len(spans) else np.inf
            inside = [m for m in mine if m[1] < (end_s + next_s) / 2]  # the words that begin in this span
            mine = mine[len(inside) :]
            if not inside:
                raise ValueError(f"speech without word at {low_s + start_s:.2f} s of {script!r}; move a '|'")
            timed = [(w, at_s + min(max(t - start_s, 0.0), end_s - start_s - 0.02)) for w, t in inside]
            timed[0] = (timed[0][0], at_s)
            cut, lead_s = excerpt(piece, start_s, end_s)
            ipus.append(Ipu(at_s, at_s + end_s - start_s, cut, lead_s, timed))
            at_s = ipus[-1].end_s
        if mine or not spans:
            raise ValueError(f"no speech for {segment} of {script!r}; move a '|'")
    starts_s = [start_s for ipu in ipus for _, start_s in ipu.words]
    return Turn(ipus, [(text, starts_s[index]) for text, index in marks])


def make_call(script: dict, seed: int) -> tuple[np.ndarray, dict]:
    """Synthesize one scripted call: audio shape=(n, 2) before the channel condition, and its labels."""
    number = int(script["id"][:2])
    rng = np.random.default_rng([seed, number])
    speakers = {"u": "user", "a": "agent"}
    voices = {
        s: VOICES[script[s]](seed + number, script.get("speed", {}).get(s, 1.0)) for s in speakers.values()
    }
    placed: list[tuple[str, float, Ipu]] = []  # speaker, turn start, IPU
    labels: list[dict] = []
    ends_s = {"user": 0.0, "agent": 0.0}
    for position, entry in enumerate(script["turns"]):
        key = "u" if "u" in entry else "a"
        speaker, other = speakers[key], speakers["a" if key == "u" else "u"]
        turn = make_turn(voices[speaker], entry[key], rng)
        gap_s = entry.get("gap", draw(rng, **REPLY[speaker]))
        start_s = max(ends_s[other] + gap_s, ends_s[speaker] + MIN_SILENCE_S) if position else LEAD_IN_S
        if speaker == "agent" and position:
            labels.append(label("shift", ends_s["user"], max(start_s, ends_s["user"])))
        placed += [(speaker, start_s, ipu) for ipu in turn.ipus]
        ends_s[speaker] = start_s + turn.end_s
        if speaker == "user":
            pairs = zip(turn.ipus, turn.ipus[1:], strict=False)
            labels += [label("hold", start_s + a.end_s, start_s + b.start_s) for a, b in pairs]
        for text, after_s in turn.backchannels:
            short = make_turn(voices["user"], text, rng, BACKCHANNEL_DBFS)
            at_s = start_s + after_s + float(rng.uniform(0.0, 0.2))
            if len(short.ipus) != 1 or at_s + short.end_s > ends_s["agent"] - 0.3:
                raise ValueError(
                    f"{script['id']}: backchannel {text!r} must be short and well before the agent ends"
                )
            placed.append(("user", at_s, short.ipus[0]))
            labels.append(label("backchannel", at_s, at_s + short.end_s))
    if [next(iter(entry)) for entry in script["turns"]] != ["a", "u"] * (len(script["turns"]) // 2) + ["a"]:
        raise ValueError(f"{script['id']}: turns must alternate and end with the agent's")
    duration_s = ends_s["agent"] + TAIL_S
    tracks = np.zeros((round(duration_s * RATE_HZ), 2))
    ipus, words = [], []
    for who, turn_s, ipu in placed:
        first = round((turn_s + ipu.start_s - ipu.lead_s) * RATE_HZ)
        tracks[first : first + len(ipu.audio), 0 if who == "user" else 1] += ipu.audio
        span = {"start_s": turn_s + ipu.start_s, "end_s": turn_s + ipu.end_s}
        ipus.append({"speaker": who, **span, "text": " ".join(w for w, _ in ipu.words)})
        stops = [*(t for _, t in ipu.words[1:]), ipu.end_s]
        for (text, at_s), stop_s in zip(ipu.words, stops, strict=True):
            words.append({"speaker": who, "start_s": turn_s + at_s, "end_s": turn_s + stop_s, "text": text})
    document = {
        "format": "turn-labels",
        "version": 1,
        "recording": script["id"],
        "duration_s": len(tracks) / RATE_HZ,
        "source": "construction",
        "condition": script["condition"],
        "voices": {who: voice.name for who, voice in voices.items()},
        **{name: ordered(items) for name, items in [("ipus", ipus), ("labels", labels), ("words", words)]},
    }
    return tracks, document


def label(kind: str, start_s: float, end_s: float) -> dict:
    """Return one label of the user channel."""
    return {"kind": kind, "start_s": start_s, "end_s": end_s, "confidence": 1.0, "reason": "construction"}


def ordered(items: list[dict]) -> list[dict]:
    """Round the times to 0.1 ms and sort by start."""
    rounded = [{k: round(float(v), 4) if k.endswith("_s") else v for k, v in item.items()} for item in items]
    return sorted(rounded, key=lambda item: item["start_s"])


def room_noise(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return room noise with RMS 1: pink, steeper above 2 kHz, its level drifting slowly (2 dB deviation)."""
    frequency_hz = np.fft.rfftfreq(n, 1 / RATE_HZ)
    shape = 1 / np.sqrt(np.maximum(frequency_hz, 150.0)) / (1 + (frequency_hz / 2000.0) ** 2)
    room = np.fft.irfft(np.fft.rfft(rng.standard_normal(n)) * shape, n)
    drift = np.fft.irfft(np.fft.rfft(rng.standard_normal(n)) * (frequency_hz < 0.5), n)
    room *= 10 ** (2.0 * drift / drift.std() / 20)
    return room / np.sqrt(np.mean(room**2))


def telephone(audio: np.ndarray) -> np.ndarray:
    """Band-limit to 300-3400 Hz, resample to 8 kHz, code with mu-law (8 bits, mu = 255), return to 16 kHz."""
    frequency_hz = np.fft.rfftfreq(len(audio), 1 / RATE_HZ)
    gain = np.clip((frequency_hz - 200.0) / 100.0, 0, 1) * np.clip((3600.0 - frequency_hz) / 200.0, 0, 1)
    narrow = soxr.resample(np.fft.irfft(np.fft.rfft(audio) * gain, len(audio)), RATE_HZ, 8000)
    compressed = np.sign(narrow) * np.log1p(255 * np.minimum(np.abs(narrow), 1.0)) / np.log(256)
    coded = (np.floor(compressed * 127.5) + 0.5) / 127.5
    decoded = np.sign(coded) * (256 ** np.abs(coded) - 1) / 255
    wide = soxr.resample(decoded, 8000, RATE_HZ)
    return np.pad(wide, (0, max(0, len(audio) - len(wide))))[: len(audio)]


def apply_condition(tracks: np.ndarray, condition: str, rng: np.random.Generator) -> np.ndarray:
    """Add the noise floor, then the condition: noise on the user channel, the telephone band on both."""
    heard = tracks.copy()
    for channel, floor_dbfs in enumerate(FLOOR_DBFS.values()):
        heard[:, channel] += 10 ** (floor_dbfs / 20) * rng.standard_normal(len(tracks))
    if condition.startswith("noise-"):
        snr_db = float(condition.removeprefix("noise-").removesuffix("dB"))
        heard[:, 0] += 10 ** ((SPEECH_DBFS - snr_db) / 20) * room_noise(len(tracks), rng)
    elif condition == "telephone":
        heard = np.stack([telephone(channel) for channel in heard.T], axis=1)
    elif condition != "clean":
        raise ValueError(f"unknown condition {condition!r}; expected clean, noise-<n>dB or telephone")
    if np.max(np.abs(heard)) >= 1.0:
        raise ValueError(f"the audio clips at {np.max(np.abs(heard)):.2f}; lower SPEECH_DBFS")
    return heard


def write_call(folder: Path, tracks: np.ndarray, document: dict) -> None:
    """Write `<recording>.flac` and `<recording>.labels.json`, each under a temporary name first."""
    flac, labels = (folder / f"{document['recording']}{suffix}" for suffix in (".flac", ".labels.json"))
    temporary = flac.with_suffix(".part")
    sf.write(temporary, tracks, RATE_HZ, format="FLAC", subtype="PCM_16", compression_level=1.0)
    os.replace(temporary, flac)
    lists = {"ipus", "labels", "words"}
    head = [f'"{key}": {json.dumps(value)}' for key, value in document.items() if key not in lists]
    body = [f'"{key}": [\n  ' + ",\n  ".join(map(json.dumps, document[key])) + "\n]" for key in sorted(lists)]
    temporary.write_text("{\n" + ",\n".join(head + body) + "\n}\n", encoding="utf-8")
    os.replace(temporary, labels)


def main() -> None:
    """Read the scripts and write the calls."""
    parser = argparse.ArgumentParser(description="Synthesize the sample calls and their labels.")
    parser.add_argument("--scripts", type=Path, default=HERE / "dialogues.yaml", help="the scripts (YAML)")
    parser.add_argument("--out", type=Path, default=HERE, help="folder to write to")
    parser.add_argument("--only", default="", help="only calls whose id starts with this, such as 03")
    parser.add_argument("--seed", type=int, default=2026, help="seed of the voices, the pauses and the noise")
    arguments = parser.parse_args()
    scripts = yaml.safe_load(arguments.scripts.read_text(encoding="utf-8"))["calls"]
    chosen = [script for script in scripts if script["id"].startswith(arguments.only)]
    if not chosen:
        parser.error(f"no call starts with {arguments.only!r}; they are {[s['id'] for s in scripts]}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    for script in (progress := tqdm(chosen, unit="call")):
        progress.set_postfix_str(script["id"])
        tracks, document = make_call(script, arguments.seed)
        noise_rng = np.random.default_rng([arguments.seed, int(script["id"][:2]), 1])
        write_call(arguments.out, apply_condition(tracks, script["condition"], noise_rng), document)


if __name__ == "__main__":
    main()
