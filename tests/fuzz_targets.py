"""All fuzzing targets by name. See `fuzz.py`."""

from __future__ import annotations

import fuzz_annotations
import fuzz_files
import fuzz_formats
import fuzz_tables

TARGETS = fuzz_annotations.TARGETS | fuzz_files.TARGETS | fuzz_formats.TARGETS | fuzz_tables.TARGETS
