"""Calling clients without an app, awaited and not."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import pytest

from hubline import (
    BackplaneError,
    BlockingPublisher,
    Client,
    ConfigurationError,
    Hub,
    HubApp,
    HubOptions,
    HubRoute,
    InvocationError,
    Publisher,
)
from hubline.backplanes import BackplaneLink, BackplaneListener, MemoryBackplane
from hubline.errors import SendTooLarge
from hubline.testing import connect
from tests.valkey import valkey

NAME = "Chat.ChatHub"


class ChatClient(Protocol):
    async def receive_message(self, text: str) -> None: ...

    async def double(self, number: int) -> int: ...


class ChatHub(Hub[ChatClient]):
    async def join(self, group: str) -> None:
        await self.groups.add(self.context.connection_id, group)


class ByName(Hub[Client]): ...


def app_on(backplane: Any) -> HubApp:
    route = HubRoute(ChatHub, name=NAME)
    return HubApp({"/chat": route}, backplane=backplane, user_id=lambda scope: scope.query.get("user"))


async def test_every_selector_reaches_the_clients_of_an_app() -> None:
    backplane = MemoryBackplane()
    app = app_on(backplane)
    async with (
        connect(app, "/chat", query={"user": "ada"}) as ada,
        connect(app, "/chat", protocol="messagepack") as bob,
        Publisher(backplane, ChatHub, name=NAME) as publisher,
    ):
        await ada.invoke("Join", "g")
        await bob.fence()
        ids = {"ada": str(ada.connection_id), "bob": str(bob.connection_id)}
        to = publisher.clients
        for clients, heard in [
            (to.all, "ab"),
            (to.all_except([ids["ada"]]), "b"),
            (to.client(ids["bob"]), "b"),
            (to.clients([*ids.values(), "nobody"]), "ab"),
            (to.group("g"), "a"),
            (to.groups(["g", "nobody"]), "a"),
            (to.group_except("g", [ids["ada"]]), ""),
            (to.user("ada"), "a"),
            (to.users(["ada", "nobody"]), "a"),
            (to.latest("k").all, "ab"),
        ]:
            await clients.receive_message("it")
            found = ""
            for name, client in (("a", ada), ("b", bob)):
                if name in heard:
                    assert await client.expect("ReceiveMessage") == ["it"]
                    found += name
                await client.expect_nothing()
            assert found == heard


async def test_a_client_cannot_answer_a_publisher() -> None:
    async with Publisher(MemoryBackplane(), ChatHub, name=NAME) as publisher:
        with pytest.raises(InvocationError, match="hears nothing"):
            await publisher.clients.client("x").double(1)


async def test_what_no_client_may_get_is_not_published() -> None:
    async with Publisher(MemoryBackplane(), ByName, options=HubOptions(maximum_send_message_size=100)) as publisher:
        with pytest.raises(SendTooLarge):
            await publisher.clients.all.send("Text", "x" * 100)
        with pytest.raises(OverflowError):
            await publisher.clients.all.send("Number", 2**70)


def test_mistakes_are_told_at_once() -> None:
    class Plain(Protocol):
        def not_async(self) -> None: ...

    class Wrong(Hub[Plain]): ...

    with pytest.raises(ConfigurationError, match="async def"):
        Publisher(MemoryBackplane(), Wrong)
    with pytest.raises(ConfigurationError, match="async def"):
        BlockingPublisher(MemoryBackplane(), Wrong)


class Gone:
    """A backplane that takes nothing, or does not say whether it does."""

    local_first = False

    def __init__(self, *, silent: bool = False) -> None:
        self.silent, self.connected = silent, 0

    async def connect(self, listener: BackplaneListener) -> BackplaneLink:
        self.connected += 1
        if self.silent:
            await asyncio.Event().wait()
        raise BackplaneError("nobody is there")


async def test_a_backplane_that_cannot_be_reached_is_tried_again_by_the_next_call() -> None:
    gone = Gone()
    async with Publisher(gone, ByName) as publisher:
        for attempts in (1, 2):
            with pytest.raises(BackplaneError, match="nobody is there"):
                await publisher.clients.all.send("Hello")
            assert gone.connected == attempts


# Without await


async def test_threads_publish_without_a_loop_of_their_own() -> None:
    backplane = MemoryBackplane()
    with BlockingPublisher(backplane, ChatHub, name=NAME) as publisher:
        async with connect(app_on(backplane), "/chat") as ada:
            await ada.fence()
            calls = [
                asyncio.to_thread(publisher.clients.all.receive_message, f"number {number}") for number in range(5)
            ]
            await asyncio.gather(*calls)
            found = {(await ada.expect("ReceiveMessage"))[0] for _ in range(5)}
            assert found == {f"number {number}" for number in range(5)}
            assert [each.name for each in threading.enumerate()].count("hubline: publisher") == 1
        await asyncio.to_thread(publisher.close)
        assert "hubline: publisher" not in [each.name for each in threading.enumerate()]
        await asyncio.to_thread(publisher.clients.group("nobody").receive_message, "a new thread")
    assert "hubline: publisher" not in [each.name for each in threading.enumerate()]


async def test_it_does_not_block_an_event_loop() -> None:
    with (
        BlockingPublisher(MemoryBackplane(), ChatHub) as publisher,
        pytest.raises(RuntimeError, match="use a Publisher, and await its calls"),
    ):
        publisher.clients.all.receive_message("x")


def test_its_errors_are_those_of_a_publisher() -> None:
    with BlockingPublisher(Gone(), ChatHub) as publisher:
        with pytest.raises(BackplaneError, match="nobody is there"):
            publisher.clients.all.receive_message("x")
        with pytest.raises(InvocationError, match="hears nothing"):
            publisher.clients.client("x").double(1)


def test_a_call_has_its_time() -> None:
    with (
        BlockingPublisher(Gone(silent=True), ChatHub, timeout=0.05) as publisher,
        pytest.raises(BackplaneError, match=r"has not taken the message within 0\.05 s"),
    ):
        publisher.clients.all.receive_message("x")


@pytest.mark.valkey
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_over_redis_and_after_a_fork() -> None:
    with valkey() as server:
        from redis import Redis

        with Redis(port=server.port) as redis, redis.pubsub() as spy:
            spy.subscribe(f"{NAME}:all")
            assert spy.get_message(timeout=30)["type"] == "subscribe"
            with BlockingPublisher(server.url, ChatHub, name=NAME) as publisher:
                publisher.clients.all.receive_message("from the parent")
                if (child := os.fork()) == 0:
                    try:
                        publisher.clients.all.receive_message("from the child")
                        os._exit(0)
                    finally:
                        os._exit(1)
                assert os.waitpid(child, 0)[1] == 0
            heard: Sequence[bytes] = [spy.get_message(timeout=30)["data"] for _ in range(2)]
            assert [b"from the parent" in heard[0], b"from the child" in heard[1]] == [True, True]


def exit_of_a_child(act: Callable[[], None]) -> int:
    """Fork, and what the child has ended with; it has 20 seconds."""
    if (child := os.fork()) == 0:
        try:
            signal.alarm(20)
            act()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1]


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_fork_while_a_thread_is_starting_to_publish() -> None:
    with BlockingPublisher(MemoryBackplane(), ChatHub, name=NAME) as publisher:
        with publisher._lock:  # as a thread holds it
            status = exit_of_a_child(lambda: publisher.clients.all.receive_message("x"))
        assert status == 0


@pytest.mark.valkey
def test_each_event_loop_has_a_connection_of_its_own() -> None:
    with valkey() as server:
        publisher = Publisher(server.url, ChatHub, name=NAME)

        async def publish() -> None:
            await publisher.clients.all.receive_message("once more")

        async def elsewhere() -> None:
            await publish()
            with pytest.raises(RuntimeError, match="belongs to one event loop"):
                await asyncio.to_thread(asyncio.run, publish())
            await publisher.close()

        asyncio.run(publish())  # as a task of a task queue may, without an end to the connection
        asyncio.run(publish())
        asyncio.run(elsewhere())


@pytest.mark.valkey
async def test_over_redis_awaited() -> None:
    with valkey() as server:
        from hubline.backplanes.redis import RedisBackplane

        app = app_on(RedisBackplane(server.url))
        async with (
            app.lifespan(),
            connect(app, "/chat") as ada,
            Publisher(server.url, ChatHub, name=NAME) as publisher,
        ):
            await ada.invoke("Join", "r")
            await publisher.clients.group("r").receive_message("hello")
            assert await ada.expect("ReceiveMessage") == ["hello"]
