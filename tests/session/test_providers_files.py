"""Provider profiles as files: what is written is read again, what is wrong is named."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from provider_profiles import profiles, small_profile
from recording_fixtures import one_line

from lab_utils.core.delays import Delay
from lab_utils.session.providers.files import (
    BUILTIN_FOLDER,
    builtin_providers,
    load_providers,
    save_providers,
    to_yaml,
)
from lab_utils.session.providers.schema import Providers, Sourced

pytestmark = pytest.mark.slow


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(profile=profiles())
def test_what_is_written_is_read_again(profile: Providers, tmp_path: Path) -> None:
    path = tmp_path / "profile.yaml"
    save_providers(profile, path)
    assert load_providers(path) == profile
    assert to_yaml(load_providers(path)) == path.read_bytes().decode()


def test_saving_leaves_nothing_else_and_keeps_the_old_file_on_failure(tmp_path: Path) -> None:
    path = tmp_path / "profile.yaml"
    save_providers(small_profile(), path)
    assert [file.name for file in tmp_path.iterdir()] == ["profile.yaml"]
    with pytest.raises(OSError, match="no-folder"):
        save_providers(small_profile(), tmp_path / "no-folder" / "profile.yaml")


def test_every_figure_is_written_with_its_unit() -> None:
    lines = to_yaml(load_providers("guide")).splitlines()
    bare = [
        line
        for line in lines
        if "  # " not in line and any(f"{name}:" in line for name in ("price", "speed", "prefill_s_per_1k"))
        if "source" not in line
    ]
    assert bare == []


def wrong(tmp_path: Path, change: Any) -> str:
    """The message for a built-in profile after `change` of its plain values."""
    values = yaml.safe_load(to_yaml(load_providers("guide")))
    change(values)
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    with pytest.raises(ValueError, match=r"mine\.yaml: ") as caught:
        load_providers(path)
    one_line(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("change", "key", "what"),
    [
        (
            lambda v: v["large"]["ttft"].update(p95_s=0.1),
            "large.ttft",
            "p95_s (0.1 s) is below p50_s (0.52 s)",
        ),
        (lambda v: v["stt"]["final"].update(p50_s=-0.2), "stt.final.p50_s", "got -0.2"),
        (lambda v: v["tts"]["connection"].update(idle_s=-1.0), "tts.connection.idle_s", "got -1.0"),
        (lambda v: v["large"].update(prefill_s_per_1k=-0.1), "large.prefill_s_per_1k", "got -0.1"),
        (lambda v: v["large"].update(ttfb=0.1), "large.ttfb", "unknown key"),
        (lambda v: v["tts"]["first_audio"].update(p99_s=1.0), "tts.first_audio.p99_s", "unknown key"),
        (lambda v: v["regions"].pop("far"), "regions.far", "missing; give both"),
        (lambda v: v["regions"].update(mid=v["regions"]["far"]), "regions.mid", "'near' or 'far'"),
        (lambda v: v.pop("tool"), "tool", "missing; add it"),
        (lambda v: v["room"].pop("origin"), "room.origin", "missing; add it"),
        (lambda v: v["room"].update(join=0.15), "room.join", "expected keys and values, got 0.15"),
        (lambda v: v["judge"]["origin"].update(date="May 2026"), "judge.origin.date", "as 2026-05-04"),
        (lambda v: v["large"]["cache"].update(automatic="yes"), "large.cache.automatic", "boolean"),
        (lambda v: v["tool"]["latency"].update(p50_s=float("nan")), "tool.latency.p50_s", "got nan"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_key(tmp_path: Path, change: Any, key: str, what: str) -> None:
    message = wrong(tmp_path, change)
    assert re.search(
        rf"mine\.yaml: line \d+: {re.escape(key)}|mine\.yaml: (tool|regions\.far): missing", message
    )
    assert what in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected keys and values, got an empty file"),
        ("- 1\n- 2\n", "expected keys and values, got list"),
        ("name: a\nname: b\n", "line 2: key 'name' is given twice"),
        ("name: [", "expected YAML with plain data"),
        ("name: !!python/object/apply:os.getcwd []\n", "expected YAML with plain data"),
    ],
)
def test_files_that_hold_no_profile_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"mine\.yaml: ") as caught:
        load_providers(path)
    assert message in str(caught.value)
    one_line(caught.value)


def test_a_missing_file_and_an_unknown_name_say_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.yaml: can't be read \(No such file"):
        load_providers(tmp_path / "none.yaml")
    with pytest.raises(ValueError, match=r"guidance: no built-in provider profile.*guide"):
        load_providers("guidance")


def test_a_name_is_built_in_whatever_lies_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "guide").write_text("not a profile")
    monkeypatch.chdir(tmp_path)
    assert load_providers("guide").name == "guide"


@pytest.mark.parametrize("name", builtin_providers())
class TestBuiltIn:
    def test_its_name_is_its_files_and_its_text_is_what_saving_writes(self, name: str) -> None:
        profile = load_providers(name)
        assert profile.name == name
        assert (BUILTIN_FOLDER / f"{name}.yaml").read_text(encoding="utf-8") == to_yaml(profile)

    def test_every_figure_has_a_source_and_a_date_or_says_why_not(self, name: str) -> None:
        for part in parts(load_providers(name)):
            for figure in part.figures():
                origin = part.origin_of(figure)
                reason = origin.source.removeprefix("assumed: ") if origin.assumed else origin.note
                assert origin.date or len(reason) > 15, (name, type(part).__name__, figure)

    def test_what_is_said_to_come_from_the_seeds_is_there(self, name: str) -> None:
        profile = load_providers(name)
        for stage, part, figure in (
            ("stt", profile.stt, "final"),
            ("llm_ttft", profile.large, "ttft"),
            ("llm_ttft", profile.small, "ttft"),
            ("tts", profile.tts, "first_audio"),
        ):
            origin = part.origin_of(figure)
            if "latency-seeds.csv" not in origin.source:
                assert name == "guide", (part.model, figure)
                continue
            assert seeded(stage, part.provider, part.model, origin.source) == getattr(part, figure)


def parts(profile: Providers) -> list[Sourced]:
    """Every part with figures, those inside other parts too."""
    found: list[Sourced] = [getattr(profile, name) for name in ("stt", "large", "small", "tts")]
    inner = [getattr(part, name, None) for part in found for name in ("connection", "cache")]
    found += [part for part in inner if part is not None]
    return [*found, *profile.regions.values(), profile.room, profile.judge, profile.tool]


def seeded(stage: str, provider: str, model: str, source: str) -> Delay:
    """The delay of the one row of the seeds with this stage, provider, model and (newest) source."""
    with (BUILTIN_FOLDER / "latency-seeds.csv").open(encoding="utf-8") as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if row["stage"].startswith(stage)
            and row["provider"] == provider
            and model.startswith(row["model"])
            and row["source"].startswith(source.partition(" (latency")[0])
        ]
    (row,) = rows[-1:]
    p50_s = int(row["p50_ms"]) / 1000
    if row["p95_ms"]:
        return Delay(p50_s, int(row["p95_ms"]) / 1000)
    return Delay.from_iqr(p50_s, int(row["note"].split("range ")[1].split(";")[0]) / 1000)
