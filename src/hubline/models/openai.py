"""Any endpoint with OpenAI's chat completions, through the official SDK."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import openai
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam

from hubline._mistakes import Mistakes
from hubline.models.model import Delta, Fault, Message, ModelError, StopReason, Usage
from hubline.models.thinking import Thinking

STOP_REASONS = {
    "stop": StopReason.END,
    "tool_calls": StopReason.END,
    "length": StopReason.LENGTH,
    "content_filter": StopReason.FILTERED,
}
CONTEXT_CODES = frozenset({"context_length_exceeded", "exceed_context_size_error"})
"""The error codes of OpenAI and of llama.cpp's server for a conversation that is too long."""


class OpenAIModel:
    """One model of one endpoint. What it thinks is told apart from what it says: `reasoning_content`, or `<think>`.

    Time limits are in seconds: `first_token_timeout` from the request to the first piece of the answer (a local model
    first reads the whole conversation), `token_timeout` between two pieces. `options` are added to every request
    unchanged, for options that only some endpoints have. `name` is shown to people instead of `model`.

    Raises:
        ConfigurationError: lists every argument that is not valid. The key is not shown.
    """

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

    async def stream(self, messages: Sequence[Message]) -> AsyncGenerator[Delta, None]:
        """See `ChatModel.stream`. The time limits of the constructor apply."""
        # Here and in `_next`, every error is translated: the SDK also raises errors of its HTTP library (which changed
        # with a major version) and of the JSON parser.
        try:
            async with asyncio.timeout(self._first_token_timeout):
                response = await self._client.chat.completions.create(
                    model=self._model,
                    messages=cast(
                        "list[ChatCompletionMessageParam]", [{"role": m.role, "content": m.content} for m in messages]
                    ),
                    stream=True,
                    stream_options={"include_usage": True},
                    **self._request,
                )
        except Exception as error:
            raise self._translate(error, begun=False) from error
        thinking = Thinking()
        async with response:
            chunks, limit = aiter(response), self._first_token_timeout
            while (delta := await self._next(chunks, limit)) is not None:
                limit = self._token_timeout
                delta = _split(delta, thinking, last=delta.stop is not None)
                if delta != Delta():
                    yield delta
        if (delta := _split(Delta(), thinking, last=True)) != Delta():
            yield delta

    async def _next(self, chunks: AsyncIterator[ChatCompletionChunk], limit: float) -> Delta | None:
        try:
            async with asyncio.timeout(limit):
                return _delta(await anext(chunks))
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
                fault, text = Fault.BROKEN, "broke off its answer"
            case _:
                fault, text = Fault.UNREACHABLE, "cannot be reached"
        return ModelError(self.name, fault, text)


def _is_name(given: Any) -> bool:
    return isinstance(given, str) and bool(given)


def _is_address(given: Any) -> bool:
    return isinstance(given, str) and given.startswith(("http://", "https://"))


def _is_too_long(error: openai.APIStatusError) -> bool:
    return error.code in CONTEXT_CODES or error.type in CONTEXT_CODES


def _delta(chunk: ChatCompletionChunk) -> Delta:
    usage = Usage(chunk.usage.prompt_tokens, chunk.usage.completion_tokens) if chunk.usage else None
    if not chunk.choices:  # the last chunk has only the usage
        return Delta(usage=usage)
    choice = chunk.choices[0]
    stop = STOP_REASONS.get(choice.finish_reason, StopReason.END) if choice.finish_reason else None
    more = choice.delta.model_extra or {}  # what OpenAI itself does not send, and most others do
    thought = more.get("reasoning_content") or more.get("reasoning")
    reasoning = thought if isinstance(thought, str) else ""
    return Delta(text=choice.delta.content or "", usage=usage, stop=stop, reasoning=reasoning)


def _split(delta: Delta, thinking: Thinking, *, last: bool) -> Delta:
    if not delta.text and not last:
        return delta
    thoughts, text = thinking.split(delta.text, last=last)
    return replace(delta, text=text, reasoning=delta.reasoning + thoughts)
