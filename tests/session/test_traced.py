"""The traced VAD and turn detector against LiveKit's own, event for event."""

import asyncio
import pickle
from dataclasses import asdict

import numpy as np
import pytest
from calls import short_call
from livekit import rtc
from livekit.agents import inference
from livekit.agents import vad as lk_vad
from paths import SAMPLES

from lab_utils.core.settings import DetectorSettings, Settings, VadSettings
from lab_utils.core.timeline import stream_of
from lab_utils.core.traces import EotTrace, VadTrace
from lab_utils.recordings.find import find_recordings, load_recording
from lab_utils.session.job import SessionJob
from lab_utils.session.prepare import traced_job
from lab_utils.session.traced.detector import TracedTurnDetector
from lab_utils.session.traced.vad import TracedVAD, livekit_vad
from lab_utils.turns.cache import TraceCache
from lab_utils.turns.detectors import v1_mini
from lab_utils.turns.tracing import Tracer
from lab_utils.turns.vad import WindowModel, speech_probabilities

SECONDS = 12


@pytest.fixture(scope="module")
def stream():
    pcm = load_recording(find_recordings(SAMPLES)[0]).user
    loud = int(np.argmax(np.abs(pcm.astype(np.int32)) > 2000))
    return np.concatenate((pcm[loud - 8000 : loud + SECONDS * 16_000], np.zeros(16_000, np.int16)))


def frames(pcm, samples):
    whole = pcm[: len(pcm) // samples * samples].reshape(-1, samples)
    return [rtc.AudioFrame(f.tobytes(), 16_000, 1, samples) for f in whole]


class Feed:
    """Pushes frames one by one and knows how far it is."""

    position = 0

    def __call__(self):
        return self.position

    async def events(self, vad, pieces, flush_after=()):
        stream, found = vad.stream(), []

        async def collect():
            async for event in stream:
                found.append(event)

        task = asyncio.create_task(collect())
        for number, frame in enumerate(pieces):
            self.position += frame.samples_per_channel
            stream.push_frame(frame)
            if number in flush_after:
                await asyncio.sleep(0.05)  # let LiveKit's executor finish what came before
                stream.flush()
        for _ in range(400):
            await asyncio.sleep(0.005)
            if len(found) and found[-1].samples_index >= 512 * (self.expected - 1):
                break
        await asyncio.sleep(0.05)
        await stream.aclose()
        await task
        return [comparable(event) for event in found]


def comparable(event: lk_vad.VADEvent):
    values = asdict(event)
    del values["frames"], values["inference_duration"]
    return values | {"probability": round(values["probability"], 6)}


@pytest.mark.slow
@pytest.mark.parametrize("model", ["livekit", "silero"])
@pytest.mark.parametrize("flush_after", [(), (97,)], ids=["straight", "flushed in speech"])
@pytest.mark.parametrize("frame", [160, 800], ids=["10 ms", "50 ms"])
def test_traced_vad_emits_what_livekits_emits(stream, model, flush_after, frame):
    settings = VadSettings(model=model, min_silence_duration=0.3, activation_threshold=0.45)
    trace = VadTrace(model, 0, speech_probabilities(model, [stream])[0])
    pieces = frames(stream, frame)

    async def both():
        ours, theirs = Feed(), Feed()
        after_flush = (len(pieces) - 1 - flush_after[0]) * frame if flush_after else len(pieces) * frame
        ours.expected = theirs.expected = after_flush // 512
        traced = await ours.events(TracedVAD(settings, trace, ours), pieces, flush_after)
        real = await theirs.events(livekit_vad(settings), pieces, flush_after)
        return traced, real

    traced, real = asyncio.run(both())
    assert traced == real
    kinds = {event["type"] for event in traced}
    assert kinds == {lk_vad.VADEventType.INFERENCE_DONE, "start_of_speech", "end_of_speech"}


@pytest.mark.parametrize("model", ["livekit", "silero"])
def test_window_model_gives_the_traces_numbers(stream, model):
    window_model = WindowModel(model)
    n = len(stream) // 512
    one_by_one = [window_model.predict(w) for w in stream[: n * 512].reshape(n, 512)]
    np.testing.assert_allclose(one_by_one, speech_probabilities(model, [stream])[0], atol=2e-6)


@pytest.mark.slow
@pytest.mark.parametrize("flush_at_s", [None, 3.0, 5.6])
def test_traced_detector_answers_what_livekits_answers(stream, flush_at_s):
    ask_at_s = (0.5, 4.0, 6.0, 9.5)
    pieces = frames(stream, 800)
    settings = DetectorSettings(unlikely_threshold=0.4)
    flush_sample = round((flush_at_s or 0) * 16_000)
    ends = np.array([round(at * 16_000) for at in ask_at_s])
    starts = np.maximum(ends - 19_200, np.where(ends > flush_sample, flush_sample, 0))
    trace = v1_mini.end_of_turn_probabilities(stream, starts, ends)

    async def answers(detector, feed):
        prediction_stream, found = detector.stream(), []
        for number, frame in enumerate(pieces):
            feed.position += frame.samples_per_channel
            prediction_stream.push_audio(frame)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            at_s = (number + 1) * 0.05
            if flush_at_s is not None and at_s == pytest.approx(flush_at_s):
                prediction_stream.flush()
                await asyncio.sleep(0)
            if any(at_s == pytest.approx(ask) for ask in ask_at_s):
                event = await prediction_stream.predict()
                found.append(event.end_of_turn_probability)
        await prediction_stream.aclose()
        return found

    async def both():
        ours = Feed()
        traced = TracedTurnDetector(settings, trace, stream, ours, 0.001)
        real = inference.TurnDetector(version="v1-mini", unlikely_threshold=0.4)
        assert await traced.stream().unlikely_threshold(None) == 0.4
        return await answers(traced, ours), await answers(real, Feed())

    traced, real = asyncio.run(both())
    assert traced == pytest.approx(real, abs=1e-6)
    assert len(set(real)) == len(ask_at_s)


def test_untraced_prediction_is_computed(stream):
    async def ask():
        feed = Feed()
        detector = TracedTurnDetector(DetectorSettings(), EotTrace(), stream, feed, 0.0).stream()
        for frame in frames(stream[:32_000], 800):
            feed.position += 800
            detector.push_audio(frame)
        await asyncio.sleep(0.01)
        answer = (await detector.predict()).end_of_turn_probability
        await detector.aclose()
        return answer

    expected = v1_mini.end_of_turn_probabilities(stream, np.array([12_800]), np.array([32_000]))
    assert asyncio.run(ask()) == pytest.approx(expected.probabilities[0], abs=1e-6)


def test_a_prediction_that_a_session_asked_for_is_kept_with_its_recordings_traces(tmp_path, monkeypatch):
    recording, phase = short_call(), 128
    span = 12_800, 32_000
    tracer = Tracer(TraceCache(tmp_path))
    tracer.predict(recording, phase, EotTrace(), np.array([0]), np.array([8_000]))
    pcm = stream_of(recording.user, phase)
    expected = v1_mini.end_of_turn_probabilities(pcm, np.array([span[0]]), np.array([span[1]]))
    job = SessionJob(recording, Settings(), phase_samples=phase)
    predict = pickle.loads(pickle.dumps(traced_job(job, tracer)[0].traces.predict))
    assert predict(*span) == expected.probabilities[0]
    monkeypatch.setattr(v1_mini, "_predicted", None)  # no model from here
    kept = traced_job(job, tracer)[0].traces.eot
    detector = TracedTurnDetector(DetectorSettings(), kept, pcm, Feed(), 0.0)
    assert detector.probability(*span) == expected.probabilities[0]
    assert len(kept.ends) > 2


def test_what_a_session_asks_for_is_answered_where_the_cache_has_no_room(tmp_path, monkeypatch):
    def store(*_: object, **__: object) -> None:
        raise ValueError("no space left on device")

    span = 12_800, 32_000
    recording = short_call()
    job, _ = traced_job(SessionJob(recording, Settings()), Tracer(TraceCache(tmp_path)))
    monkeypatch.setattr(TraceCache, "store", store)
    pcm = stream_of(recording.user, 0)
    expected = v1_mini.end_of_turn_probabilities(pcm, np.array([span[0]]), np.array([span[1]]))
    detector = TracedTurnDetector(DetectorSettings(), EotTrace(), pcm, Feed(), 0.0, job.traces.predict)
    assert detector.probability(*span) == expected.probabilities[0]
