"""A contract as generators of clients read it: hubs, their methods, what they call on clients."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Parameter:
    """`schema` is that of the argument, or of one item of an upload."""

    name: str
    schema: Any
    is_stream: bool = False
    is_required: bool = True


@dataclass(frozen=True)
class Method:
    """A method of a hub, or what it calls on clients."""

    name: str
    text: str
    parameters: Sequence[Parameter]
    result: Any
    """The schema of the result, or of one item of a stream; `None` if nothing is answered."""
    is_stream: bool
    by: str = ""
    """Of a call to clients: the class of Hubline that makes it, such as `RoomsHub`."""

    @property
    def required(self) -> int:
        """How many parameters must be given, counted from the first."""
        numbers = (number for number, each in enumerate(self.parameters, 1) if each.is_required)
        return max(numbers, default=0)


class Hub:
    """A hub of a contract."""

    def __init__(self, document: Mapping[str, Any], key: str) -> None:
        self._channel: Mapping[str, Any] = document["channels"][key]
        self._operations = [
            each for each in document["operations"].values() if each["channel"]["$ref"] == f"#/channels/{key}"
        ]

    @property
    def name(self) -> str:
        """The name of its class."""
        return str(self._channel["x-signalr"]["hub"])

    @property
    def address(self) -> str:
        """Its path."""
        return str(self._channel["address"])

    def methods(self) -> Iterator[Method]:
        """What clients call."""
        return (self._method(each) for each in self._operations if each["action"] == "receive")

    def calls(self) -> Iterator[Method]:
        """What is called on clients."""
        return (self._method(each) for each in self._operations if each["action"] == "send")

    def _method(self, operation: Any) -> Method:
        signalr = operation["x-signalr"]
        message, *replies = [
            self._channel["messages"][each["$ref"].rpartition("/")[2]]
            for each in (*operation["messages"], *operation.get("reply", {}).get("messages", ()))
        ]
        arguments = iter(message["payload"].get("items", ()))
        parameters = [
            Parameter(each["name"], each["stream"], is_stream=True)
            if "stream" in each
            else Parameter(each["name"], next(arguments), is_required=each.get("required", True))
            for each in signalr["parameters"]
        ]
        result = replies[0]["payload"] if replies else None
        text = operation.get("description", "")
        is_stream, by = signalr["kind"] == "stream", signalr.get("by", "")
        return Method(message["name"], text, parameters, result, is_stream, by)


def hubs_of(document: Mapping[str, Any]) -> dict[str, Hub]:
    """The hubs by their keys in the contract."""
    return {key: Hub(document, key) for key in document["channels"]}
