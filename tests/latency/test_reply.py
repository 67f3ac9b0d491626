"""Replies in closed form: by hand on small calls, refused where not modelled, and as sessions have it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paths import SAMPLES

from lab_utils.core.delays import Delay
from lab_utils.core.settings import USUAL_CONDITIONS, Settings
from lab_utils.core.timeline import WINDOW_S
from lab_utils.core.traces import SttEvent
from lab_utils.latency.ablation.scenario import call_centre
from lab_utils.latency.reply.call import Answered, Heard, answered
from lab_utils.latency.reply.proof import draw
from lab_utils.latency.reply.records import NotCovered, ReplyTimes
from lab_utils.latency.reply.signals import Voice
from lab_utils.latency.reply.state import IN_PROGRESS
from lab_utils.latency.techniques.choice import LEVER_NAMES, NAMES, Techniques
from lab_utils.latency.techniques.levers import FILLER, PREAMBLE
from lab_utils.session.providers.files import load_providers
from lab_utils.session.scripted.prompt import piece
from lab_utils.session.scripted.voices import CHARACTER_S
from lab_utils.workflows.verify import replies_summary, verify_replies

GUIDE = load_providers("guide")
TTFT_S, TTS_S = 0.5, 0.1
FLAT = GUIDE.model_copy(
    update={
        "large": GUIDE.large.model_copy(update={"ttft": Delay(TTFT_S), "prefill_s_per_1k": 0.0}),
        "small": GUIDE.small.model_copy(update={"prefill_s_per_1k": 0.0}),
        "tts": GUIDE.tts.model_copy(update={"first_audio": Delay(TTS_S)}),
    }
)
SLOW = FLAT.model_copy(update={"large": FLAT.large.model_copy(update={"tokens_per_s": 10.0})})
EARLY = Techniques.of(
    "streaming_stt", "token_streaming", "async_evaluation", "tts_warmup", "regional_routing"
)
WAITING = Techniques.of("token_streaming", "async_evaluation", "tts_warmup", "regional_routing")
SPOKE_UNTIL_S, AGAIN_S = 12.0, 13.0
"""The greeting is over by then."""
DEFAULTS = Settings()
QUESTION = "Could you move it to the evening for me?"
SPELLED = "it is seven four zero two nine"


def speech(*spans: tuple[float, float], length_s: float = 40.0) -> Voice:
    p = np.full(round(length_s / WINDOW_S), 0.01)
    for start_s, end_s in spans:
        p[round(start_s / WINDOW_S) : round(end_s / WINDOW_S)] = 0.95
    return Voice(p)


def said(text: str, end_s: float) -> list[SttEvent]:
    return [SttEvent(end_s + 0.1, "preflight", text), SttEvent(end_s + 0.2, "final", text)]


ONE_TURN = Heard(said(QUESTION, SPOKE_UNTIL_S), speech((10.0, SPOKE_UNTIL_S)), [(12.9, QUESTION)])


def replies(heard: Heard, techniques: Techniques, settings: Settings = DEFAULTS) -> list[ReplyTimes]:
    return answered(heard, settings, USUAL_CONDITIONS, techniques, FLAT, 0).replies


def test_without_preemption_the_reply_takes_model_sentence_and_voice_from_the_commit_on() -> None:
    (reply,) = replies(ONE_TURN, WAITING)
    assert (reply.early, reply.asked_s) == (False, 12.9)
    assert reply.first_token_s == pytest.approx(12.9 + TTFT_S)
    assert reply.sentence_s > reply.first_token_s
    assert reply.heard_s == pytest.approx(reply.sentence_s + TTS_S)


def test_a_reply_that_was_begun_at_the_transcript_is_heard_earlier_by_what_lay_between() -> None:
    soon = replace(ONE_TURN, commits=[(12.4, QUESTION)])
    (reply,), (late,) = replies(soon, EARLY), replies(soon, WAITING)
    assert reply.early
    assert reply.asked_s == pytest.approx(SPOKE_UNTIL_S + 0.1)
    assert late.heard_s - reply.heard_s == pytest.approx(12.4 - reply.asked_s)
    assert replies(ONE_TURN, EARLY)[0].heard_s == pytest.approx(12.9 + TTS_S)  # written by the commit


def test_with_preemptive_speech_nothing_is_left_to_wait_for_but_the_commit() -> None:
    late = replace(ONE_TURN, commits=[(14.5, QUESTION)])
    spoken = EARLY.with_levers("preemptive_tts")
    assert replies(late, spoken)[0].heard_s == pytest.approx(14.5)
    assert replies(late, EARLY)[0].heard_s == pytest.approx(14.5 + TTS_S)


def test_words_that_come_after_make_the_reply_begin_anew_and_retries_run_out() -> None:
    parts = ["It is about", "the table", "that we booked", "for the", "next weekend"]
    events, words = [], " ".join(parts)
    for number, part in enumerate(parts):
        events += said(part, 11.0 + 0.4 * number)
    heard = Heard(events, speech((10.0, 12.6)), [(13.4, words)])
    (reply,), (more,) = replies(heard, EARLY), replies(heard, EARLY.with_levers("max_retries"))
    assert (reply.early, more.early) == (False, True)
    assert more.asked_s == pytest.approx(11.0 + 4 * 0.4 + 0.1)


@pytest.mark.parametrize(("blip_s", "early"), [(None, True), (12.6, False)])
def test_a_commit_ends_the_users_speech_unless_they_were_heard_meanwhile(
    blip_s: float | None, early: bool
) -> None:
    """Then a final after it begins a reply, however long the user spoke before (max_speech_duration)."""
    values = Settings().model_dump()
    values["preemptive"] |= {"max_speech_duration": 1.0}
    spans = [(10.0, SPOKE_UNTIL_S), *([(blip_s, blip_s + WINDOW_S)] if blip_s else [])]
    transcripts = [*said(QUESTION, SPOKE_UNTIL_S), SttEvent(13.0, "final", "Please.")]
    heard = Heard(transcripts, speech(*spans), [(12.9, QUESTION), (13.3, "Please.")])
    agent = EARLY.with_levers("resume_false_interruption")
    first, second = replies(heard, agent, Settings.model_validate(values))
    assert not first.early  # the user had spoken for two seconds
    assert second.early == early


def test_a_reply_that_a_final_cuts_off_is_in_the_prompt_of_what_it_commits_at_that_moment() -> None:
    """As it is if the commit comes a moment later."""
    agent = WAITING.with_levers("resume_false_interruption")
    transcripts = [*said(QUESTION, SPOKE_UNTIL_S), SttEvent(15.0, "final", "Please.")]
    prompts = []
    for commit_s in (15.0, 15.001):
        heard = Heard(transcripts, ONE_TURN.voice, [(12.9, QUESTION), (commit_s, "Please.")])
        found = answered(heard, DEFAULTS, USUAL_CONDITIONS, agent, FLAT, 0)
        assert found.replies[0].heard_s < found.replies[0].cut_s == 15.0
        prompts.append(found.usage.large[1].prompt_tokens)
    assert prompts[0] == prompts[1]


def falsely_committed(gap_s: float) -> Heard:
    """The caller goes on while the reply to a false boundary is heard, and is answered in the end."""
    resumed_s = 12.9 + gap_s
    end_s = resumed_s + 1.5
    transcripts = [*said(QUESTION, SPOKE_UNTIL_S), *said("to eight o'clock", end_s)]
    commits = [(12.9, QUESTION), (end_s + 0.5, "to eight o'clock")]
    return Heard(transcripts, speech((10.0, SPOKE_UNTIL_S), (resumed_s, end_s)), commits)


def test_a_paused_reply_blocks_the_next_ones_early_start_and_a_stopped_one_does_not() -> None:
    heard = falsely_committed(1.0)
    first, second = replies(heard, EARLY)
    assert first.heard_s < first.cut_s
    assert not second.early
    stopped, quick = replies(heard, EARLY.with_levers("resume_false_interruption"))
    assert stopped.cut_s < first.cut_s
    assert quick.early
    assert quick.heard_s < second.heard_s


@given(
    st.floats(0.05, 2.5),
    st.sets(st.sampled_from(["resume_false_interruption", "preemptive_tts", "first_sentence_flush"])),
)
def test_stages_follow_one_another_whatever_the_caller_does(gap_s: float, levers: set) -> None:
    for reply in replies(falsely_committed(gap_s), EARLY.with_levers(*levers)):
        assert reply.asked_s <= reply.first_token_s <= reply.sentence_s <= reply.audio_s
        assert reply.heard_s >= reply.commit_s
        assert reply.heard_s == math.inf or (reply.audio_s <= reply.heard_s <= reply.cut_s)
        assert reply.early == (reply.asked_s < reply.commit_s)


def test_a_tool_takes_its_time_between_two_calls_of_the_model() -> None:
    heard = replace(ONE_TURN, transcripts=said(SPELLED, SPOKE_UNTIL_S), commits=[(12.9, SPELLED)])
    (reply,) = replies(heard, WAITING)
    looking_ahead = Techniques.of(*WAITING.on, "tool_prefetch")
    ahead = answered(heard, Settings(), USUAL_CONDITIONS, looking_ahead, FLAT, 0).replies
    assert reply.asked_s > 12.9 + TTFT_S + 0.2  # the tool takes about 0.3 s
    assert 0.2 < reply.heard_s - ahead[0].heard_s < 0.5
    assert reply.first_token_s - reply.asked_s == pytest.approx(TTFT_S)


def with_tool(further: Sequence[SttEvent], commits: Sequence[tuple[float, str]]) -> Answered:
    """The caller spells what the agent looks up, and what comes then."""
    transcripts = [*said(SPELLED, SPOKE_UNTIL_S), *further]
    heard = Heard(transcripts, ONE_TURN.voice, [(12.9, SPELLED), *commits])
    agent = Techniques.of(*EARLY.on, "kv_cache_reuse")
    return answered(heard, DEFAULTS, USUAL_CONDITIONS, agent, FLAT, 0)


def test_a_commit_waits_for_a_tool_at_work_and_finds_its_result_in_the_conversation() -> None:
    found_s = with_tool([], []).replies[0].asked_s
    more = [SttEvent(13.0, "final", "Please.")]
    at_work, over = (with_tool(more, [(found_s + by_s, "Please.")]) for by_s in (-0.05, 0.05))
    first, second = at_work.replies
    assert first.cut_s == second.commit_s == pytest.approx(found_s - 0.05)
    assert second.asked_s == pytest.approx(found_s)  # not when it was committed
    assert not second.early  # the one begun at the final knew nothing of the result
    assert at_work.usage.large[-1].prompt_tokens == over.usage.large[-1].prompt_tokens


def test_a_reply_begun_while_a_tool_works_is_told_that_it_does() -> None:
    first, early, *_ = with_tool([SttEvent(13.0, "preflight", "Please.")], []).usage.large
    assert with_tool([], []).replies[0].asked_s > early.at_s == 13.0
    call = 'look_up {"query": "seven four zero two nine"}'
    told = [("call", call), ("output", IN_PROGRESS), ("user", "Please.")]
    assert early.prompt_tokens - first.prompt_tokens == sum(len(piece(*one)) for one in told)


def test_a_preamble_is_heard_while_the_tool_works_and_the_answer_waits_for_its_end() -> None:
    heard = replace(ONE_TURN, transcripts=said(SPELLED, SPOKE_UNTIL_S), commits=[(12.9, SPELLED)])
    plain = answered(heard, DEFAULTS, USUAL_CONDITIONS, WAITING, FLAT, 0)
    found = answered(heard, DEFAULTS, USUAL_CONDITIONS, WAITING.with_levers("tool_preamble"), FLAT, 0)
    (alone,), (reply,) = plain.replies, found.replies
    called_s, asked_s = (one.usage.large[-1].at_s for one in (plain, found))
    preamble_s = len(PREAMBLE) * CHARACTER_S
    assert reply.first_token_s == pytest.approx(12.9 + TTFT_S)
    assert reply.heard_s < called_s < alone.heard_s == alone.answer_s  # the tool takes about 0.3 s
    assert asked_s == pytest.approx(reply.heard_s + preamble_s)
    assert reply.answer_s - asked_s == pytest.approx(alone.answer_s - called_s)


def test_a_preamble_that_is_cut_off_leaves_its_words_and_what_its_tool_finds() -> None:
    agent = Techniques.of(*WAITING.on, "kv_cache_reuse").with_levers("tool_preamble")
    transcripts = [*said(SPELLED, SPOKE_UNTIL_S), SttEvent(14.4, "final", "Please.")]
    heard = Heard(transcripts, ONE_TURN.voice, [(12.9, SPELLED), (14.5, "Please.")])
    first, second = answered(heard, DEFAULTS, USUAL_CONDITIONS, agent, FLAT, 0).usage.large
    items = [
        ("call", 'look_up {"query": "seven four zero two nine"}'),
        ("output", call_centre().tool.found),
        ("user", "Please."),
    ]
    words = second.prompt_tokens - first.prompt_tokens - sum(len(piece(*one)) for one in items)
    assert 0 < words < len(piece("assistant", PREAMBLE))


FLUSHED = WAITING.with_levers("first_sentence_flush")


def test_a_flushed_sentence_is_spoken_by_itself_and_the_rest_asked_for_once_it_is_made() -> None:
    """The tokenizer would have waited for ten characters more, and for twenty in all."""
    whole, parts = (answered(ONE_TURN, DEFAULTS, USUAL_CONDITIONS, of, FLAT, 0) for of in (WAITING, FLUSHED))
    (_, both), (_, first, rest) = whole.usage.tts, parts.usage.tts
    assert 0 < first.at_s < both.at_s
    assert first.characters + rest.characters == pytest.approx(both.characters, abs=1)
    made_s = first.at_s + TTS_S + first.characters * CHARACTER_S / FLAT.tts.speed
    assert rest.at_s == pytest.approx(made_s, abs=0.01)
    earlier_s = whole.replies[0].heard_s - parts.replies[0].heard_s
    assert earlier_s == pytest.approx(both.at_s - first.at_s)


def test_with_a_first_sentence_that_the_model_writes_at_once_flushing_saves_nothing() -> None:
    agents = [Techniques.of("async_evaluation").with_levers(*levers) for levers in ((), FLUSHED.levers)]
    (plain,), (flushed,) = (replies(ONE_TURN, agent) for agent in agents)
    assert plain.heard_s == flushed.heard_s


@given(st.floats(0.0, 5.0))
def test_of_a_reply_in_two_parts_that_is_cut_off_the_words_of_both_are_in_the_next_prompt(
    by_s: float,
) -> None:
    agent = Techniques.of(*WAITING.on, "kv_cache_reuse").with_levers(*FLUSHED.levers)
    (plain,) = replies(ONE_TURN, agent)
    cut_s = round(plain.heard_s + by_s, 3)
    transcripts = [*said(QUESTION, SPOKE_UNTIL_S), SttEvent(cut_s, "final", "Please.")]
    heard = Heard(transcripts, ONE_TURN.voice, [(12.9, QUESTION), (cut_s + 0.1, "Please.")])
    found = answered(heard, DEFAULTS, USUAL_CONDITIONS, agent, FLAT, 0).usage
    first, second = found.large
    text = call_centre().answer(QUESTION, 1)
    assert isinstance(text, str)
    sentence = len(piece("assistant", text[: text.index(".") + 1]))
    words = second.prompt_tokens - first.prompt_tokens - len(piece("user", "Please."))
    audio_s = [one.characters * CHARACTER_S for one in found.tts[1:3]]
    if by_s < audio_s[0]:
        assert 0 <= words <= sentence
    else:
        assert sentence <= words <= len(piece("assistant", text))
    assert (words == len(piece("assistant", text))) >= (by_s > sum(audio_s) + 0.3)


def test_a_commit_at_the_moment_at_which_its_final_cuts_a_reply_off_waits_for_the_tool_too() -> None:
    """That reply is LiveKit's current speech still; a little later it is not, though its tool works on."""
    agent = Techniques.of(*WAITING.on, "kv_cache_reuse").with_levers(
        "tool_preamble", "resume_false_interruption"
    )

    def waited_s(final_s: float, commit_s: float) -> float:
        transcripts = [*said(SPELLED, SPOKE_UNTIL_S), SttEvent(final_s, "final", "Please.")]
        heard = Heard(transcripts, ONE_TURN.voice, [(12.9, SPELLED), (commit_s, "Please.")])
        return answered(heard, DEFAULTS, USUAL_CONDITIONS, agent, FLAT, 0).usage.large[-1].at_s - commit_s

    finals_s = np.arange(13.2, 14.2, 0.05).tolist()
    assert 0.2 < max(waited_s(at_s, at_s) for at_s in finals_s) < 0.5
    assert max(waited_s(at_s, at_s + 0.01) for at_s in finals_s) == pytest.approx(0.0)


FILLED = Techniques.of(*EARLY.on, "kv_cache_reuse").with_levers("tool_filler")
FILLER_S = len(FILLER) * CHARACTER_S


def with_filler(
    tool_s: float,
    further: Sequence[SttEvent] = (),
    commits: Sequence[tuple[float, str]] = (),
    spans: Sequence[tuple[float, float]] = (),
    *,
    agent: Techniques = FILLED,
) -> Answered:
    """The caller spells what a tool of that duration looks up, and goes on as told."""
    providers = FLAT.model_copy(update={"tool": FLAT.tool.model_copy(update={"latency": Delay(tool_s)})})
    voice = speech((10.0, SPOKE_UNTIL_S), *spans)
    heard = Heard([*said(SPELLED, SPOKE_UNTIL_S), *further], voice, [(12.9, SPELLED), *commits])
    return answered(heard, DEFAULTS, USUAL_CONDITIONS, agent, providers, 0)


@given(st.floats(0.01, 5.0))
def test_a_filler_is_heard_once_the_tool_is_called_and_the_answer_is_written_meanwhile(tool_s: float) -> None:
    plain, filled = (with_filler(tool_s, agent=agent) for agent in (FILLED.with_levers(), FILLED))
    (alone,), (reply,) = plain.replies, filled.replies
    called_s = alone.asked_s - tool_s
    over_s = reply.heard_s + FILLER_S
    assert reply.heard_s == pytest.approx(called_s + TTS_S)
    assert reply.answer_s == pytest.approx(max(over_s, alone.answer_s), abs=1e-6)
    asked, unfilled = filled.usage.large[-1], plain.usage.large[-1]
    assert asked.at_s == unfilled.at_s == pytest.approx(called_s + tool_s)  # not when the filler is over
    told = len(piece("assistant", FILLER)) if asked.at_s > over_s else 0
    assert asked.prompt_tokens - unfilled.prompt_tokens == told
    more = [one.characters for one in filled.usage.tts if one.characters == len(FILLER)]
    assert (
        sum(one.characters for one in filled.usage.tts)
        == sum(one.characters for one in plain.usage.tts) + more[0]
    )


def test_a_tool_that_has_its_result_at_once_needs_no_filler() -> None:
    assert with_filler(0.0) == with_filler(0.0, agent=FILLED.with_levers())


def test_a_filler_follows_a_preamble_if_the_tool_still_works() -> None:
    agent = FILLED.with_levers("tool_filler", "tool_preamble")
    (quick,), (slow,) = (with_filler(tool_s, agent=agent).replies for tool_s in (0.5, 3.0))
    preamble_s = len(PREAMBLE) * CHARACTER_S
    assert quick.answer_s - quick.heard_s < preamble_s + 2 * TTFT_S
    assert slow.heard_s == quick.heard_s
    filled = with_filler(3.0, agent=agent).usage.tts
    assert [one.characters for one in filled[1:3]] == [len(PREAMBLE), len(FILLER)]
    assert filled[2].at_s == pytest.approx(slow.heard_s + preamble_s)


def test_a_filler_waits_until_the_user_is_silent_and_is_not_said_once_there_are_words() -> None:
    """Words of theirs lead to a commit, and that ends the tool's turn."""
    noise = [(12.8, 14.5)]
    silent = with_filler(4.0, spans=noise).usage.tts
    spoken = with_filler(4.0, [SttEvent(14.0, "final", "Please.")], [(15.5, "Please.")], noise).usage.tts
    assert len(FILLER) in [one.characters for one in silent]
    assert silent[1].at_s > 14.5
    assert len(FILLER) not in [one.characters for one in spoken]


def test_a_filler_that_the_user_cuts_off_leaves_its_words_and_the_tool_goes_on() -> None:
    more = [SttEvent(14.6, "final", "Please.")]
    found = with_filler(3.0, more, [(14.7, "Please.")])
    first, second = found.replies
    assert first.heard_s < 14.6
    assert first.answer_s == math.inf
    asked = found.usage.large[-1]
    assert asked.at_s == pytest.approx(with_filler(3.0).usage.large[-1].at_s)  # the commit waits for the tool
    items = [
        ("call", 'look_up {"query": "seven four zero two nine"}'),
        ("output", call_centre().tool.found),
        ("user", "Please."),
    ]
    words = asked.prompt_tokens - found.usage.large[0].prompt_tokens - sum(len(piece(*one)) for one in items)
    assert 0 < words < len(piece("assistant", FILLER))
    assert second.heard_s > asked.at_s


def test_a_commit_during_a_filler_ends_that_alone_and_is_answered_after_the_answer_that_waits() -> None:
    """As LiveKit does: it interrupts its current speech, and the answer stands behind it in the queue."""
    found = with_filler(0.1, commits=[(14.0, "Please.")])
    first, second = found.replies
    assert first.heard_s < 14.0 < first.heard_s + FILLER_S
    assert first.answer_s == 14.0
    assert second.heard_s == 14.0
    (*_, answer, to_please) = found.usage.tts
    assert answer.at_s < 14.0 < to_please.at_s
    answered_s = 14.0 + answer.characters * CHARACTER_S
    assert to_please.at_s < answered_s


@pytest.mark.parametrize(
    ("settings", "techniques", "providers", "message"),
    [
        (Settings().replace(detector="stt"), EARLY, FLAT, "the detector is stt"),
        (Settings().replace(endpointing_mode="dynamic"), EARLY, FLAT, "endpointing is dynamic"),
        (Settings(), Techniques.everything(), FLAT, "semantic_cache answers without the LLM"),
        (Settings(), Techniques.of("streaming_stt"), FLAT, "a judge is awaited"),
        (Settings(), EARLY, SLOW, "writes 10 tokens per second"),
    ],
)
def test_what_is_not_modelled_is_refused_by_name(settings, techniques, providers, message) -> None:
    with pytest.raises(NotCovered, match=message):
        answered(ONE_TURN, settings, USUAL_CONDITIONS, techniques, providers, 0)


def test_the_case_of_a_number_is_the_same_in_every_draw_and_draws_reach_all_that_is_covered() -> None:
    cases = [draw(number, 12, 3) for number in range(60)]
    assert cases[7] == draw(7, 12, 3) != draw(7, 12, 4)
    assert {name for case in cases for name in case.techniques.on} == set(NAMES) - {"semantic_cache"}
    levers = {name for case in cases for name in case.techniques.levers}
    assert levers == set(LEVER_NAMES)


@pytest.mark.slow
def test_real_sessions_answer_when_the_closed_form_says() -> None:
    proofs = verify_replies([SAMPLES / "03_blocked_card.flac"], 3, seed=5, quiet=True)
    summary = replies_summary(proofs)
    assert summary["wrong"] == []
    assert [one.case.schedule is not None for one in proofs] == [False, True, False]
    assert {"first_sentence_flush", "tool_filler"} <= set(summary["sessions_with"])
    assert summary["replies"] > 50
    assert summary["stages"] > 30
    assert summary["largest_error_s"] < 1e-6
    (one,) = verify_replies([SAMPLES / "03_blocked_card.flac"], seed=5, case=1, quiet=True)
    assert one == proofs[1]
