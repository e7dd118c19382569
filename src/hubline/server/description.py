"""Describes a hub as data: for `hubline check`, and for programs that document hubs or generate clients."""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from hubline.auth.policies import Requirement
from hubline.server.clients import ClientInterface, ClientMethod
from hubline.server.methods import HubMethod
from hubline.server.runtime import HubRuntime


@dataclass(frozen=True, slots=True)
class ArgumentDescription:
    name: str
    kind: Any
    required: bool


@dataclass(frozen=True, slots=True)
class MethodDescription:
    """A method that clients call. `uploads` are its client-to-server streams, by parameter and type of their items.

    `order`: the parameters that a client gives, uploads included, in the order of the signature. `text`: the docstring.
    """

    name: str
    arguments: tuple[ArgumentDescription, ...]
    uploads: tuple[tuple[str, Any], ...]
    result: Any
    is_stream: bool
    is_async: bool
    requirements: tuple[Requirement, ...]
    order: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class ClientMethodDescription:
    """A method of the client Protocol. Without `has_result` a call is not answered.

    `by`: the class of the library that calls it by itself, such as `RoomsHub`; empty for those of the application.
    """

    name: str
    arguments: tuple[ArgumentDescription, ...]
    has_result: bool
    result: Any
    text: str
    by: str


@dataclass(frozen=True, slots=True)
class HubDescription:
    """One path of an app. `client_methods`: the methods of the client Protocol; calls by name are not known.

    `renames_fields`: fields of objects are in camelCase in JSON (`HubOptions.field_names`).
    """

    path: str
    hub: type
    methods: tuple[MethodDescription, ...]
    requirements: tuple[Requirement, ...]
    client_methods: tuple[ClientMethodDescription, ...]
    renames_fields: bool


def describe(path: str, runtime: HubRuntime) -> HubDescription:
    return HubDescription(
        path=path,
        hub=runtime.hub,
        methods=tuple(_method(method) for method in runtime.methods.all),
        requirements=runtime.requirements,
        client_methods=tuple(_client_methods(runtime)),
        renames_fields=runtime.options.field_names == "by_codec",
    )


def _method(method: HubMethod) -> MethodDescription:
    given = {a.name for a in method.arguments} | {name for name, _ in method.uploads}
    return MethodDescription(
        name=method.name,
        arguments=tuple(
            ArgumentDescription(a.name, a.kind, required=a.default is msgspec.NODEFAULT) for a in method.arguments
        ),
        uploads=method.uploads,
        result=method.result,
        is_stream=method.is_stream,
        is_async=method.is_async,
        requirements=method.requirements,
        order=tuple(name for name in method.order if name in given),
        text=inspect.getdoc(method.function) or "",
    )


def _client_methods(runtime: HubRuntime) -> Iterator[ClientMethodDescription]:
    """Those of the application's Protocol, then those that base classes of the library call."""
    known = set()
    for method in runtime.interface.methods.values():
        known.add(method.target)
        yield _client_method(method, "")
    for cls in runtime.hub.__mro__:
        if (protocol := vars(cls).get("_hubline_calls")) is not None:
            for method in ClientInterface[Any](protocol).methods.values():
                if method.target not in known:
                    yield _client_method(method, cls.__name__)


def _client_method(method: ClientMethod, by: str) -> ClientMethodDescription:
    return ClientMethodDescription(
        name=method.target,
        arguments=tuple(ArgumentDescription(name, kind, required=True) for name, kind in method.parameters),
        has_result=method.has_result,
        result=method.result_type,
        text=method.text,
        by=by,
    )
