"""Figures of sessions: spans, latency by stage, scores."""

from .scores import SESSION_SCORES, false_boundaries, heard_replies, replies_as_resumed, session_scores
from .spans import Activity, Playout, activities, playouts, session_commits
from .stages import ADDED, VISIBLE, ReplyStages, stage_summary, stage_table, visible
from .timeline import SessionTimeline, session_timeline_of

__all__ = [
    "ADDED",
    "SESSION_SCORES",
    "VISIBLE",
    "Activity",
    "Playout",
    "ReplyStages",
    "SessionTimeline",
    "activities",
    "false_boundaries",
    "heard_replies",
    "playouts",
    "replies_as_resumed",
    "session_commits",
    "session_scores",
    "session_timeline_of",
    "stage_summary",
    "stage_table",
    "visible",
]
