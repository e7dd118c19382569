"""`hubline.client`."""

import asyncio

from benchmarks.clients.spending import Figures, arguments, checked, stream_arguments
from hubline.client import HubConnection


async def main() -> None:
    given, figures = arguments(), Figures()
    async with HubConnection(given.url, codec=given.codec) as hub:

        async def calls(count: int) -> None:
            for _ in range(count):
                await hub.invoke("EchoText", "hello", result_type=str)

        async def stream(name: str, count: int) -> None:
            method, values = stream_arguments(name, count)
            found = 0
            async for _ in hub.stream(method, *values, result_type=str):
                found += 1
            checked(found, count)

        await calls(given.calls // 5)
        with figures.part("calls", given.calls):
            await calls(given.calls)
        for name, count in (("items", given.items), ("tokens", given.tokens)):
            await stream(name, count // 5)
            with figures.part(name, count):
                await stream(name, count)
    figures.tell()


if __name__ == "__main__":
    asyncio.run(main())
