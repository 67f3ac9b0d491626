"""`make traces`: write traces.zip, all that the course and `lab demo` need to know of the demo calls.

Everything is traced anew into a temporary cache, whose entries are packed: the demo's grid, then whatever
the course's notebooks and the solutions of its exercises lead to. Needs about ten minutes.

    python audio_samples/calls/write_traces.py
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import nbformat
import yaml
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
COURSE = ROOT / "notebooks" / "course"


def trace_all(cache: Path) -> None:
    """Fill a cache as the demo and the course do; the environment names it, for the notebooks' kernels."""
    import lab_utils as lab

    calls = ROOT / "audio_samples" / "calls" / "demo"
    lab.measure(calls, cache=cache)
    for path in sorted(COURSE.glob("*.ipynb")):
        print(path.name)
        notebook = nbformat.read(path, as_version=4)
        NotebookClient(notebook, timeout=None, resources={"metadata": {"path": str(COURSE)}}).execute()
    study = lab.measure(calls, grid={"detector": ["vad", "v1-mini"]}, phases=1, cache=cache)
    for number, knobs in yaml.safe_load((COURSE / "solutions.yaml").read_text("utf-8")).items():
        print(number, lab.exercise(number).check(study, knobs))


def main() -> None:
    """Trace and pack."""
    from lab_utils.turns.cache import TraceCache
    from lab_utils.turns.cache.known import of_models
    from lab_utils.turns.cache.shipped import ARCHIVE, write_shipped

    with tempfile.TemporaryDirectory() as folder:
        os.environ["LAB_CACHE"], os.environ["LAB_SHIPPED_TRACES"] = folder, "0"
        trace_all(Path(folder))
        entries = of_models(TraceCache(Path(folder)).entries())
        write_shipped(ROOT / ARCHIVE, entries)
    print(f"{ARCHIVE}: {len(entries)} entries, {(ROOT / ARCHIVE).stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
