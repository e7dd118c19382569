"""pysignalr. A call ends with a callback, so each waits for an event, as a caller would make it."""

import asyncio
import logging
from typing import Any

from pysignalr.client import SignalRClient
from pysignalr.protocol.json import JSONProtocol
from pysignalr.protocol.messagepack import MessagepackProtocol

from benchmarks.clients.spending import Figures, arguments, checked, stream_arguments


async def main() -> None:
    given, figures = arguments(), Figures()
    logging.disable(logging.CRITICAL)
    protocol = JSONProtocol() if given.codec == "json" else MessagepackProtocol()
    hub = SignalRClient(given.url.replace("ws://", "http://"), protocol=protocol)
    opened = asyncio.Event()

    async def open_() -> None:
        opened.set()

    hub.on_open(open_)

    async def calls(count: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(count):
            answer: asyncio.Future[Any] = loop.create_future()

            async def answered(message: Any, answer: "asyncio.Future[Any]" = answer) -> None:
                answer.set_result(message.result)

            given_text: list[Any] = ["hello"]
            await hub.send("EchoText", given_text, answered)
            assert await answer == "hello"

    async def stream(name: str, count: int) -> None:
        method, values = stream_arguments(name, count)
        found, ended = 0, asyncio.Event()

        async def item(_: Any) -> None:
            nonlocal found
            found += 1

        async def end(_: Any) -> None:
            ended.set()

        await hub.stream(method, values, item, end)
        await ended.wait()
        checked(found, count)

    running = asyncio.create_task(hub.run())
    await opened.wait()
    await calls(given.calls // 5)
    with figures.part("calls", given.calls):
        await calls(given.calls)
    for name, count in (("items", given.items), ("tokens", given.tokens)):
        await stream(name, count // 5)
        with figures.part(name, count):
            await stream(name, count)
    running.cancel()
    figures.tell()


if __name__ == "__main__":
    asyncio.run(main())
