"""The tuner without a browser: ask what the browser asks, read what it would draw."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from matplotlib.figure import Figure
from paths import SAMPLES

import lab_utils as lab
from lab_utils import plots
from lab_utils.core.settings import Settings
from lab_utils.core.traces import Traced
from lab_utils.turns.choose import frontier
from lab_utils.turns.sweep import score_one
from lab_utils.widgets.tuner.presets import Presets
from lab_utils.widgets.tuner.worker import Worker
from lab_utils.workflows.study.choice import settings_of_row

pytestmark = pytest.mark.slow

GRID = {
    "vad": ["livekit"],
    "detector": ["vad", "v1-mini"],
    "min_delay": [0.3, 0.5, 1.2],
    "max_delay": [2.5],
}


class ByHand(Worker):
    """A worker whose job is turned step by step."""

    def __init__(self, deliver: Callable[[Callable[[], None]], None]) -> None:
        super().__init__(deliver)
        self.steps: Any = iter(())

    def ask(self, job: Any) -> None:
        self.leave()
        self.steps = job(self._deliver)

    def leave(self) -> None:
        self.steps = iter(())

    def turn(self) -> None:
        """To the end."""
        for _ in self.steps:
            pass


@pytest.fixture(autouse=True)
def no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab_utils.widgets.tuner.tuner.Worker", ByHand)
    monkeypatch.setattr("lab_utils.widgets.tuner.tuner.REST_S", 0.0)


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("calls")
    names = [path.name for path in sorted(SAMPLES.glob("0[123]_*")) if path.suffix in (".flac", ".json")]
    for name in names:
        shutil.copy(SAMPLES / name, folder)
    return folder


@pytest.fixture(scope="module")
def study(calls: Path) -> lab.Study:
    return lab.measure(calls, grid=GRID, phases=1, quiet=True, jobs=1)


@pytest.fixture
def tuner(study: lab.Study, tmp_path: Path) -> lab.Tuner:
    made = lab.Tuner(study, study.choose(nearest=True), presets_file=tmp_path / "presets.json")
    made.sent = []
    made.send = lambda content, buffers=None: made.sent.append(content)
    return made


def ask(tuner: lab.Tuner, kind: str, **more: Any) -> None:
    tuner._receive(tuner, {"kind": kind, "serial": tuner.serial + 1, **more}, [])


def untraced(tuner: lab.Tuner) -> float:
    """A min_delay that leads to predictions that no setting of the grid needed."""
    for delay_s in np.arange(0.32, 1.2, 0.02).round(2).tolist():
        if not tuner.scorer.at_once(Settings().replace(min_delay=delay_s)).exact:
            return delay_s
    raise AssertionError("every setting is traced")


def test_it_opens_at_livekits_defaults_with_all_there_is(tuner: lab.Tuner, study: lab.Study):
    assert tuner.settings == Settings()
    assert tuner.scored["state"] == "exact"
    assert tuner.scored["sentence"] == "The same as A on these calls"
    assert set(tuner.scored["marks"]) == {"LiveKit's defaults", "chosen", "A", "now"}
    assert [one["name"] for one in tuner.presets] == ["LiveKit's defaults", "Chosen setting"]
    assert len(np.frombuffer(tuner.point_rows, np.int32)) == len(study.table)
    values = np.frombuffer(tuner.point_values, np.float32).reshape(-1, 5)
    np.testing.assert_allclose(values[:, 0], study.table["false_boundary_rate"], rtol=1e-6)
    codes = np.frombuffer(tuner.point_codes, np.uint16).reshape(len(tuner.point_knobs), -1)
    place = [one["name"] for one in tuner.point_knobs].index("min_delay")
    texts = [tuner.point_knobs[place]["texts"][code] for code in codes[place]]
    assert texts == [f"{value:g}" for value in study.table["min_delay"]]


def test_its_colours_are_those_of_the_plot_for_files(tuner: lab.Tuner, study: lab.Study):
    choice = study.choose(nearest=True)
    ax = Figure().subplots()
    best = frontier(study.table)
    drawn = plots.tradeoff(
        ax, study.table, best, defaults=choice.defaults, chosen=choice.chosen, own=choice.chosen
    ).artists
    lines = {"frontier": drawn.frontier, "LiveKit's defaults": drawn.defaults}
    lines |= {"chosen": drawn.chosen, "other": drawn.own}
    assert {name: line.get_color() for name, line in lines.items()}.items() <= tuner.colours.items()
    assert len(set(tuner.colours.values())) == len(tuner.colours)


def test_figures_are_those_of_the_setting(tuner: lab.Tuner):
    before = tuner.scored["rows"]
    ask(tuner, "move", knob="min_delay", value=0.5)
    exact = score_one(tuner.scorer.corpus, Settings().replace(min_delay=0.5), tuner.scorer.conditions)
    mark = tuner.scored["marks"]["now"]
    for name, (value, low, high) in mark.items():
        expected = exact.loc[name]
        assert value == expected["value"]
        np.testing.assert_equal([low, high], [None if np.isnan(v) else v for v in expected[["low", "high"]]])
    assert tuner.scored["rows"] != before
    assert tuner.scored["columns"] == ["now", "A"]
    assert tuner.scored["sentence"].endswith("on 3 calls")
    assert tuner.serial == 1
    assert tuner.settled == Settings().replace(min_delay=0.5)


def test_the_impossible_is_explained_and_the_figures_are_grey(tuner: lab.Tuner):
    before = tuner.scored["rows"]
    ask(tuner, "move", knob="max_delay", value=0.1)
    assert tuner.problem.startswith("Not possible: min_delay (0.3 s) is above max_delay (0.1 s)")
    assert (tuner.scored["state"], tuner.scored["rows"]) == ("old", before)
    ask(tuner, "undo")
    assert (tuner.scored["state"], tuner.problem) == ("exact", "")
    ask(tuner, "redo")
    ask(tuner, "reset")
    assert tuner.settings == Settings()


def test_an_untraced_setting_is_grey_at_once_then_computed_in_steps(tuner: lab.Tuner):
    delay_s = untraced(tuner)
    ask(tuner, "move", knob="min_delay", value=delay_s)
    assert tuner.scored["state"] == "approximate"
    assert tuner.progress["text"]
    assert tuner.settled == Settings()
    told = [(step.done, step.of) for step in tuner._worker.steps]
    assert told
    assert all(done <= of == 3 for done, of in told)
    assert tuner.scored["state"] == "exact"
    assert tuner.progress == {}
    assert tuner.settled == Settings().replace(min_delay=delay_s)
    ask(tuner, "undo")
    ask(tuner, "redo")
    assert tuner.scored["state"] == "exact"


def test_a_kernel_that_is_behind_gets_exact_figures_all_the_same(
    study: lab.Study, tuner: lab.Tuner, tmp_path: Path
):
    """What a job finds comes to the kernel's loop later than the job goes on."""
    waiting: list[Callable[[], None]] = []
    behind = lab.Tuner(study, presets_file=tmp_path / "presets.json", deliver=waiting.append)
    delay_s = untraced(tuner)
    ask(behind, "move", knob="min_delay", value=delay_s)
    behind._worker.turn()
    assert behind.scored["state"] == "approximate"
    for call in waiting:
        call()
    assert (behind.scored["state"], behind.progress) == ("exact", {})
    assert behind.settled == Settings().replace(min_delay=delay_s)
    waiting.clear()
    ask(behind, "move", knob="endpointing_mode", value="dynamic")
    behind._worker.turn()
    for call in waiting:
        call()
    assert behind.scored["state"] == "exact"


def test_a_wait_longer_than_was_traced_is_told(tuner: lab.Tuner):
    ask(tuner, "move", knob="max_delay", value=9.0)
    assert "can't be computed" in tuner.problem
    assert "a max_delay of 9 s needs 11 s" in tuner.problem
    assert tuner.scored["state"] == "old"
    ask(tuner, "undo")
    assert (tuner.problem, tuner.scored["state"]) == ("", "exact")


def test_what_takes_long_can_be_left(tuner: lab.Tuner):
    ask(tuner, "move", knob="min_delay", value=0.5)
    ask(tuner, "move", knob="endpointing_mode", value="dynamic")
    assert tuner.scored["state"] == "old"
    next(tuner._worker.steps)
    ask(tuner, "leave")
    assert tuner.settings == Settings().replace(min_delay=0.5)
    assert (tuner.scored["state"], tuner.progress) == ("exact", {})
    ask(tuner, "redo")
    ask(tuner, "undo")


def test_what_was_asked_before_the_last_move_is_never_shown(tuner: lab.Tuner):
    ask(tuner, "move", knob="endpointing_mode", value="dynamic")
    late = tuner._worker.steps
    ask(tuner, "move", knob="endpointing_mode", value="fixed")
    shown = tuner.scored
    for _ in late:
        pass
    assert tuner.scored == shown


def test_dynamic_endpointing_is_scored_like_the_sweep(tuner: lab.Tuner):
    dynamic = Settings().replace(endpointing_mode="dynamic")
    tuner.set(dynamic)
    tuner._worker.turn()
    exact = score_one(tuner.scorer.corpus, dynamic, tuner.scorer.conditions)
    assert tuner.scored["state"] == "exact"
    assert tuner.scored["marks"]["now"]["latency_mean"][0] == exact["value"]["latency_mean"]


def test_settle_computes_here_and_now(tuner: lab.Tuner):
    wanted = Settings().replace(min_delay=untraced(tuner))
    tuner.set(wanted)
    assert tuner.settle().exact
    assert tuner.settled == wanted
    assert tuner.choice.settings == wanted
    assert tuner.choice.budget_text == "set by hand in the tuner"


def test_neighbours_are_prepared_while_nothing_else_is_to_do(tuner: lab.Tuner):
    near = Settings().replace(min_silence_duration=0.3)
    assert tuner.scorer.at_once(near) is None
    tuner._worker.turn()
    assert tuner.scorer.at_once(near) is not None


def test_a_point_is_taken_and_undone(tuner: lab.Tuner, study: lab.Study):
    ask(tuner, "take", row=4)
    assert tuner.settings == settings_of_row(study.table, 4)
    ask(tuner, "undo")
    assert tuner.settings == Settings()
    ask(tuner, "take", row=10_000)
    assert tuner.problem == f"no setting 10000; the table has 0 to {len(study.table) - 1}"


def test_a_budget_suggests_the_best_setting_within(tuner: lab.Tuner, study: lab.Study):
    for limit, most in (("false_boundary_rate", 0.5), ("latency_mean", 1.3)):
        ask(tuner, "budget", limit=limit, most=most)
        row = study.table.loc[tuner.suggested["row"]]
        assert row[limit] <= most
        assert f"{100 * row['false_boundary_rate']:.1f} % cut off" in tuner.suggested["text"]
    ask(tuner, "budget", limit="latency_mean", most=0.0)
    assert tuner.suggested["text"].startswith("None meets it; the nearest:")
    ask(tuner, "budget", limit="price", most=1.0)
    assert "a budget limits one of" in tuner.problem


def test_a_and_b_are_pinned_and_compared_with(tuner: lab.Tuner):
    ask(tuner, "back", which="B")
    assert tuner.problem == "nothing is pinned as B yet"
    ask(tuner, "move", knob="min_delay", value=1.2)
    ask(tuner, "pin", which="B")
    assert tuner.scored["columns"] == ["now", "A", "B"]
    ask(tuner, "pin", which="A")
    assert tuner.scored["sentence"] == "The same as A on these calls"
    ask(tuner, "reset")
    assert "→" in tuner.scored["sentence"]
    ask(tuner, "back", which="A")
    assert tuner.settings.endpointing.min_delay == 1.2
    ask(tuner, "move", knob="endpointing_mode", value="dynamic")
    ask(tuner, "pin", which="A")
    assert "the figures aren't there yet" in tuner.problem


def test_surprises_are_told(tuner: lab.Tuner):
    ask(tuner, "move", knob="min_delay", value=0.1)
    tuner.settle()
    assert any("below the VAD's silence" in line for line in tuner.scored["warnings"])


def test_presets_are_kept_by_name_and_found_by_the_next_tuner(
    tuner: lab.Tuner, study: lab.Study, tmp_path: Path
):
    ask(tuner, "move", knob="min_delay", value=0.5)
    ask(tuner, "keep", name=" patient ")
    assert (tuner.problem, tuner.said) == ("", "Saved as patient")
    ask(tuner, "keep", name="Chosen setting")
    assert "'Chosen setting' is taken" in tuner.problem
    ask(tuner, "keep", name="")
    assert "a preset needs a name" in tuner.problem
    other = lab.Tuner(study, presets_file=tmp_path / "presets.json")
    assert [one["name"] for one in other.presets if one["kept"]] == ["patient"]
    ask(other, "preset", name="patient")
    assert other.settings == Settings().replace(min_delay=0.5)
    ask(other, "forget", name="patient")
    ask(other, "preset", name="patient")
    assert "no preset 'patient'" in other.problem
    (tmp_path / "presets.json").write_text('{"x": {"vad": 3}}')
    broken = lab.Tuner(study, presets_file=tmp_path / "presets.json")
    assert "is no file of presets" in broken.problem
    with pytest.raises(ValueError, match="is no file of presets"):
        Presets(tmp_path / "presets.json").save("y", Settings())


def test_export_writes_what_the_sliders_say_and_load_brings_it_back(tuner: lab.Tuner, tmp_path: Path):
    file = tmp_path / "new" / "agent.yaml"
    ask(tuner, "move", knob="min_delay", value=1.2)
    ask(tuner, "export", name="patient", path=str(file))
    assert (tuner.problem, tuner.said) == ("", f"Wrote {file}")
    profile = lab.load_profile(file)
    assert profile.settings == tuner.settings == Settings().replace(min_delay=1.2)
    exact = score_one(tuner.scorer.corpus, tuner.settings, tuner.scorer.conditions)
    assert profile.evidence.chosen.latency_mean.value == pytest.approx(
        exact["value"]["latency_mean"], abs=1e-4
    )
    ask(tuner, "reset")
    ask(tuner, "load", path=str(file))
    assert tuner.settings == profile.settings
    file.write_text(file.read_text().replace("min_delay: 1.2", "min_delay: soon"))
    ask(tuner, "load", path=str(file))
    assert "min_delay" in tuner.problem
    assert "Traceback" not in tuner.problem
    assert tuner.settings == profile.settings
    ask(tuner, "export", name="patient", path=str(file))
    assert "is there and is no profile that loads" in tuner.problem
    assert "soon" in file.read_text()
    ask(tuner, "export", name="x", path=str(tmp_path))
    assert "is a folder; name a file" in tuner.problem


def test_snippets_say_what_the_sliders_say(tuner: lab.Tuner):
    ask(tuner, "move", knob="min_delay", value=1.2)
    ask(tuner, "snippet", language="python", name="x")
    ask(tuner, "snippet", language="node", name="x")
    python, node = (one["text"] for one in tuner.sent)
    assert "'min_delay': 1.2" in python
    assert "minDelay: 1200" in node
    ask(tuner, "snippet", language="perl", name="x")
    assert "a snippet is python or node" in tuner.problem


def test_a_disk_that_fills_is_told(tuner: lab.Tuner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "agent.yaml")

    monkeypatch.setattr("lab_utils.widgets.tuner.study_tuner.save_profile", full)
    monkeypatch.setattr("lab_utils.widgets.tuner.presets.write_whole", full)
    for kind, more in (("export", {"path": str(tmp_path / "a.yaml")}), ("keep", {})):
        ask(tuner, kind, name="x", **more)
        assert tuner.problem.startswith("agent.yaml: No space left on device; free some space")


@pytest.mark.parametrize("how", ["deleted", "changed"])
def test_a_recording_that_is_gone_or_another_is_told(study: lab.Study, calls: Path, tmp_path: Path, how: str):
    tuner = lab.Tuner(study, cache=tmp_path / "empty", presets_file=tmp_path / "presets.json")
    moved = {path: path.with_suffix(".away") for path in calls.glob("*.flac")}
    wanted = Settings().replace(min_delay=untraced(tuner))
    for path, away in moved.items():
        path.rename(away)
        if how == "changed":
            samples, rate_hz = soundfile.read(away, dtype="int16")
            soundfile.write(path, samples[::-1], rate_hz)
    try:
        ask(tuner, "move", knob="min_delay", value=wanted.endpointing.min_delay)
        tuner._worker.turn()
    finally:
        for path, away in moved.items():
            away.replace(path)
    assert tuner.problem.startswith("These figures can't be computed: ")
    assert ".flac" in tuner.problem
    assert tuner.scored["state"] == "old"
    ask(tuner, "undo")
    assert (tuner.problem, tuner.scored["state"]) == ("", "exact")


def test_nonsense_is_told_and_answered(tuner: lab.Tuner):
    for asked in ({"kind": "dance"}, {"kind": "move"}, {"kind": "move", "knob": "vad", "value": 3}):
        tuner._receive(tuner, {**asked, "serial": tuner.serial + 1}, [])
        assert tuner.problem
    assert tuner.serial == 3
    assert tuner.settings == Settings()


def test_the_study_grows_with_the_tuner(tuner: lab.Tuner, study: lab.Study):
    wanted = Settings().replace(min_delay=untraced(tuner))
    tuner.set(wanted)
    tuner.settle()
    assert isinstance(tuner.study.failures(wanted), pd.DataFrame)
    assert all(isinstance(one, Traced) for one in tuner.study.corpus.recordings)
