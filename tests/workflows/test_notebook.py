"""What notebooks call about sessions; the rest is run by the notebooks themselves."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from paths import FIXTURES as FIXTURE_FILES
from synthetic_sessions import Exchange, labels_of_session, session_of

from lab_utils import notebook
from lab_utils.core.recording import Recording
from lab_utils.recordings.importing import import_folder
from lab_utils.session.rehearsal import Rehearsal

BREAKS = [Exchange(0.5, 4.0), Exchange(8.0, 14.0, hold=(9.0, 11.0), hold_commit_s=10.0)]
WAITS = [Exchange(0.5, 4.0), Exchange(8.0, 14.0, hold=(9.0, 11.0))]


def rehearsal(*scripts):
    call = Recording("call", "call.wav", np.zeros(0, np.int16), None, "0", labels_of_session(BREAKS, 20.0))
    return Rehearsal(call, {f"<{k}>": session_of(script) for k, script in enumerate(scripts)}, {})


def test_the_telling_span_lies_around_a_false_boundary_or_else_a_commit():
    assert notebook.telling_span(rehearsal(BREAKS, WAITS)) == pytest.approx((6.0, 16.0))
    assert notebook.telling_span(rehearsal(WAITS, BREAKS)) == pytest.approx((0.6, 10.6))
    assert notebook.telling_span(rehearsal([], WAITS)) == pytest.approx((0.0, 10.0))


def test_scores_have_units_and_whole_counts():
    table = notebook.scores(rehearsal(BREAKS, WAITS))
    assert table["false boundaries"].tolist() == [1, 0]
    assert {"of these, heard", "e2e p50 (s)"} <= set(table.columns)


def test_each_session_has_a_player_under_its_escaped_name():
    shown = notebook.hear(rehearsal(BREAKS, WAITS), (6.0, 8.0)).data
    assert shown.count("<audio") == 2
    assert "<b>&lt;0&gt;</b>" in shown
    with pytest.raises(ValueError, match=r"lasts .* s, asked for 900.0-901.0 s"):
        notebook.hear(rehearsal(BREAKS), (900.0, 901.0))


def test_the_conversation_is_told_reply_by_reply():
    one = rehearsal(BREAKS)
    assert "<table" in notebook.said(one, "<0>").to_html()
    assert notebook.timelines(one, (6.0, 16.0)).data[:4] == b"\x89PNG"
    assert notebook.latencies(one).data[:4] == b"\x89PNG"


def test_what_an_import_found_and_skipped_is_one_table():
    folder = FIXTURE_FILES / "recordings"
    shown = notebook.found(import_folder(folder, quiet=True))
    table = shown.data
    assert table.loc[table["file"] == "livekit/call-17/audio.ogg", "format"].tolist() == ["livekit_report"]
    (skipped,) = table.loc[table["format"] == "skipped", "notes"]
    assert "put the session's audio beside it" in skipped
    assert "the session&#39;s audio" in shown.to_html()


def test_two_studies_of_one_grid_are_apart_by_the_most_that_a_setting_differs():
    def study(rates: list[float]) -> SimpleNamespace:
        table = pd.DataFrame({"false_boundary_rate": rates, "latency_mean": [0.5, 1.0], "missed_rate": 0.0})
        return SimpleNamespace(table=table)

    apart = notebook.apart({"a": study([0.1, 0.4]), "b": study([0.3, 0.35])}, SimpleNamespace(row=1))
    assert apart.loc["false_boundary_rate"].round(9).to_dict() == {"a": 0.4, "b": 0.35, "most": 0.2}
    assert apart["most"][["latency_mean", "missed_rate"]].tolist() == [0.0, 0.0]
