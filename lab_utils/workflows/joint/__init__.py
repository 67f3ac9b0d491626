"""`lab optimize --minimize e2e_p95`: turn-taking, techniques and levers searched together."""

from .chosen import JointBudget
from .search import JointStudy, optimize_replies

__all__ = ["JointBudget", "JointStudy", "optimize_replies"]
