"""The scripted call centre."""

import re

import pytest
import yaml
from paths import SAMPLES

from lab_utils.latency.ablation.scenario import LookUp, call_centre


def said() -> list[str]:
    """What the callers of the samples say, turn by turn."""
    calls = yaml.safe_load((SAMPLES / "dialogues.yaml").read_text())["calls"]
    return [re.sub(r"\s*\|\s*", " ", turn["u"]) for call in calls for turn in call["turns"] if "u" in turn]


def test_instructions_are_as_long_as_the_guide_says_and_always_the_same():
    scenario = call_centre()
    tokens = re.findall(r"\w{1,6}|[^\w\s]", scenario.instructions)
    assert 1400 <= len(tokens) <= 1800
    assert call_centre.__wrapped__().instructions == scenario.instructions


@pytest.mark.parametrize(
    ("text", "identifier"),
    [
        ("It's, um, G, L, four four zero nine.", "g l four four zero nine"),
        ("Okay, it starts with seven four zero two.", "seven four zero two"),
        ("A table for four people, please.", None),
        ("I think I need a taxi.", None),
        ("", None),
    ],
)
def test_spelled_identifiers_call_the_tool(text, identifier):
    answer = call_centre().answer(text, 1)
    assert answer == LookUp(identifier) if identifier else isinstance(answer, str)


def test_answers_depend_on_words_and_turn_alone():
    scenario = call_centre()
    assert scenario.answer("Yes, please.", 1) == scenario.answer("yes please", 1)
    assert scenario.answer("Yes, please.", 1) in scenario.short.replies
    long = [scenario.answer("I would like to book a table.", turn) for turn in range(1, 12)]
    assert set(long) == set(scenario.replies)


def test_a_look_up_ahead_is_wrong_both_ways_and_never_about_what_is_spelled():
    scenario = call_centre()
    pairs = {(scenario.foreseen(text), scenario.identifier(text)) for text in said()}
    assert all(foreseen == wanted for foreseen, wanted in pairs if foreseen and wanted)
    assert any(foreseen and not wanted for foreseen, wanted in pairs)
    assert any(wanted and not foreseen for foreseen, wanted in pairs)


def test_names_and_addresses_are_looked_up_by_what_follows_the_phrase():
    scenario = call_centre()
    assert scenario.answer("Her name is Helen Carter.", 1) == LookUp("helen carter")
    assert scenario.answer("It's nine Mill Street", 1) == LookUp("it's nine mill street")


def test_samples_hold_turns_of_every_sort():
    scenario, texts = call_centre(), said()
    looked_up = sum(scenario.identifier(text) is not None for text in texts)
    short = sum(scenario.answer(text, 1) in scenario.short.replies for text in texts)
    assert 10 <= looked_up <= 25
    assert 10 <= short <= 30
