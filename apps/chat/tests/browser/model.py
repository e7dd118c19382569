"""A model whose words the test chooses: an OpenAI-compatible endpoint in a thread of the test."""

import asyncio
from types import TracebackType
from typing import Self

from apps.chat.tests.browser.loop_thread import LoopThread
from tests.models.endpoint import CHUNKED, END, Endpoint, piece


class ScriptedEndpoint:
    """Answers every question with the same words, until it is told others. `models` are those that were asked for."""

    def __init__(self) -> None:
        self._response: list[bytes | asyncio.Event | None] = []
        self._gate = asyncio.Event()
        self._endpoint = Endpoint(self._response)
        self.url = ""

    @property
    def models(self) -> list[str]:
        return [body["model"] for _, body in self._endpoint.requests]

    def answers(self, *words: str) -> None:
        """From the next question on."""
        self._response[:] = [CHUNKED, *(piece(word) for word in words), piece(None, "stop"), END]

    def begins(self, *words: str, then: str, thinks: str | None = None) -> None:
        """From the next question on, stop behind the words, until `goes_on`: then the rest follows."""
        self.goes_on()  # those who still wait have been left
        self._gate = asyncio.Event()
        thought = [piece(None, reasoning_content=thinks)] if thinks is not None else []
        said = [piece(word) for word in words]
        self._response[:] = [CHUNKED, *thought, *said, self._gate, piece(then), piece(None, "stop"), END]

    def goes_on(self) -> None:
        self._thread.soon(self._gate.set)

    @property
    def asked(self) -> list[list[dict[str, str]]]:
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
