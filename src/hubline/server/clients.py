"""Calls to clients: the selectors (`HubClients`), and calls by name or through a Protocol of the user."""

import copy
import functools
import inspect
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeAlias, get_type_hints

from msgspec import Struct
from typing_extensions import TypeVar

from hubline.errors import HubError, InvocationError
from hubline.server.decorators import name_of
from hubline.server.recipients import EVERYBODY, All, Connections, Groups, Recipients, Users
from hubline.wire.messages import Invocation
from hubline.wire.names import pascal_case
from hubline.wire.packet import SerializedMessage

MAXIMUM_NAMES = 512
"""The number of methods that are kept for calls by name. Names can come from data, so there is a limit. Ours."""


class Client(Protocol):
    """A client that is called by name.

    The default of `Hub[…]`. Derive your own Protocol from it to have typed calls and these two methods.
    """

    async def send(self, target: str, /, *args: Any) -> None:
        """Call `target` on every addressed client, without an answer. The name is sent unchanged.

        A send to a single connection waits while much is queued for it. A send to several never waits: the outbox
        policy applies to clients that do not keep up. Other tasks get a turn of the event loop if there is no
        recipient, and now and then, so that code which only sends does not block them.

        Raises:
            TypeError, ValueError: an argument cannot be encoded.
            SendTooLarge: the message is larger than `HubOptions.maximum_send_message_size`. Nothing is sent.
        """

    async def invoke(self, target: str, /, *args: Any, result_type: Any = Any, timeout: float | None = None) -> Any:
        """Call `target` on one client and return its answer as `result_type`.

        Waits at most `timeout` seconds (default `HubOptions.client_result_timeout`), checked once a second.

        Raises:
            HubError: the client answered with an error, with nothing, with something that is not a `result_type`, or
                not in time.
            ConnectionClosed: there is no such connection, or it ended before the answer came.
            InvocationError: several clients are addressed, or the call is made in `on_connected`.
        """


ClientT = TypeVar("ClientT", default=Client)


Send: TypeAlias = "Callable[[Recipients, SerializedMessage], Coroutine[Any, Any, None]]"


class Asker(Protocol):
    """Calls a client and returns its answer."""

    def ask(
        self, connection_id: str, target: str, arguments: tuple[Any, ...], result_type: Any, timeout: float | None
    ) -> Coroutine[Any, Any, Any]: ...


class Sender(Asker, Protocol):
    """Sends calls to clients."""

    @property
    def send(self) -> Send: ...


class LatestSender:
    """Sends messages that replace queued messages with the same key."""

    __slots__ = ("_key", "_send", "ask")

    def __init__(self, sender: Sender, key: str) -> None:
        self._send, self.ask, self._key = sender.send, sender.ask, key

    def send(self, recipients: Recipients, message: SerializedMessage) -> Coroutine[Any, Any, None]:
        return self._send(recipients, SerializedMessage(message.message, key=self._key))


class TypedClients(Struct, eq=False):
    """The addressed clients behind a user's Protocol: each of its methods is a call. `ClientInterface` adds them."""

    _sender: Sender
    _recipients: Recipients
    _asker: Asker | None
    """Calls clients for results; by default the sender."""

    def _ask(
        self, target: str, args: tuple[Any, ...], result_type: Any, timeout: float | None
    ) -> Coroutine[Any, Any, Any]:
        recipients = self._recipients
        if not isinstance(recipients, Connections) or len(recipients.ids) != 1:
            raise InvocationError(
                target, "only a single client gives a result: address it with `client(id)` or `caller`"
            )
        asker: Asker = self._sender if self._asker is None else self._asker
        return asker.ask(recipients.ids[0], target, args, result_type, timeout)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        raise AttributeError(f"{type(self).__qualname__} has no method {name!r}")


class NamedClients(TypedClients, eq=False):
    """The same for calls by name: with `send` and `invoke` of `Client`, and any other method."""

    def send(self, target: str, /, *args: Any) -> Coroutine[Any, Any, None]:
        return self._sender.send(self._recipients, SerializedMessage(Invocation(target=target, arguments=args)))

    def invoke(
        self, target: str, /, *args: Any, result_type: Any = Any, timeout: float | None = None
    ) -> Coroutine[Any, Any, Any]:
        return self._ask(target, args, result_type, timeout)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """A method that is not in the Protocol: made at its first use, and kept."""
        if name.startswith("_"):
            return super().__getattr__(name)
        kind, send = type(self), ClientMethod(pascal_case(name)).as_call()
        if len(vars(kind)) < MAXIMUM_NAMES:
            setattr(kind, name, send)
        return functools.partial(send, self)


@dataclass(frozen=True, slots=True)
class ClientMethod:
    """One method of a client Protocol. With `has_result`, a call goes to a single client and waits for its answer."""

    target: str
    has_result: bool = False
    result_type: Any = None
    parameters: tuple[tuple[str, Any], ...] = ()
    """Names and types. For descriptions: a call is not checked against them."""
    text: str = ""

    def as_call(self) -> Callable[..., Coroutine[Any, Any, Any]]:
        """The method of the addressed clients."""
        target, result_type = self.target, self.result_type

        def send(clients: TypedClients, *args: Any) -> Coroutine[Any, Any, None]:
            return clients._sender.send(
                clients._recipients, SerializedMessage(Invocation(target=target, arguments=args))
            )

        def ask(clients: TypedClients, *args: Any) -> Coroutine[Any, Any, Any]:
            return clients._ask(target, args, result_type, None)

        return ask if self.has_result else send


class ClientInterface(Generic[ClientT]):
    """The methods of a client Protocol, inspected once."""

    def __init__(self, protocol: type) -> None:
        self.problems: list[str] = []
        base: Any = NamedClients if Client in protocol.__mro__ else TypedClients
        self.methods = {
            name: self._inspect(protocol, name, function)
            for name in dir(protocol)
            if not name.startswith("_")
            and not hasattr(base, name)
            and inspect.isfunction(function := inspect.getattr_static(protocol, name))
        }
        calls = {name: method.as_call() for name, method in self.methods.items()}
        kind = type(base)(protocol.__qualname__, (base,), calls, eq=False)
        self.address: Callable[[Sender, Recipients, Asker | None], ClientT] = kind
        """Addresses some clients: an object whose methods are those of the Protocol."""

    def _inspect(self, protocol: type, name: str, function: Callable[..., Any]) -> ClientMethod:
        where = f"{protocol.__qualname__}.{name}"
        try:
            result = get_type_hints(function).get("return", type(None))
            hints = get_type_hints(function, include_extras=True)
        except Exception as error:  # hints that are strings are evaluated, and may raise anything
            self.problems.append(f"{where}: cannot resolve its type hints: {error}")
            result, hints = type(None), {}
        if not inspect.iscoroutinefunction(function):
            self.problems.append(f"{where} must be `async def`: calls to clients are awaited")
        return ClientMethod(
            name_of(function) or pascal_case(name),
            has_result=result is not type(None),
            result_type=result,
            parameters=tuple((each, hints.get(each, Any)) for each in list(inspect.signature(function).parameters)[1:]),
            text=inspect.getdoc(function) or "",
        )


class HubClients(Struct, Generic[ClientT], eq=False):
    """The selectors for calls to clients, inside and outside of hubs."""

    _sender: Sender
    _interface: ClientInterface[ClientT]
    _asker: Asker | None = None

    def latest(self, key: str) -> Self:
        """The same selectors, for messages of which only the newest matters, such as a position or a progress.

        Such a message replaces a message with the same key that is still queued for a client. Other queued messages are
        not affected. Keys are compared without regard to the target and the recipients: `cursor:ada` for Ada's cursor.
        """
        others = copy.copy(self)
        others._sender = LatestSender(self._sender, key)
        return others

    def _to(self, recipients: Recipients) -> ClientT:
        return self._interface.address(self._sender, recipients, self._asker)

    @property
    def all(self) -> ClientT:
        """Every connection of the hub."""
        return self._interface.address(self._sender, EVERYBODY, self._asker)

    def all_except(self, connection_ids: Iterable[str]) -> ClientT:
        """Every connection of the hub except these."""
        return self._to(All(tuple(connection_ids)))

    def client(self, connection_id: str) -> ClientT:
        """One connection. Only it and `caller` can return a result."""
        return self._to(Connections((connection_id,)))

    def clients(self, connection_ids: Iterable[str]) -> ClientT:
        """These connections. One that is named twice gets a message once."""
        return self._to(Connections(tuple(dict.fromkeys(connection_ids))))

    def group(self, name: str) -> ClientT:
        """The members of a group. Names are case-sensitive."""
        return self._to(Groups((name,)))

    def groups(self, names: Iterable[str]) -> ClientT:
        """The members of several groups. A member of two of them gets the message twice, as in the original.

        Raises:
            HubError: one of the names is empty (the original's text; alone, `group("")` is an ordinary group).
        """
        named = tuple(names)
        if "" in named:
            raise HubError("Cannot send to an empty group name.")
        return self._to(Groups(named))

    def group_except(self, name: str, connection_ids: Iterable[str]) -> ClientT:
        """The members of a group except these connections."""
        return self._to(Groups((name,), tuple(connection_ids)))

    def user(self, user_id: str) -> ClientT:
        """Every connection of a user."""
        return self._to(Users((user_id,)))

    def users(self, user_ids: Iterable[str]) -> ClientT:
        """Every connection of these users. A user who is named twice gets a message once."""
        return self._to(Users(tuple(dict.fromkeys(user_ids))))


class HubCallerClients(HubClients[ClientT], eq=False):
    """The selectors in a hub method, which include the caller."""

    _caller: str = ""

    @property
    def caller(self) -> ClientT:
        """The connection that made this call."""
        return self._to(Connections((self._caller,)))

    @property
    def others(self) -> ClientT:
        """Every connection except the caller."""
        return self._to(All((self._caller,)))

    def others_in_group(self, name: str) -> ClientT:
        """The members of a group except the caller, who need not be a member."""
        return self._to(Groups((name,), (self._caller,)))
