import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from hubline.errors import SendTooLarge
from hubline.streams.download import pump
from hubline.streams.together import SHORT, TOGETHER, Together
from hubline.testing import settle
from hubline.wire.codec import Codec
from hubline.wire.json import JsonCodec
from hubline.wire.messages import StreamItem
from hubline.wire.msgpack import MessagePackCodec

CODECS: list[Codec] = [JsonCodec(), MessagePackCodec()]
JSON = CODECS[0]


class Connection:
    """One that is behind after its first packet, so that the stream has to wait once."""

    cancelled = False

    def __init__(self, *, holds: bool = True, maximum: int = 1_000_000) -> None:
        self.packets: list[bytes] = []
        self.holds, self.maximum, self.drains = holds, maximum, 0
        self.pending: Callable[[], None] | None = None

    def write(self, packet: bytes) -> bool:
        self.release()
        if len(packet) > self.maximum:
            raise SendTooLarge(len(packet), limit=self.maximum)
        self.packets.append(packet)
        return len(self.packets) > 1

    write_now = write

    async def drain(self) -> None:
        self.drains += 1

    def hold(self, pending: Callable[[], None]) -> bool:
        self.release()
        if self.holds:
            self.pending = pending
        return self.holds

    def release(self) -> None:
        pending, self.pending = self.pending, None
        if pending is not None:
            pending()


def sent(items: AsyncIterator[Any], connection: Connection, codec: Codec = JSON) -> asyncio.Task[Any]:
    encode, texts = codec.item_encoder("1"), functools.partial(codec.encode_texts, "1")
    gather = functools.partial(Together, encode, texts, connection)
    return asyncio.get_running_loop().create_task(pump(items, encode, connection, connection, gather))


def one_by_one(items: list[Any], codec: Codec = JSON) -> bytes:
    return b"".join(codec.encode(StreamItem(invocation_id="1", item=item)) for item in items)


async def each(items: list[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item


TEXTS = ["", "a", 'quote " and \\', "two\nlines\r\n", "\u2028 \x1e \x00", "日本語", "🙂", "x" * SHORT]
OTHERS = [1, 2.5, None, True, ["list"], {"key": "value"}]


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
@pytest.mark.parametrize(
    "items", [[], TEXTS * 30, TEXTS + OTHERS + TEXTS * 20, OTHERS * 3, ["x"] * (2 * TOGETHER + 1)], ids=len
)
async def test_the_bytes_are_those_of_single_items(items: list[Any], codec: Codec) -> None:
    connection = Connection()
    await sent(each(items), connection, codec)
    assert b"".join(connection.packets) == one_by_one(items, codec)


async def test_a_stream_that_has_waited_sends_its_texts_together() -> None:
    connection = Connection()
    await sent(each(["x"] * (1 + 2 * TOGETHER + 5)), connection)
    assert connection.drains == 1
    assert [packet.count(b"\x1e") for packet in connection.packets] == [1, TOGETHER, TOGETHER, 5]


async def test_it_waits_again_when_the_connection_is_behind_again() -> None:
    connection = Connection()
    task = sent(each(["x"] * (1 + 2 * TOGETHER)), connection)
    connection.packets.clear()
    await task
    assert connection.drains == 1
    connection.drains = 0

    def behind(packet: bytes) -> bool:
        connection.release()
        return False

    connection.write = behind  # type: ignore[method-assign]
    await sent(each(["x"] * (1 + 3 * TOGETHER)), connection)
    assert connection.drains == 4


async def test_what_is_gathered_goes_out_with_the_turn_of_the_loop_and_a_slow_stream_gathers_no_more() -> None:
    connection, more = Connection(), asyncio.Queue[str]()

    async def slowly() -> AsyncIterator[str]:
        yield "first"
        yield "a"
        yield "b"
        while True:
            yield await more.get()

    task = sent(slowly(), connection)
    await settle()
    assert connection.packets == [one_by_one(["first"]), one_by_one(["a", "b"])]
    for number in range(3):
        more.put_nowait(str(number))
        await settle()
        assert connection.pending is None
        assert connection.packets[2:] == [one_by_one([str(n)]) for n in range(number + 1)]
    task.cancel()


async def test_what_was_yielded_before_an_error_or_a_cancellation_is_sent() -> None:
    async def fails() -> AsyncIterator[str]:
        for text in "abc":
            yield text
        raise ValueError("no more")

    connection = Connection()
    with pytest.raises(ValueError, match="no more"):
        await sent(fails(), connection)
    assert b"".join(connection.packets) == one_by_one([*"abc"])

    async def asks_to_stop() -> AsyncIterator[str]:
        for number, text in enumerate("abcd"):
            connection.cancelled = number == 3
            yield text

    connection = Connection()
    await sent(asks_to_stop(), connection)
    assert b"".join(connection.packets) == one_by_one([*"abc"])


@pytest.mark.parametrize("waits", [True, False])
async def test_a_text_that_cannot_be_encoded_ends_the_stream_after_those_before_it(waits: bool) -> None:
    async def texts() -> AsyncIterator[str]:
        yield "first"
        for text in ("a", "b", "\ud800", "c"):
            yield text
        if waits:
            await asyncio.sleep(0)
        yield "d"

    connection = Connection()
    with pytest.raises(UnicodeEncodeError):
        await sent(texts(), connection)
    assert b"".join(connection.packets) == one_by_one(["first", "a", "b"])


async def test_texts_that_are_too_large_together_are_sent_one_by_one() -> None:
    items = ["x" * 100] * 20
    connection = Connection(maximum=200)
    await sent(each(items), connection)
    assert connection.packets == [one_by_one([item]) for item in items]


async def test_a_connection_that_holds_nothing_gets_every_item_by_itself() -> None:
    connection = Connection(holds=False)
    await sent(each(["x"] * 200), connection)
    assert connection.packets == [one_by_one(["x"])] * 200
