"""Whom one can call, and how: selectors, names on the wire, typed Protocols, results."""

from collections.abc import Coroutine
from typing import Any, Protocol

import pytest

from hubline import Client, HubError, InvocationError, hub_method
from hubline.server.clients import MAXIMUM_NAMES, ClientInterface, HubCallerClients, HubClients
from hubline.server.recipients import All, Connections, Groups, Recipients, Users
from hubline.wire.messages import Invocation
from hubline.wire.packet import SerializedMessage


class Recorder:
    """A `Sender` that notes what it is given."""

    def __init__(self) -> None:
        self.sent: list[tuple[Recipients, Any]] = []
        self.keys: list[str | None] = []
        self.asked: list[tuple[Any, ...]] = []

    async def send(self, recipients: Recipients, message: SerializedMessage) -> None:
        self.sent.append((recipients, message.message))
        self.keys.append(message.key)

    async def ask(self, *call: Any) -> Any:
        self.asked.append(call)
        return "answer"


class ChatClient(Protocol):
    async def receive_message(self, user: str, text: str) -> None: ...

    @hub_method(name="other name")
    async def renamed(self) -> None: ...

    async def double(self, value: int) -> int: ...

    async def unannotated(self, value): ...  # type: ignore[no-untyped-def]

    constant: int


class BothWays(Client, Protocol):
    async def double(self, value: int) -> int: ...


def clients_of(protocol: type) -> tuple[Recorder, HubCallerClients[Any]]:
    sender = Recorder()
    return sender, HubCallerClients(sender, ClientInterface(protocol), sender, "me")


@pytest.mark.parametrize("names", [["g", ""], [""]], ids=str)
def test_no_name_in_a_list_of_groups_may_be_empty(names: list[str]) -> None:
    _, clients = clients_of(Client)
    with pytest.raises(HubError, match=r"^Cannot send to an empty group name\.$"):
        clients.groups(names)


@pytest.mark.parametrize(
    ("select", "recipients"),
    [
        (lambda c: c.all, All()),
        (lambda c: c.others, All(("me",))),
        (lambda c: c.caller, Connections(("me",))),
        (lambda c: c.all_except(["a", "b"]), All(("a", "b"))),
        (lambda c: c.client("a"), Connections(("a",))),
        (lambda c: c.clients(["a", "b", "a"]), Connections(("a", "b"))),
        (lambda c: c.group("g"), Groups(("g",))),
        (lambda c: c.groups(iter(["g", "h"])), Groups(("g", "h"))),
        (lambda c: c.group_except("g", {"a"}), Groups(("g",), ("a",))),
        (lambda c: c.others_in_group("g"), Groups(("g",), ("me",))),
        (lambda c: c.user("ada"), Users(("ada",))),
        (lambda c: c.users(["ada", "bob", "ada"]), Users(("ada", "bob"))),
    ],
)
async def test_selectors(select: Any, recipients: Recipients) -> None:
    sender, clients = clients_of(Client)
    await select(clients).send("Hello", 1)
    assert sender.sent == [(recipients, Invocation(target="Hello", arguments=(1,)))]


async def test_the_newest_of_a_key_is_sent_through_every_selector_and_asks_nothing_else() -> None:
    sender, clients = clients_of(ChatClient)
    latest = clients.latest("cursor")
    await latest.group("g").receive_message("Ada", "hi")
    await latest.others.receive_message("Ada", "hi")
    await clients.all.receive_message("Ada", "hi")
    assert await latest.caller.double(4) == "answer"
    (in_group, latest_one), (to_others, _), (_, plain) = sender.sent
    assert (in_group, to_others) == (Groups(("g",)), All(("me",)))
    assert latest_one == plain
    assert sender.keys == ["cursor", "cursor", None]
    assert sender.asked == [("me", "Double", (4,), int, None)]


async def test_methods_of_a_protocol_go_out_in_pascal_case_or_by_their_given_name() -> None:
    sender, clients = clients_of(ChatClient)
    await clients.all.receive_message("Ada", "hi")
    await clients.all.renamed()
    await clients.all.unannotated(5)
    assert [(message.target, message.arguments) for _, message in sender.sent] == [
        ("ReceiveMessage", ("Ada", "hi")),
        ("other name", ()),
        ("Unannotated", (5,)),
    ]


async def test_a_protocol_method_with_a_return_type_asks_a_single_client() -> None:
    sender, clients = clients_of(ChatClient)
    assert await clients.caller.double(21) == "answer"
    assert await clients.client("a").double(22) == "answer"
    assert sender.asked == [("me", "Double", (21,), int, None), ("a", "Double", (22,), int, None)]
    for several in (clients.all, clients.others, clients.group("g"), clients.user("u"), clients.clients(["a", "b"])):
        with pytest.raises(InvocationError, match="Double: only a single client gives a result"):
            await several.double(1)


async def test_one_id_among_clients_is_a_single_client_too() -> None:
    sender, clients = clients_of(ChatClient)
    assert await clients.clients(["a"]).double(1) == "answer"
    assert sender.asked[0][0] == "a"


async def test_calls_by_name_keep_the_name_and_those_by_attribute_do_not() -> None:
    sender, clients = clients_of(Client)
    await clients.all.send("as it stands", 1)
    await clients.all.receive_message(2)
    assert [message.target for _, message in sender.sent] == ["as it stands", "ReceiveMessage"]
    await clients.caller.invoke("Ask", 1, result_type=str, timeout=3)
    await clients.caller.invoke("Ask")
    assert sender.asked == [("me", "Ask", (1,), str, 3), ("me", "Ask", (), Any, None)]
    with pytest.raises(InvocationError):
        await clients.all.invoke("Ask")
    with pytest.raises(AttributeError):
        _ = clients.all._private


async def test_a_method_that_is_called_by_name_is_made_once_and_only_so_many_are_kept() -> None:
    sender, clients = clients_of(Client)
    await clients.all.hello(1)
    await clients.caller.hello(2)
    assert type(clients.all) is type(clients.caller)
    assert "hello" in vars(type(clients.all))
    for number in range(MAXIMUM_NAMES):
        await getattr(clients.all, f"name{number}")()
    kept = len(vars(type(clients.all)))
    assert kept == MAXIMUM_NAMES
    await clients.all.one_more(3)
    assert len(vars(type(clients.all))) == kept
    assert sender.sent[-1] == (All(), Invocation(target="OneMore", arguments=(3,)))
    _, others = clients_of(Client)
    assert "hello" not in vars(type(others.all)), "each hub has its own"


async def test_who_asks_can_be_another_than_who_sends() -> None:
    sender, asker = Recorder(), Recorder()
    for clients, asked in (
        (HubClients(sender, ClientInterface(Client), asker), asker),
        (HubClients(sender, ClientInterface(Client)), sender),
    ):
        await clients.client("a").send("Tell")
        await clients.client("a").invoke("Ask")
        assert asked.asked.pop() == ("a", "Ask", (), Any, None)
    assert len(sender.sent) == 2
    assert asker.sent == []


async def test_a_protocol_derived_from_client_has_both() -> None:
    sender, clients = clients_of(BothWays)
    await clients.caller.double(1)
    await clients.caller.send("X")
    await clients.caller.invoke("Y")
    assert [call[1] for call in sender.asked] == ["Double", "Y"]
    assert [message.target for _, message in sender.sent] == ["X"]


def test_a_typed_client_has_only_what_its_protocol_has() -> None:
    _, clients = clients_of(ChatClient)
    for name in ("send", "invoke", "recieve_message", "constant"):
        with pytest.raises(AttributeError, match=f"ChatClient has no method '{name}'"):
            getattr(clients.all, name)


async def test_a_call_that_is_not_awaited_sends_nothing() -> None:
    sender, clients = clients_of(ChatClient)
    call: Coroutine[Any, Any, None] = clients.all.receive_message("a", "b")
    assert sender.sent == []
    await call
    assert len(sender.sent) == 1


class Faulty(Protocol):
    def not_async(self) -> None: ...

    async def unresolved(self) -> "Missing": ...  # type: ignore[name-defined]  # noqa: F821


def test_mistakes_of_a_protocol_are_collected() -> None:
    problems = ClientInterface(Faulty).problems
    assert problems == [
        "Faulty.not_async must be `async def`: calls to clients are awaited",
        "Faulty.unresolved: cannot resolve its type hints: name 'Missing' is not defined",
    ]
    assert ClientInterface(Client).problems == []
    assert ClientInterface(ChatClient).problems == []
