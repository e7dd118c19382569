"""The hubs of an application as an AsyncAPI 3 document.

A hub is a channel. A method is an operation that the server receives, with a reply; a call to clients is one that it
sends. The payload of a message is the list of arguments, as SignalR has it. What AsyncAPI has no words for is under
`x-signalr`: names of parameters, streams, uploads, who may call. The order of everything is fixed, for diffs.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, get_args

from hubline.contract.schemas import Schema, Schemas, Side
from hubline.wire.names import camel_case

VERSION = "3.0.0"


def contract(hubs: Iterable[tuple[str, Any]], *, title: str, version: str = "1") -> dict[str, Any]:
    """The document. `hubs`: paths with what `HubApp.describe` says of the hub there."""
    schemas = Schemas()
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for path, hub in sorted(hubs, key=lambda each: each[0]):
        channel = _identifier(path, channels)
        made = _Channel(channel, hub, schemas)
        made.add_all()
        channels[channel] = made.channel(path)
        operations |= made.operations
    body, components = schemas.finish({"channels": channels, "operations": operations})
    return {
        "asyncapi": VERSION,
        "info": {"title": title, "version": version},
        "defaultContentType": "application/json",
        **body,
        "components": {"schemas": components},
    }


def _identifier(path: str, taken: dict[str, Any]) -> str:
    name = re.sub(r"\W+", "_", path.strip("/"), flags=re.ASCII) or "root"
    while name in taken:
        name += "_"
    return name


class _Channel:
    def __init__(self, name: str, hub: Any, schemas: Schemas) -> None:
        self.name, self.hub, self.schemas = name, hub, schemas
        self.messages: dict[str, Any] = {}
        self.operations: dict[str, Any] = {}
        self._sent = Side(sent=True, renames=hub.renames_fields)
        self._read = Side(sent=False, renames=hub.renames_fields)

    def channel(self, path: str) -> dict[str, Any]:
        signalr = {"hub": self.hub.hub.__name__, **_authorize(self.hub.requirements)}
        return {"address": path, "title": self.hub.hub.__name__, "messages": self.messages, "x-signalr": signalr}

    def add_all(self) -> None:
        for method in sorted(self.hub.methods, key=lambda each: each.name):
            self._add_method(method)
        for call in sorted(self.hub.client_methods, key=lambda each: each.name):
            self._add_call(call)

    def _add_method(self, method: Any) -> None:
        uploads = dict(method.uploads)
        required = {each.name: each.required for each in method.arguments}
        parameters = [
            {"name": _plain(name), "stream": self.schemas.of(uploads[name], self._read)}
            if name in uploads
            else {"name": _plain(name), "required": required[name]}
            for name in method.order
        ]
        signalr = {"kind": "stream" if method.is_stream else "call", "parameters": parameters}
        arguments = [self.schemas.of(each.kind, self._read) for each in method.arguments]
        message = self._message(method.name, arguments, sum(required.values()))
        result = (get_args(_bare(method.result)) or (Any,))[0] if method.is_stream else method.result
        reply = self._result(f"{method.name}.{'item' if method.is_stream else 'result'}", result, self._sent)
        self._operation(method.name, "receive", message, method.text, signalr | _authorize(method.requirements), reply)

    def _add_call(self, call: Any) -> None:
        arguments = [self.schemas.of(each.kind, self._sent) for each in call.arguments]
        name = call.name if call.name not in self.messages else f"client.{call.name}"
        message = self._message(name, arguments, len(arguments), call.name)
        parameters = [{"name": _plain(each.name), "required": True} for each in call.arguments]
        signalr = {"kind": "clientCall", "parameters": parameters} | ({"by": call.by} if call.by else {})
        reply = self._result(f"{name}.result", call.result, self._read) if call.has_result else None
        self._operation(name, "send", message, call.text, signalr, reply)

    def _message(self, name: str, arguments: Sequence[Schema], least: int, target: str = "") -> str:
        payload: Schema = {"type": "array", "minItems": least, "maxItems": len(arguments)}
        if arguments:
            payload["items"] = list(arguments)
        return self._add(name, target or name, payload)

    def _result(self, name: str, kind: Any, side: Side) -> str:
        return self._add(name, name, self.schemas.of(kind, side))

    def _add(self, key: str, name: str, payload: Schema) -> str:
        key = _key(key)
        while key in self.messages:  # by `hub_method` a method may have any name, that of another's result too
            key += "_"
        self.messages[key] = {"name": name, "payload": payload}
        return key

    def _operation(
        self, name: str, action: str, message: str, text: str, signalr: dict[str, Any], reply: str | None
    ) -> None:
        made: dict[str, Any] = {"action": action, "channel": self._channel_reference(), "title": name}
        if text:
            made["description"] = text
        made["messages"] = [self._reference(message)]
        if reply is not None:
            made["reply"] = {"channel": self._channel_reference(), "messages": [self._reference(reply)]}
        key = _key(f"{self.name}.{name}")
        while key in self.operations:
            key += "_"
        self.operations[key] = made | {"x-signalr": signalr}

    def _channel_reference(self) -> dict[str, str]:
        return {"$ref": f"#/channels/{self.name}"}

    def _reference(self, message: str) -> dict[str, str]:
        return {"$ref": f"#/channels/{self.name}/messages/{message}"}


def _key(name: str) -> str:
    """A name as AsyncAPI wants keys; the message has the name itself."""
    return re.sub(r"[^\w.-]", "_", name, flags=re.ASCII)


def _bare(kind: Any) -> Any:
    return getattr(kind, "__origin__", kind) if hasattr(kind, "__metadata__") else kind


def _plain(name: str) -> str:
    """A parameter's name as TypeScript, C# and Java write it. It is not on the wire."""
    return camel_case(name)


def _authorize(requirements: Sequence[Any]) -> dict[str, Any]:
    return {"authorize": [str(each) for each in requirements]} if requirements else {}
