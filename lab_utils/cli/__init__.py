"""The command line `lab`, a thin file for each command.

A file says the options of its command and calls its workflow, which is imported only when the command
runs: showing help loads neither LiveKit nor scipy. `tables` prints what a workflow gives. Results on stdout,
progress on stderr.

Exit codes: 0 done; 1 bad input, a budget nobody meets, a session that failed or a replay that doesn't agree;
2 wrong usage, and what `lab check` can't tell or run; 130 and 143 ended by Ctrl-C and SIGTERM.
"""

from __future__ import annotations

from . import (
    barge_in,
    cache,
    demo,
    evaluate,
    fetch,
    fit,
    import_,
    plan,
    probe,
    prompts,
    report,
    run,
    techniques,
    verify,
)
from .choosing import export, optimize, sweep
from .common import app
from .detectors import compare, eot_bench
from .gate import check, pin
from .labelling import diarize, label, transcribe
from .workbench import doctor, tune

__all__ = [
    "app",
    "barge_in",
    "cache",
    "check",
    "compare",
    "demo",
    "diarize",
    "doctor",
    "eot_bench",
    "evaluate",
    "export",
    "fetch",
    "fit",
    "import_",
    "label",
    "optimize",
    "pin",
    "plan",
    "probe",
    "prompts",
    "report",
    "run",
    "sweep",
    "techniques",
    "transcribe",
    "tune",
    "verify",
]
