from collections.abc import Iterator
from typing import Any

from hubline.transports.disconnect import disconnected


async def test_waiting_for_a_client_to_go_away_skips_its_body() -> None:
    messages: Iterator[dict[str, Any]] = iter(
        [{"type": "http.request"}, {"type": "http.request"}, {"type": "http.disconnect"}]
    )

    async def receive() -> dict[str, Any]:
        return next(messages)

    await disconnected(receive)
    assert list(messages) == []
