"""What a piece of work is made of is its key: what changes its result changes the key, and nothing else."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paths import ROOT, SAMPLES
from pydantic import BaseModel

from lab_utils.core.batch import made_of
from lab_utils.core.batch.made_of import Keys, Unkeyed
from lab_utils.core.labels import Labels
from lab_utils.core.recording import Recording
from lab_utils.core.settings import Conditions, Settings
from lab_utils.latency.ablation import cells
from lab_utils.latency.techniques.choice import Techniques
from lab_utils.recordings.find import find_recordings
from lab_utils.session.entrypoint.facts import NO_FACTS, RoomFacts
from lab_utils.session.job import Limits
from lab_utils.session.providers.files import load_providers
from lab_utils.session.scripted.eager_stt import EagerStt, Thresholds
from lab_utils.session.scripted.stt_plan import SttTiming
from lab_utils.turns.detectors.own import own_detector
from lab_utils.workflows.run import recording as run
from lab_utils.workflows.verify import draw_cases

FILES = find_recordings(SAMPLES / "01_table_booking.flac")[0]
PLACE = Path("somewhere")


def work(*_: Any) -> None:
    """Whose calls have keys."""


def key(*arguments: Any) -> str:
    return Keys().of(work, *arguments)


PLANS = {
    "of a run": run.Plan(
        *(Settings(), Conditions(), "open_loop", 0, False, Limits(), SttTiming(), {"agent": "a:A"}, None),
        *(NO_FACTS, PLACE, PLACE, False, load_providers("guide")),
    ),
    "of an ablation": cells.Plan(Settings(), Conditions(), load_providers("guide"), PLACE, 8.0),
    "a cell": cells.Cell(FILES, "stack", Techniques(), 0),
    "an eager end of turn": Thresholds(0.7, 5.0, 0.4),
    "a case": draw_cases(1, 1)[0],
    "files": FILES,
}
OTHERS: dict[type, Any] = {
    bool: lambda value: not value,
    int: lambda value: value + 1,
    float: lambda value: value + 0.125,
    str: lambda value: value + "x",
    type(None): lambda _: EagerStt((((1.0, 0.5),),), Thresholds(0.7, 5.0)),
    tuple: lambda value: (*value, "x"),
    dict: lambda value: {**value, "stt": "b:B"},
    Settings: lambda value: value.replace(min_delay=value.endpointing.min_delay / 2 + 0.01),
    Conditions: lambda value: value.replace(stt_silence=0.123),
    Techniques: lambda value: Techniques.of("tts_warmup"),
    Limits: lambda value: replace(value, real_s=value.real_s + 1),
    SttTiming: lambda value: value.model_copy(update={"language": "ko"}),
    RoomFacts: lambda value: RoomFacts("other"),
    type(PLACE): lambda value: value / "x",
    type(FILES): lambda value: replace(value, name="x"),
    type(load_providers("guide")): lambda _: load_providers("guide").with_cold_caches(),
}


def changed(value: Any) -> Iterator[tuple[str, Any]]:
    """The value with one field changed, and that field's name."""
    for field in dataclasses.fields(value):
        before = getattr(value, field.name)
        yield field.name, replace(value, **{field.name: OTHERS[type(before)](before)})


@pytest.mark.parametrize("name", PLANS)
def test_every_field_changes_the_key(name: str) -> None:
    of = PLANS[name]
    keys = {key(of): "", key(of, 0): "an argument"}
    for field, other in changed(of):
        assert key(other) not in keys, (field, keys[key(other)])
        keys[key(other)] = field
    assert key(replace(of)) == key(of)


def leaves(model: BaseModel) -> Iterator[tuple[str, BaseModel]]:
    """The model with one value changed, however deep, and that value's name; checked by nobody."""
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from ((f"{name}.{at}", model.model_copy(update={name: one})) for at, one in leaves(value))
        else:
            yield name, model.model_copy(update={name: "another"})


@pytest.mark.parametrize(
    "model", [Settings(), Conditions(), SttTiming(), load_providers("guide"), Techniques()]
)
def test_every_knob_every_switch_and_every_stage_of_a_provider_changes_the_key(model: BaseModel) -> None:
    keys = [key(model), *(key(other) for _, other in leaves(model))]
    assert len(keys) == len(set(keys)) > 7


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(0, 1) | st.sampled_from([0.0, 1.0, "", "1", "None"]),
    lambda of: (
        st.lists(of, max_size=2)
        | st.dictionaries(st.sampled_from("ab"), of)
        | st.frozensets(st.sampled_from("ab"))
    ),
    max_leaves=4,
)


def obvious(value: Any) -> str:
    """A text that tells values from each other."""
    if isinstance(value, dict):
        return f"dict({sorted((name, obvious(one)) for name, one in value.items())})"
    if isinstance(value, frozenset):
        return f"set({sorted(value)})"
    return f"[{', '.join(map(obvious, value))}]" if isinstance(value, list) else repr(value)


@given(PLAIN, PLAIN)
def test_equal_values_and_no_others_have_equal_keys(one: Any, other: Any) -> None:
    assert key(one) == key(one)
    assert (key(one) == key(other)) == (obvious(one) == obvious(other))
    assert key(one, other) != key([one, other])


def test_a_file_counts_by_what_is_in_it_and_each_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audio, labels = tmp_path / "call.flac", tmp_path / "call.labels.json"
    audio.write_bytes(b"a sound")
    labels.write_text("{}")
    files = replace(FILES, user=audio, labels=labels)
    read: list[Path] = []
    content_hash = made_of.content_hash

    def noted(file: Path) -> str:
        read.append(file)
        return content_hash(file)

    monkeypatch.setattr(made_of, "content_hash", noted)
    keys = Keys()
    before = keys.of(work, files, 1)
    assert keys.of(work, files, 2) != before
    assert sorted(read) == [audio, labels]
    os.utime(audio, (0, 0))
    assert key(files, 1) == before, "a date is no content"
    labels.write_text('{"other": 1}')
    with_labels = key(files, 1)
    audio.write_bytes(b"noise")
    assert len({before, with_labels, key(files, 1)}) == 3
    audio.unlink()
    assert key(files, 1) not in (before, with_labels), "whoever loads it says that it isn't there"


def test_samples_count_by_their_hash_and_detectors_by_their_version() -> None:
    samples = np.zeros(16, np.int16)
    recording = Recording("call", "call.wav", samples, None, "ab", Labels(1.0, (), ()))
    assert key(replace(recording, user=samples + 1)) == key(recording), "its hash is believed"
    others = [replace(recording, sha256="cd"), replace(recording, labels=None), replace(recording, path="x")]
    assert len({key(one) for one in (recording, *others)}) == 4
    one, other = (own_detector(len, "length", version=version)[1] for version in "ab")
    assert key(one) != key(other)
    assert key(np.float64(0.25), np.int64(3)) == key(0.25, 3)


@pytest.mark.parametrize("value", [len, lambda: 0, object(), [open], {"agent": print}])
def test_what_nothing_tells_apart_has_no_key(value: Any) -> None:
    with pytest.raises(Unkeyed, match="from another one"):
        key(value)


def test_other_code_and_other_packages_change_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_software(change: Callable[[], object]) -> str:
        change()
        made_of.software.cache_clear()
        return key(1)

    (tmp_path / "package").mkdir()
    code = tmp_path / "package" / "code.py"
    monkeypatch.setattr(made_of, "PACKAGE", tmp_path / "package")
    monkeypatch.syspath_prepend(tmp_path)
    seen = [
        with_software(lambda: code.write_text("x = 1")),
        with_software(lambda: code.write_text("x = 2")),
        with_software(lambda: (tmp_path / "another-1.0.dist-info").mkdir()),
        with_software(
            lambda: (tmp_path / "another-1.0.dist-info").rename(tmp_path / "another-1.1.dist-info")
        ),
    ]
    record = tmp_path / "another-1.1.dist-info" / "RECORD"
    old = tmp_path / "old.egg-info"
    seen += [
        with_software(lambda: record.write_text("another/code.py,sha256=x,5")),
        with_software(lambda: os.utime(record, (0, 0))),
        with_software(lambda: old.write_text("Version: 1")),
        with_software(lambda: os.utime(old, (0, 0))),
    ]
    made_of.software.cache_clear()
    assert len(set(seen)) == len(seen)


def test_the_environment_counts_without_what_a_terminal_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_variable(name: str, value: str) -> str:
        monkeypatch.setenv(name, value)
        return made_of.environment_hash()

    one = with_variable("GREETING", "one")
    for name in ("PWD", "SHLVL", "_", "TERM_SESSION_ID", "COLUMNS", "SSH_TTY"):
        assert with_variable(name, "another") == one, name
    seen = [one, *(with_variable(name, "two") for name in ("GREETING", "TERMS", "SSH_HOST", "_HIDDEN"))]
    assert len(set(seen)) == len(seen)


def test_a_key_is_the_same_in_another_process() -> None:
    """Whatever order its sets have there."""
    levers = '"max_retries", "preemptive_tts", "tool_preamble", "max_speech_duration"'
    code = (
        "from lab_utils.core.batch.made_of import Keys\n"
        "from lab_utils.latency.techniques.choice import Techniques\n"
        f"print(Keys().of(print, Techniques().with_levers({levers})))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout
        for seed in "12"
    }
    assert len(found) == 1
