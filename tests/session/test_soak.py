"""Many sessions in one process: nothing grows.

`LAB_SOAK_SESSIONS=1000` runs as many as the claim is about. A session is collected as soon as it ends: left
to themselves its cycles scattered over an ever larger heap (22 % in 1,000 sessions). What does stay is
LiveKit's own: a class for each reply (`_SpeechSegment` in agent_activity.py), held by typing's caches.
"""

import os

import pytest
from own_process import run_virtually

SESSIONS = int(os.environ.get("LAB_SOAK_SESSIONS", "150"))
SECONDS_EACH = 1.0

PROGRAM = """
    import asyncio, gc, os, threading
    from calls import one_question
    from lab_utils.core.settings import Settings
    from lab_utils.session.job import SessionJob
    from lab_utils.session.run import run
    import psutil

    def measured():
        gc.collect()
        me = psutil.Process()
        tasks = sum(isinstance(thing, asyncio.Task) for thing in gc.get_objects())
        return [me.memory_info().rss / 1e6, tasks, threading.active_count(), me.num_fds()]

    def main():
        job = SessionJob(one_question(), Settings(), tail_s=4.0)
        figures = []
        for number in range(SESSIONS + 1):
            if number in (WARM, SESSIONS):
                figures.append(measured())
            if number < SESSIONS:
                assert run(job).failure == ""
        return figures
    """


@pytest.mark.slow
def test_sessions_leave_nothing_behind() -> None:
    warm = min(50, SESSIONS // 3)
    program = PROGRAM.replace("SESSIONS", str(SESSIONS)).replace("WARM", str(warm))
    begin, end = run_virtually(program, timeout_s=60 + SESSIONS * SECONDS_EACH)
    for name, before, after in zip(("MB", "tasks", "threads", "files"), begin, end, strict=True):
        print(f"{name}: {before:.6g} after {warm} sessions, {after:.6g} after {SESSIONS}")
        assert after <= 1.05 * before + (1 if name in ("tasks", "threads") else 0), name
