"""Grids: from a YAML file to a table of possible settings, each once."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_utils.core.knobs import KNOBS
from lab_utils.core.settings import Settings, default_deactivation, livekit_defaults
from lab_utils.turns import grid
from lab_utils.turns.grid import (
    BadGrid,
    complete,
    expand,
    is_possible,
    read_grid,
    restored,
    row_of,
    settings_of,
    storable,
)


def saved(folder: Path, content: str | bytes) -> Path:
    path = folder / "grid.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# --- the default grid -------------------------------------------------------------------------------


def test_the_default_grid_has_thousands_of_settings_and_each_is_possible():
    table, impossible = expand(grid.DEFAULT_GRID)
    assert len(table) >= 5000
    assert impossible > 0
    assert list(table.columns) == list(KNOBS)
    assert not table.duplicated().any()
    for row in table.sample(300, random_state=0).to_dict("records"):
        settings_of(row)


def test_livekits_defaults_lie_on_the_default_grid():
    table, _ = expand(grid.DEFAULT_GRID)
    for vad, detector in itertools.product(("livekit", "silero"), ("vad", "v1-mini")):
        row = row_of(livekit_defaults(vad, detector))
        assert len(table.merge(row)) == 1, (vad, detector)


# --- expand -----------------------------------------------------------------------------------------

lists = {
    "vad": ["livekit", "silero"],
    "detector": ["vad", "stt", "v1-mini"],
    "endpointing_mode": ["fixed", "dynamic"],
    "activation_threshold": [0.1, 0.5, 0.6],
    "deactivation_threshold": [None, 0.3],
    "min_speech_duration": [0.0, 0.05],
    "min_silence_duration": [0.1, 0.25, 0.55],
    "min_delay": [0.0, 0.5, 2.6, 4],
    "max_delay": [1, 2.5],
    "unlikely_threshold": [0.2, 0.36],
}
grids = st.fixed_dictionaries(
    {}, optional={name: st.lists(st.sampled_from(v), min_size=1, max_size=3) for name, v in lists.items()}
).filter(bool)


@pytest.mark.slow
@given(grids)
def test_a_grid_holds_every_possible_product_once(values):
    """Twin: one `Settings` for each product; idle knobs don't tell settings apart."""
    possible, impossible = [], []
    for product in itertools.product(*values.values()):
        knobs = dict(zip(values, product, strict=True))
        plain = knobs.get("detector", "v1-mini") != "v1-mini"
        idle = {"unlikely_threshold", "extra_delay_numbers", "extra_delay_asked"} if plain else set()
        if plain and knobs.get("endpointing_mode", "fixed") == "fixed":
            idle |= {"max_delay"}
            knobs["max_delay"] = 60.0
        try:
            settings = Settings.from_knobs(knobs)
        except ValueError:
            vad, detector = knobs.get("vad", "livekit"), knobs.get("detector", "v1-mini")
            key = {
                **livekit_defaults(vad, detector).knobs(),
                **{n: v for n, v in knobs.items() if v is not None},
            }
            activation, deactivation = key["activation_threshold"], key["deactivation_threshold"]
            key["deactivation_threshold"] = deactivation or default_deactivation(activation)
            found = impossible
        else:
            key, found = {**settings.knobs(), "deactivation_threshold": settings.vad.deactivation}, possible
        key = {name: math.nan if name in idle else value for name, value in key.items()}
        if repr(sorted(key.items())) not in [repr(sorted(other.items())) for other in found]:
            found.append(key)
    if not possible:
        with pytest.raises(BadGrid, match="no setting of the grid is possible"):
            expand(values)
        return
    table, n_impossible = expand(values)
    assert n_impossible == len({repr({**k, "max_delay": float(k["max_delay"])}) for k in impossible})
    expected = pd.DataFrame(possible, columns=list(KNOBS)).astype(dict(table.dtypes))
    order = list(KNOBS)
    pd.testing.assert_frame_equal(
        table.sort_values(order, ignore_index=True), expected.sort_values(order, ignore_index=True)
    )


def test_impossible_settings_are_left_out_and_counted():
    table, impossible = expand({"min_delay": [0.3, 1.0], "max_delay": [0.5, 2.0]})
    assert len(table) == 3
    assert impossible == 1
    table, impossible = expand({"min_silence_duration": [0.1, 0.25, 0.4], "detector": ["vad", "v1-mini"]})
    assert len(table) == 5
    assert impossible == 1


def test_settings_keep_the_order_of_the_lists():
    table, _ = expand({"min_delay": [0.5, 0.3], "max_delay": [2.0, 1.0]})
    assert table[["min_delay", "max_delay"]].to_numpy().tolist() == [
        [0.5, 2.0],
        [0.5, 1.0],
        [0.3, 2.0],
        [0.3, 1.0],
    ]
    assert table.index.tolist() == [0, 1, 2, 3]


def test_idle_knobs_make_no_second_setting():
    values = {"detector": ["vad"], "unlikely_threshold": [0.1, 0.2], "max_delay": [1.0, 2.0]}
    assert len(expand(values)[0]) == 1
    assert len(expand(values | {"endpointing_mode": ["dynamic"]})[0]) == 2
    assert len(expand(values | {"detector": ["v1-mini"]})[0]) == 4


def test_an_idle_max_delay_makes_no_setting_impossible():
    table, impossible = expand({"detector": ["vad"], "min_delay": [3.0], "max_delay": [1.0]})
    assert (len(table), impossible) == (1, 0)
    assert settings_of(table.iloc[0].to_dict()).endpointing.min_delay == 3.0


def test_a_grid_without_a_possible_setting_is_refused():
    with pytest.raises(
        BadGrid, match=r"no setting of the grid is possible.*min_silence_duration below 0\.25"
    ):
        expand({"min_silence_duration": [0.1, 0.2]})


def test_a_product_too_large_for_memory_is_refused_before_it_is_made():
    values = [k / 1000 for k in range(1000)]
    huge = {"min_delay": values, "max_delay": values, "unlikely_threshold": [*values, 1.0]}
    with pytest.raises(
        BadGrid,
        match=r"has 1,001,000,000 settings, and 2,000,000 are the most; "
        r"shorten the longest list, unlikely_threshold \(1,001 values\)",
    ):
        expand(huge)


# --- complete ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vad", "detector", "silence_s", "min_delay_s", "max_delay_s"),
    [
        ("livekit", "v1-mini", 0.25, 0.3, 2.5),
        ("silero", "v1-mini", 0.55, 0.3, 2.5),
        ("livekit", "vad", 0.25, 0.5, math.nan),
        ("silero", "vad", 0.55, 0.5, math.nan),
        ("livekit", "stt", 0.25, 0.5, math.nan),
        ("silero", "stt", 0.55, 0.5, math.nan),
    ],
)
def test_missing_knobs_get_livekits_defaults_for_the_parts(
    vad, detector, silence_s, min_delay_s, max_delay_s
):
    table = pd.DataFrame({"vad": ["livekit", vad], "detector": ["v1-mini", detector]})
    row = complete(table).iloc[1]
    assert row["min_silence_duration"] == silence_s
    assert row["min_delay"] == min_delay_s
    np.testing.assert_equal(row["max_delay"], max_delay_s)
    assert row["activation_threshold"] == 0.5
    assert row["deactivation_threshold"] == 0.35
    assert row["min_speech_duration"] == 0.05
    assert row["endpointing_mode"] == "fixed"
    np.testing.assert_equal(row["unlikely_threshold"], 0.36 if detector == "v1-mini" else math.nan)


def test_dynamic_endpointing_without_a_detector_uses_max_delay():
    table = complete(pd.DataFrame({"detector": ["vad"], "endpointing_mode": ["dynamic"]}))
    assert table["max_delay"].tolist() == [3.0]


def test_the_deactivation_threshold_may_be_given_for_some_rows_only():
    table = complete(
        pd.DataFrame({"activation_threshold": [0.6, 0.5, 0.1], "deactivation_threshold": [None, 0.3, None]})
    )
    assert table["deactivation_threshold"].tolist() == [0.6 - 0.15, 0.3, 0.01]


def test_completing_keeps_rows_and_leaves_the_given_table_alone():
    given_table = pd.DataFrame({"min_delay": [0.5, 0.1]}, index=[7, 3])
    table = complete(given_table)
    assert table.index.tolist() == [7, 3]
    assert list(given_table.columns) == ["min_delay"]
    pd.testing.assert_frame_equal(complete(table), table)


# --- rows and settings ------------------------------------------------------------------------------


@st.composite
def any_settings(draw: st.DrawFn) -> Settings:
    knobs = {name: draw(st.sampled_from(values)) for name, values in lists.items()}
    if knobs["detector"] == "v1-mini":
        knobs["min_silence_duration"] = max(knobs["min_silence_duration"], 0.25)
    knobs["max_delay"] = max(knobs["max_delay"], knobs["min_delay"])
    return Settings().replace(**knobs)


@pytest.mark.slow
@given(any_settings())
def test_a_row_leads_back_to_its_settings_but_for_idle_knobs(settings):
    table = row_of(settings)
    back = settings_of(table.iloc[0].to_dict())
    pd.testing.assert_frame_equal(row_of(back), table)
    used = {name: value for name, value in table.iloc[0].items() if value == value}
    assert back.vad.deactivation == settings.vad.deactivation
    for name in set(used) - {"deactivation_threshold"}:
        assert back.knobs()[name] == settings.knobs()[name], name


@given(any_settings())
def test_a_row_is_possible_exactly_if_its_settings_are(settings):
    table = row_of(settings)
    assert is_possible(table).all()
    worse = table.assign(min_delay=table["max_delay"] + 0.1)
    assert is_possible(worse).all() == bool(table["max_delay"].isna().all())
    assert not is_possible(table.assign(detector="v1-mini", min_silence_duration=0.24)).any()


# --- files ------------------------------------------------------------------------------------------


def test_a_grid_file_is_a_mapping_of_knobs_to_lists(tmp_path):
    path = saved(tmp_path, "vad: [silero]\nmin_delay: [0, 0.3]\ndeactivation_threshold: [null, 0.2]\n")
    values = read_grid(path)
    assert values == {"vad": ["silero"], "min_delay": [0, 0.3], "deactivation_threshold": [None, 0.2]}
    table, impossible = expand(values)
    assert (len(table), impossible) == (4, 0)
    assert sorted(table["deactivation_threshold"].unique()) == [0.2, 0.35]


DEEP = "min_delay: " + "[" * 20_000
DOUBLED = "[&x0 [1], " + ", ".join(f"&x{k} [*x{k - 1}, *x{k - 1}]" for k in range(1, 40)) + "]"
"""A value that unfolds to 2**39 numbers; printing one whole would never end."""

BAD_FILES = [
    ("", "expected knobs with lists of values, for example 'min_delay"),
    ("# nothing\n", "expected knobs with lists"),
    ("- 0.3\n", "expected knobs with lists"),
    ("0.3", "expected knobs with lists"),
    ("{}", "expected knobs with lists"),
    ("min_dealy: [0.3]", "unknown knob 'min_dealy'; knobs are vad, .*min_delay"),
    (
        "transcription_delay: [0.0, 0.3]",
        "transcription_delay is a condition, .*take it out, .*'lab sweep' with --transcription-delay",
    ),
    ("1: [0.3]", "unknown knob '1'; knobs are"),
    ("min_delay: 0.3", r"min_delay is 0.3; expected a list of values, for example 'min_delay: \[0.3\]'"),
    ("vad: silero", r"vad is 'silero'; expected a list of values, for example 'vad: \[livekit\]'"),
    ("min_delay: []", r"min_delay is \[\]; expected a list of values"),
    ("min_delay:", "min_delay is None; expected a list"),
    ("min_delay: {a: 1}", "min_delay is {'a': 1}; expected a list"),
    ("min_delay: ['0.3']", "min_delay: .*valid number, got '0.3'"),
    ("min_delay: [true]", "min_delay: .*valid number, got True"),
    ("min_delay: [[0.3]]", r"min_delay: .*valid number, got \[0.3\]"),
    ("min_delay: [{a: 0.3}]", "min_delay: .*valid number, got {'a': 0.3}"),
    ("min_delay: [0.3, null]", "min_delay: .*valid number, got None"),
    ("min_delay: [2020-01-01]", "min_delay: .*valid number, got datetime"),
    ("min_delay: [.nan]", "min_delay: .*finite number, got nan"),
    ("min_delay: [.inf]", "min_delay: .*got inf"),
    ("unlikely_threshold: [.nan]", "unlikely_threshold: .*got nan"),
    ("min_delay: [0.3, -0.1]", "min_delay: .*greater than or equal to 0, got -0.1"),
    ("max_delay: [100]", "max_delay: .*less than or equal to 60, got 100"),
    ("activation_threshold: [0]", "activation_threshold: .*greater than 0, got 0"),
    ("activation_threshold: [50]", "activation_threshold: .*less than or equal to 1, got 50"),
    ("vad: [webrtc]", "vad: .*'silero' or 'livekit', got 'webrtc'"),
    ("vad: [[silero]]", r"vad: .*'silero' or 'livekit', got \['silero'\]"),
    ("detector: [1]", "detector: .*'vad', 'stt', 'english', 'multilingual' or 'v1-mini', or 'own:' .*got 1"),
    ("endpointing_mode: [adaptive]", "endpointing_mode: .*'fixed' or 'dynamic', got 'adaptive'"),
    ("? [a]\n: [1]", "not a readable YAML file"),
    ("min_delay: [0.3", "not a readable YAML file"),
    ("min_delay: !!python/object:os.system [1]", "not a readable YAML file"),
    (b"\x00\x01\x02binary", "not a readable YAML file"),
    (b"\xff\xfe\x80\x81\x80", "not a readable YAML file"),
    (b"RIFF\x24\x00\x00\x00WAVEfmt ", "not a readable YAML file"),
    (DEEP, "not a readable YAML file"),
    (
        f"vad: [livekit]\nmin_delay: [{', '.join(str(k / 1e5) for k in range(1001))}]",
        "line 2: min_delay has 1,001 values, and 1,000 are the most of one knob; give fewer",
    ),
    (f"min_delay: [{DOUBLED}]", "not a readable YAML file .*more than 50,000 values"),
    (f"min_delay: {{a: {DOUBLED}}}", "not a readable YAML file .*more than 50,000 values"),
    (f"? {DOUBLED}\n: [1]", "not a readable YAML file"),
]


@pytest.mark.parametrize(("content", "message"), BAD_FILES)
def test_a_file_that_is_no_grid_is_refused_by_file_knob_and_remedy(tmp_path, content, message):
    path = saved(tmp_path, content)
    with pytest.raises(BadGrid, match=message) as caught:
        read_grid(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < len(str(path)) + 1000


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_path_without_a_file_is_refused(tmp_path, name):
    with pytest.raises(BadGrid, match=r"not a readable YAML file \(.*(No such file|Is a directory)"):
        read_grid(tmp_path / name)


def test_a_file_whose_product_is_too_large_is_refused_by_name(tmp_path):
    many = ", ".join(str(k / 1000) for k in range(1000))
    path = saved(
        tmp_path,
        "".join(f"{name}: [{many}]\n" for name in ("min_delay", "max_delay", "min_silence_duration")),
    )
    with pytest.raises(
        BadGrid, match=r"1,000,000,000 settings, and 100,000,000 are the most; shorten"
    ) as caught:
        read_grid(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_every_value_that_a_file_may_hold_is_accepted_on_its_own(tmp_path):
    """A value impossible beside the defaults may be possible beside others of the grid."""
    path = saved(
        tmp_path,
        "min_delay: [60]\nmax_delay: [0, 60]\nmin_silence_duration: [0, 60]\ndetector: [v1-mini, vad]\n",
    )
    assert expand(read_grid(path))[1] > 0


def test_shapes_of_the_wait_are_kept_in_a_file(tmp_path):
    shapes = [None, "linear", [[0, 1], [0.5, 0.25]]]
    table, left_out = expand({"wait_shape": shapes, "endpointing_mode": ["fixed", "dynamic"]})
    assert (len(table), left_out) == (4, 2)
    storable(table).to_parquet(tmp_path / "table.parquet")
    read = restored(pd.read_parquet(tmp_path / "table.parquet"))
    assert [settings_of(row) for row in read.to_dict("records")] == [
        settings_of(row) for row in table.to_dict("records")
    ]
    assert {str(settings_of(row).policy.wait_shape) for row in read.to_dict("records")} == {
        "None",
        "linear",
        "0: 1, 0.5: 0.25",
    }


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"min_dely": [0.3]}, "grid: unknown knob 'min_dely'; knobs are vad, "),
        ({"min_delay": 0.5}, r"grid: min_delay is 0.5; expected a list of values, such as \[0.5\]"),
        ({"detector": "vad"}, "grid: detector is 'vad'; expected a list"),
        ({"min_delay": []}, r"grid: min_delay is \[\]"),
        ({"min_delay": ["soon"]}, "grid: min_delay: expected a valid number, got 'soon'"),
        ({"detector": ["V1-mini"]}, "grid: detector: expected 'vad'"),
    ],
)
def test_a_grid_in_python_that_is_none_is_told(grid: dict, message: str) -> None:
    with pytest.raises(BadGrid, match=message):
        expand(grid)


def test_a_grid_in_python_may_be_of_arrays() -> None:
    table, _ = expand({"min_delay": np.arange(0.3, 0.6, 0.1), "max_delay": range(1, 3)})
    assert len(table) == 6
