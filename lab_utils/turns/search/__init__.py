"""Search: settings proposed one batch after the other by what the batches before did, instead of a grid.

`space` says what is looked for and between which values; `parts` which recordings lead which search, so that
what is found can be judged on others (`turns.origins`); `proposals` asks Optuna, which the extra `optimize`
installs: only it imports it.
"""

from .parts import parts_of
from .scouts import scouts
from .space import USUAL_OBJECTIVES, Objectives, Range, Space

__all__ = ["USUAL_OBJECTIVES", "Objectives", "Range", "Space", "parts_of", "scouts"]
