"""Labels from two channels: one hand-made scene per kind, and what must hold for any speech."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_utils.core.labels import Labels, as_spans
from lab_utils.recordings.labels.file import read_labels, write_labels
from lab_utils.recordings.labels.two_channel import Limits, label_two_channels, label_with_confidence, to_ipus

Pairs = list[tuple[float, float]]


def label(user: Pairs, agent: Pairs, duration_s: float = 30.0) -> Labels:
    return label_two_channels(as_spans(user), as_spans(agent), duration_s)


def found(user: Pairs, agent: Pairs) -> list[tuple[str, float, float]]:
    return [(one.kind, one.start_s, one.end_s) for one in label(user, agent).labels]


SCENES = {
    "the user pauses and goes on": ([(1, 2), (3, 4)], [], [("hold", 2, 3)]),
    "the agent answers after a gap": ([(1, 2)], [(2.5, 4)], [("shift", 2, 2.5)]),
    "the agent answers before the user ends": ([(1, 3)], [(2.8, 5)], [("shift", 3, 3)]),
    "pauses, then an answer": (
        [(1, 2), (2.5, 3), (3.5, 4)],
        [(5, 9)],
        [("hold", 2, 2.5), ("hold", 3, 3.5), ("shift", 4, 5)],
    ),
    "question and answer, twice": (
        [(1, 2), (6, 7)],
        [(2.5, 5), (8, 10)],
        [("shift", 2, 2.5), ("shift", 7, 8)],
    ),
    "the call ends after the user": ([(5, 7)], [(1, 4)], []),
    "nobody speaks": ([], [], []),
    "only the agent speaks": ([], [(1, 4)], []),
    "mm-hm while the agent speaks": ([(3, 3.4)], [(1, 6)], [("backchannel", 3, 3.4)]),
    "mm-hm as the agent pauses": ([(3, 3.4)], [(1, 3.2), (3.9, 6)], [("backchannel", 3, 3.4)]),
    "mm-hm after the agent has stopped is a turn": ([(3, 3.4)], [(1, 2.9), (3.9, 6)], [("shift", 3.4, 3.9)]),
    "too long for a backchannel": ([(3, 4.2)], [(1, 6)], [("shift", 4.2, 4.2)]),
    "a backchannel leaves the turn around it whole": (
        [(1, 2), (5, 5.4), (9, 10)],
        [(3, 8), (11, 12)],
        [("shift", 2, 3), ("backchannel", 5, 5.4), ("shift", 10, 11)],
    ),
    "the agent's mm-hm during the user's speech": (
        [(1, 5), (6, 7)],
        [(3, 3.4), (8, 9)],
        [("hold", 5, 6), ("shift", 7, 8)],
    ),
    "the agent starts and yields": (
        [(1, 2), (3, 6)],
        [(2.6, 3.5), (7, 8)],
        [("cut_off", 2, 3), ("shift", 6, 7)],
    ),
    "the agent starts, the user goes on, the agent too": (
        [(1, 2), (3, 6)],
        [(2.6, 5), (7, 8)],
        [("shift", 2, 2.6), ("shift", 6, 7)],
    ),
    "the agent's mm-hm in a pause": ([(1, 2), (2.8, 6)], [(2.3, 2.6)], [("cut_off", 2, 2.8)]),
    "the agent's mm-hm into a pause": ([(1, 2), (2.5, 6)], [(1.8, 2.2)], [("cut_off", 2, 2.5)]),
    "a short answer, and the user comes back later": (
        [(1, 2), (6, 7)],
        [(2.5, 3)],
        [("shift", 2, 2.5)],
    ),
    "the user interrupts, the agent gives way, the user goes on": (
        [(3, 4.5), (6, 8)],
        [(1, 5), (9, 10)],
        [("shift", 8, 9)],
    ),
    "the user interrupts, the agent gives way, then answers": (
        [(3, 4.5)],
        [(1, 5), (6, 9)],
        [("shift", 4.5, 6)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("scene", SCENES)
def test_scene(scene):
    user, agent, expected = SCENES[scene]
    assert found(user, agent) == expected


def test_a_long_hold_is_censored_by_an_agent_that_answers_sooner():
    """The same pause of 2.5 s: seen as a hold without the agent, as a shift with one that waits 0.8 s."""
    user = [(1, 2), (4.5, 6)]
    assert found(user, []) == [("hold", 2, 4.5)]
    assert found(user, [(2.8, 4.4)]) == [("shift", 2, 2.8)]
    assert found(user, [(3.8, 4.8)]) == [("cut_off", 2, 4.5)]


def test_reasons_tell_an_interruption_from_an_agents_backchannel():
    (interrupted,) = label([(1, 2), (3, 6)], [(2.6, 3.5)]).labels
    (acknowledged,) = label([(1, 2), (3, 6)], [(2.4, 2.8)]).labels
    assert "yields" in interrupted.reason
    assert "short" in acknowledged.reason


def test_short_silences_and_clicks_make_no_ipu():
    ipus = to_ipus(as_spans([(1, 2), (2.125, 3), (4, 4.05), (5, 6)]), 30.0)
    assert ipus.tolist() == [[1, 3], [5, 6]]
    assert found([(1, 2), (2.125, 3)], []) == []
    assert found([(1, 2), (2.2, 3)], []) == [("hold", 2, 2.2)]


def test_spans_may_be_unsorted_overlapping_and_reach_beyond_the_recording():
    ipus = to_ipus(as_spans([(28, 40), (5, 7), (6, 6.5), (-1, 1), (35, 36)]), 30.0)
    assert ipus.tolist() == [[0, 1], [5, 7], [28, 30]]


def test_limits_can_be_chosen():
    user, agent = as_spans([(1, 2), (3, 6)]), as_spans([(2.6, 3.5)])
    strict = label_two_channels(user, agent, 30.0, Limits(go_on_s=0.3))
    assert [one.kind for one in strict.labels] == ["shift"]


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        (np.zeros(3), r"shape \(n, 2\), got \(3,\)"),
        (np.array([[2.0, 1.0]]), "end after they start"),
        (np.array([[0.0, np.nan]]), "finite"),
    ],
)
def test_impossible_spans_are_refused(spans, message):
    with pytest.raises(ValueError, match=message):
        label_two_channels(spans, as_spans([]), 10.0)


def test_labels_carry_ipus_of_both_speakers_in_order_and_their_source():
    labels = label([(1, 2), (6, 7)], [(2.5, 5)])
    assert [(ipu.speaker, ipu.start_s) for ipu in labels.ipus] == [("user", 1), ("agent", 2.5), ("user", 6)]
    assert (labels.source, labels.duration_s) == ("two channels", 30.0)


def variant(user: Pairs, agent: Pairs = ()) -> tuple[np.ndarray, np.ndarray]:
    return as_spans(user), as_spans(list(agent))


def test_confidence_is_the_share_of_variants_that_agree():
    variants = [
        variant([(1, 2.9), (3, 4)], [(5, 6)]),  # a low threshold hears no pause
        variant([(1, 2), (3, 4)], [(5, 6)]),
        variant([(1, 1.9), (3.1, 3.8)], [(5.2, 6)]),
    ]
    labels = label_with_confidence(variants, 30.0)
    assert [(one.kind, one.start_s, round(one.confidence, 3)) for one in labels.labels] == [
        ("hold", 2, 0.667),
        ("shift", 4, 1.0),
    ]


def test_a_label_of_another_kind_is_no_agreement():
    variants = [variant([(1, 2), (3, 4)], [(2.2, 2.5)]), variant([(1, 2), (3, 4)]), variant([(1, 2), (3, 4)])]
    (hold,) = label_with_confidence(variants, 30.0).labels
    assert hold.confidence == pytest.approx(2 / 3)


def test_shifts_without_gap_agree_if_they_start_together():
    near, far = variant([(1, 2.95)], [(2.5, 5)]), variant([(1, 2.75)], [(2.5, 5)])
    reference = variant([(1, 3)], [(2.5, 5)])
    (shift,) = label_with_confidence([near, reference, far], 30.0).labels
    assert shift.confidence == pytest.approx(2 / 3)


def test_one_variant_is_certain_and_none_is_refused():
    (hold,) = label_with_confidence([variant([(1, 2), (3, 4)])], 30.0).labels
    assert hold.confidence == 1.0
    with pytest.raises(ValueError, match="at least one variant"):
        label_with_confidence([], 30.0)


@st.composite
def speech(draw: st.DrawFn) -> np.ndarray:
    """Spans whose edges are multiples of 1/16 s, so that sums and differences are exact."""
    steps = draw(st.lists(st.integers(1, 40), max_size=24).filter(lambda steps: len(steps) % 2 == 0))
    return (np.cumsum(steps) / 16).reshape(-1, 2)


DURATION_S = 64.0


def intersects(span: np.ndarray, others: np.ndarray) -> bool:
    return bool(((others[:, 0] < span[1]) & (others[:, 1] > span[0])).any())


@given(speech(), speech())
def test_holds_lie_in_the_silence_of_both_channels(user, agent):
    labels = label_two_channels(user, agent, DURATION_S)
    for hold in labels.of_kind("hold"):
        assert not intersects(hold, labels.spans("user"))
        assert not intersects(hold, labels.spans("agent"))


@given(speech(), speech())
def test_the_user_is_silent_in_cut_offs_and_shifts_and_speaks_in_backchannels(user, agent):
    labels = label_two_channels(user, agent, DURATION_S)
    for span in (*labels.of_kind("cut_off"), *labels.of_kind("shift")):
        assert not intersects(span, labels.spans("user"))
    for span in labels.of_kind("backchannel"):
        assert span.tolist() in labels.spans("user").tolist()
    for span in labels.of_kind("cut_off"):
        assert intersects(span, labels.spans("agent"))


@given(speech(), speech())
def test_labels_are_in_order_and_never_overlap(user, agent):
    labels = label_two_channels(user, agent, DURATION_S).labels
    for one, two in pairwise(labels):
        assert one.end_s <= two.start_s


@given(speech(), speech())
def test_every_user_ipu_is_a_backchannel_or_followed_by_at_most_one_label(user, agent):
    labels = label_two_channels(user, agent, DURATION_S)
    short = labels.of_kind("backchannel")[:, 0].tolist()
    ends = [end for start, end in labels.spans("user").tolist() if start not in short]
    starts = [one.start_s for one in labels.labels if one.kind != "backchannel"]
    assert len(set(starts)) == len(starts)
    assert set(starts) <= set(ends)


@given(speech(), speech(), st.integers(0, 160))
def test_moving_everything_moves_the_labels(user, agent, sixteenths):
    by_s = sixteenths / 16
    here = label_two_channels(user, agent, DURATION_S)
    there = label_two_channels(user + by_s, agent + by_s, DURATION_S + by_s)
    moved = tuple(replace(one, start_s=one.start_s + by_s, end_s=one.end_s + by_s) for one in here.labels)
    assert there.labels == moved


@given(speech())
def test_without_agent_speech_every_pause_is_a_hold(user):
    labels = label_two_channels(user, as_spans([]), DURATION_S)
    ipus = labels.spans("user")
    assert labels.of_kind("hold").tolist() == np.stack((ipus[:-1, 1], ipus[1:, 0]), axis=1).tolist()
    assert {one.kind for one in labels.labels} <= {"hold"}


@given(speech(), speech())
def test_the_spans_as_ipus_give_the_same_labels_again(user, agent):
    once = label_two_channels(user, agent, DURATION_S)
    assert label_two_channels(once.spans("user"), once.spans("agent"), DURATION_S) == once


@given(st.lists(st.tuples(speech(), speech()), min_size=1, max_size=4))
def test_confidence_lies_between_one_variants_share_and_one(variants):
    labels = label_with_confidence(variants, DURATION_S)
    assert all(1 / len(variants) <= one.confidence <= 1 for one in labels.labels)


@given(speech(), speech())
def test_the_labels_are_free_of_contradiction_as_a_label_file(tmp_path_factory, user, agent):
    labels = label_two_channels(user, agent, DURATION_S)
    path = tmp_path_factory.mktemp("labels") / "x.labels.json"
    write_labels(labels, path)
    assert read_labels(path) == labels


finite = st.floats(-1e3, 1e3)


@given(
    st.lists(st.tuples(finite, finite).map(sorted), max_size=8),
    st.lists(st.tuples(finite, finite).map(sorted)),
)
def test_any_spans_can_be_labelled_and_swapped(one, two):
    for user, agent in ((one, two), (two, one)):
        labels = label(user, agent)
        assert all(0.0 <= item.start_s <= item.end_s <= 30.0 for item in labels.labels)
