"""Tune the turn-taking and response latency of LiveKit voice agents, offline.

    import lab_utils as lab

    study = lab.measure("my_calls/")  # find, label and trace recordings, score a grid of settings
    choice = study.choose(lab.Budget.false_boundary_rate(0.10))
    study.plot_tradeoff(choice)
    study.export(choice, "support-line", "profile.yaml")

    log = lab.run("my_calls/one.flac", lab.load_profile("profile.yaml"))  # the real AgentSession, offline

`docs/api.md` tells of every name. Importing this package loads none of it: each name comes with its module
when it is first used, so that production pays only for `load_profile`. Importing does one thing: it tells
onnxruntime and Hugging Face's hub not to send telemetry to their makers.
"""

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

# Read when a library loads; worker processes inherit it.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
if "onnxruntime" in sys.modules:  # loaded before this package: then it listens only to a call
    sys.modules["onnxruntime"].disable_telemetry_events()

__version__ = "0.2.0"

if TYPE_CHECKING:
    from .core.batch import on_cluster as on_cluster
    from .core.labels import Labels as Labels
    from .core.policies import falling_threshold as falling_threshold
    from .core.policies import wait_curve as wait_curve
    from .core.recording import Recording as Recording
    from .core.session_log import SessionLog as SessionLog
    from .core.settings import Settings as Settings
    from .recordings.conditions import ChannelCondition as ChannelCondition
    from .recordings.importing import import_folder as import_folder
    from .session.providers.files import load_providers as load_providers
    from .turns.choose import Budget as Budget
    from .turns.profile import Profile as Profile
    from .turns.profile import load_profile as load_profile
    from .turns.profile import save_profile as save_profile
    from .widgets.course import BeatTheEndpointer as BeatTheEndpointer
    from .widgets.course import Exercise as Exercise
    from .widgets.course import Prediction as Prediction
    from .widgets.course import Recorder as Recorder
    from .widgets.course.graded import exercise as exercise
    from .widgets.failures import FailureBrowser as FailureBrowser
    from .widgets.label_editor import label_editor as label_editor
    from .widgets.session_panel import SessionPanel as SessionPanel
    from .widgets.timeline import timeline as timeline
    from .widgets.tuner import Tuner as Tuner
    from .workflows.barge_in import BargeIn as BargeIn
    from .workflows.barge_in import measure_barge_in as barge_in
    from .workflows.compare import Sessions as Sessions
    from .workflows.compare import compare as compare
    from .workflows.compare import run_session as run
    from .workflows.detectors import Comparison as Comparison
    from .workflows.detectors import compare_detectors as compare_detectors
    from .workflows.detectors import write_results as save_comparison
    from .workflows.detectors.eot_bench import EotBench as EotBench
    from .workflows.detectors.eot_bench import measure_eot_bench as eot_bench
    from .workflows.load import load as load
    from .workflows.pictures import plot_conditions as plot_conditions
    from .workflows.pictures import plot_labels as plot_labels
    from .workflows.pictures import plot_providers as plot_providers
    from .workflows.study import Choice as Choice
    from .workflows.study import Study as Study
    from .workflows.study import measure as measure
    from .workflows.study import optimize as optimize
    from .workflows.study import reopen_study as reopen_study
    from .workflows.techniques import TechniqueStudy as TechniqueStudy
    from .workflows.techniques import describe_techniques as describe_techniques
    from .workflows.techniques import measure_techniques as techniques
    from .workflows.transcribe import transcribe as transcribe

_HOMES = {
    "BargeIn": ("workflows.barge_in", "BargeIn"),
    "BeatTheEndpointer": ("widgets.course", "BeatTheEndpointer"),
    "Budget": ("turns.choose", "Budget"),
    "Choice": ("workflows.study", "Choice"),
    "Comparison": ("workflows.detectors", "Comparison"),
    "EotBench": ("workflows.detectors.eot_bench", "EotBench"),
    "Exercise": ("widgets.course", "Exercise"),
    "FailureBrowser": ("widgets.failures", "FailureBrowser"),
    "Labels": ("core.labels", "Labels"),
    "ChannelCondition": ("recordings.conditions", "ChannelCondition"),
    "Prediction": ("widgets.course", "Prediction"),
    "Profile": ("turns.profile", "Profile"),
    "Recorder": ("widgets.course", "Recorder"),
    "Recording": ("core.recording", "Recording"),
    "SessionLog": ("core.session_log", "SessionLog"),
    "SessionPanel": ("widgets.session_panel", "SessionPanel"),
    "Sessions": ("workflows.compare", "Sessions"),
    "Settings": ("core.settings", "Settings"),
    "Study": ("workflows.study", "Study"),
    "TechniqueStudy": ("workflows.techniques", "TechniqueStudy"),
    "Tuner": ("widgets.tuner", "Tuner"),
    "barge_in": ("workflows.barge_in", "measure_barge_in"),
    "compare": ("workflows.compare", "compare"),
    "compare_detectors": ("workflows.detectors", "compare_detectors"),
    "eot_bench": ("workflows.detectors.eot_bench", "measure_eot_bench"),
    "describe_techniques": ("workflows.techniques", "describe_techniques"),
    "exercise": ("widgets.course.graded", "exercise"),
    "falling_threshold": ("core.policies", "falling_threshold"),
    "import_folder": ("recordings.importing", "import_folder"),
    "label_editor": ("widgets.label_editor", "label_editor"),
    "load": ("workflows.load", "load"),
    "load_profile": ("turns.profile", "load_profile"),
    "load_providers": ("session.providers.files", "load_providers"),
    "measure": ("workflows.study", "measure"),
    "on_cluster": ("core.batch", "on_cluster"),
    "optimize": ("workflows.study", "optimize"),
    "plot_conditions": ("workflows.pictures", "plot_conditions"),
    "plot_labels": ("workflows.pictures", "plot_labels"),
    "plot_providers": ("workflows.pictures", "plot_providers"),
    "reopen_study": ("workflows.study", "reopen_study"),
    "run": ("workflows.compare", "run_session"),
    "save_comparison": ("workflows.detectors", "write_results"),
    "save_profile": ("turns.profile", "save_profile"),
    "techniques": ("workflows.techniques", "measure_techniques"),
    "timeline": ("widgets.timeline", "timeline"),
    "transcribe": ("workflows.transcribe", "transcribe"),
    "wait_curve": ("core.policies", "wait_curve"),
}
"""Public name → module and name there; `tests/test_api.py` keeps it equal to the imports above."""

__all__ = [
    "BargeIn",
    "BeatTheEndpointer",
    "Budget",
    "ChannelCondition",
    "Choice",
    "Comparison",
    "EotBench",
    "Exercise",
    "FailureBrowser",
    "Labels",
    "Prediction",
    "Profile",
    "Recorder",
    "Recording",
    "SessionLog",
    "SessionPanel",
    "Sessions",
    "Settings",
    "Study",
    "TechniqueStudy",
    "Tuner",
    "__version__",
    "barge_in",
    "compare",
    "compare_detectors",
    "describe_techniques",
    "eot_bench",
    "exercise",
    "falling_threshold",
    "import_folder",
    "label_editor",
    "load",
    "load_profile",
    "load_providers",
    "measure",
    "on_cluster",
    "optimize",
    "plot_conditions",
    "plot_labels",
    "plot_providers",
    "reopen_study",
    "run",
    "save_comparison",
    "save_profile",
    "techniques",
    "timeline",
    "transcribe",
    "wait_curve",
]


def __getattr__(name: str) -> Any:
    """A public name, imported when it is first asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, there = _HOMES[name]
    value = getattr(import_module(f"{__name__}.{module}"), there)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
