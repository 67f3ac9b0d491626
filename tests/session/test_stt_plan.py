"""What a streaming STT says about known words: properties of every plan, and examples."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_utils.core.delays import Delay, rng_for
from lab_utils.core.labels import Ipu, Labels, Word
from lab_utils.core.traces import SttEvent
from lab_utils.session.late_join import late_join
from lab_utils.session.scripted.stt_plan import (
    PLACEHOLDER,
    SttTiming,
    has_placeholders,
    plan_events,
    words_of,
)

TRANSCRIPTS = ("interim", "preflight", "final")


@st.composite
def spoken_words(draw: st.DrawFn) -> list[Word]:
    """Words with distinct texts; gaps from an overlap to a long silence."""
    steps = draw(st.lists(st.tuples(st.floats(-0.05, 2.0), st.floats(0.01, 0.8)), max_size=12))
    words, now_s = [], draw(st.floats(0.0, 5.0))
    for number, (gap_s, length_s) in enumerate(steps):
        start_s = max(0.0, now_s + gap_s)
        now_s = start_s + length_s
        words.append(Word("user", start_s, now_s, f"word{number:02}"))
    return words


def delays() -> st.SearchStrategy[Delay]:
    constant = st.floats(0.0, 3.0).map(Delay)
    spread = st.tuples(st.floats(0.01, 1.0), st.floats(1.0, 5.0)).map(lambda x: Delay(x[0], x[0] * x[1]))
    return constant | spread


def timings(revisions: bool = True) -> st.SearchStrategy[SttTiming]:
    return st.booleans().flatmap(lambda partials: timings_of(partials, revisions))


def timings_of(partials: bool, revisions: bool) -> st.SearchStrategy[SttTiming]:
    return st.builds(
        SttTiming,
        interim_every_s=st.floats(0.02, 1.0),
        interim_delay=delays(),
        final_delay=delays(),
        segment_gap_s=st.floats(0.01, 1.0),
        preflight_delay=st.none() | delays() if partials else st.none(),
        end_of_speech=st.booleans(),
        partials=st.just(partials),
        setup=st.none() | delays(),
        idle_s=st.floats(0.1, 10.0),
        round_trip=st.none() | delays(),
        utterance_gap_s=st.floats(0.0, 2.0),
        word_times=st.just(True),
        revision_rate=st.floats(0.0, 1.0) if revisions else st.just(0.0),
    )


def segments_of(events: tuple[SttEvent, ...]) -> list[list[SttEvent]]:
    """The events up to each final, without those of the utterance."""
    segments: list[list[SttEvent]] = [[]]
    for event in events:
        if event.kind in TRANSCRIPTS:
            segments[-1].append(event)
        if event.kind == "final":
            segments.append([])
    assert segments.pop() == []
    return segments


@given(words=spoken_words(), timing=timings())
def test_every_word_is_in_exactly_one_final(words: list[Word], timing: SttTiming) -> None:
    events = plan_events(words, timing, rng_for(0, "stt"))
    said = " ".join(event.text for event in events if event.kind == "final").split()
    assert said == [word.text for word in sorted(words, key=lambda word: (word.start_s, word.end_s))]


@given(words=spoken_words(), timing=timings())
def test_events_are_in_order_of_time_and_each_segment_ends_with_its_final(
    words: list[Word], timing: SttTiming
) -> None:
    events = plan_events(words, timing, rng_for(0, "stt"))
    assert [event.time_s for event in events] == sorted(event.time_s for event in events)
    for segment in segments_of(events):
        kinds = [event.kind for event in segment]
        assert kinds == sorted(kinds, key=TRANSCRIPTS.index)
        assert kinds.count("preflight") == (timing.preflight_delay is not None)
        assert all(event.time_s < segment[-1].time_s for event in segment if event.kind == "interim")


@given(words=spoken_words(), timing=timings())
def test_no_event_comes_before_the_audio_it_is_about(words: list[Word], timing: SttTiming) -> None:
    by_text = {word.text: word for word in words}
    for event in plan_events(words, timing, rng_for(0, "stt")):
        assert event.start_s is not None
        assert event.time_s >= event.start_s
        assert event.end_s is None or event.time_s >= event.end_s
        heard = [by_text[text] for text in event.text.split() if text in by_text]
        assert all(word.end_s <= event.time_s for word in heard)


@given(words=spoken_words(), timing=timings(revisions=False))
def test_partials_grow_towards_their_final(words: list[Word], timing: SttTiming) -> None:
    for segment in segments_of(plan_events(words, timing, rng_for(0, "stt"))):
        texts = [event.text.split() for event in segment]
        for shorter, longer in itertools.pairwise(texts):
            assert longer[: len(shorter)] == shorter
        interims = [event.text for event in segment if event.kind == "interim"]
        assert len(set(interims)) == len(interims)


@given(words=spoken_words(), timing=timings(), seed=st.integers(0, 5))
def test_the_same_seed_gives_the_same_plan(words: list[Word], timing: SttTiming, seed: int) -> None:
    plans = [plan_events(words, timing, rng_for(seed, "stt")) for _ in range(2)]
    assert plans[0] == plans[1]
    assert plan_events(words[::-1], timing, rng_for(seed, "stt")) == plans[0]


@given(words=spoken_words(), timing=timings())
def test_utterances_open_before_their_first_text_and_close_after_their_last_final(
    words: list[Word], timing: SttTiming
) -> None:
    timing = timing.model_copy(update={"end_of_speech": True})
    speaking, open_words = False, 0
    for event in plan_events(words, timing, rng_for(0, "stt")):
        if event.kind == "start_of_speech":
            assert not speaking
            speaking = True
        elif event.kind == "end_of_speech":
            assert speaking
            assert open_words == 0
            assert event.end_s is not None
            assert event.time_s >= event.end_s + timing.utterance_gap_s - 1e-9
            speaking = False
        else:
            assert speaking
            open_words = 0 if event.kind == "final" else 1
    assert not speaking


@given(words=spoken_words(), timing=timings())
def test_settings_of_partials_leave_the_finals_where_they_are(words: list[Word], timing: SttTiming) -> None:
    other = timing.model_copy(update={"interim_every_s": 0.11, "revision_rate": 0.5, "end_of_speech": False})
    timing = timing.model_copy(update={"end_of_speech": False})
    finals = [
        [event for event in plan_events(words, one, rng_for(0, "stt")) if event.kind == "final"]
        for one in (timing, other)
    ]
    assert finals[0] == finals[1]


def say(text: str, start_s: float, word_s: float = 0.3) -> list[Word]:
    return [
        Word("user", start_s + i * word_s, start_s + (i + 1) * word_s, word)
        for i, word in enumerate(text.split())
    ]


def test_an_example_in_full() -> None:
    words = [*say("hello there", 1.0), *say("I am back", 3.0)]
    timing = SttTiming(
        interim_every_s=0.2,
        interim_delay=Delay(0.1),
        final_delay=Delay(0.4),
        preflight_delay=Delay(0.3),
        end_of_speech=True,
    )
    events = plan_events(words, timing, rng_for(0, "stt"))
    assert [(round(event.time_s, 6), event.kind, event.text) for event in events] == [
        (1.1, "start_of_speech", ""),
        (1.5, "interim", "hello"),
        (1.7, "interim", "hello there"),
        (1.9, "preflight", "hello there"),
        (2.0, "final", "hello there"),
        (2.4, "end_of_speech", ""),
        (3.1, "start_of_speech", ""),
        (3.5, "interim", "I"),
        (3.7, "interim", "I am"),
        (4.1, "interim", "I am back"),
        (4.2, "preflight", "I am back"),
        (4.3, "final", "I am back"),
        (4.7, "end_of_speech", ""),
    ]
    assert all(event.start_s is None and event.end_s is None for event in events)


def test_spans_are_told_only_with_word_times() -> None:
    timing = SttTiming(word_times=True, end_of_speech=True)
    events = plan_events(say("one two", 1.0), timing, rng_for(0, "stt"))
    spans = {event.kind: (event.start_s, event.end_s) for event in events}
    assert spans["start_of_speech"] == (1.0, None)
    assert spans["final"] == spans["end_of_speech"] == (1.0, pytest.approx(1.6))


def test_end_of_speech_waits_for_a_final_that_is_late() -> None:
    timing = SttTiming(final_delay=Delay(1.5), utterance_gap_s=0.8, end_of_speech=True)
    *_, final, end = plan_events(say("late", 0.0), timing, rng_for(0, "stt"))
    assert (final.kind, end.kind) == ("final", "end_of_speech")
    assert final.time_s == end.time_s == pytest.approx(1.8)


def test_partials_that_come_after_their_final_are_not_sent() -> None:
    timing = SttTiming(interim_delay=Delay(5.0))
    assert [event.kind for event in plan_events(say("a b c d", 0.0), timing, rng_for(0, "stt"))] == ["final"]


def test_misheard_words_are_corrected_by_the_next_partial() -> None:
    timing = SttTiming(revision_rate=1.0, interim_every_s=0.1)
    events = plan_events(say("I reserve tables", 0.0), timing, rng_for(0, "stt"))
    assert [event.text for event in events] == [
        "uh",
        "I",
        "I res",
        "I reserve",
        "I reserve tab",
        "I reserve tables",
        "I reserve tables",
    ]


def test_about_as_many_words_are_misheard_as_asked_for() -> None:
    words = say("reservation " * 2000, 0.0, word_s=0.2)
    timing = SttTiming(revision_rate=0.3, interim_every_s=0.1, interim_delay=Delay(0.01))
    interims = [e.text for e in plan_events(words[:300], timing, rng_for(0, "stt")) if e.kind == "interim"]
    assert sum(text.endswith("reser") for text in interims) / 300 == pytest.approx(0.3, abs=0.08)


def test_no_words_no_events() -> None:
    assert plan_events([], SttTiming(end_of_speech=True), rng_for(0, "stt")) == ()


LABELS = Labels(
    duration_s=10.0,
    ipus=(
        Ipu("agent", 0.0, 1.0, "Hello?"),
        Ipu("user", 1.0, 2.0, "two words"),
        Ipu("user", 3.0, 5.0, "  "),
        Ipu("user", 6.0, 6.1),
    ),
    labels=(),
)


def test_words_come_from_the_text_of_ipus_or_stand_for_words_unknown() -> None:
    words = words_of(LABELS)
    assert words[:2] == (Word("user", 1.0, 1.5, "two"), Word("user", 1.5, 2.0, "words"))
    assert [word.text for word in words[2:]] == [PLACEHOLDER] * 7
    assert (words[2].start_s, words[7].end_s) == (3.0, 5.0)
    assert math.isclose(words[8].end_s, 6.1)
    assert has_placeholders(words)
    assert not has_placeholders(words[:2])


def test_known_word_times_come_first() -> None:
    known = (
        Word("user", 4.0, 4.2, "second"),
        Word("agent", 1.0, 2.0, "not"),
        Word("user", 1.0, 1.2, "first"),
        Word("user", 2.0, 2.1, " "),
    )
    assert [word.text for word in words_of(replace(LABELS, words=known))] == ["first", "second"]
    only_agent = replace(LABELS, words=(Word("agent", 1.0, 2.0, "not"),))
    assert words_of(only_agent) == words_of(LABELS)


def test_placeholders_survive_livekit() -> None:
    from livekit.agents.tokenize import basic

    assert len(basic.split_words(" ".join([PLACEHOLDER] * 3), ignore_punctuation=True)) == 3


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("interim_every_s", 0.0),
        ("segment_gap_s", 0.0),
        ("revision_rate", 1.5),
        ("utterance_gap_s", -1.0),
        ("final_delay", {"p50_s": -1.0}),
        ("speed", 1.0),
    ],
)
def test_impossible_timings_are_refused(setting: str, value: object) -> None:
    with pytest.raises(ValueError, match=setting):
        SttTiming.model_validate({setting: value})


# --- networks and late joins --------------------------------------------------------------------------


@given(words=spoken_words(), seed=st.integers(0, 5))
def test_batch_recognition_sends_finals_only_after_the_silence(words: list[Word], seed: int) -> None:
    timing = SttTiming(partials=False, final_delay=Delay(0.3, 0.6), segment_gap_s=0.5, word_times=True)
    events = plan_events(words, timing, rng_for(seed, "stt"))
    assert {event.kind for event in events} <= {"final"}
    assert all(event.end_s is not None and event.time_s > event.end_s + 0.5 for event in events)


@given(words=spoken_words(), timing=timings_of(partials=True, revisions=False), trip_s=st.floats(0.01, 1.0))
def test_a_round_trip_delays_each_final_by_as_much_or_by_what_is_before_it(
    words: list[Word], timing: SttTiming, trip_s: float
) -> None:
    near = timing.model_copy(update={"round_trip": None, "end_of_speech": False})
    far = near.model_copy(update={"round_trip": Delay(trip_s)})
    finals = [
        [event.time_s for event in plan_events(words, one, rng_for(0, "stt")) if event.kind == "final"]
        for one in (near, far)
    ]
    for near_s, far_s in zip(*finals, strict=True):
        assert far_s == pytest.approx(near_s + trip_s)


def test_streaming_hears_nothing_before_its_connection_is_open() -> None:
    timing = SttTiming(setup=Delay(1.2), round_trip=Delay(0.05), final_delay=Delay(0.4))
    words = [*say("hello there", 0.0), *say("I am back", 5.0)]
    events = plan_events(words, timing, rng_for(0, "stt"))
    open_s = [event.time_s for event in events if event.kind == "final"]
    assert open_s == pytest.approx([1.2 + 0.05 + 0.4, 5.9 + 0.05 + 0.4])
    assert min(event.time_s for event in events) >= 1.2
    later = plan_events(words, timing, rng_for(0, "stt"), opens_s=-2.0)
    assert later[0].time_s < 1.2


def test_batch_pays_the_connection_with_its_first_request_and_after_disuse() -> None:
    timing = SttTiming(
        partials=False, final_delay=Delay(0.4), setup=Delay(0.7), idle_s=10.0, segment_gap_s=0.5
    )
    words = [*say("one", 1.0), *say("two", 4.0), *say("three", 20.0)]
    events = plan_events(words, timing, rng_for(0, "stt"))
    assert [event.time_s for event in events] == pytest.approx(
        [1.3 + 0.5 + 0.7 + 0.4, 4.3 + 0.5 + 0.4, 20.3 + 0.5 + 0.7 + 0.4]
    )


def test_batch_finds_the_connection_open_that_was_used_a_turn_ago() -> None:
    timing = SttTiming(
        partials=False, final_delay=Delay(0.4), setup=Delay(0.7), idle_s=10.0, segment_gap_s=0.5
    )
    for used_s, setup_s in ((-5.0, 0.0), (-9.0, 0.7)):
        (final,) = plan_events(say("one", 1.0), timing, rng_for(0, "stt"), used_s=used_s)
        assert final.time_s == pytest.approx(1.3 + 0.5 + setup_s + 0.4)


@given(words=spoken_words(), timing=timings(), join_s=st.floats(0.01, 0.5), buffered=st.booleans())
def test_no_event_comes_before_its_audio_arrives(
    words: list[Word], timing: SttTiming, join_s: float, buffered: bool
) -> None:
    speech = np.array([(word.start_s, word.end_s) for word in words]).reshape(-1, 2)
    joins = late_join(speech, join_s, buffered=buffered)
    for event in plan_events(words, timing, rng_for(0, "stt"), arrives=joins):
        assert event.end_s is None or event.time_s >= joins(event.end_s)


def test_batch_recognition_with_a_preflight_is_refused() -> None:
    with pytest.raises(ValueError, match="batch recognition sends nothing before the final"):
        SttTiming(partials=False, preflight_delay=Delay(0.1))
