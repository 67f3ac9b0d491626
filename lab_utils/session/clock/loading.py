"""Begins to load what sessions run on, before it is known what they are: their workers fork from there.

Commands call it first of all, so it imports next to nothing.
"""

from __future__ import annotations

from ...core.batch.forking import can_fork
from .virtual_time import install

LOADS = ("lab_utils.session.run",)
"""LiveKit, under a virtual clock."""
RUN_LOADS = (
    *LOADS,
    "lab_utils.workflows.run.recording",
    "lab_utils.plots.session_figures",
    "lab_utils.plots.stages",
    "lab_utils.plots.agg.raster",
)
"""What `lab run` needs of other rooms besides, which draws a picture of each session; by name only."""


def begin_loading(loads: tuple[str, ...] = LOADS) -> None:
    """Start the template of the workers of a later `in_workers(..., loads=loads)`, where there is one."""
    if can_fork():
        from ...core.batch.template import template  # has classes that Windows lacks

        template(install, loads)
