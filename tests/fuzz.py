"""Coverage-guided fuzzing of what users bring; not part of the test suite, which only tries the seeds.

    pip install atheris                         # Linux; Python 3.11 to 3.13
    python tests/fuzz.py                        # lists the targets
    python tests/fuzz.py TARGET [SECONDS]       # so long, starting from the fixtures (default 60)
    python tests/fuzz.py TARGET crash-FILE      # one input again

A target takes an input as the content of one file among sound ones, and hands the folder to what the command
line hands it to. Only the documented error may come out, as one printable line; anything else ends the run
with a traceback, and the input in `crash-*` of the working directory. Targets are in
`fuzz_annotations.py`, `fuzz_formats.py` and `fuzz_tables.py`; they need no atheris.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris
from fuzz_json import mutated

with atheris.instrument_imports(
    include=["lab_utils.recordings.audio", "lab_utils.recordings", "webvtt", "csv"]
):
    import fuzz_annotations
    import fuzz_formats
    import fuzz_tables

TARGETS = fuzz_annotations.TARGETS | fuzz_formats.TARGETS | fuzz_tables.TARGETS
MAX_BYTES = 1 << 17


def main() -> None:
    """Fuzz one target."""
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        raise SystemExit(f"expected one of {', '.join(TARGETS)}")
    target = TARGETS[sys.argv[1]]
    limit = sys.argv[2] if len(sys.argv) > 2 else "60"
    with tempfile.TemporaryDirectory() as folder:
        seeds = Path(folder) / "seeds"
        seeds.mkdir()
        for k, seed in enumerate(target.seeds()):
            (seeds / str(k)).write_bytes(seed)
        files = Path(folder) / "files"
        files.mkdir()
        try_one = target.prepare(files)

        def mutate(data: bytes, max_size: int, seed: int) -> bytes:
            return mutated(data, max_size, seed) or bytes(atheris.Mutate(data, max_size))

        what = [str(seeds), f"-max_total_time={limit}"] if limit.isdigit() else [limit]
        arguments = [sys.argv[0], *what, f"-max_len={MAX_BYTES}", "-rss_limit_mb=2048", "-timeout=20"]
        atheris.Setup(arguments, try_one, custom_mutator=mutate if target.is_json else None)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
