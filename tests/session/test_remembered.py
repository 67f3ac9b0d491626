"""What makes sessions cheap changes nothing in them: their files beside those of LiveKit left as it is."""

import functools
import tempfile
from contextlib import nullcontext
from pathlib import Path

import pytest
from calls import sample, short_call
from livekit.agents.voice import agent_activity, turn
from livekit.rtc import EventEmitter, event_emitter
from slow_loop import SlowLoop
from virtual import where_clock_is_virtual

from lab_utils.core.settings import Settings
from lab_utils.session import clock
from lab_utils.session import run as session_run
from lab_utils.session.job import SessionJob
from lab_utils.session.log.files import save_session
from lab_utils.session.remembered import PROTOCOLS, remembered


def files_of(job: SessionJob) -> dict[str, bytes]:
    """What each file of a session's log holds."""
    with tempfile.TemporaryDirectory() as folder:
        own = save_session(session_run.run(job), Path(folder), text=True)
        return {path.name: path.read_bytes() for path in own.iterdir()}


@where_clock_is_virtual
def test_a_session_is_the_same_to_the_byte_with_asyncios_loop_and_nothing_remembered() -> None:
    jobs = {
        "models run": SessionJob(short_call(), Settings(), tail_s=6.0),
        "scripted": SessionJob(sample("02"), Settings().replace(detector="vad"), seed=3),
        "of the speech-to-text": SessionJob(short_call(), Settings().replace(detector="stt"), tail_s=6.0),
    }
    for name, job in jobs.items():
        quick = files_of(job)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(session_run, "remembered", nullcontext)
            patch.setattr(clock, "VirtualLoop", SlowLoop)
            assert files_of(job) == quick, name
        assert set(quick) == {"session.json", "report.json", "heard.flac"}


def test_nothing_is_remembered_after_a_session() -> None:
    def now():
        return [type(protocol) for protocol in PROTOCOLS], event_emitter.inspect, agent_activity.dataclass

    before = now()
    with remembered():
        assert all(one != other for one, other in zip(now(), before, strict=True))
    assert now() == before


def test_objects_of_a_type_are_looked_at_once() -> None:
    looked = []

    class Detector:
        model = provider = "mine"

        @property
        def stream(self) -> object:
            looked.append(self)
            return print

    class NoDetector:
        model = provider = "none"

    with remembered():
        for _ in range(3):
            assert isinstance(Detector(), turn._StreamingTurnDetector)
            assert not isinstance(NoDetector(), turn._StreamingTurnDetector)
            assert not isinstance(Detector(), turn._StreamingTurnDetectorStream)
            assert not isinstance("vad", turn._StreamingTurnDetector)
        asked = len(looked)
    assert isinstance(Detector(), turn._StreamingTurnDetector)
    assert 0 < asked < len(looked)


def test_listeners_get_as_many_arguments_as_they_take() -> None:
    class Listener:
        def __init__(self) -> None:
            self.heard: list[tuple[object, ...]] = []

        def none(self) -> None:
            self.heard.append(())

        def one(self, event: object) -> None:
            self.heard.append((event,))

        def every(self, *events: object) -> None:
            self.heard.append(events)

    def heard() -> list[object]:
        emitter, two = EventEmitter[str](), [Listener(), Listener()]
        functions: list[object] = []
        for one in two:
            for listener in (one.none, one.one, one.every):
                emitter.on("spoken", listener)
        emitter.on("spoken", lambda first, second="-": functions.append((first, second)))
        emitter.on("spoken", functools.partial(two[0].one, "given"))
        for _ in range(2):
            emitter.emit("spoken", 1, 2)
            emitter.emit("spoken", 3)
        return [*(one.heard for one in two), functions]

    plain = heard()
    with remembered():
        assert heard() == plain
    assert ([(), (1,), (1, 2)] * 2)[:3] == plain[1][:3]


def test_a_class_statement_that_runs_again_makes_the_same_class() -> None:
    def made() -> type:
        @agent_activity.dataclass
        class Segment:
            text: str
            tts: int | None = None

        return Segment

    with remembered():
        first, second = made()("a"), made()("a", 2)
        assert type(first) is type(second)
        assert (first.text, first.tts, second.tts) == ("a", None, 2)
        assert first != second
    assert made() is not made()
