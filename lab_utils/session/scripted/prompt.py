"""A request to a language model as its provider sees it: one sequence of tokens.

Tokens are word pieces of at most six letters and single punctuation marks; for English their number is close
to a real tokenizer's. What matters to a prompt cache is exact: how many tokens two prompts share from the
beginning, whichever message, role or tool is the first that differs.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator, Sequence

from livekit.agents import llm

_TOKEN = re.compile(r"\s*(?:\w{1,6}|[^\w\s]|$)")


def tokens_of(text: str) -> list[str]:
    """A text's word pieces of at most six letters, and punctuation marks. Joined they give the text."""
    return [token for token in _TOKEN.findall(text) if token]


def messages_of(chat_ctx: llm.ChatContext) -> list[str]:
    """The tokens of what system, user and assistant say, in order."""
    prompt: list[str] = []
    for message in chat_ctx.messages():
        prompt += piece(message.role, message.text_content or "")
    return prompt


def prompt_of(
    chat_ctx: llm.ChatContext, tools: Sequence[llm.Tool], described: Callable[[llm.Tool], str]
) -> list[str]:
    """The tokens of a whole request: the tools first, as `described`, then the context in its order."""
    prompt: list[str] = []
    for tool in tools:  # Anthropic and OpenAI put tools first
        prompt += piece("tool", described(tool))
    for kind, text in _parts(chat_ctx):
        prompt += piece(kind, text)
    return prompt


def _parts(chat_ctx: llm.ChatContext) -> Iterator[tuple[str, str]]:
    for item in chat_ctx.items:
        if item.type == "message":
            yield item.role, item.text_content or ""
        elif item.type == "function_call":
            yield "call", f"{item.name} {item.arguments}"
        elif item.type == "function_call_output":
            yield "output", item.output


def newest_words(chat_ctx: llm.ChatContext) -> str:
    """What the user said last."""
    said = (message for message in reversed(chat_ctx.messages()) if message.role == "user")
    return next((message.text_content or "" for message in said), "")


def output_of(tool: str, chat_ctx: llm.ChatContext) -> str | None:
    """What the tool has returned since the user last spoke."""
    for item in reversed(chat_ctx.items):
        if item.type == "message" and item.role == "user":
            return None
        if item.type == "function_call_output" and item.name == tool:
            return item.output
    return None


def description(tool: llm.Tool) -> str:
    """The text by which a model learns of a tool. Slow: half a millisecond."""
    if isinstance(tool, llm.FunctionTool):
        return json.dumps(llm.utils.build_legacy_openai_schema(tool))
    if isinstance(tool, llm.RawFunctionTool):
        return json.dumps(tool.info.raw_schema)
    return tool.id


@functools.lru_cache(maxsize=512)
def piece(kind: str, text: str) -> tuple[str, ...]:
    """A text's tokens. The first one names the speaker's role, so that equal words of two roles differ."""
    tokens = tokens_of(text)
    return (f"<{kind}>{tokens[0]}", *tokens[1:]) if tokens else ()
