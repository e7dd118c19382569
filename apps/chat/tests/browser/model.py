"""A model whose words the test chooses: an OpenAI-compatible endpoint in a thread of the test."""

import asyncio
import json
from types import TracebackType
from typing import Any, Self

from apps.chat.tests.browser.loop_thread import LoopThread
from tests.models.endpoint import CHUNKED, END, Endpoint, event, piece

_CHUNK = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}


def _usage(told: int, said: int) -> dict[str, int]:
    return {"prompt_tokens": told, "completion_tokens": said, "total_tokens": told + said}


class ScriptedEndpoint:
    """Answers every question with the same words, until it is told others. `models` are those that were asked for."""

    def __init__(self) -> None:
        self._response: list[bytes | asyncio.Event | None] = []
        self._gate = asyncio.Event()
        self._tool: tuple[str, dict[str, Any]] | None = None
        self._endpoint = Endpoint(self._respond)
        self.url = ""

    @property
    def models(self) -> list[str]:
        return [body["model"] for _, body in self._endpoint.requests]

    def answers(self, *words: str, used: tuple[int, int] | None = None) -> None:
        """From the next question on. `used`: tokens of the question and of the answer, as the endpoint reports them."""
        self._tool = None
        told = [] if used is None else [event({**_CHUNK, "choices": [], "usage": _usage(*used)})]
        self._response[:] = [CHUNKED, *(piece(word) for word in words), piece(None, "stop"), *told, END]

    def asks_for(self, tool: str, arguments: dict[str, Any], *words: str, said: str = "") -> None:
        """From the next question on: say something and ask for a tool, and say the words when its result has come."""
        self.answers(*words)
        self._tool = (tool, arguments)
        self._said = said

    def _respond(self, body: dict[str, Any]) -> list[bytes | asyncio.Event | None]:
        if self._tool is None or body["messages"][-1]["role"] == "tool":
            return self._response
        name, arguments = self._tool
        function = {"name": name, "arguments": json.dumps(arguments)}
        delta = {"tool_calls": [{"index": 0, "id": "call_0", "type": "function", "function": function}]}
        call = {**_CHUNK, "choices": [{"index": 0, "delta": delta, "finish_reason": "tool_calls"}]}
        return [CHUNKED, *([piece(self._said)] if self._said else []), event(call), event("[DONE]"), END]

    def begins(self, *words: str, then: str, thinks: str | None = None) -> None:
        """From the next question on, stop behind the words, until `goes_on`: then the rest follows."""
        self.goes_on()  # those who still wait have been left
        self._gate = asyncio.Event()
        thought = [piece(None, reasoning_content=thinks)] if thinks is not None else []
        said = [piece(word) for word in words]
        self._tool = None
        self._response[:] = [CHUNKED, *thought, *said, self._gate, piece(then), piece(None, "stop"), END]

    def goes_on(self) -> None:
        self._thread.soon(self._gate.set)

    @property
    def asked(self) -> list[list[dict[str, Any]]]:
        """The conversations that it was told."""
        return [body["messages"] for _, body in self._endpoint.requests]

    def __enter__(self) -> Self:
        self._thread = LoopThread()
        self._server = self._thread.run(asyncio.start_server(self._endpoint.serve, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.goes_on()
        self._thread.soon(self._server.close)
        self._thread.close()
