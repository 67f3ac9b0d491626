"""LiveKit's text detectors on a tiny model: found, loaded and asked by the plug-in's own code, and proven."""

from __future__ import annotations

import asyncio
import importlib
import json
from pathlib import Path

import numpy as np
import pytest
from livekit.agents import llm
from livekit.agents.language import LanguageCode
from livekit.agents.testing import fake_job_context
from paths import SAMPLE_CALLS
from tiny_text_model import THRESHOLDS, write_weights
from typer.testing import CliRunner

from lab_utils import cli
from lab_utils.core.errors import InputError
from lab_utils.core.settings import Settings, livekit_defaults
from lab_utils.core.traces import TextAnswers, text_key
from lab_utils.session.text_detector import text_detector
from lab_utils.turns.cache import TraceCache
from lab_utils.turns.detectors import check_weights, text_predictor_of
from lab_utils.turns.detectors.asked_texts import AskedTexts
from lab_utils.turns.grid import BadGrid, expand
from lab_utils.turns.profile import Profile
from lab_utils.workflows.detectors.given import given_detectors

CALLS = sorted((SAMPLE_CALLS / "demo").glob("*.flac"))[:2]
PROMPT = (("assistant", "Which one?"), ("user", "The red one."), ("user", "Or"))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder as the hub's cache, here and in worker processes."""
    folder = tmp_path / "hub"
    folder.mkdir()
    monkeypatch.setenv("HF_HUB_CACHE", str(folder))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder))
    return folder


def test_without_weights_it_says_how_to_get_them(hub: Path) -> None:
    message = (
        "english: onnx/model_q8.onnx of livekit/turn-detector v1.2.2-en isn't in .*; get its weights with"
    )
    for refused in (lambda: check_weights(["vad", "english"]), lambda: given_detectors(["english"])):
        with pytest.raises(InputError, match=message + ": python -m livekit.agents download-files"):
            refused()
    done = CliRunner().invoke(cli.app, ["compare", str(CALLS[0]), "--detector", "english"])
    assert done.exit_code == 1
    assert "download-files" in done.stderr
    assert "Traceback" not in done.output


def test_it_is_never_asked_at_livekits_service(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_weights(hub, "multilingual")
    monkeypatch.setenv("LIVEKIT_REMOTE_EOT_URL", "https://example.com")
    with pytest.raises(InputError, match=r"LIVEKIT_REMOTE_EOT_URL is set, .* unset it"):
        check_weights(["multilingual"])


def test_a_thread_that_cannot_load_the_plug_in_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = importlib.import_module

    def not_here(name: str, package: str | None = None) -> object:
        if name.startswith("livekit.plugins"):
            raise RuntimeError("Plugins must be registered on the main thread")
        return elsewhere(name, package)

    monkeypatch.setattr("lab_utils.turns.detectors.text_models.importlib.import_module", not_here)
    with pytest.raises(InputError, match=r"english: the plug-in can't be loaded here .* run `import livekit"):
        check_weights(["english"])


def test_broken_thresholds_are_named(hub: Path) -> None:
    (write_weights(hub, "english") / "languages.json").write_text('{"en": {}}  ')
    assert text_predictor_of("english").thresholds() == {}
    (next(hub.rglob("languages.json"))).write_text('["en"]')
    with pytest.raises(InputError, match=r"languages.json: no thresholds by language .*; get it again"):
        text_predictor_of("english").thresholds()


@pytest.mark.parametrize("name", ["english", "multilingual"])
def test_answers_and_thresholds_are_the_plugins_own(name: str, hub: Path, tmp_path: Path) -> None:
    """The plug-in's class in a session, asked through a chat context, says what a trace says."""
    write_weights(hub, name)
    asked = AskedTexts(name, text_predictor_of(name), TraceCache(tmp_path))
    known = asked.ask("0" * 64, asked.known("0" * 64), [PROMPT])
    assert asked.known("0" * 64).probabilities.tolist() == known.probabilities.tolist()
    assert known.thresholds == THRESHOLDS[name]
    # Only a hash is kept.
    assert all(b"red one" not in path.read_bytes() for path in tmp_path.rglob("*.npz"))

    async def session(answers: TextAnswers) -> tuple[float, list[float | None]]:
        context = llm.ChatContext()
        context.add_message(role="system", content="Be brief.")
        for role, text in (("user", "long ago"), *PROMPT):
            context.add_message(role=role, content=text)
        context.items[1:2] = [llm.ChatMessage(role="user", content=[f"before {k}"]) for k in range(3)]
        with fake_job_context():
            detector = text_detector(livekit_defaults(detector=name).detector, answers, 0.0)
            thresholds = [
                await detector.unlikely_threshold(LanguageCode(one)) for one in ("en-GB", "de", "sv")
            ]
            return await detector.predict_end_of_turn(context), thresholds

    six = (("user", "before 0"), ("user", "before 1"), ("user", "before 2"), *PROMPT)
    p, thresholds = asyncio.run(session(TextAnswers()))
    assert p == text_predictor_of(name).probabilities([six])[0]
    assert thresholds == [THRESHOLDS[name].get(one) for one in ("en", "de", "sv")]
    looked_up = TextAnswers(np.array([text_key(six)]), np.array([0.125]))
    assert asyncio.run(session(looked_up))[0] == 0.125


def test_settings_grids_and_snippets_know_them() -> None:
    defaults = livekit_defaults(detector="english")
    assert (defaults.endpointing.min_delay, defaults.endpointing.max_delay) == (0.5, 3.0)
    short = defaults.replace(min_silence_duration=0.1)
    assert Profile(name="x", settings=short).snippet().count("EnglishModel()") == 1
    tuned = Profile(name="x", settings=short.replace(unlikely_threshold=0.05, vad="silero"))
    assert "from livekit.plugins.turn_detector.english import EnglishModel" in tuned.snippet()
    assert "'turn_detection': EnglishModel(unlikely_threshold=0.05)," in tuned.snippet()
    compile(tuned.snippet(), "snippet", "exec")
    assert "turnDetection: new livekit.turnDetector.EnglishModel(0.05)," in tuned.node_snippet()
    assert "import * as livekit from '@livekit/agents-plugin-livekit';" in tuned.node_snippet()
    by_language = {"en": 0.1, "de": 0.2}
    with pytest.raises(ValueError, match="differs by language, which multilingual can't be told; give one"):
        Settings().replace(detector="multilingual", unlikely_threshold=by_language)
    table, left_out = expand({"detector": ["vad", "english"], "unlikely_threshold": [0.1, by_language]})
    assert (len(table), left_out) == (2, 1)
    with pytest.raises(BadGrid, match="thresholds by language with english or multilingual"):
        expand({"detector": ["english"], "unlikely_threshold": [by_language]})


@pytest.mark.slow
def test_they_are_compared_swept_and_proven_in_the_real_session(hub: Path, tmp_path: Path) -> None:
    write_weights(hub, "english")
    run = CliRunner().invoke
    paths = [*map(str, CALLS), "--cache", str(tmp_path / "cache"), "--jobs", "1"]
    proof = run(cli.app, ["verify", *paths, "--detector", "english", "--settings", "6", "--json"])
    assert proof.exit_code == 0, proof.output
    summary = json.loads(proof.stdout)
    groups = [one for one in summary["groups"] if one["detector"] == "english"]
    assert sum(one["commits"] for one in groups) >= 10
    assert summary["mismatches"] == 0
    compared = run(
        cli.app,
        [
            "compare",
            *paths,
            "--detector",
            "vad",
            "--detector",
            "english",
            "--phases",
            "1",
            "--jobs",
            "1",
            "--json",
        ],
    )
    assert compared.exit_code == 0, compared.output
    told = json.loads(compared.stdout)
    assert told["calibration"]["english"]["n"] > 10
    assert {one["detector"] for one in told["points"]} == {"vad", "english"}
    assert told["push_to_talk"]["false_boundary_rate"] == 0.0
    foreign = run(cli.app, ["compare", *paths, "--detector", "english", "--phases", "1", "--language", "sv"])
    assert foreign.exit_code == 1
    assert "english doesn't know the language sv" in " ".join(foreign.stderr.split())
    (tmp_path / "grid.yaml").write_text("detector: [english]\nmin_delay: [0.5]\n", "utf-8")
    given = ["--grid", str(tmp_path / "grid.yaml"), "--phases", "1", "--out", str(tmp_path / "out")]
    swept = run(cli.app, ["sweep", *paths, *given, "--language", "sv"])
    assert swept.exit_code == 0, swept.output
    known = "english doesn't know the language sv; its settings wait min_delay there"
    assert " ".join(swept.stderr.split()).count(known) == len(CALLS)
