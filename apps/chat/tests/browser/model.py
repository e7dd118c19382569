"""A model whose words the test chooses: an OpenAI-compatible endpoint in a thread of the test."""

import asyncio
import threading
from types import TracebackType
from typing import Self

from tests.models.endpoint import CHUNKED, END, HANG, Endpoint, piece


class ScriptedEndpoint:
    """Answers every question with the same words, until it is told others. `models` are those that were asked for."""

    def __init__(self) -> None:
        self._response: list[bytes | None] = []
        self._endpoint = Endpoint(self._response)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.url = ""

    @property
    def models(self) -> list[str]:
        return [body["model"] for _, body in self._endpoint.requests]

    def answers(self, *words: str, ends: bool = True) -> None:
        """From the next question on. Without an end, the answer hangs after its last word."""
        rest = [piece(None, "stop"), END] if ends else [HANG]
        self._response[:] = [CHUNKED, *(piece(word) for word in words), *rest]

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._endpoint.serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    async def _stop(self) -> None:
        self._server.close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        if rest:
            await asyncio.wait(rest, timeout=5)
