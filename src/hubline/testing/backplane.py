"""The conformance suite for backplanes: tests of its links, and of the clients of several apps."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hubline import BackplaneError, ConnectionClosed, Hub, HubApp, HubError, HubRoute, InvocationError
from hubline.backplanes import Backplane, BackplaneLink
from hubline.testing.asgi import TIME_LIMIT
from hubline.testing.client import InMemoryClient
from hubline.testing.clock import ManualClock
from hubline.testing.harness import ProtocolName, connect

NAME = "Hubline.Testing.Suite"
"""The hub's name on the backplane."""

SELECTORS: tuple[tuple[str, list[str], str], ...] = (
    ("all", [], "abcd"),
    ("others", [], "bcd"),
    ("caller", [], "a"),
    ("all_except", ["b", "d"], "ac"),
    ("client", ["c"], "c"),
    ("client", ["nobody"], ""),
    ("clients", ["a", "c", "nobody"], "ac"),
    ("group", ["g"], "abc"),
    ("group", ["G"], ""),
    ("groups", ["g", "h"], "abccd"),
    ("group_except", ["g", "b"], "ac"),
    ("others_in_group", ["g"], "bc"),
    ("user", ["ada"], "ac"),
    ("user", ["Ada"], ""),
    ("users", ["bob", "eve", "nobody"], "bd"),
)
"""A selector that client `a` uses, and the clients that get the message. `a` and `b` are on one app, `c` and `d` on
another."""

ENDS = (
    *[("all", ""), ("group", "g"), ("group", "h"), ("user", "ada"), ("user", "bob"), ("user", "eve")],
    *[("client", name) for name in "abcd"],
)
NUMBER_OF_ENDS = {"a": 4, "b": 4, "c": 5, "d": 4}

MakeBackplane = Callable[[], Backplane]


class Suite(Hub):
    """The hub of the apps. Each method uses one operation on the given connections."""

    async def ready(self) -> None:
        """Answers when the connection has been subscribed: its handshake is answered before."""

    async def join(self, connection_id: str, group: str) -> None:
        await self.groups.add(connection_id, group)

    async def leave(self, connection_id: str, group: str) -> None:
        await self.groups.remove(connection_id, group)

    async def tell(self, whom: str, names: list[str], text: str) -> None:
        select: dict[str, Callable[[], Any]] = {
            "all": lambda: self.clients.all,
            "others": lambda: self.clients.others,
            "caller": lambda: self.clients.caller,
            "all_except": lambda: self.clients.all_except(names),
            "client": lambda: self.clients.client(names[0]),
            "clients": lambda: self.clients.clients(names),
            "group": lambda: self.clients.group(names[0]),
            "groups": lambda: self.clients.groups(names),
            "group_except": lambda: self.clients.group_except(names[0], names[1:]),
            "others_in_group": lambda: self.clients.others_in_group(names[0]),
            "user": lambda: self.clients.user(names[0]),
            "users": lambda: self.clients.users(names),
        }
        await select[whom]().send("Told", text)

    async def ask(self, connection_id: str, number: int) -> int:
        answer: int = await self.clients.client(connection_id).invoke("Double", number, result_type=int)
        return answer

    async def ask_one_who_leaves(self, connection_id: str) -> str:
        try:
            await self.clients.client(connection_id).invoke("Leave")
        except ConnectionClosed as error:
            return str(error)
        return "answered"


@dataclass
class Heard:
    """Records what one link received."""

    messages: asyncio.Queue[tuple[str, bytes]] = field(default_factory=asyncio.Queue)
    gaps: list[tuple[datetime, datetime]] = field(default_factory=list)

    def received(self, channel: str, payload: bytes) -> bool:
        self.messages.put_nowait((channel, payload))
        return False

    def interrupted(self, since: datetime, until: datetime) -> None:
        self.gaps.append((since, until))

    async def take(self, count: int) -> list[tuple[str, bytes]]:
        async with asyncio.timeout(TIME_LIMIT):
            return [await self.messages.get() for _ in range(count)]


class BackplaneSuite:
    """The tests that every `hubline.backplanes.Backplane` must pass.

    Subclass it as `TestMyBackplane` and override `backplanes`. The tests are `async def`, for pytest-asyncio in its
    mode `auto`.
    """

    def backplanes(self) -> AbstractAsyncContextManager[MakeBackplane]:
        """Yield a function that makes a backplane for each app. All of them must be connected with each other.

        They are used while the block runs, and must not be connected with those of another test.
        """
        raise NotImplementedError("override `backplanes`")

    @asynccontextmanager
    async def _links(self, count: int) -> AsyncIterator[list[tuple[BackplaneLink, Heard]]]:
        """Make links, with a record of what they receive. They are closed at the end."""
        async with self.backplanes() as make:
            made = [(await make().connect(heard), heard) for heard in [Heard() for _ in range(count)]]
            try:
                yield made
            finally:
                for link, _ in made:
                    await link.close()

    # Links

    async def test_a_message_reaches_every_link_on_its_channel_and_the_publisher_too(self) -> None:
        async with self._links(3) as ((one, by_one), (two, by_two), (three, by_three)):
            await one.subscribe(["a", "b"])
            await two.subscribe(["a"])
            await three.subscribe(["b"])
            assert await one.publish(["a"], b"first") in (2, None)
            assert await two.publish(["b"], b"second") in (2, None)
            assert sorted(await by_one.take(2)) == [("a", b"first"), ("b", b"second")]
            assert await by_two.take(1) == [("a", b"first")]
            assert await by_three.take(1) == [("b", b"second")]

    async def test_nobody_on_a_channel_is_no_error(self) -> None:
        async with self._links(1) as ((link, _),):
            assert await link.publish(["nobody"], b"x") in (0, None)
            assert await link.publish([], b"x") in (0, None)

    async def test_several_channels_at_once(self) -> None:
        async with self._links(2) as ((one, _), (two, heard)):
            await two.subscribe(["a", "b"])
            assert await one.publish(["a", "b", "c"], b"x") in (2, None)
            assert sorted(await heard.take(2)) == [("a", b"x"), ("b", b"x")]

    async def test_the_order_of_one_publisher_on_one_channel_is_kept(self) -> None:
        sent = [str(number).encode() for number in range(500)]
        async with self._links(2) as ((one, _), (two, heard)):
            await two.subscribe(["a"])
            for payload in sent:
                await one.publish(["a"], payload)
            assert [payload for _, payload in await heard.take(len(sent))] == sent

    async def test_a_subscription_counts_once_it_returns_and_until_it_is_given_up(self) -> None:
        async with self._links(2) as ((one, _), (two, heard)):
            await one.publish(["a"], b"too early")
            await two.subscribe(["a", "marker"])
            await two.subscribe(["a"])
            await one.publish(["a"], b"in time")
            assert await heard.take(1) == [("a", b"in time")]
            await two.unsubscribe(["a", "never subscribed to"])
            await one.publish(["a"], b"too late")
            await one.publish(["marker"], b"end")
            assert await heard.take(1) == [("marker", b"end")]

    async def test_names_of_channels_are_literal(self) -> None:
        for channel in ("H:group:*", "H:group:[ab]", "H:group:a b", "H:user:\u0430da\U0001f469", "x" * 500):
            async with self._links(2) as ((one, _), (two, heard)):
                await two.subscribe([channel])
                await one.publish(["H:group:a"], b"other")
                await one.publish([channel], b"mine")
                assert await heard.take(1) == [(channel, b"mine")]

    async def test_payloads_are_any_bytes(self) -> None:
        async with self._links(2) as ((one, _), (two, heard)):
            await two.subscribe(["a"])
            for payload in (b"", b"\x00\xff\r\n\x1e", bytes(1_000_000)):
                await one.publish(["a"], payload)
                assert await heard.take(1) == [("a", payload)]

    async def test_a_closed_link_hears_nothing_and_says_nothing(self) -> None:
        async with self._links(2) as ((one, by_one), (two, by_two)):
            await one.subscribe(["a"])
            await two.subscribe(["a"])
            await one.close()
            await one.close()
            await two.publish(["a"], b"x")
            assert await by_two.take(1) == [("a", b"x")]
            assert by_one.messages.empty()
            await _fails(one.publish(["a"], b"x"), BackplaneError)

    # Apps

    @asynccontextmanager
    async def _fleet(
        self,
        users: Sequence[str] = ("ada", "bob", "ada", "eve"),
        protocols: Sequence[ProtocolName] = ("json", "messagepack"),
    ) -> AsyncIterator[list[InMemoryClient]]:
        """Connect clients of these users, one after the other: the first half to one app, the others to another."""
        async with AsyncExitStack() as stack:
            make = await stack.enter_async_context(self.backplanes())
            self.clock = ManualClock()
            apps = [_app(make(), self.clock) for _ in range(2)]
            for app in apps:
                await stack.enter_async_context(app.lifespan())
            clients = []
            for number, user in enumerate(users):
                app, protocol = apps[number * 2 // len(users)], protocols[number % len(protocols)]
                clients.append(
                    await stack.enter_async_context(connect(app, "/hub", protocol=protocol, query={"user": user}))
                )
                await clients[-1].invoke("Ready")
            yield clients

    async def test_every_selector_reaches_the_clients_of_every_app(self) -> None:
        async with self._fleet() as fleet:
            clients = dict(zip("abcd", fleet, strict=True))
            ids = {name: str(client.connection_id) for name, client in clients.items()}
            for name, group in [("a", "g"), ("b", "g"), ("c", "g"), ("c", "h"), ("d", "h")]:
                await clients[name].invoke("Join", ids[name], group)
            for whom, names, reached in SELECTORS:
                await clients["a"].invoke("Tell", whom, [ids.get(name, name) for name in names], "it")
                for selector, name in ENDS:  # one more message after it, on every channel that it could have used
                    await clients["a"].invoke("Tell", selector, [ids.get(name, name)], "end")
                found = [name * await _told(client, NUMBER_OF_ENDS[name]) for name, client in clients.items()]
                assert "".join(found) == reached, (whom, names)

    async def test_a_connection_of_another_app_joins_and_leaves_a_group(self) -> None:
        async with self._fleet() as (ada, _, far, beside):
            await ada.invoke("Join", far.connection_id, "g")
            await ada.invoke("Join", far.connection_id, "g")
            await ada.invoke("Tell", "group", ["g"], "in")
            assert await far.expect("Told") == ["in"]
            await ada.invoke("Join", beside.connection_id, "g")
            await ada.invoke("Leave", far.connection_id, "g")
            await ada.invoke("Tell", "group", ["g"], "out")
            assert await beside.expect("Told") == ["out"]  # the app of `far` has it: another channel could overtake it
            await ada.invoke("Tell", "client", [far.connection_id], "end")
            assert await far.expect("Told") == ["end"]

    async def test_a_group_may_have_an_empty_name(self) -> None:
        async with self._fleet() as (ada, _, far, _):
            await ada.invoke("Join", far.connection_id, "")
            for whom in ("group", "group_except", "others_in_group"):
                await ada.invoke("Tell", whom, [""], whom)
                assert await far.expect("Told") == [whom]

    async def test_a_connection_that_no_app_has_joins_no_group(self) -> None:
        async with self._fleet() as (ada, *_):
            ended = asyncio.Event()

            async def join() -> None:
                try:
                    await _fails(ada.invoke("Join", "nobody", "g"), InvocationError, "Join")
                finally:
                    ended.set()

            async def let_time_pass() -> None:
                while not ended.is_set():
                    await self.clock.advance(1.0)

            await asyncio.gather(join(), let_time_pass())

    async def test_a_client_of_another_app_answers(self) -> None:
        for protocols in (("json", "messagepack"), ("messagepack", "json")):
            async with self._fleet(("ada", "bob"), protocols) as (ada, far):
                far.on("Double", lambda number: number * 2)
                assert await ada.invoke("Ask", far.connection_id, 21) == 42
                assert await asyncio.gather(*(ada.invoke("Ask", far.connection_id, n) for n in range(20))) == [
                    2 * n for n in range(20)
                ]

    async def test_what_a_client_of_another_app_cannot_answer_is_an_error(self) -> None:
        def refuse(number: int) -> int:
            raise HubError("will not")

        async with self._fleet(("ada", "bob")) as (ada, far):
            far.on("Double", refuse)
            await _fails(ada.invoke("Ask", far.connection_id, 21), InvocationError, "will not")

    async def test_a_client_of_another_app_leaves_without_an_answer(self) -> None:
        async with self._fleet(("ada", "bob")) as (ada, far):

            async def leave() -> None:
                far.drop()
                await asyncio.Event().wait()

            far.on("Leave", leave)
            assert (
                await ada.invoke("AskOneWhoLeaves", far.connection_id)
                == f"Connection '{far.connection_id}' disconnected."
            )

    async def test_the_order_of_one_sender_to_one_group_is_kept_across_apps(self) -> None:
        async with self._fleet(("ada", "bob")) as (ada, far):
            await far.invoke("Join", far.connection_id, "g")
            for number in range(200):
                await ada.invoke("Tell", "group", ["g"], str(number))
            assert [(await far.expect("Told"))[0] for _ in range(200)] == [str(number) for number in range(200)]


def _app(backplane: Backplane, clock: ManualClock) -> HubApp:
    return HubApp(
        {"/hub": HubRoute(Suite, name=NAME)},
        backplane=backplane,
        user_id=lambda scope: scope.query["user"],
        clock=clock,
    )


async def _fails(awaitable: Awaitable[Any], kind: type[Exception], text: str = "") -> None:
    said = None
    try:
        await awaitable
    except kind as error:
        said = str(error)
    assert said is not None, f"no {kind.__name__} was raised"
    assert text in said


async def _told(client: InMemoryClient, ends: int) -> int:
    """The number of messages that a client got, until it has received this number of end messages."""
    told = 0
    while ends:
        (text,) = await client.expect("Told")
        ends, told = (ends - 1, told) if text == "end" else (ends, told + 1)
    return told
