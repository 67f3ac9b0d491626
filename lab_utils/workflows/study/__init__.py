"""The main job from end to end: recordings and a grid → a scored sweep, the choice, and a folder of results.

`measure` gives a `Study`; `Study.choose` decides under a budget; `write_report` writes the folder. Command
line and notebooks use the same.
"""

from .channel_conditions import CONDITION_FILES, write_channel_conditions
from .choice import DEFAULT_BUDGET, Choice
from .measured import Skipped, measure_table
from .results import FILES, check_folder, reopen_study, summary_of, write_report
from .searched import optimize
from .slices import check_slices, plain_slices, write_slices
from .study import Study, measure

__all__ = [
    "CONDITION_FILES",
    "DEFAULT_BUDGET",
    "FILES",
    "Choice",
    "Skipped",
    "Study",
    "check_folder",
    "check_slices",
    "measure",
    "measure_table",
    "optimize",
    "plain_slices",
    "reopen_study",
    "summary_of",
    "write_channel_conditions",
    "write_report",
    "write_slices",
]
