"""Where the tests find files of the project."""

import os
from pathlib import Path

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
SAMPLES = ROOT / "audio_samples"
"""The first twelve sample calls, kept as they were."""
SAMPLE_CALLS = SAMPLES / "calls"
"""The sample calls that figures rest on."""
FIXTURES = TESTS / "fixtures"
SHARED = Path(os.environ.get("SHARED", ROOT.parent / "shared"))
"""Failing inputs that were tried on the project; absent from a clone."""
CASES = SHARED / "cases"
