from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import pytest

from hubline import Cancellation, ConfigurationError, Depends, Hub, authorize, hidden, hub_method
from hubline.auth.policies import Policies, Requirement
from hubline.server.methods import HubMethods
from tests.server.bench import CODECS

ALL = tuple(CODECS.values())


def inspect(hub: type[Hub[Any]]) -> HubMethods:
    return HubMethods(hub, ALL, Policies({"Premium": lambda context: True}))


def value() -> int:
    return 1


class Base(Hub):
    async def inherited(self) -> None: ...

    async def overridden(self) -> int:
        return 1


class Chat(Base):
    constant = 5

    async def overridden(self) -> int:
        return 2

    async def send_message(self, a: int, b: str = "x") -> str:
        return b

    def in_thread(self) -> None: ...

    @hub_method(name="other name")
    async def original(self) -> None: ...

    @hidden
    async def helper(self) -> None: ...

    async def _private(self) -> None: ...

    @property
    def something(self) -> int:
        return 1

    @staticmethod
    def static() -> None: ...

    @classmethod
    def of_class(cls) -> None: ...

    async def on_connected(self) -> None: ...

    async def on_disconnected(self, error: Exception | None) -> None: ...


@pytest.mark.statement(110)
def test_public_functions_are_methods_and_nothing_else_is() -> None:
    methods = inspect(Chat)
    assert sorted(method.name for method in methods.all) == [
        "InThread",
        "Inherited",
        "Overridden",
        "SendMessage",
        "other name",
    ]
    for name in ("SendMessage", "sendMessage", "send_message", "SENDMESSAGE"):
        found = methods.find(name)
        assert found is not None
        assert found.name == "SendMessage"
    assert methods.find("Original") is None
    assert methods.find("other NAME") is not None
    for name in ("Helper", "_private", "Something", "Static", "OfClass", "Constant", "OnConnected", "Clients", ""):
        assert methods.find(name) is None


def test_a_plain_function_and_an_async_one() -> None:
    methods = inspect(Chat)
    in_thread, send = methods.find("InThread"), methods.find("SendMessage")
    assert in_thread is not None
    assert send is not None
    assert not in_thread.is_async
    assert send.is_async
    assert send.result is str
    assert send.where == "Chat.send_message"


class Kinds(Hub):
    async def all_kinds(
        self,
        a: int,
        first: AsyncIterator[str],
        cancellation: Cancellation,
        injected: Annotated[int, Depends(value)],
        second: AsyncIterable[int],
        third: AsyncGenerator[float, None],
        untyped: AsyncIterator,  # type: ignore[type-arg]
        b: int = 5,
        *,
        named: Annotated[int, Depends(value)],
    ) -> None: ...

    async def without_hints(self, a, b=2):  # type: ignore[no-untyped-def]
        ...

    async def generator(self) -> AsyncIterator[int]:
        yield 1

    async def unannotated_generator(self):  # type: ignore[no-untyped-def]
        yield 1

    def threaded_generator(self):  # type: ignore[no-untyped-def]
        yield 1

    async def returns_iterator(self) -> AsyncIterator[int]:
        return self.generator()

    async def returns_annotated(self) -> Annotated[AsyncIterable[int], "note"]:
        return self.generator()

    def returns_generator(self) -> Generator[int, None, None]:
        yield 1

    def returns_plain_iterator(self) -> Iterator[int]:
        return iter([1])

    async def returns_list(self) -> list[int]:
        return [1]


def test_parameters_by_kind() -> None:
    method = inspect(Kinds).find("AllKinds")
    assert method is not None
    assert [argument.name for argument in method.arguments] == ["a", "b"]
    assert method.uploads == (("first", str), ("second", int), ("third", float), ("untyped", Any))
    assert method.cancellation == "cancellation"
    assert [name for name, _ in method.injected] == ["injected", "named"]
    assert method.order == ("a", "first", "cancellation", "injected", "second", "third", "untyped", "b")
    assert method.keywords == ("named",)


@pytest.mark.parametrize(
    ("name", "is_stream"),
    [
        ("Generator", True),
        ("UnannotatedGenerator", True),
        ("ThreadedGenerator", True),
        ("ReturnsIterator", True),
        ("ReturnsAnnotated", True),
        ("ReturnsGenerator", True),
        ("ReturnsPlainIterator", True),
        ("ReturnsList", False),
        ("WithoutHints", False),
    ],
)
def test_what_is_a_stream(name: str, is_stream: bool) -> None:
    method = inspect(Kinds).find(name)
    assert method is not None
    assert method.is_stream is is_stream


class Guarded(Hub):
    @authorize
    @hub_method(name="Door")
    async def enter(self) -> None: ...

    @hidden
    async def secret(self) -> None: ...


class Overriding(Guarded):
    @authorize(policy="Premium")
    async def enter(self) -> None: ...

    async def secret(self) -> None: ...


class Again(Overriding):
    async def enter(self) -> None: ...


@pytest.mark.parametrize("hub", [Overriding, Again])
def test_an_override_keeps_name_protection_and_being_hidden(hub: type[Guarded]) -> None:
    methods = inspect(hub)
    method = methods.find("Door")
    assert method is not None
    assert set(method.requirements) == {Requirement(), Requirement("Premium")}
    assert methods.find("Enter") is None
    assert methods.find("Secret") is None


def needy(what: int) -> int:
    return what


@dataclass
class Unfinished:
    other: "Missing"  # type: ignore[name-defined]  # noqa: F821


class Wrong(Hub):
    async def same(self) -> None: ...

    async def SAME(self) -> None: ...  # noqa: N802

    async def stars(self, *args: int) -> None: ...

    async def double_stars(self, **more: int) -> None: ...

    async def keyword(self, *, a: int) -> None: ...

    async def unresolved(self, a: "Missing") -> None: ...  # type: ignore[name-defined]  # noqa: F821

    async def unreadable(self, a: Callable[[], int]) -> None: ...

    async def no_expression(self, a: "not a type") -> None: ...  # type: ignore[valid-type]  # noqa: F722

    async def unfinished(self, a: Unfinished) -> None: ...

    async def unreadable_upload(self, a: AsyncIterator[Callable[[], int]]) -> None: ...

    async def two_cancellations(self, a: Cancellation, b: Cancellation) -> None: ...

    async def needs(self, a: Annotated[int, Depends(needy)]) -> None: ...

    async def fine(self, a: int) -> None: ...


def test_every_mistake_is_reported_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        inspect(Wrong)
    problems = caught.value.problems
    expected = [
        ("Wrong.same: clients cannot tell 'Same' from 'SAME' (Wrong.SAME)", "rename one or use @hub_method(name=…)"),
        ("Wrong.stars: clients send arguments by position", "*args: int"),
        ("Wrong.double_stars: clients send arguments by position", "**more: int"),
        ("Wrong.keyword: clients send arguments by position", "a: int"),
        ("Wrong.unresolved: cannot resolve its type hints", "Missing"),
        ("Wrong.no_expression: cannot resolve its type hints", "not a type"),
        ("Wrong.unfinished: ", "Missing"),
        ("Wrong.unreadable: ", ""),
        ("Wrong.unreadable_upload: ", ""),
        ("Wrong.two_cancellations: has two Cancellation parameters", ""),
        ("Wrong.needs: needy needs 'what', which nothing provides", ""),
    ]
    for start, part in expected:
        assert any(problem.startswith(start) and part in problem for problem in problems), (start, problems)
    assert len(problems) == len(expected)
