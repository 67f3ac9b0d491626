"""Traces of recordings: VAD and end-of-turn probabilities at every phase, cached on disk.

Tracing is the slow step and the only one that needs audio and models; everything after it is arithmetic.
A trace depends on the audio, the model and its version, so that is its address in the cache: nothing goes
stale, and a damaged entry is computed again.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from shlex import quote

import numpy as np

from ..core.batch import Done, run_batch
from ..core.files.places import Folder
from ..core.labels import Ipu, Labels, Word, agent_turns
from ..core.recording import Recording
from ..core.samples.stream import Stream, heard_stream
from ..core.settings import USUAL_CONDITIONS, Conditions, Settings, VadSettings
from ..core.timeline import (
    SAMPLE_RATE_HZ,
    TAIL_S,
    WINDOW_SAMPLES,
    Floats,
    Ints,
    frame_samples,
)
from ..core.traces import (
    BRANCH_SAMPLES,
    Branch,
    EotTrace,
    SttEvent,
    Traced,
    VadTrace,
    check_probabilities,
    eot_keys,
)
from ..recordings.audio import BadRecording
from ..recordings.conditions import CLEAN, ChannelCondition, degrade
from ..recordings.find import RecordingFiles, load_recording, results_of
from ..recordings.heard_paths import HeardPath
from ..recordings.labels.estimate import estimate_labels, estimate_speech
from .branches import (
    LONGEST_WAIT_S,
    Fork,
    ForksOf,
    branch_audio,
    branch_name,
    forks_of,
    longest_wait_s,
    own_silence,
)
from .cache import TraceCache as TraceCache
from .cache import default_cache as default_cache
from .cache import largest_cache
from .cache.known import AudioNeeded, files_now, recall, remember
from .cache.marks import Mark
from .detectors import Predictor, Questions, check_weights, predictor_of, text_predictor_of
from .detectors.asked_texts import AskedTexts
from .replay import (
    Block,
    MissingPredictions,
    MissingTexts,
    Restart,
    Rows,
    counted_words,
    decide,
    find_rows,
    stt_events_for,
)
from .takes import Audible, HeardRecording, Hearings, Take, takes_of
from .vad import VAD_MODELS, forked_probabilities, model_version, speech_probabilities

LEAST_RESTART = 256
"""When a VAD begins anew, at least so many windows (8 s) are computed; mostly it restarts before they end."""


def agent_alone(recording: Recording) -> Recording:
    """The agent's channel as if it were a user's, with an address of its own in the cache."""
    assert recording.agent is not None
    return replace(recording, user=recording.agent, sha256=f"{recording.sha256}-agent")


@dataclass(frozen=True)
class Tracer:
    """Makes traces, reading and filling a cache. Holds no model and no audio: it can be sent to a worker."""

    cache: TraceCache
    tail_s: float = TAIL_S
    wait_s: float = LONGEST_WAIT_S
    """How long the caller waits on a branch."""
    own: Mapping[str, Predictor] = field(default_factory=dict, hash=False)
    """The user's own detectors, by their names in settings."""

    def vad(self, recording: Audible, model: str, offsets: Sequence[int]) -> tuple[VadTrace, ...]:
        """One trace per phase offset."""
        found = self._probabilities(model, [(recording, offset) for offset in offsets], [])
        return tuple(VadTrace(model, offset, p) for offset, (p,) in zip(offsets, found, strict=True))

    def _probabilities(
        self, model: str, takes: Sequence[tuple[Audible, int]], forks: Sequence[Fork]
    ) -> list[list[Floats]]:
        """What a VAD says on the tape and on each branch of takes, each heard at a phase offset."""
        silence = own_silence(takes[0][0]) if forks else (0, 0)  # the labels tell it, which takes share
        addresses = [self._vad_addresses(model, heard, offset, forks, silence) for heard, offset in takes]
        found = [[self._cached_vad(address) for address in of_take] for of_take in addresses]
        missing = [k for k, of_take in enumerate(found) if any(p is None for p in of_take)]
        lacking = [[n for n, p in enumerate(found[k]) if p is None] for k in missing]
        computed = forked_probabilities(
            model,
            [heard_stream(takes[k][0].user, takes[k][1], self.tail_s) for k in missing],
            [
                [
                    (forks[n - 1].from_sample + takes[k][1], branch_audio(takes[k][0], forks[n - 1], silence))
                    for n in numbers
                    if n
                ]
                for k, numbers in zip(missing, lacking, strict=True)
            ],
        )
        for k, numbers, (tape, waiting) in zip(missing, lacking, computed, strict=True):
            fresh = dict(zip([n for n in numbers if n], waiting, strict=True)) | {0: tape}
            for n in numbers:
                found[k][n] = fresh[n]
                self.cache.store(addresses[k][n], probabilities=fresh[n])
        return [[p for p in of_take if p is not None] for of_take in found]

    def _cached_vad(self, address: str) -> Floats | None:
        entry = self.cache.load(address, ["probabilities"])
        return None if entry is None else entry[0]

    def _vad_addresses(
        self, model: str, recording: Audible, offset: int, forks: Sequence[Fork], silence: tuple[int, int]
    ) -> list[str]:
        """Of the tape and of each branch."""
        name = f"{recording.sha256}-{model_version(model)}-{offset}"
        return [f"{name}-{self.tail_s:g}", *(f"{name}-{branch_name(fork, silence)}" for fork in forks)]

    def predictor(self, detector: str) -> Predictor:
        """The model behind a detector's name. Raises ValueError for a user's own that was not given."""
        found = predictor_of(detector, self.own)
        if found is None:
            raise ValueError(f"{detector}: nothing to ask; give its function or its table of probabilities")
        return found

    def cached_predictions(
        self, recording: Audible, offset: int, turns: Iterable[int] = (), detector: str = "v1-mini"
    ) -> EotTrace:
        """The end-of-turn predictions at hand for one phase, with those on the branches of some turns."""
        known, turns = EotTrace.of(detector), list(turns)
        branches = self._branches(recording) if turns else None
        for turn in (-1, *turns):
            address = self._eot_address(recording, offset, detector)
            address += branches.suffix(turn) if branches else ""
            entry = self.cache.load(address, ["starts", "ends", "probabilities"])
            if entry is not None:
                starts, ends, probabilities = entry
                shift = (turn + 1) * BRANCH_SAMPLES
                known = known.merged(EotTrace(starts + shift, ends + shift, probabilities))
        return known

    def predict(
        self,
        recording: Audible,
        offset: int,
        known: EotTrace,
        starts: Ints,
        ends: Ints,
        detector: str = "v1-mini",
    ) -> EotTrace:
        """`known` with more predictions, which are cached, too. Raises ValueError for a NaN among them."""
        place = ends // BRANCH_SAMPLES  # 0 is the tape, k + 1 the branch of turn k
        branches = self._branches(recording) if place.any() else None
        for number in np.unique(place).tolist():
            shift = number * BRANCH_SAMPLES
            of_branch = known.ends // BRANCH_SAMPLES == number
            before = EotTrace(
                known.starts[of_branch] - shift,
                known.ends[of_branch] - shift,
                known.probabilities[of_branch],
            )
            here = place == number
            asked = self._asked(
                recording, offset, number - 1, branches, (starts[here] - shift, ends[here] - shift), detector
            )
            more = before.merged(asked)
            address = self._eot_address(recording, offset, detector)
            address += branches.suffix(number - 1) if branches else ""
            self.cache.store(address, starts=more.starts, ends=more.ends, probabilities=more.probabilities)
            known = known.merged(EotTrace(asked.starts + shift, asked.ends + shift, asked.probabilities))
        return known

    def predict_one(self, recording: Audible, offset: int, start: int, end: int) -> float:
        """v1-mini's probability for samples `[start, end)` of the tape, kept in the cache where that can be.

        Raises ValueError for NaN.
        """
        span = np.array([start]), np.array([end])
        known = self.cached_predictions(recording, offset)
        place = np.flatnonzero(known.keys == eot_keys(*span)[0])
        if len(place):
            return float(known.probabilities[place[0]])
        asked = self._asked(recording, offset, -1, None, span, "v1-mini")
        more, address = known.merged(asked), self._eot_address(recording, offset, "v1-mini")
        with suppress(ValueError):  # a session's commits don't depend on room in the cache
            self.cache.store(address, starts=more.starts, ends=more.ends, probabilities=more.probabilities)
        return float(asked.probabilities[0])

    def _asked(
        self,
        recording: Audible,
        offset: int,
        turn: int,
        branches: ForksOf | None,
        spans: tuple[Ints, Ints],
        detector: str,
    ) -> EotTrace:
        """What a detector says of spans of the tape (`turn` -1) or a branch. Raises ValueError for NaN."""
        asked = self._questions(recording, offset, turn, branches, *spans)
        p = self.predictor(detector).probabilities(asked)
        file = getattr(recording, "recording", recording).path
        check_probabilities(p, "end-of-turn probabilities", file)
        return EotTrace(asked.starts, asked.ends, p)

    def _questions(
        self, recording: Audible, offset: int, turn: int, branches: ForksOf | None, starts: Ints, ends: Ints
    ) -> Questions:
        """What a detector is asked on the tape (`turn` -1), or on the branch of a turn."""
        one = recording.recording if isinstance(recording, HeardRecording) else recording
        assert one.labels is not None
        stream, waits_s = self._stream(recording, offset, turn, branches), math.inf
        if turn >= 0 and branches is not None:
            waits_s = branches.forks[turn].from_sample / SAMPLE_RATE_HZ
        return Questions(stream, starts, ends, offset, one.sha256, one.labels, waits_s)

    def _stream(self, recording: Audible, offset: int, turn: int, branches: ForksOf | None) -> Stream:
        """What the agent hears on the tape (`turn` -1), or on the branch of a turn."""
        tape = heard_stream(recording.user, offset, self.tail_s)
        if turn < 0 or branches is None:
            return tape
        fork = branches.forks[turn]
        return tape.until(fork.from_sample + offset, branch_audio(recording, fork, branches.silence))

    def _branches(self, recording: Audible) -> ForksOf:
        return ForksOf(self._forks(recording), own_silence(recording))

    def _forks(self, recording: Audible) -> dict[int, Fork]:
        assert recording.labels is not None
        return {fork.turn: fork for fork in forks_of(recording.labels, self.wait_s)}

    def _eot_address(self, recording: Audible, offset: int, detector: str) -> str:
        """Of the tape; a branch's has its suffix."""
        name = detector.replace(":", "_")
        return f"{recording.sha256}-{name}-{self.predictor(detector).model_version()}-{offset}"

    def trace(
        self,
        recording: Recording | Hearings,
        phases: int,
        vads: Iterable[str] = VAD_MODELS,
        path: HeardPath | None = None,
    ) -> Traced:
        """VAD traces and labels of a recording and its branches, with the predictions at hand.

        One for each take (`takes_of`); all are heard over `path` if one is given.
        """
        return self._traced(recording, takes_of(phases, path), vads, branched=True)

    def trace_session(
        self,
        recording: Recording,
        settings: Settings,
        conditions: Conditions = USUAL_CONDITIONS,
        phase_samples: int = 0,
        stt: Sequence[SttEvent] | None = None,
        *,
        branched: bool = False,
    ) -> Traced:
        """All that one setting leads to on one recording at one phase offset: what a session needs.

        With `branched` on its branches too.
        """
        traced = self._traced(recording, [Take(phase_samples)], [settings.vad.model], branched=branched)
        return self.complete(recording, traced, [Block.of(settings, conditions)], stt)

    def trace_tape(self, recording: Recording, vads: Iterable[str] = VAD_MODELS) -> Traced:
        """VAD traces of the tape alone, at phase 0: what `complete` then makes ready for sessions."""
        return self._traced(recording, [Take(0)], vads)

    def _traced(
        self,
        recording: Recording | Hearings,
        takes: Sequence[Take],
        vads: Iterable[str],
        *,
        branched: bool = False,
    ) -> Traced:
        hearings = recording if isinstance(recording, Hearings) else Hearings(self.labelled(recording))
        recording = hearings.recording
        assert recording.labels is not None
        forks = list(self._forks(recording).values()) if branched else []
        heard = [(hearings.over(take.path), take.phase_samples) for take in takes]
        found = {model: self._probabilities(model, heard, forks) for model in vads}
        turns = [fork.turn for fork in forks]
        band, background = hearings.line
        return Traced(
            name=recording.name,
            path=recording.path,
            sha256=recording.sha256,
            duration_s=recording.duration_s,
            labels=recording.labels,
            vad={
                model: tuple(
                    VadTrace(model, take.phase_samples, of_take[0], take.path)
                    for take, of_take in zip(takes, of_model, strict=True)
                )
                for model, of_model in found.items()
            },
            eot=tuple(self.cached_predictions(*one, turns) for one in heard),
            tail_s=self.tail_s,
            notes=recording.notes,
            band=band,
            background=background,
            language=recording.language,
            finals=recording.finals,
            told={} if recording.provenance is None else recording.provenance.settings,
            branches=tuple(
                Branch(
                    turn=fork.turn,
                    from_sample=fork.from_sample,
                    until_s=fork.until_sample / SAMPLE_RATE_HZ,
                    vad={model: tuple(take[n] for take in of_model) for model, of_model in found.items()},
                )
                for n, fork in enumerate(forks, 1)
            ),
        )

    def labelled(self, recording: Recording) -> Recording:
        """The recording with its labels, or estimated ones (see `estimate_labels`) if it has none."""
        if recording.labels is not None:
            return recording
        return replace(recording, labels=self.estimate_labels(recording))

    def estimate_labels(self, recording: Recording, words: Sequence[Word] = ()) -> Labels:
        """Labels from the speech in the two channels. Raises BadRecording without an agent channel.

        `words`: if known, they tell the user's backchannels from short turns.
        """
        if recording.agent is None:
            raise BadRecording.of(
                recording.path,
                "has neither labels nor an agent channel, so holds cannot be told from ends of turn",
                f"add the agent's channel (--pair, for mono files), or a label file "
                f"{Path(recording.path).stem}.labels.json: lab label --skeleton {quote(recording.path)} "
                f"writes one to fill in, and lab diarize {quote(recording.path)} tells two voices apart",
            )
        both = (recording, agent_alone(recording))
        user, agent = (self.vad(channel, "livekit", [0])[0] for channel in both)
        said = [word for word in words if word.speaker == "user"]
        return estimate_labels(recording.user, recording.agent, user.probabilities, agent.probabilities, said)

    def speech_only(self, recording: Recording) -> Labels:
        """The user's IPUs and nothing else: who speaks when, of a recording that can't be labelled."""
        (trace,) = self.vad(recording, "livekit", [0])
        spans = estimate_speech(recording.user, trace.probabilities)
        ipus = tuple(Ipu("user", start_s, end_s) for start_s, end_s in spans.tolist())
        return Labels(recording.duration_s, ipus, (), source="speech of the user alone")

    def restart(self, recording: Audible, known: VadTrace, numbered: int, needed: int) -> VadTrace:
        """`known` with a restart of the VAD for at least so many windows, which is also kept in the cache.

        `numbered`: where it begins; samples of a branch are numbered on (`BranchPauses.shift`).
        """
        number, origin = divmod(numbered, BRANCH_SAMPLES)  # 0 is the tape, k + 1 the branch of turn k
        branches = self._branches(recording) if number else None
        branch = branches.suffix(number - 1) if branches else ""
        name = f"{recording.sha256}-{model_version(known.model)}-{known.phase_samples}-{self.tail_s:g}"
        address = f"{name}{branch}-from-{origin}"
        entry = self.cache.load(address, ["probabilities"])
        if entry is None or len(entry[0]) < needed:
            stream = self._stream(recording, known.phase_samples, number - 1, branches)
            windows = max(LEAST_RESTART, 2 * needed)
            audio = stream[origin : origin + windows * WINDOW_SAMPLES]
            entry = [speech_probabilities(known.model, [audio])[0]]
            self.cache.store(address, probabilities=entry[0])
        return replace(known, restarts={**known.restarts, numbered: entry[0]})

    def _restarts_into(self, traces: list[VadTrace], phase: int, recording: Audible) -> Restart:
        """Restarts the VAD on a recording, and adds what it says to one of its traces."""

        def restart(numbered: int, windows: int) -> Floats:
            traces[phase] = self.restart(recording, traces[phase], numbered, windows)
            return traces[phase].restarts[numbered]

        return restart

    def complete(
        self,
        recording: Recording | Hearings,
        traced: Traced,
        blocks: Sequence[Block],
        stt: Sequence[SttEvent] | None = None,
    ) -> Traced:
        """The trace with every prediction, and every restart of the VAD, that the blocks' settings lead to.

        `stt`: the speech-to-text's events as in `replay`.
        """
        if not isinstance(recording, Hearings):
            recording = Hearings(replace(recording, labels=traced.labels))
        asked = sorted({block.detector for block in blocks if block.needs == "predictions"})
        eot = {name: list(traced.predictions(name)) for name in asked}
        about_words = sorted({block.detector for block in blocks if block.needs == "words"})
        texts = {name: AskedTexts(name, text_predictor_of(name), self.cache) for name in about_words}
        answers = {name: one.known(traced.sha256) for name, one in texts.items()}
        traced = replace(traced, texts={**traced.texts, **answers})
        vad = {name: list(traces) for name, traces in traced.vad.items()}
        turns = [branch.turn for branch in traced.branches]
        for phase in range(traced.phases):
            trace = next(iter(vad.values()))[phase]
            offset, heard_recording = trace.phase_samples, recording.over(trace.path)
            agent = agent_turns(traced.labels) + offset / SAMPLE_RATE_HZ
            segmented: dict[tuple[VadSettings, float], Rows] = {}
            for name in asked:
                if not len(eot[name][phase].ends):
                    eot[name][phase] = self.cached_predictions(heard_recording, offset, turns, name)
            for block in blocks:
                if block.needs == "transcripts":
                    continue
                key = (block.vad, block.conditions.frame_duration)
                model = block.vad.model
                if key not in segmented:
                    frame = frame_samples(block.conditions.frame_duration)
                    segmented[key] = find_rows(traced, block.vad, phase, frame)
                rows = segmented[key]
                block = block.on(traced, offset / SAMPLE_RATE_HZ)
                heard = stt_events_for(block, traced.labels, offset / SAMPLE_RATE_HZ, stt)
                words_s = counted_words(block, traced.labels, offset / SAMPLE_RATE_HZ)
                restart = self._restarts_into(vad[model], phase, heard_recording)
                while True:
                    try:
                        name = block.detector
                        said = eot[name][phase] if name in eot else answers.get(name, EotTrace())
                        decide(rows, said, agent, block, heard, vad[model][phase], words_s, restart)
                        break
                    except MissingPredictions as missing:
                        eot[name][phase] = self.predict(
                            heard_recording, offset, eot[name][phase], missing.starts, missing.ends, name
                        )
                    except MissingTexts as missing:
                        answers[name] = texts[name].ask(traced.sha256, answers[name], missing.prompts)
        for name, traces in eot.items():
            traced = traced.with_predictions(name, traces)
        heard_vad = {name: tuple(traces) for name, traces in vad.items()}
        return replace(traced, vad=heard_vad, texts={**traced.texts, **answers})


def trace_recordings(
    files: Sequence[RecordingFiles],
    blocks: Sequence[Block],
    *,
    phases: int = 4,
    cache: Folder | None = None,
    jobs: int = 2,
    quiet: bool = False,
    channel_condition: ChannelCondition = CLEAN,
    seed: int = 0,
    path: HeardPath | None = None,
    own: Callable[[Recording], Sequence[Block]] | None = None,
    detectors: Mapping[str, Predictor] | None = None,
) -> Iterator[Traced | ValueError]:
    """Load and trace recordings in worker processes, in order, with all predictions the blocks lead to.

    `channel_condition`: what the audio is put through before (`degrade`); labels stay as they were recorded.
    `path`: how all takes are heard; None: over several paths in turn (`takes_of`). `own`: blocks of one
    recording alone, which is given with its labels. `detectors`: the user's own, by their names in settings.

    A recording that cannot be loaded or traced gives the error in its place, so that one bad file does not
    stop the others. Only the traces come back: the audio of all recordings is never in memory at once.
    """
    kept = TraceCache.at(cache)
    kept.prune(largest_cache())
    check_weights(block.detector for block in blocks)
    tracer = Tracer(kept, own=detectors or {})
    work = partial(_trace_one, tracer, blocks, phases, channel_condition, seed, path, own)
    jobs = min(jobs, max(1, len(files)))
    how = repr((blocks, phases, channel_condition, seed, path))
    with closing(Mark(kept, [*(str(one.user.absolute()) for one in files), how])) as mark:
        if mark.number:  # beside another run: from elsewhere, until both meet; then all of it is read
            _keep_all(work, mark, files, jobs, quiet)
        outcomes = run_batch(work, files, jobs=jobs, task="tracing", quiet=quiet)
        for one in results_of(files, outcomes, "traced"):
            mark.renew()
            yield one


def _keep_all(
    trace: Callable[[RecordingFiles], Traced],
    mark: Mark,
    files: Sequence[RecordingFiles],
    jobs: int,
    quiet: bool,
) -> None:
    """Trace recordings into the cache in a mark's order, as long as there is room: else it is for nothing."""
    work = partial(_keep, trace)
    with closing(run_batch(work, mark.in_order(files), jobs=jobs, task="tracing", quiet=quiet)) as outcomes:
        for outcome in outcomes:
            mark.renew()
            if not isinstance(outcome, Done) and not isinstance(outcome.error, BadRecording):
                return


def _keep(trace: Callable[[RecordingFiles], Traced], files: RecordingFiles) -> None:
    """Trace a recording into the cache."""
    trace(files)


def _trace_one(
    tracer: Tracer,
    blocks: Sequence[Block],
    phases: int,
    channel_condition: ChannelCondition,
    seed: int,
    path: HeardPath | None,
    own: Callable[[Recording], Sequence[Block]] | None,
    files: RecordingFiles,
) -> Traced:
    began_s, before = time.time(), files_now(files)
    known = recall(tracer.cache, files) if channel_condition.is_clean else None
    if known is not None:
        with suppress(AudioNeeded):
            return _trace_hearings(tracer, blocks, phases, path, own, Hearings(*known))
    recording = load_recording(files)
    if not channel_condition.is_clean:
        heard = degrade(tracer.labelled(recording), channel_condition, seed)
        tracer.cache.link(recording.sha256, heard.sha256)
        recording = heard
    hearings = Hearings(tracer.labelled(recording))
    traced = _trace_hearings(tracer, blocks, phases, path, own, hearings)
    if channel_condition.is_clean and known is None:
        with suppress(ValueError):  # if it can't be kept, the next run reads the file again
            remember(tracer.cache, files, before, began_s, hearings.recording, hearings.line)
    return traced


def _trace_hearings(
    tracer: Tracer,
    blocks: Sequence[Block],
    phases: int,
    path: HeardPath | None,
    own: Callable[[Recording], Sequence[Block]] | None,
    hearings: Hearings,
) -> Traced:
    """Raises AudioNeeded where a recording that is known by its files lacks traces."""
    if own is not None:
        blocks = [*blocks, *own(hearings.recording)]
    waits_s = [float(longest_wait_s(block.max_delay).max()) for block in blocks]
    tracer = replace(tracer, wait_s=max([LONGEST_WAIT_S, *waits_s]))
    vads = sorted({block.vad.model for block in blocks})
    return tracer.complete(hearings, tracer.trace(hearings, phases, vads, path), blocks)
