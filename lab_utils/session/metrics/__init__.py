"""Figures of sessions: spans, latency by stage, scores."""

from .scores import SESSION_SCORES, false_boundaries, heard_replies, session_scores
from .spans import Activity, Playout, activities, playouts, session_commits
from .stages import ADDED, VISIBLE, stage_summary, stage_table, visible

__all__ = [
    "ADDED",
    "SESSION_SCORES",
    "VISIBLE",
    "Activity",
    "Playout",
    "activities",
    "false_boundaries",
    "heard_replies",
    "playouts",
    "session_commits",
    "session_scores",
    "stage_summary",
    "stage_table",
    "visible",
]
