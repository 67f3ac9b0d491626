"""Push-to-talk in real sessions: what the button makes of turns, and how long its release takes."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from calls import short_call
from livekit.agents import Agent
from virtual import where_clock_is_virtual

from lab_utils.core.delays import Delay
from lab_utils.core.session_log import SessionLog
from lab_utils.core.settings import Settings
from lab_utils.latency.extras.push_to_talk import PushToTalk, stop_if_empty
from lab_utils.session.caller.button import Hold, holds, operate
from lab_utils.session.job import SessionJob
from lab_utils.session.run import run
from lab_utils.session.scripted.stt_plan import SttTiming
from lab_utils.session.scripted.tts import ScriptedTTS

FINAL_S = 0.35
AT_ONCE_S = 1e-6
GUIDE_S = 0.05


class Talker(Agent):
    """Its caller operates a button; `up` says what happens at the end of each hold."""

    def __init__(
        self, button: Sequence[Hold], *, up: str = "release", min_delay_s: float | None = None, **options: Any
    ) -> None:
        super().__init__(instructions="Be brief.")
        self.button, self.up, self.min_delay_s, self.options = button, up, min_delay_s, options

    async def on_enter(self) -> None:
        loop = asyncio.get_running_loop()
        self.talk = PushToTalk(self.session, **self.options)
        if self.min_delay_s is not None:
            self.session.update_options(endpointing_opts={"min_delay": self.min_delay_s})
        up = getattr(self.talk, self.up) if self.up else lambda: None
        self.caller = asyncio.create_task(operate(self.button, loop.time(), self.talk.press, up))

    async def on_user_turn_completed(self, turn_ctx: Any, new_message: Any) -> None:
        stop_if_empty(new_message)

    async def on_exit(self) -> None:
        self.caller.cancel()
        self.talk.close()


class Answers(Talker):
    """Answers also what has no words, as an agent does that says nothing of it."""

    async def on_user_turn_completed(self, turn_ctx: Any, new_message: Any) -> None:
        pass


class CommitsPlainly(Talker):
    """Calls LiveKit's own method, as the guide says."""

    async def on_enter(self) -> None:
        await super().on_enter()
        self.caller.cancel()
        loop, session = asyncio.get_running_loop(), self.session
        self.caller = asyncio.create_task(
            operate(self.button, loop.time(), self.talk.press, session.commit_user_turn)
        )


def button(late_s: float = 0.1) -> tuple[Hold, ...]:
    labels = short_call().labels
    assert labels is not None
    return holds(labels, late_s=late_s)


def session(held: Sequence[Hold], agent: type[Talker] = Talker, **options: Any) -> SessionLog:
    log = run(
        SessionJob(
            short_call(),
            Settings(),
            agent=lambda: agent(held, **options),
            tts=lambda: ScriptedTTS(voice="tone"),
            stt_timing=SttTiming(final_delay=Delay(FINAL_S)),
            tail_s=8.0,
        )
    )
    assert log.failure == ""
    assert not log.of_kind("error")
    return log


def commits(log: SessionLog) -> list[tuple[float, str]]:
    """The commits with text and their moments; the session's end commits what is left, which is nothing."""
    return [(event.time_s, event.data["text"]) for event in log.of_kind("commit") if event.data["text"]]


def hand_overs_s(log: SessionLog, held: Sequence[Hold]) -> list[float]:
    return [at - hold.up_s for (at, _), hold in zip(commits(log), held, strict=True)]


def final_s(log: SessionLog) -> list[float]:
    return [event.time_s for event in log.of_kind("transcript") if event.data["final"]]


@where_clock_is_virtual
def test_each_hold_is_one_turn_pauses_included() -> None:
    held = button()
    log = session(held)
    texts = [text for _, text in commits(log)]
    assert texts[0] == "Hi, um, I would like to book a table for four people, please."
    assert len(texts) == len(held) == len(log.replies)
    assert not log.of_kind("prediction"), "no turn detector was asked"


@where_clock_is_virtual
def test_the_hand_over_takes_less_than_50_ms_once_the_final_transcript_is_there() -> None:
    held = button(late_s=FINAL_S + 0.1)[:1]
    (hand_over_s,) = hand_overs_s(session(held), held)
    assert hand_over_s <= AT_ONCE_S < GUIDE_S


@where_clock_is_virtual
def test_who_lets_go_late_does_not_wait_for_a_transcript_that_is_not_owed() -> None:
    held = button(late_s=FINAL_S + 1.5)[:1]
    (hand_over_s,) = hand_overs_s(session(held), held)
    assert hand_over_s <= AT_ONCE_S
    (livekits_own_s,) = hand_overs_s(session(held, CommitsPlainly), held)
    assert livekits_own_s == pytest.approx(2.0, abs=AT_ONCE_S)


@where_clock_is_virtual
def test_otherwise_the_hand_over_waits_for_the_final_transcript_and_no_longer() -> None:
    held = button(late_s=0.1)
    log = session(held)
    assert min(hand_overs_s(log, held)) > GUIDE_S
    assert [at for at, _ in commits(log)] == pytest.approx(
        [next(at for at in final_s(log) if at > hold.up_s) for hold in held], abs=AT_ONCE_S
    )


@where_clock_is_virtual
def test_a_short_transcript_timeout_hands_over_in_time_with_the_words_known_so_far() -> None:
    held = button(late_s=0.1)
    log = session(held, transcript_timeout_s=0.04)
    assert hand_overs_s(log, held) == pytest.approx([0.04] * len(held), abs=AT_ONCE_S)
    assert max(hand_overs_s(log, held)) < GUIDE_S
    whole = [text for _, text in commits(session(held))]
    early = [text for _, text in commits(log)]
    assert all(text.startswith(start) for text, start in zip(whole, early, strict=True))
    assert early != whole, "the last word was not known yet"


@where_clock_is_virtual
def test_manual_mode_alone_still_waits_livekits_least_delay() -> None:
    held = button(late_s=FINAL_S + 0.1)[:1]
    (hand_over_s,) = hand_overs_s(session(held, min_delay_s=0.8), held)
    assert hand_over_s > 5 * GUIDE_S


@where_clock_is_virtual
def test_what_was_said_before_a_cancel_is_forgotten() -> None:
    log = session(button(), up="cancel")
    assert not commits(log)
    assert not log.replies


@where_clock_is_virtual
def test_when_the_button_is_closed_turns_are_taken_as_before() -> None:
    held = button()[:1]
    log = session(held, up="close")
    at_s, text = commits(log)[-1]
    assert text.startswith("It would be for this Wednesday")
    assert at_s > held[0].up_s + 1.0, "nobody pressed then"
    assert log.of_kind("prediction"), "the turn detector is asked again"


@where_clock_is_virtual
def test_a_press_interrupts_the_agent() -> None:
    held = button()
    log = session(held)
    speaks = log.of_kind("playout_ends")[0]
    assert speaks.data["interrupted"]
    assert speaks.time_s == pytest.approx(held[1].down_s, abs=AT_ONCE_S)


@where_clock_is_virtual
def test_a_press_without_a_word_gets_no_answer() -> None:
    silent = [Hold(13.0, 13.5)]
    assert not session(silent).replies
    assert session(silent, Answers).replies, "1.8.9 answers an empty turn, unless it is told not to"


@where_clock_is_virtual
def test_a_button_that_nobody_releases_counts_as_released_after_its_limit() -> None:
    held = button()[:1]
    log = session(held, up="", max_hold_s=9.0)
    ((at_s, text),) = commits(log)
    assert at_s == pytest.approx(held[0].down_s + 9.0, abs=AT_ONCE_S)
    assert text.endswith("people, please.")


class Fumbles(Talker):
    """Presses twice, releases twice, presses after closing."""

    async def on_enter(self) -> None:
        await super().on_enter()
        self.seen: list[Any] = [await self.talk.release(), self.talk.held]
        self.talk.cancel()
        press, release = self.talk.press, self.talk.release
        self.caller.cancel()

        def twice_down() -> None:
            press()
            press()
            self.seen.append(self.talk.held)

        def twice_up() -> None:
            first, second = release(), release()
            self.seen += [first.done(), second.result(), self.talk.held]

        loop = asyncio.get_running_loop()
        self.caller = asyncio.create_task(operate(self.button, loop.time(), twice_down, twice_up))

    async def on_exit(self) -> None:
        await super().on_exit()
        self.talk.press()
        self.seen.append(self.talk.held)


@where_clock_is_virtual
def test_a_button_that_bounces_makes_one_turn() -> None:
    made: list[Fumbles] = []

    class Kept(Fumbles):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            made.append(self)

    held = button()[:1]
    assert len(commits(session(held, Kept))) == 1
    assert made[0].seen == ["", False, True, False, "", False, False]


@pytest.mark.parametrize("name", ["transcript_timeout_s", "stt_flush_s", "max_hold_s"])
def test_times_that_are_none_are_refused(name: str) -> None:
    options: dict[str, Any] = {name: -1.0}
    with pytest.raises(ValueError, match=f"{name} is -1"):
        PushToTalk(None, **options)  # type: ignore[arg-type]
