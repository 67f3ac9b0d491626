"""One setting on all recordings at once, fast enough for a slider.

Goal: what `Corpus.score` and `per_recording` say of a single setting, in one pass over the pauses of all
recordings and takes instead of one pass for each. Exactly the same where the setting is one of those that
`can_score` tells: fixed endpointing, every transcript there by END_OF_SPEECH, no `min_words`, no
`wait_shape` or extra delay, not `stt` mode.
Conventions: arrays are (rows,), a row being a pause of a tape or of a branch in one take (`replay.records`);
labelled pauses are numbered take by take, the recordings one after the other in each.
"""

from .pauses import CorpusPauses
from .predictions import CorpusPredictions
from .scoring import Outcome, can_score, score

__all__ = ["CorpusPauses", "CorpusPredictions", "Outcome", "can_score", "score"]
