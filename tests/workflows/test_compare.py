"""Sessions compared: scores, the moment that tells them apart, sound, replies."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic_sessions import Exchange, labels_of_session, session_of

from lab_utils.core.recording import Recording
from lab_utils.workflows.compare import Sessions

BREAKS = [Exchange(0.5, 4.0), Exchange(8.0, 14.0, hold=(9.0, 11.0), hold_commit_s=10.0)]
WAITS = [Exchange(0.5, 4.0), Exchange(8.0, 14.0, hold=(9.0, 11.0))]


def sessions(*scripts):
    call = Recording("call", "call.wav", np.zeros(0, np.int16), None, "0", labels_of_session(BREAKS, 20.0))
    return Sessions(call, {f"<{k}>": session_of(script) for k, script in enumerate(scripts)}, {})


def test_the_difference_lies_around_a_false_boundary_or_else_a_commit():
    assert sessions(BREAKS, WAITS).difference() == pytest.approx((6.0, 16.0))
    assert sessions(WAITS, BREAKS).difference() == pytest.approx((0.6, 10.6))
    assert sessions([], WAITS).difference() == pytest.approx((0.0, 10.0))


def test_scores_have_units_and_whole_counts():
    compared = sessions(BREAKS, WAITS)
    assert compared.scores["false boundaries"].tolist() == [1, 0]
    assert {"of these, heard", "e2e p50 (s)"} <= set(compared.scores.columns)
    assert "&lt;0&gt;" in compared._repr_html_()


def test_each_session_is_heard_under_its_escaped_name():
    shown = sessions(BREAKS, WAITS).listen("<0>", (6.0, 8.0))._repr_html_()
    assert shown.count("<audio") == 1
    assert "<b>&lt;0&gt;</b>" in shown
    with pytest.raises(ValueError, match=r"lasts .* s, asked for 900.0-901.0 s"):
        sessions(BREAKS).listen("<0>", (900.0, 901.0))
    with pytest.raises(ValueError, match=r"no session 'x'; expected one of \['<0>'\]"):
        sessions(BREAKS).listen("x", (0.0, 1.0))


@pytest.mark.slow
def test_the_conversation_is_told_reply_by_reply_and_drawn():
    one = sessions(BREAKS)
    assert "<table" in one.replies("<0>")._repr_html_()
    for picture in (one.plot_timelines((6.0, 16.0)), one.plot_latency()):
        data, metadata = picture._repr_png_()
        assert data[:4] == b"\x89PNG"
        assert metadata["width"] > 500


def test_without_a_replay_there_is_no_agreement_to_show():
    assert len(sessions(BREAKS).agreement) == 0
