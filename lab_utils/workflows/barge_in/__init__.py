"""Barge-in on one's own recordings: scenes, settings of `interruption` on them, the choice, the proof."""

from .measure import measure_barge_in
from .record import BargeIn, BargeInChoice
from .verify import SceneProof, verify_barge_in

__all__ = ["BargeIn", "BargeInChoice", "SceneProof", "measure_barge_in", "verify_barge_in"]
