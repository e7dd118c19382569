"""Typed calls and typed handlers, on a scripted server."""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import pytest
from msgspec import ValidationError

from hubline import ConfigurationError, hub_method
from hubline.client import HubConnection
from hubline.client.typed import ServerInterface
from hubline.testing import ManualClock, settle
from tests.client.scripted import URL, Script, clock, script, started

fixtures = (clock, script)


@dataclass
class Person:
    full_name: str
    age: int


class ChatServer(Protocol):
    async def add(self, first: int, second: int = 2, third: int = 3) -> int: ...
    async def greet(self, person: Person) -> Person: ...
    async def leave(self) -> None: ...
    @hub_method(name="renamed")
    async def other(self, *words: str) -> str | None: ...
    def ask(self, prompt: str) -> AsyncIterator[str]: ...
    async def ask_slowly(self, prompt: str) -> AsyncIterator[str]: ...
    async def longest(self, words: AsyncIterator[str]) -> str: ...


class Blocking(Protocol):
    def add(self, first: int) -> int: ...
    def ask(self, prompt: str) -> Iterator[str]: ...


class Abstract(ABC):
    @abstractmethod
    async def add(self, first: int) -> int: ...


async def answered(script: Script, call: Any, value: Any) -> tuple[Any, Any]:
    """What the server is asked, and what the caller gets for this answer."""
    waiting = asyncio.ensure_future(call)
    await settle()
    asked = script.peer.heard(1)[-1]
    script.peer.answer(asked["invocationId"], value)
    return (asked["target"], asked["arguments"]), await waiting


async def test_calls(script: Script, clock: ManualClock) -> None:
    hub = await started(clock)
    server = hub.typed(ChatServer)
    assert await answered(script, server.add(1), 6) == (("Add", [1]), 6), "the server has its own defaults"
    assert await answered(script, server.add(1, 5), 6) == (("Add", [1, 5]), 6)
    assert await answered(script, server.add(third=7, first=1), 9) == (("Add", [1, 2, 7]), 9)
    ada = Person("Ada", 36)
    found = await answered(script, server.greet(ada), {"fullName": "Ada", "age": 37})
    assert found == (("Greet", [{"fullName": "Ada", "age": 36}]), Person("Ada", 37))
    assert await answered(script, server.other("a", "b"), None) == (("renamed", ["a", "b"]), None)
    assert await answered(script, server.leave(), None) == (("Leave", []), None)
    assert await answered(script, hub.typed(Abstract).add(1), 2) == (("Add", [1]), 2)
    with pytest.raises(ValidationError):
        await answered(script, server.add(1), "text")
    with pytest.raises(TypeError, match="missing a required argument: 'first'"):
        await server.add()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="too many"):
        await server.add(1, 2, 3, 4)  # type: ignore[call-arg]
    with pytest.raises(AttributeError, match="ChatServer has no method 'nothing'"):
        server.nothing  # type: ignore[attr-defined]  # noqa: B018
    await hub.stop()


async def test_streams_and_uploads(script: Script, clock: ManualClock) -> None:
    async def words() -> AsyncIterator[str]:
        yield "a"

    hub = await started(clock)
    server = hub.typed(ChatServer)
    reading = asyncio.create_task(_all(server.ask("to be")))
    await settle()
    asked = script.peer.heard(4)[-1]
    assert (asked["target"], asked["arguments"]) == ("Ask", ["to be"])
    script.peer.item(asked["invocationId"], "to", "be")
    script.peer.answer(asked["invocationId"], None)
    assert await reading == ["to", "be"]
    slow = asyncio.create_task(_all(await server.ask_slowly("to be")))
    await settle()
    asked = script.peer.heard(4)[-1]
    script.peer.item(asked["invocationId"], 1)
    with pytest.raises(ValidationError):
        await slow
    asked, longest = await answered(script, server.longest(words()), "a")
    assert (asked, longest) == (("Longest", []), "a")
    assert [item["item"] for item in script.peer.heard(2)] == ["a"]
    await hub.stop()


def test_mistakes_in_a_description_are_told_together() -> None:
    class Wrong:
        def plain(self) -> int: ...  # type: ignore[empty-body]
        async def keyword(self, *, name: str) -> None: ...
        async def unknown(self) -> "Nowhere": ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(ConfigurationError) as found:
        ServerInterface(Wrong)
    assert len(found.value.problems) == 3
    text = str(found.value)
    assert "Wrong.plain must be `async def`, or return an `AsyncIterator[…]`" in text
    assert "Wrong.keyword: arguments are sent by position, which name: str does not take" in text
    assert "Wrong.unknown: cannot resolve its type hints" in text
    with pytest.raises(ConfigurationError, match="describes no methods"):
        ServerInterface(int.__class__)
    with pytest.raises(ConfigurationError, match="is no class"):
        ServerInterface(lambda: None)


def test_blocking_descriptions() -> None:
    class Hub:
        def invoke(self, target: str, *args: Any, result_type: Any) -> Any:
            return target, args, result_type

        def stream(self, target: str, *args: Any, result_type: Any) -> Any:
            yield target, args, result_type

    server: Any = ServerInterface(Blocking, blocking=True).bound_to(Hub())
    assert server.add(1) == ("Add", (1,), int)
    assert [*server.ask("x")] == [("Ask", ("x",), str)]
    with pytest.raises(ConfigurationError) as found:
        ServerInterface(ChatServer, blocking=True)
    assert "ChatServer.add must be a plain `def`: it blocks" in str(found.value)
    assert "ChatServer.ask: a stream that is read by plain code is an `Iterator[…]`" in str(found.value)


async def test_handlers_get_what_their_hints_say(
    script: Script, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    hub = await started(clock)
    got: list[Any] = []

    @hub.handler
    async def receive_message(person: Person, times: int = 1) -> None:
        got.append((person, times))

    @hub.handler(name="confirm")
    def ask_somebody(question: str) -> bool:
        return question == "sure?"

    @hub.handler
    @hub_method(name="renamed")
    def other(value: Any) -> Person:
        return Person("Ada", value)

    script.peer.call("ReceiveMessage", {"fullName": "Ada", "age": 36})
    script.peer.call("ReceiveMessage", {"fullName": "Bob", "age": 1}, 2)
    script.peer.call("confirm", "sure?", id="0")
    script.peer.call("renamed", 3, id="1")
    await settle()
    assert got == [(Person("Ada", 36), 1), (Person("Bob", 1), 2)]
    script.peer.call("ReceiveMessage", {"fullName": "Ada"})
    script.peer.call("ReceiveMessage")
    script.peer.call("confirm", 1, id="2")
    await settle()
    answers = {message["invocationId"]: message for message in script.peer.heard(3)}
    assert answers["0"]["result"] is True
    assert answers["1"]["result"] == {"fullName": "Ada", "age": 3}
    text = "expected `str`, got `int` at argument 1 (question)"
    assert answers["2"]["error"] == f"Client failed to parse argument(s). {text}"
    assert len(got) == 2
    logged = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "object missing required field `age` at argument 1 (person)" in logged[0]
    assert "Invocation provides 0 argument(s) but target expects 2." in logged[1]
    assert text in logged[2]
    caplog.clear()
    await hub.stop()


def test_functions_that_a_server_cannot_call(script: Script) -> None:
    hub = HubConnection(URL)

    def wrong(*values: int, **more: int) -> None: ...
    def unknown(value: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821
    def unreadable(value: asyncio.Event) -> None: ...

    with pytest.raises(ConfigurationError, match=r"by position, which \*values: int cannot take\n.*\*\*more"):
        hub.handler(wrong)
    with pytest.raises(ConfigurationError, match="cannot resolve its type hints"):
        hub.handler(unknown)
    with pytest.raises(ConfigurationError, match=r"unreadable: .*Event"):
        hub.handler(unreadable)


async def test_calls_that_no_handler_takes(script: Script, clock: ManualClock) -> None:
    hub = await started(clock)
    got: list[Any] = []
    hub.on_unhandled(lambda target, *arguments: got.append((target, arguments)))
    hub.on("Known", lambda value: got.append(value))
    script.peer.call("Unknown", 1, "x")
    script.peer.call("Known", 2)
    script.peer.call("Asked", id="0")
    await settle()
    assert got == [("Unknown", (1, "x")), 2, ("Asked", ())]
    assert script.peer.heard(3)[-1]["error"] == "Client didn't provide a result."
    await hub.stop()


async def _all(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]
