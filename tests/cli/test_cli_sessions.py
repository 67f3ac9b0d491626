"""`lab run` and `lab verify` on real input: results, exit codes, clear errors, and no process left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import soundfile
from paths import ROOT
from typer.testing import CliRunner, Result

from lab_utils.cli import app
from lab_utils.core.delays import Delay
from lab_utils.core.settings import Settings
from lab_utils.latency.export import worker_code
from lab_utils.latency.techniques.choice import Techniques
from lab_utils.session.commits import Moment
from lab_utils.session.providers.files import load_providers, save_providers
from lab_utils.turns.profile import Profile, save_profile
from lab_utils.workflows.run import recordings as run_recordings_module
from lab_utils.workflows.verify import Outcome
from lab_utils.workflows.verify import run as verify_run

SAMPLES = ROOT / "audio_samples"
AGENT = """
from livekit.agents import Agent

class Mine(Agent):
    def __init__(self):
        super().__init__(instructions="x")

    async def on_user_turn_completed(self, turn_ctx, new_message):
        import asyncio
        await asyncio.sleep(0.25)
"""
WORKER = """
from livekit.agents import Agent, AgentSession, WorkerOptions, cli
from livekit.plugins import speechmatics, openai, rime

MODEL = openai.LLM(model="gpt-4.1")

class Assistant(Agent):
    def __init__(self):
        super().__init__(instructions="x", stt=speechmatics.STT(), llm=MODEL, tts=rime.TTS())

async def entrypoint(ctx):
    await AgentSession().start(room=ctx.room, agent=Assistant())

cli.run_app(WorkerOptions(entrypoint_fnc=entrypoint))
"""
"""Its plugins: at least two of them are installed nowhere that tests run."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(os.environ.get("LAB_CACHE") or tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 s of a sample call."""
    path = tmp_path_factory.mktemp("calls") / "call.wav"
    audio, rate = soundfile.read(SAMPLES / "02_lost_parcel.flac", dtype="int16", frames=20 * 16_000)
    soundfile.write(path, audio, rate)
    return path


def lab(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.parametrize("mode", ["open_loop", "reactive"])
@pytest.mark.slow
def test_run_prints_one_json_object_and_repeats_to_the_byte(mode, call, cache, tmp_path) -> None:
    profile = tmp_path / "profile.yaml"
    save_profile(Profile(name="mine", settings=Settings().replace(min_delay=0.6)), profile)
    common = ["--mode", mode, "--profile", profile, "--jobs", 1, "--cache", cache, "--json"]
    answers = []
    for name in ("one", "two"):
        result = lab("run", call, "--out", tmp_path / name, *common)
        assert result.exit_code == 0, result.stderr
        answers.append(json.loads(result.stdout))
        assert answers[-1].pop("out") == str(tmp_path / name)
    assert answers[0] == answers[1]
    assert answers[0]["mode"] == mode
    assert answers[0]["settings"]["endpointing"]["min_delay"] == 0.6
    assert answers[0]["latency"]["end_of_turn_delay"]["p50"] >= 0.6
    files = [path for path in (tmp_path / "one").rglob("*") if path.is_file()]
    assert len(files) == 7
    for path in files:
        twin = tmp_path / "two" / path.relative_to(tmp_path / "one")
        assert path.read_bytes() == twin.read_bytes(), path.name


@pytest.mark.slow
def test_run_with_an_agent_from_a_file_prints_tables(call, cache, tmp_path, monkeypatch) -> None:
    (tmp_path / "agents.py").write_text(AGENT)
    monkeypatch.chdir(tmp_path)
    result = lab("run", call, "--agent", "agents.py:Mine", "--out", "out", "--jobs", 1, "--cache", cache)
    assert result.exit_code == 0, result.stderr
    for text in ("Latency by stage", "250 ms", "last speech to first audio", "results: out/: summary.json"):
        assert text in result.stdout
    assert "The caller is a tape" in result.stdout, "what the mode can't know is said"


@pytest.mark.slow
def test_run_answers_the_plugins_of_a_worker_file_that_are_not_installed(call, cache, tmp_path) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text(WORKER)
    calls = tmp_path / "calls"
    calls.mkdir()
    for name in ("one.wav", "two.wav"):  # the module's LLM serves both, in one process or in two
        shutil.copy(call, calls / name)
    soundfile.write(calls / "two.wav", soundfile.read(call, dtype="int16")[0][:-160], 16_000)
    common = [calls, "--agent", f"{worker}:Assistant", "--cache", cache, "--json"]
    answers = []
    for jobs in (1, 2):
        result = lab("run", *common, "--jobs", jobs, "--out", tmp_path / str(jobs))
        assert result.exit_code == 0, result.stderr
        assert "lab: stood in for livekit.plugins.rime: scripted parts" in result.stderr
        answers.append(json.loads(result.stdout))
        answers[-1].pop("out")
    assert answers[0] == answers[1]
    assert {"livekit.plugins.rime", "livekit.plugins.speechmatics"} <= {
        one["name"] for one in answers[0]["stood_in"]
    }
    assert answers[0]["counts"]["replies"] > 2
    assert answers[0]["counts"]["errors"] == 0
    for path in (tmp_path / "1").rglob("session.json"):
        assert path.read_bytes() == (tmp_path / "2" / path.relative_to(tmp_path / "1")).read_bytes()


@pytest.mark.slow
def test_run_takes_an_exported_workers_profile_and_the_delays_of_providers(call, cache, tmp_path) -> None:
    guide = load_providers("guide")
    constant = {
        "large": guide.large.model_copy(update={"ttft": Delay(0.7), "prefill_s_per_1k": 0.0}),
        "small": guide.small.model_copy(update={"ttft": Delay(0.2), "prefill_s_per_1k": 0.0}),
        "tts": guide.tts.model_copy(update={"first_audio": Delay(0.25)}),
        "stt": guide.stt.model_copy(update={"final": Delay(0.31)}),
    }
    save_providers(guide.model_copy(update={"name": "mine", **constant}), tmp_path / "mine.yaml")
    save_profile(Profile(name="x", settings=Settings().replace(min_delay=0.6)), tmp_path / "profile.yaml")
    (tmp_path / "agent.py").write_text(worker_code("profile.yaml", Techniques.of("model_routing"), guide))
    agent = ["--agent", f"{tmp_path / 'agent.py'}:make_agent"]
    told = []
    for name, more in (("exported", agent), ("plain", [])):
        common = ["--providers", tmp_path / "mine.yaml", "--cache", cache, "--jobs", 1, "--json"]
        result = lab("run", call, "--out", tmp_path / name, *more, *common)
        assert result.exit_code == 0, result.stderr
        assert ("profile.yaml, which" in result.stderr) == (name == "exported")
        told.append(json.loads(result.stdout))
    exported, plain = told
    assert exported["settings"]["endpointing"]["min_delay"] == 0.6
    assert plain["settings"]["endpointing"]["min_delay"] == 0.3
    for one in told:
        assert one["parts"]["providers"] == "mine"
        assert one["conditions"]["transcription_delay"] == 0.31
        assert one["stt_timing"]["final_delay"]["p50_s"] == 0.31
    ttft_s = pd.read_csv(tmp_path / "exported" / "call" / "turns.csv")["llm_node_ttft"].dropna()
    assert set(ttft_s.round(2)) <= {0.2, 0.7}
    assert len(ttft_s) > 1
    assert exported["latency"]["tts_node_ttfb"]["p50"] == pytest.approx(0.25, abs=0.02)
    trip_s = guide.regions["near"].round_trip.p50_s
    assert plain["latency"]["llm_node_ttft"]["p50"] == pytest.approx(0.7 + trip_s, abs=0.05)
    both = lab("run", call, *common, "--transcription-delay", 0.2, "--out", tmp_path / "both")
    assert "leave --transcription-delay out" in both.stderr


@pytest.mark.slow
def test_run_in_real_time_wants_the_plugins_themselves(call, cache, tmp_path) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text(WORKER)
    part = f"{worker}:Assistant"
    result = lab("run", call, "--agent", part, "--real-time", "--cache", cache, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "cannot import name 'speechmatics'" in result.stderr


@pytest.mark.slow
def test_run_with_a_bad_agent_profile_or_call_ends_in_one_line(call, cache, tmp_path) -> None:
    profile = tmp_path / "profile.yaml"
    profile.write_text("name: x")
    out = tmp_path / "out"
    for arguments, finding in (
        ([call, "--agent", "no_such_module:X"], "--agent no_such_module:X: no module 'no_such_module'"),
        ([call, "--profile", profile], f"{profile}: "),
        ([call, "--profile", tmp_path / "none.yaml"], "can't be read"),
        ([tmp_path / "nothing.wav"], "no such file or folder"),
    ):
        result = lab("run", *arguments, "--out", out, "--jobs", 1, "--cache", cache)
        assert result.exit_code == 1
        (line,) = [line for line in result.stderr.splitlines() if line.startswith("lab: ")]
        assert line.startswith("lab: error: ")
        assert finding in line
    assert not out.exists()


@pytest.mark.slow
def test_run_ends_with_1_and_the_reason_if_a_session_fails(call, cache, tmp_path) -> None:
    (tmp_path / "breaks.py").write_text("def agent():\n    raise RuntimeError('no such customer')\n")
    agent = ["--agent", f"{tmp_path / 'breaks.py'}:agent"]
    result = lab("run", call, *agent, "--out", tmp_path / "out", "--jobs", 1, "--cache", cache, "--json")
    assert result.exit_code == 1
    assert "lab: failed: call: RuntimeError: no such customer" in result.stderr
    assert json.loads(result.stdout)["outcomes"] == {"done": 0, "failed": 1, "skipped": 0}


def test_ctrl_c_ends_with_130_and_says_what_is_on_disk(call, cache, tmp_path, monkeypatch) -> None:
    def interrupted(plan, found, jobs, quiet, memory_gb):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(run_recordings_module, "_results", interrupted)
    result = lab("run", call, "--out", tmp_path / "out", "--cache", cache)
    assert result.exit_code == 130
    assert "lab: interrupted: 0 of 1 recording(s) finished, in " in result.stderr


def test_verify_ends_with_1_and_shows_a_mismatch_beside_the_setting(call, cache, monkeypatch) -> None:
    def verify(files, cases, **_):
        for case in cases:
            late = 0.002 if case.number == 1 else 0.0
            yield Outcome(case, "call", (Moment(1.5, "vad"),), (Moment(1.5 + late, "vad"),), 0)

    monkeypatch.setattr(verify_run, "compare_cases", verify)
    result = lab("verify", call, "--settings", 3, "--seed", 9, "--cache", cache)
    assert result.exit_code == 1
    assert f"again: lab verify {call} --seed 9 --case 1\n" in result.stdout
    assert '"min_delay"' in result.stdout
    assert "1.5020 s  vad" in result.stdout
    assert "1 DISAGREES" in result.stdout
    assert "excluded: 0 commits of the session at or after the end" in result.stdout


@pytest.mark.skipif(shutil.which("ps") is None, reason="needs ps")
@pytest.mark.slow
def test_sigterm_ends_the_workers_too(cache, tmp_path) -> None:
    command = [sys.executable, "-m", "lab_utils.cli", "run", SAMPLES, "--out", tmp_path / "out"]
    command += ["--cache", tmp_path / "empty_cache"]
    log = tmp_path / "stderr"
    with open(log, "w") as file:
        process = subprocess.Popen(
            list(map(str, command)), cwd=ROOT, start_new_session=True, stdout=file, stderr=file
        )
    try:
        deadline = time.monotonic() + 60
        while "sessions: " not in log.read_text() and time.monotonic() < deadline:
            time.sleep(0.2)
        assert living(process.pid) >= 2, "the command and what loads for its workers"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 143, log.read_text()
        while living(process.pid) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert living(process.pid) == 0
        assert "lab: terminated: " in log.read_text()
    finally:
        if process.poll() is None:
            process.kill()


def living(group: int) -> int:
    """Processes of a group that are no zombies."""
    lines = subprocess.run(["ps", "-eo", "pgid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in lines.splitlines()]
    return sum(int(pgid) == group and not stat.startswith("Z") for pgid, stat in rows)
