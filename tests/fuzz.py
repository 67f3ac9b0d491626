"""Coverage-guided fuzzing of what users bring; not part of the test suite, which only tries the seeds.

    pip install atheris                         # Linux; Python 3.11 to 3.13
    python tests/fuzz.py                        # lists the targets
    python tests/fuzz.py all [INPUTS]           # so many inputs over all targets (default 20000)
    python tests/fuzz.py TARGET [INPUTS]        # of one, starting from the fixtures
    python tests/fuzz.py TARGET crash-FILE      # one input again

A target takes an input as the content of one file among sound ones, and hands the folder to what the command
line hands it to. Only the documented error may come out, as one printable line, within 2 s of processor time
and 500 MB beyond what the process had; anything else ends the run with a traceback, and the input in
`crash-*` of the working directory. Targets are in `fuzz_*.py`; they need no atheris.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import atheris
from fuzz_json import mutated

with atheris.instrument_imports(
    include=["lab_utils.recordings", "lab_utils.core.files", "webvtt", "csv"], enable_loader_override=False
):
    from fuzz_targets import TARGETS

MAX_BYTES = 1 << 17
MAX_CPU_S = 2.0
MAX_MORE_BYTES = 500 << 20


def main() -> None:
    """Fuzz one target, or all in processes of their own."""
    name, what = (*sys.argv[1:], "", "")[:2]
    if name == "all":
        raise SystemExit(_all(int(what or 20_000)))
    if name not in TARGETS:
        raise SystemExit(f"expected all, or one of {', '.join(TARGETS)}")
    target = TARGETS[name]
    with tempfile.TemporaryDirectory() as folder:
        seeds = Path(folder) / "seeds"
        seeds.mkdir()
        for k, seed in enumerate(target.seeds()):
            (seeds / str(k)).write_bytes(seed)
        files = Path(folder) / "files"
        files.mkdir()

        def mutate(data: bytes, max_size: int, seed: int) -> bytes:
            return mutated(data, max_size, seed) or bytes(atheris.Mutate(data, max_size))

        what = what or "1000"
        inputs = [str(seeds), f"-runs={what}"] if what.isdigit() else [what]
        arguments = [sys.argv[0], *inputs, f"-max_len={MAX_BYTES}", "-seed=1", "-rss_limit_mb=0"]
        limited = _limited(target.prepare(files))
        atheris.Setup(arguments, limited, custom_mutator=mutate if target.is_json else None)
        atheris.Fuzz()


def _limited(try_one: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """Tries an input, and fails if that takes too long or too much memory."""
    try_one(b"")  # loads what the first input loads
    before = _peak_bytes()

    def try_limited(data: bytes) -> None:
        start_s = time.process_time()
        try_one(data)
        took_s = time.process_time() - start_s
        assert took_s < MAX_CPU_S, f"{took_s:.1f} s"
        more = _peak_bytes() - before
        assert more < MAX_MORE_BYTES, f"{more >> 20} MB"

    return try_limited


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _all(inputs: int) -> int:
    """Fuzz every target with its share; how many of them failed."""
    share = -(-inputs // len(TARGETS))
    failed = 0
    for name in TARGETS:
        start_s = time.monotonic()
        command = [sys.executable, __file__, name, str(share)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        failed += done.returncode != 0
        told = "no finding" if not done.returncode else f"FAILED\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        print(f"{name}: {share} inputs in {time.monotonic() - start_s:.0f} s, {told}", flush=True)
    return failed


if __name__ == "__main__":
    main()
