"""Push-to-talk: the user's button marks where a turn begins and ends, so no wait for the end is needed.

LiveKit surface: `turn_detection="manual"`, `session.commit_user_turn()`, `session.clear_user_turn()` and
`session.input.set_audio_enabled()`. Make a `PushToTalk` in `Agent.on_enter`, close it in `Agent.on_exit`, and
call its methods from the client's RPC methods (`participant.register_rpc_method("end_turn", ...)`).

What 1.8.9 does by itself: in manual mode it asks no turn detector, but it does two things that cost time
between the release of the button and the commit.

- It still waits `endpointing.min_delay` from the last speech (audio_recognition.py: `_bounce_eou_task`), 0.3
  or 0.5 s by default. A `PushToTalk` sets it to 0.
- It waits for a final transcript unless one came within the last 0.5 s, for up to `transcript_timeout` (2 s).
  So a user who releases the button a second after the last word, when all is transcribed, waits two more
  seconds. A `PushToTalk` doesn't wait if no transcript is due. A user who releases the button at the last
  word does wait for the STT. To shorten that wait, set `transcript_timeout_s`: then the newest partial
  transcript is used, and the last word may be missing.

It also starts no reply before the release (no preemptive generation), so the LLM's first token comes later.

So the guide's "under 50 ms" holds only if the final transcript has come before the release, or with a
`transcript_timeout_s` below 0.05; `turn_detection="manual"` alone is not enough.

Common mistake: a button that is pressed and released without a word. 1.8.9 waits for a transcript until its
timeout, then answers the empty turn; `stop_if_empty` in `on_user_turn_completed` keeps the agent silent.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

from livekit.agents import AgentSession, StopResponse, UserInputTranscribedEvent, UserStateChangedEvent, llm

from .bounded import checked_limit


class PushToTalk:
    """The button of one session, which takes turns by it until `close`, whatever its turn detection."""

    def __init__(
        self,
        session: AgentSession[Any],
        *,
        transcript_timeout_s: float = 2.0,
        stt_flush_s: float = 2.0,
        max_hold_s: float = 60.0,
    ) -> None:
        """Close the microphone until the button is pressed.

        `transcript_timeout_s`: how long a release waits for the final transcript, 0 or more. `stt_flush_s`:
        silence sent after a release to STTs that can't be flushed otherwise. `max_hold_s`: a button held
        longer counts as released, for instance if the client is gone. Raises ValueError for times out of
        range.
        """
        if not 0 <= transcript_timeout_s < float("inf"):
            raise ValueError(f"transcript_timeout_s is {transcript_timeout_s}; expected seconds from 0")
        if not 0 <= stt_flush_s < float("inf"):
            raise ValueError(f"stt_flush_s is {stt_flush_s}; expected seconds from 0")
        self._session = session
        self._transcript_timeout_s, self._stt_flush_s = transcript_timeout_s, stt_flush_s
        self._max_hold_s = checked_limit("max_hold_s", max_hold_s)
        self._held = self._closed = False
        self._letting_go: asyncio.TimerHandle | None = None
        self._commit: asyncio.Future[str] | None = None
        self._speaking = self._partial = False
        self._spoke_until = self._final_at = 0.0  # `time.time()`; of the press under way
        self._turn_detection = session.turn_detection
        self._min_delay_s = session.options.endpointing["min_delay"]
        session.on("user_state_changed", self._on_user_state)
        session.on("user_input_transcribed", self._on_transcript)
        session.update_options(turn_detection="manual", endpointing_opts={"min_delay": 0.0})
        session.input.set_audio_enabled(False)

    @property
    def held(self) -> bool:
        """Whether the button is down."""
        return self._held

    def press(self) -> None:
        """The user begins to speak: interrupt the agent, and discard what was transcribed before.

        A turn that was released and still waits for its transcript is not discarded.
        """
        if self._held or self._closed:
            return
        self._held = True
        with contextlib.suppress(RuntimeError):  # the agent's speech may be uninterruptible
            self._session.interrupt()
        if self._commit is None or self._commit.done():
            self._session.clear_user_turn()
            self._partial = False
            self._spoke_until = self._final_at = 0.0
        self._session.input.set_audio_enabled(True)
        loop = asyncio.get_running_loop()
        self._letting_go = loop.call_later(self._max_hold_s, self._let_go)

    def release(self) -> asyncio.Future[str]:
        """The user has finished: commit the turn. The future gives its transcript when that is committed.

        It need not be awaited. It gives "" at once if the button isn't down.
        """
        commit = self._let_go()
        if commit is None:
            commit = asyncio.get_running_loop().create_future()
            commit.set_result("")
        return commit

    def cancel(self) -> None:
        """Discard what was said since the button was pressed; does nothing if it isn't down."""
        if self._up():
            self._session.clear_user_turn()

    def close(self) -> None:
        """Discard an unfinished turn, and restore the session's turn detection. Call it in `Agent.on_exit`.

        Late transcripts (of a turn that was cancelled, or committed without its end) are discarded too: else
        a session that closes would add them to the conversation.
        """
        if self._closed:
            return
        self._closed = True
        self._up()
        self._session.off("user_state_changed", self._on_user_state)
        self._session.off("user_input_transcribed", self._on_transcript)
        with contextlib.suppress(RuntimeError):  # the session has ended already
            self._session.clear_user_turn()
        self._session.update_options(
            turn_detection=self._turn_detection, endpointing_opts={"min_delay": self._min_delay_s}
        )
        self._session.input.set_audio_enabled(True)

    def _let_go(self) -> asyncio.Future[str] | None:
        if not self._held:
            return None
        owed = self._owes_transcript()  # before the microphone closes, which ends the user's speech
        self._up()
        self._commit = self._session.commit_user_turn(
            transcript_timeout=self._transcript_timeout_s if owed else 0.0,
            stt_flush_duration=self._stt_flush_s,
        )
        return self._commit

    def _owes_transcript(self) -> bool:
        """Whether a final transcript of the user's speech is still to come."""
        return not self._final_at or self._partial or self._speaking or self._spoke_until > self._final_at

    def _on_user_state(self, event: UserStateChangedEvent) -> None:
        self._speaking = event.new_state == "speaking"
        if event.old_state == "speaking":
            self._spoke_until = event.created_at  # the moment of the last speech

    def _on_transcript(self, event: UserInputTranscribedEvent) -> None:
        self._partial = not event.is_final
        if event.is_final:
            self._final_at = time.time()

    def _up(self) -> bool:
        """Set the button to up. Returns whether it was down."""
        if not self._held:
            return False
        self._held = False
        if self._letting_go is not None:
            self._letting_go.cancel()
        self._session.input.set_audio_enabled(False)
        return True


def stop_if_empty(new_message: llm.ChatMessage) -> None:
    """Raise LiveKit's StopResponse for a turn without words: call it in `on_user_turn_completed`."""
    if not (new_message.text_content or "").strip():
        raise StopResponse
