"""Any endpoint with OpenAI's chat completions, through the official SDK."""

import asyncio
import re
from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, cast

import openai
from openai import AsyncStream
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam
from openai.types.chat.chat_completion_chunk import ChoiceDeltaToolCall

from hubline._mistakes import Mistakes
from hubline._thinking import Thinking
from hubline.models.model import Delta, Fault, Message, ModelError, StopReason, Tool, ToolCall, Usage

STOP_REASONS = {
    "stop": StopReason.END,
    "tool_calls": StopReason.TOOLS,
    "length": StopReason.LENGTH,
    "content_filter": StopReason.FILTERED,
}
CONTEXT_CODES = frozenset({"context_length_exceeded", "exceed_context_size_error"})
"""The error codes of OpenAI and of llama.cpp's server for a conversation that is too long."""

_DONE = re.compile(rb"data: ?\[DONE\]")
_DONE_LENGTH = len(b"data: [DONE]")
BROKE_OFF = "broke off its answer"
ARGUMENTS = 1_000_000
"""Characters of the arguments of all tool calls of one answer. Ours, so that no model fills the memory."""
MOST_TOKENS = 2**31 - 1
"""Of one answer. Ours: a larger number is a mistake of the endpoint."""


class OpenAIModel:
    """One model of one endpoint, a `ToolModel`.

    Its reasoning is separate from its answer: `reasoning_content`, or the text between `<think>` marks.

    Time limits are in seconds: `first_token_timeout` from the request to the first piece of the answer (a local model
    first reads the whole conversation), `token_timeout` between two pieces. `options` are added to every request
    unchanged, for options that only some endpoints have. `name` is shown to people instead of `model`.

    Raises:
        ConfigurationError: lists every argument that is not valid. The key is not shown.
    """

    takes_tools: Literal[True] = True
    """Tells it from models without tools at run time."""

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        name: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        first_token_timeout: float = 60.0,
        token_timeout: float = 30.0,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        mistakes = Mistakes("OpenAIModel")
        mistakes.fits("model", model, _is_name(model), "the name of a model")
        mistakes.fits("base_url", base_url, _is_address(base_url), "an address with http:// or https://", optional=True)
        if not isinstance(api_key, str | None):
            mistakes.found.append(f"OpenAIModel.api_key must be a text or None, got {type(api_key).__name__}")
        mistakes.text("name", name, optional=True)
        mistakes.whole("max_tokens", max_tokens, above=0, optional=True)
        mistakes.number("temperature", temperature, least=0, optional=True)
        mistakes.number("first_token_timeout", first_token_timeout, above=0)
        mistakes.number("token_timeout", token_timeout, above=0)
        mistakes.fits("options", options, isinstance(options, Mapping), "a dict", optional=True)
        mistakes.tell()
        self.name = name or model
        self._model = model
        self._first_token_timeout, self._token_timeout = first_token_timeout, token_timeout
        self._request: dict[str, Any] = {"extra_body": dict(options)} if options else {}
        if max_tokens is not None:
            self._request["max_tokens"] = max_tokens
        if temperature is not None:
            self._request["temperature"] = temperature
        # Local endpoints need no key, but the SDK requires one. Only one retry, because people wait for the answer.
        self._client = openai.AsyncOpenAI(
            base_url=base_url, api_key=api_key or "none", max_retries=1, timeout=first_token_timeout
        )

    async def close(self) -> None:
        """Close the connections to the endpoint. Answers in progress fail."""
        await self._client.close()

    async def stream(self, messages: Sequence[Message], *, tools: Sequence[Tool] = ()) -> AsyncGenerator[Delta, None]:
        """See `ToolModel.stream`. The time limits of the constructor apply, also to each piece of a tool call."""
        request = self._request | ({"tools": [_offer(tool) for tool in tools]} if tools else {})
        # Here and in `_next`, every error is translated: the SDK also raises errors of its HTTP library (which changed
        # with a major version) and of the JSON parser.
        try:
            async with asyncio.timeout(self._first_token_timeout):
                response = await self._client.chat.completions.create(
                    model=self._model,
                    messages=cast("list[ChatCompletionMessageParam]", [_turn(message) for message in messages]),
                    stream=True,
                    stream_options={"include_usage": True},
                    **request,
                )
        except Exception as error:
            raise self._translate(error, begun=False) from error
        thinking, calls, mark, is_whole = Thinking(), _Calls(), _EndMark(response), False
        async with response:
            chunks, limit = aiter(response), self._first_token_timeout
            while (delta := await self._next(chunks, limit, calls)) is not None:
                limit = self._token_timeout
                is_whole = is_whole or delta.stop is not None
                delta = _split(delta, thinking, last=delta.stop is not None)
                if delta.stop is not None:
                    delta = replace(delta, tool_calls=calls.take())
                if delta != Delta():
                    yield delta
        if (delta := _split(Delta(), thinking, last=True)) != Delta():
            yield delta
        if not is_whole and not mark.has_come:
            raise ModelError(self.name, Fault.BROKEN, BROKE_OFF)
        if rest := calls.take():  # of an endpoint that gives no reason of the end
            yield Delta(tool_calls=rest)

    async def _next(self, chunks: AsyncIterator[ChatCompletionChunk], limit: float, calls: "_Calls") -> Delta | None:
        try:
            async with asyncio.timeout(limit):
                chunk = await anext(chunks)
            for choice in chunk.choices[:1]:
                calls.add(choice.delta.tool_calls or ())
            return _delta(chunk)
        except StopAsyncIteration:
            return None
        except Exception as error:
            raise self._translate(error, begun=True) from error

    def _translate(self, error: Exception, *, begun: bool) -> ModelError:
        match error:
            case TimeoutError() | openai.APITimeoutError():
                fault, text = Fault.TIMEOUT, "did not answer in time"
            case openai.AuthenticationError() | openai.PermissionDeniedError():
                fault, text = Fault.REFUSED, "did not accept the key"
            case openai.NotFoundError():
                fault, text = Fault.REFUSED, "does not exist at the endpoint that was set"
            case openai.RateLimitError():
                fault, text = Fault.BUSY, "takes no more requests at the moment"
            case openai.APIStatusError() if _is_too_long(error):
                fault, text = Fault.TOO_LONG, "cannot read a conversation of this length"
            case openai.APIStatusError(status_code=status):
                fault, text = Fault.BROKEN, f"answered with the error {status}"
            case _ if begun:
                fault, text = Fault.BROKEN, BROKE_OFF
            case _:
                fault, text = Fault.UNREACHABLE, "cannot be reached"
        return ModelError(self.name, fault, text)


class _Calls:
    """Puts tool calls together from their pieces. Some servers send no numbers, others no ids."""

    def __init__(self) -> None:
        self._calls: dict[int, ToolCall] = {}
        self._size = 0

    def add(self, pieces: Sequence[ChoiceDeltaToolCall]) -> None:
        """Raises ValueError when there are too many characters, TypeError when something is no text."""
        for piece in pieces:
            name = _text((piece.function and piece.function.name) or "")
            more = _text((piece.function and piece.function.arguments) or "")
            self._size += len(name) + len(more)
            if self._size > ARGUMENTS:
                raise ValueError("the arguments of tools are too long")
            number: int | None = piece.index  # in spite of its type: the SDK does not check what endpoints send
            number = max(self._calls, default=0) if number is None else number
            known = self._calls.get(number)
            if known is not None and piece.id and piece.id != known.id:
                number, known = max(self._calls) + 1, None
            if known is None:
                self._calls[number] = ToolCall(_text(piece.id or f"call_{number}"), name, more)
            else:
                self._calls[number] = replace(known, name=known.name or name, arguments=known.arguments + more)

    def take(self) -> tuple[ToolCall, ...]:
        """The calls, once."""
        calls, self._calls = self._calls, {}
        return tuple(call for call in calls.values() if call.name)


class _EndMark:
    """Notes whether a response had `[DONE]`, which the SDK takes for itself: without it, and without a reason of the
    end, the endpoint closed the connection in the middle of an answer."""

    def __init__(self, stream: AsyncStream[ChatCompletionChunk]) -> None:
        response = stream.response
        self.has_come = False
        self._last = b""
        self._read = response.aiter_bytes
        response.aiter_bytes = self._noting  # type: ignore[method-assign]

    async def _noting(self, chunk_size: int | None = None) -> AsyncGenerator[bytes, None]:
        async for chunk in self._read(chunk_size):
            self.has_come = self.has_come or _DONE.search(self._last + chunk) is not None
            self._last = (self._last + chunk)[1 - _DONE_LENGTH :]
            yield chunk


def _offer(tool: Tool) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return {"type": "function", "function": function}


def _turn(message: Message) -> dict[str, Any]:
    turn: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        turn["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        turn["tool_call_id"] = message.tool_call_id
    if message.images:
        images = [f"data:{image.type};base64,{b64encode(image.data).decode()}" for image in message.images]
        text = [{"type": "text", "text": message.content}] if message.content else []
        turn["content"] = text + [{"type": "image_url", "image_url": {"url": image}} for image in images]
    return turn


def _is_name(given: Any) -> bool:
    return isinstance(given, str) and bool(given)


def _is_address(given: Any) -> bool:
    return isinstance(given, str) and given.startswith(("http://", "https://"))


def _is_too_long(error: openai.APIStatusError) -> bool:
    return error.code in CONTEXT_CODES or error.type in CONTEXT_CODES


def _delta(chunk: ChatCompletionChunk) -> Delta:
    usage = _usage(chunk.usage) if chunk.usage else None
    if not chunk.choices:  # the last chunk has only the usage
        return Delta(usage=usage)
    choice = chunk.choices[0]
    stop = STOP_REASONS.get(choice.finish_reason, StopReason.END) if choice.finish_reason else None
    more = choice.delta.model_extra or {}  # what OpenAI itself does not send, and most others do
    thought = more.get("reasoning_content") or more.get("reasoning")
    reasoning = thought if isinstance(thought, str) else ""
    return Delta(text=_text(choice.delta.content or ""), usage=usage, stop=stop, reasoning=reasoning)


def _text(value: object) -> str:
    """What should be a text: the SDK does not check what endpoints send. Raises TypeError."""
    if not isinstance(value, str):
        raise TypeError(f"a {type(value).__name__} came where a text should be")
    return value


def _usage(reported: CompletionUsage) -> Usage | None:
    """The usage; `None` if what was reported cannot be a number of tokens, so that nobody counts with it."""
    counts = (reported.prompt_tokens, reported.completion_tokens)
    if any(type(count) is not int or not 0 <= count <= MOST_TOKENS for count in counts):
        return None
    return Usage(*counts)


def _split(delta: Delta, thinking: Thinking, *, last: bool) -> Delta:
    if not delta.text and not last:
        return delta
    thoughts, text = thinking.split(delta.text, last=last)
    return replace(delta, text=text, reasoning=delta.reasoning + thoughts)
