import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import pytest

from hubline import ConnectionClosed, Hub, HubApp, HubError, InvocationError
from hubline.testing import InMemoryClient, ManualClock, connect, running
from hubline.testing.channels import TransportName
from hubline.testing.harness import ProtocolName

WAYS: list[tuple[TransportName, ProtocolName]] = [
    ("websocket", "json"),
    ("websocket", "messagepack"),
    ("sse", "json"),
    ("long_polling", "json"),
    ("long_polling", "messagepack"),
]


@dataclass
class Person:
    full_name: str
    age: int


class ChatHub(Hub):
    async def send_message(self, user: str, message: str) -> None:
        await self.clients.all.send("ReceiveMessage", user, message)

    async def to_others(self, message: str) -> None:
        await self.clients.others.send("ReceiveMessage", message)

    async def add(self, left: int, right: int) -> int:
        return left + right

    async def person(self, name: str) -> Person:
        return Person(name, 36)

    async def fail(self) -> None:
        raise HubError("not today")

    async def count(self, number: int) -> AsyncIterator[int]:
        for value in range(number):
            yield value

    async def endless(self) -> AsyncIterator[int]:
        try:
            while True:
                yield 1
                await asyncio.sleep(0)
        finally:
            await self.clients.caller.send("StreamEnded")

    async def broken(self) -> AsyncIterator[int]:
        yield 1
        raise HubError("stream broke")

    async def sums(self, left: AsyncIterator[int], right: AsyncIterator[int]) -> list[int]:
        return [sum([item async for item in left]), sum([item async for item in right])]

    async def shout(self, words: AsyncIterator[str]) -> AsyncIterator[str]:
        async for word in words:
            yield word.upper()

    async def collect(self, items: AsyncIterator[int]) -> None:
        try:
            async for _ in items:
                pass
        except HubError as error:
            await self.clients.caller.send("UploadFailed", str(error))

    async def ask(self) -> str:
        try:
            return f"it said {await self.clients.caller.invoke('Question', 20, 1)}"
        except HubError as error:
            return f"it failed: {error}"

    async def leave(self) -> None:
        self.context.abort()


@pytest.fixture(params=WAYS, ids=["-".join(way) for way in WAYS])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[InMemoryClient]:
    transport, protocol = request.param
    clock = ManualClock()
    async with (
        running(HubApp({"/chat": ChatHub}, clock=clock), clock=clock) as app,
        connect(app, "/chat", transport=transport, protocol=protocol) as client,
    ):
        yield client


async def test_a_call_returns_its_result(client: InMemoryClient) -> None:
    assert await client.invoke("Add", 1, 2) == 3
    assert await client.invoke("SendMessage", "Ada", "hi") is None


async def test_a_result_is_read_as_the_type_that_is_asked_for(client: InMemoryClient) -> None:
    person = await client.invoke("Person", "Ada", result_type=dict[str, Any])
    assert person in ({"fullName": "Ada", "age": 36}, {"FullName": "Ada", "Age": 36})


async def test_a_failing_call_raises_the_text_that_travelled(client: InMemoryClient) -> None:
    with pytest.raises(InvocationError) as caught:
        await client.invoke("Fail")
    assert caught.value.target == "Fail"
    assert caught.value.message == "An unexpected error occurred invoking 'Fail' on the server. HubException: not today"


async def test_calls_of_the_server_are_fetched_in_any_order_of_targets(client: InMemoryClient) -> None:
    await client.send("SendMessage", "Ada", "one")
    await client.invoke("SendMessage", "Ada", "two")
    with pytest.raises(InvocationError):
        await client.invoke("Unknown")
    assert await client.expect("ReceiveMessage") == ["Ada", "one"]
    assert await client.expect("ReceiveMessage") == ["Ada", "two"]
    await client.expect_nothing()


async def test_a_stream_gives_its_items_and_ends(client: InMemoryClient) -> None:
    assert [item async for item in client.stream("Count", 3)] == [0, 1, 2]


async def test_closing_a_stream_cancels_it(client: InMemoryClient) -> None:
    async with aclosing(client.stream("Endless", item_type=int)) as stream:
        assert await anext(stream) == 1
    assert await client.expect("StreamEnded") == []


async def test_a_stream_that_breaks_raises_behind_its_items(client: InMemoryClient) -> None:
    stream = client.stream("Broken")
    assert await anext(stream) == 1
    with pytest.raises(InvocationError, match="HubException: stream broke"):
        await anext(stream)


async def numbers(*values: int) -> AsyncIterator[int]:
    for value in values:
        yield value


async def test_several_streams_are_uploaded_side_by_side(client: InMemoryClient) -> None:
    assert await client.invoke("Sums", numbers(1, 2, 3), numbers(10, 20)) == [6, 30]


async def test_streams_go_in_both_directions_at_once(client: InMemoryClient) -> None:
    heard = asyncio.Event()

    async def words() -> AsyncIterator[str]:
        yield "one"
        await heard.wait()
        yield "two"

    async with aclosing(client.stream("Shout", words())) as stream:
        assert await anext(stream) == "ONE"
        heard.set()
        assert [item async for item in stream] == ["TWO"]


async def test_an_upload_that_fails_tells_the_server_why(client: InMemoryClient) -> None:
    async def failing() -> AsyncIterator[int]:
        yield 1
        raise ValueError("disk full")

    await client.send("Collect", failing())
    assert await client.expect("UploadFailed") == ["disk full"]


async def test_handlers_answer_the_server(client: InMemoryClient) -> None:
    client.on("Question", lambda left, right: left + right)
    assert await client.invoke("Ask") == "it said 21"

    async def later(left: int, right: int) -> int:
        await asyncio.sleep(0)
        return left * right

    client.on("Question", later)
    assert await client.invoke("Ask") == "it said 20"


async def test_a_handler_that_raises_answers_with_its_text(client: InMemoryClient) -> None:
    def broken(left: int, right: int) -> int:
        raise ValueError("no idea")

    client.on("Question", broken)
    assert await client.invoke("Ask") == "it failed: no idea"


async def test_a_handler_whose_result_has_no_form_on_the_wire_answers_so(client: InMemoryClient) -> None:
    client.on("Question", lambda left, right: object())
    assert (await client.invoke("Ask")).startswith("it failed: ")


@pytest.mark.statement(206)
async def test_without_a_handler_the_server_is_told_so(client: InMemoryClient) -> None:
    assert await client.invoke("Ask") == "it failed: Client didn't provide a result."
    assert await client.expect("Question") == [20, 1]


async def test_a_handled_call_is_not_fetched(client: InMemoryClient) -> None:
    heard: list[tuple[str, str]] = []
    client.on("ReceiveMessage", lambda user, text: heard.append((user, text)))
    await client.invoke("SendMessage", "Ada", "hi")
    await client.expect_nothing()
    assert heard == [("Ada", "hi")]


async def test_the_end_is_told_with_the_servers_last_message(client: InMemoryClient) -> None:
    await client.send("Leave")
    closed = await client.closed()
    assert closed.message is not None
    assert not closed.allow_reconnect
    assert closed.error is None
    assert closed.code in (1000, None)
    with pytest.raises(ConnectionClosed):
        await client.invoke("Add", 1, 2)
    with pytest.raises(ConnectionClosed, match="has not called Never"):
        await client.expect("Never")


async def test_stopping_with_an_error_is_heard_by_the_server() -> None:
    errors: list[Exception | None] = []

    class ListeningHub(Hub):
        async def on_disconnected(self, error: Exception | None) -> None:
            errors.append(error)

    async with running(HubApp({"/chat": ListeningHub})) as app:
        async with connect(app, "/chat") as client:
            await client.stop("broken pipe")
        async with connect(app, "/chat"):
            pass
    assert str(errors[0]) == "broken pipe"
    assert errors[1] is None


async def test_a_call_that_was_not_expected_fails_with_its_name() -> None:
    async with running(HubApp({"/chat": ChatHub})) as app, connect(app, "/chat") as client:
        await client.invoke("SendMessage", "Ada", "hi")
        with pytest.raises(AssertionError, match=r"not fetched: ReceiveMessage\('Ada', 'hi'\)"):
            await client.expect_nothing()


async def test_waiting_in_vain_fails_and_says_what_came_instead() -> None:
    async with (
        running(HubApp({"/chat": ChatHub})) as app,
        connect(app, "/chat", time_limit=0.05) as client,
    ):
        await client.invoke("SendMessage", "Ada", "hi")
        with pytest.raises(AssertionError) as caught:
            await client.expect("Message")
    assert str(caught.value) == (
        "the server did not call Message within 0.05 s of real time; "
        "calls of the server that were not fetched: ReceiveMessage('Ada', 'hi')"
    )


async def test_a_handler_that_fails_fails_the_test() -> None:
    def check(user: str, message: str) -> None:
        assert message == "bye"

    async with running(HubApp({"/chat": ChatHub})) as app:
        connecting = connect(app, "/chat")
        client = await connecting.__aenter__()
        client.on("ReceiveMessage", check)
        await client.invoke("SendMessage", "Ada", "hi")
        await client.fence()
        with pytest.raises(AssertionError):
            await connecting.__aexit__(None, None, None)


async def test_several_clients_hear_each_other_and_negatives_are_proved() -> None:
    async with (
        running(HubApp({"/chat": ChatHub})) as app,
        connect(app, "/chat") as ada,
        connect(app, "/chat", transport="sse") as bob,
        connect(app, "/chat", transport="long_polling", protocol="messagepack") as eve,
    ):
        assert len({ada.connection_id, bob.connection_id, eve.connection_id}) == 3
        await ada.invoke("ToOthers", "psst")
        assert await bob.expect("ReceiveMessage") == ["psst"]
        assert await eve.expect("ReceiveMessage") == ["psst"]
        await ada.expect_nothing()


async def test_time_is_moved_by_hand() -> None:
    clock = ManualClock()
    async with running(HubApp({"/chat": ChatHub}, clock=clock)) as app, connect(app, "/chat") as client:
        await clock.advance(100)
        assert await client.invoke("Add", 1, 2) == 3
        await client.ping()
        await client.fence()
        await clock.advance(32)
        closed = await client.closed()
        assert closed.allow_reconnect


async def test_the_bytes_of_the_server_can_be_looked_at() -> None:
    async with running(HubApp({"/chat": ChatHub})) as app, connect(app, "/chat") as client:
        assert await client.receive_bytes() == b"{}\x1e"
        await client.send_bytes(b'{"type":1,"invocationId":"x","target":"Add","arguments":[1,2]}\x1e')
        assert await client.receive_bytes() == b'{"type":3,"invocationId":"x","result":3}\x1e'


async def test_bytes_that_are_no_message_end_the_connection() -> None:
    async with running(HubApp({"/chat": ChatHub})) as app, connect(app, "/chat") as client:
        await client.send_bytes(b"[]\x1e")
        closed = await client.closed()
        assert closed.error == "Connection closed with an error."
        assert closed.allow_reconnect
        assert closed.code == 1000


async def test_a_dropped_client_is_gone_for_the_server_at_once(client: InMemoryClient) -> None:
    client.drop()
    closed = await client.closed()
    assert closed.message is None
    assert closed.code in (1006, None)
    with pytest.raises(ConnectionClosed):
        await client.send("Add", 1, 2)


async def test_a_half_open_client_is_gone_when_its_time_is_up() -> None:
    gone = asyncio.Event()

    class ListeningHub(Hub):
        async def on_disconnected(self, error: Exception | None) -> None:
            gone.set()

    clock = ManualClock()
    async with running(HubApp({"/chat": ListeningHub}, clock=clock)) as app, connect(app, "/chat") as client:
        await client.ping()
        await client.fence()
        client.half_open()
        await clock.advance(29)
        assert not gone.is_set()
        await clock.advance(3)
        assert gone.is_set()
        assert (await client.closed()).message is None


async def test_a_client_that_stops_reading_gets_everything_once_it_reads_on(client: InMemoryClient) -> None:
    client.stop_reading()
    for number in range(3):
        await client.send("SendMessage", "Ada", str(number))
    client.resume_reading()
    assert [await client.expect("ReceiveMessage") for _ in range(3)] == [["Ada", "0"], ["Ada", "1"], ["Ada", "2"]]


async def test_closing_a_stream_of_a_connection_that_has_ended_is_harmless(client: InMemoryClient) -> None:
    stream = client.stream("Endless")
    await anext(stream)
    await client.send("Leave")
    await client.closed()
    await stream.aclose()
