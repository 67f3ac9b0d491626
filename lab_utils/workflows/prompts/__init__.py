"""An agent's instructions as a lever: parts of them chosen by what replies under them measure."""

from .agent_opt import AGENT_OPT, rewritten
from .ask import Model
from .asked import Rewrites
from .figures import OBJECTIVES, Limits
from .parts import Parts, load_parts
from .results import FILES, save_search, summary_of
from .search import Search, search_prompts, told
from .turns import AskedTurn, read_turns

__all__ = [
    "AGENT_OPT",
    "FILES",
    "OBJECTIVES",
    "AskedTurn",
    "Limits",
    "Model",
    "Parts",
    "Rewrites",
    "Search",
    "load_parts",
    "read_turns",
    "rewritten",
    "save_search",
    "search_prompts",
    "summary_of",
    "told",
]
