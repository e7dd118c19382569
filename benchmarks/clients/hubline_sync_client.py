"""`hubline.client.sync`."""

from benchmarks.clients.spending import Figures, arguments, checked, stream_arguments
from hubline.client import sync


def main() -> None:
    given, figures = arguments(), Figures()
    with sync.HubConnection(given.url, codec=given.codec) as hub:

        def calls(count: int) -> None:
            for _ in range(count):
                hub.invoke("EchoText", "hello", result_type=str)

        def stream(name: str, count: int) -> None:
            method, values = stream_arguments(name, count)
            checked(sum(1 for _ in hub.stream(method, *values, result_type=str)), count)

        calls(given.calls // 5)
        with figures.part("calls", given.calls):
            calls(given.calls)
        for name, count in (("items", given.items), ("tokens", given.tokens)):
            stream(name, count // 5)
            with figures.part(name, count):
                stream(name, count)
    figures.tell()


if __name__ == "__main__":
    main()
