"""Whether one profile is no worse than another on the same calls: what `lab check` decides in CI.

Goal: a verdict that CI can act on: no worse, worse, or can't be told.
Conventions: seconds, rates as fractions; a difference is the profile's less the baseline's.
Definitions, for each figure with its allowance (`Allowances`):
- no worse: the paired 95 % interval of the difference (`turns.metrics.changes`) ends at or below it;
- worse: the difference exceeds it, and is beyond chance;
- else it can't be told from these calls. p95 has no such interval: it is shown, and judged by a budget only.
A budget is judged by the figure as measured on these calls. The whole is worse if any part of it is, and no
worse only if every part is: a profile passes if it is no worse in each figure, which needs no correction for
their number; that one of three figures is found worse by chance alone may happen in up to 7.5 % of checks.
"""

from .judge import Allowances, Budgets, Check, Finding, Judgement, check, check_pinned
from .make import pin_calls
from .output import in_lines, junit, markdown, plain

__all__ = [
    "Allowances",
    "Budgets",
    "Check",
    "Finding",
    "Judgement",
    "check",
    "check_pinned",
    "in_lines",
    "junit",
    "markdown",
    "pin_calls",
    "plain",
]
