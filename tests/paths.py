"""Where the tests find files of the project."""

from pathlib import Path

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
SAMPLES = ROOT / "audio_samples"
FIXTURES = TESTS / "fixtures"
