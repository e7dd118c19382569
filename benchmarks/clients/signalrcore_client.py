"""signalrcore. It has threads; a call ends with a callback in one of them, so each waits for an event."""

import logging
import threading
from typing import Any

from signalrcore.hub_connection_builder import HubConnectionBuilder
from signalrcore.protocol.messagepack_protocol import MessagePackHubProtocol

from benchmarks.clients.spending import Figures, arguments, checked, stream_arguments


def main() -> None:
    given, figures = arguments(), Figures()
    builder = HubConnectionBuilder().with_url(given.url.replace("ws://", "http://"))
    builder.configure_logging(logging.CRITICAL)
    if given.codec == "messagepack":
        builder.with_hub_protocol(MessagePackHubProtocol())
    hub = builder.build()
    opened = threading.Event()
    hub.on_open(opened.set)
    hub.start()
    opened.wait(30)

    def calls(count: int) -> None:
        for _ in range(count):
            answered = threading.Event()
            results: list[Any] = []

            def answer(message: Any, answered: threading.Event = answered, results: list[Any] = results) -> None:
                results.append(message.result)
                answered.set()

            hub.invoke("EchoText", ["hello"], on_invocation=answer)
            assert answered.wait(30)
            assert results == ["hello"]

    def stream(name: str, count: int) -> None:
        method, values = stream_arguments(name, count)
        found, ended = [0], threading.Event()

        def item(_: Any) -> None:
            found[0] += 1

        hub.stream(method, values).subscribe(
            {"next": item, "complete": lambda _: ended.set(), "error": lambda _: ended.set()}
        )
        assert ended.wait(120)
        checked(found[0], count)

    calls(given.calls // 5)
    with figures.part("calls", given.calls):
        calls(given.calls)
    for name, count in (("items", given.items), ("tokens", given.tokens)):
        stream(name, count // 5)
        with figures.part(name, count):
            stream(name, count)
    figures.tell()
    hub.stop()


if __name__ == "__main__":
    main()
