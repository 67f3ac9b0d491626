"""Synthesize the sample calls: stereo FLAC (left = user, right = agent) and exact labels.

The scripts in dialogues/ hold words only. Holds, fillers, gaps and overlaps are drawn from what people do
(pauses.py), turns are synthesized whole and cut (speech.py), and what was drawn is what the labels say.

Units: times in seconds from the start of the recording (`_s`), audio is float mono at 16 kHz, levels in dBFS.
Run `python audio_samples/calls/make_calls.py` in an environment made by `make samples`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from callers import voice_of
from pauses import draw_gap_s
from scripts import Script, read_scripts
from speech import make_turn
from tqdm import tqdm

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent))
from make_samples import Ipu, Turn, label, ordered, room_noise, telephone, write_call  # noqa: E402
from voices import RATE_HZ, Voice  # noqa: E402

LEVEL_DBFS = {"user": -26.0, "agent": -26.0}  # RMS over the frames that hold speech
LEVEL_SPREAD_DB = 2.0  # standard deviation of a caller's level; clipped to twice that
BACKCHANNEL_DB = -5.0  # relative to the caller's level
FLOOR_DBFS = -76.0  # of the room around the caller; the agent's channel is silent between its turns
BITS = {
    "user": 14,
    "agent": 13,
}  # what is kept of 16: rounding stays 13 dB below the floor, files get smaller
LEAD_IN_S, TAIL_S = 0.5, 1.2
MIN_SILENCE_S = 0.2
BACKCHANNELS = ("mm-hm", "uh-huh", "okay", "right")
BACKCHANNEL_SHARE = 0.5  # of the agent's turns that are long enough
BACKCHANNEL_WORDS = 12  # in an agent's turn that the caller may acknowledge
REASONS = {"plain": "construction", "number": "construction: gives a number or spells"}


@dataclass
class Call:
    """What has been placed so far."""

    placed: list[tuple[str, float, Ipu]] = field(default_factory=list)
    labels: list[dict[str, Any]] = field(default_factory=list)
    ends_s: dict[str, float] = field(default_factory=lambda: {"user": 0.0, "agent": 0.0})
    reason: str = REASONS["plain"]
    """Of the caller's latest turn: it stands on the label of its end, too."""
    acknowledged: dict[str, Turn] = field(default_factory=dict)
    """How the caller says "mm-hm" and the like: the same way throughout the call."""

    def put(self, speaker: str, start_s: float, turn: Turn) -> None:
        """Place a turn's IPUs."""
        self.placed += [(speaker, start_s, ipu) for ipu in turn.ipus]
        self.ends_s[speaker] = start_s + turn.end_s


def make_call(script: Script, seed: int, speech: Path | None) -> tuple[np.ndarray, dict[str, Any]]:
    """Synthesize one call: int16 audio as heard, shape=(n, 2), and its label document."""
    number = int(script.id[:2])
    rng, other_rng = (np.random.default_rng([seed, part, number]) for part in (2, 4))
    voices = {
        "user": voice_of(script.voices["user"], seed + number, script.speed, speech),
        "agent": voice_of(script.voices["agent"], seed + number, 1.0, speech),
    }
    spread_db = float(np.clip(other_rng.normal(), -2, 2)) * LEVEL_SPREAD_DB
    levels = {"user": LEVEL_DBFS["user"] + spread_db, "agent": LEVEL_DBFS["agent"]}
    call, planned = Call(), iter(script.turns)
    for position, (mark, text) in enumerate(script.lines):
        if mark == "A":
            turn = make_turn(voices["agent"], text.split(), {}, levels["agent"], script.id)
            place_agent(call, turn, position, rng)
            acknowledge(call, turn, text.split(), voices["user"], levels["user"], position, other_rng)
        else:
            plan = next(planned)
            turn = make_turn(voices["user"], list(plan.words), plan.holds_s, levels["user"], script.id)
            place_user(call, turn, REASONS[plan.kind], rng)
    tracks, lists = laid_out(call)
    document = {
        "format": "turn-labels",
        "version": 1,
        "recording": script.id,
        "duration_s": len(tracks) / RATE_HZ,
        "source": "construction",
        "condition": script.condition,
        "voices": {who: voice.name for who, voice in voices.items()},
        **lists,
    }
    return heard(tracks, script.condition, levels["user"], np.random.default_rng([seed, 3, number])), document


def place_agent(call: Call, turn: Turn, position: int, rng: np.random.Generator) -> None:
    """Place the agent's turn after the caller's and label the end of that one."""
    if not position:
        call.put("agent", LEAD_IN_S, turn)
        return
    last = next(ipu for who, _, ipu in reversed(call.placed) if who == "user")
    most_overlap_s = min((ipu.end_s - ipu.start_s) / 2 for ipu in (last, turn.ipus[0]))
    gap_s = draw_gap_s("agent", most_overlap_s, rng)
    end_s = call.ends_s["user"]
    start_s = max(end_s + gap_s, call.ends_s["agent"] + MIN_SILENCE_S)
    call.labels.append({**label("shift", end_s, max(start_s, end_s)), "reason": call.reason})
    call.put("agent", start_s, turn)


def place_user(call: Call, turn: Turn, reason: str, rng: np.random.Generator) -> None:
    """Place the caller's turn after the agent's and label its holds."""
    first, last = turn.ipus[0], next(ipu for who, _, ipu in reversed(call.placed) if who == "agent")
    most_overlap_s = min((ipu.end_s - ipu.start_s) / 2 for ipu in (first, last))
    gap_s = draw_gap_s("user", most_overlap_s, rng)
    start_s = max(call.ends_s["agent"] + gap_s, call.ends_s["user"] + MIN_SILENCE_S)
    for a, b in zip(turn.ipus, turn.ipus[1:], strict=False):
        call.labels.append({**label("hold", start_s + a.end_s, start_s + b.start_s), "reason": reason})
    call.put("user", start_s, turn)
    call.reason = reason


def acknowledge(
    call: Call,
    turn: Turn,
    words: list[str],
    voice: Voice,
    dbfs: float,
    position: int,
    rng: np.random.Generator,
) -> None:
    """Let the caller say "mm-hm" after a clause of some longer turns of the agent, well before their end."""
    if position == 0 or len(words) < BACKCHANNEL_WORDS or rng.random() > BACKCHANNEL_SHARE:
        return
    start_s = call.ends_s["agent"] - turn.end_s
    word = str(rng.choice(BACKCHANNELS))
    if word not in call.acknowledged:
        call.acknowledged[word] = make_turn(voice, [word], {}, dbfs + BACKCHANNEL_DB, "backchannel")
    short = call.acknowledged[word]
    times_s = [time_s for ipu in turn.ipus for _, time_s in ipu.words]
    clauses = [times_s[i + 1] for i, word in enumerate(words[:-1]) if word[-1] in ",."]
    fitting = [t for t in clauses if t > 1.5 and t + short.end_s + 0.6 < turn.end_s]
    if not fitting:
        return
    at_s = start_s + float(rng.choice(fitting)) + float(rng.uniform(0.0, 0.2))
    call.placed.append(("user", at_s, short.ipus[0]))
    call.labels.append(label("backchannel", at_s, at_s + short.end_s))
    call.ends_s["user"] = at_s + short.end_s


def laid_out(call: Call) -> tuple[np.ndarray, dict[str, list[dict[str, Any]]]]:
    """The clean tracks, shape=(n, 2), and the lists of the label document."""
    tenths = int(np.ceil((call.ends_s["agent"] + TAIL_S) * 10))  # so that Fourier transforms are fast
    tracks = np.zeros((tenths * RATE_HZ // 10, 2))
    ipus, words = [], []
    for who, turn_s, ipu in call.placed:
        first = round((turn_s + ipu.start_s - ipu.lead_s) * RATE_HZ)
        tracks[first : first + len(ipu.audio), 0 if who == "user" else 1] += ipu.audio
        span = {"start_s": turn_s + ipu.start_s, "end_s": turn_s + ipu.end_s}
        ipus.append({"speaker": who, **span, "text": " ".join(word for word, _ in ipu.words)})
        stops = [*(time_s for _, time_s in ipu.words[1:]), ipu.end_s]
        for (text, at_s), stop_s in zip(ipu.words, stops, strict=True):
            words.append({"speaker": who, "start_s": turn_s + at_s, "end_s": turn_s + stop_s, "text": text})
    return tracks, {"ipus": ordered(ipus), "labels": ordered(call.labels), "words": ordered(words)}


def heard(tracks: np.ndarray, condition: str, dbfs: float, rng: np.random.Generator) -> np.ndarray:
    """Add the floor, then the condition: noise on the user channel, the telephone band on both; as int16."""
    audio = tracks.copy()
    audio[:, 0] += 10 ** (FLOOR_DBFS / 20) * room_noise(len(tracks), rng)
    if condition.startswith("noise-"):
        snr_db = float(condition.removeprefix("noise-").removesuffix("dB"))
        audio[:, 0] += 10 ** ((dbfs - snr_db) / 20) * room_noise(len(tracks), rng)
    elif condition == "telephone":
        audio = np.stack([telephone(channel) for channel in audio.T], axis=1)
    elif condition != "clean":
        raise ValueError(f"unknown condition {condition!r}; expected clean, noise-<n>dB or telephone")
    if np.max(np.abs(audio)) >= 1.0:
        raise ValueError(f"the audio clips at {np.max(np.abs(audio)):.2f}; lower LEVEL_DBFS")
    steps = np.array([2 ** (16 - bits) for bits in BITS.values()])
    return np.clip(np.round(audio * 32768 / steps) * steps, -32768, 32768 - steps).astype(np.int16)


def write(script: Script, out: Path, seed: int, speech: Path | None) -> str:
    """Make one call and write its two files."""
    folder = out / script.folder
    folder.mkdir(parents=True, exist_ok=True)
    write_call(folder, *make_call(script, seed, speech))
    return script.id


def main() -> None:
    """Read the scripts and write the calls."""
    parser = argparse.ArgumentParser(description="Synthesize the sample calls and their labels.")
    parser.add_argument("--scripts", type=Path, default=HERE / "dialogues", help="folder of scripts (YAML)")
    parser.add_argument("--out", type=Path, default=HERE, help="folder to write to")
    parser.add_argument("--only", default="", help="only calls whose id starts with this, such as 13")
    parser.add_argument("--seed", type=int, default=2026, help="seed of pauses, gaps, voices and noise")
    parser.add_argument("--speech", type=Path, help="folder that keeps what the slow voices have spoken")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    arguments = parser.parse_args()
    scripts = read_scripts(arguments.scripts, arguments.seed)
    chosen = [script for script in scripts if script.id.startswith(arguments.only)]
    if not chosen:
        parser.error(f"no call starts with {arguments.only!r}; they are {[script.id for script in scripts]}")
    make = partial(write, out=arguments.out, seed=arguments.seed, speech=arguments.speech)
    progress = tqdm(done(make, chosen, arguments.jobs), total=len(chosen), unit="call")
    for name in progress:
        progress.set_postfix_str(name)


def done(make: partial[str], scripts: list[Script], jobs: int) -> Iterator[str]:
    """Make calls in so many processes; yield each as it is written."""
    if jobs == 1:
        yield from map(make, scripts)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(make, scripts)


if __name__ == "__main__":
    main()
