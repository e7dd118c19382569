"""Describes a hub as data: for `hubline check`, and for programs that document hubs or generate clients."""

from dataclasses import dataclass
from typing import Any

import msgspec

from hubline.auth.policies import Requirement
from hubline.server.methods import HubMethod
from hubline.server.runtime import HubRuntime


@dataclass(frozen=True, slots=True)
class ArgumentDescription:
    name: str
    kind: Any
    required: bool


@dataclass(frozen=True, slots=True)
class MethodDescription:
    """A method that clients call. `uploads` are its client-to-server streams, by parameter and type of their items."""

    name: str
    arguments: tuple[ArgumentDescription, ...]
    uploads: tuple[tuple[str, Any], ...]
    result: Any
    is_stream: bool
    is_async: bool
    requirements: tuple[Requirement, ...]


@dataclass(frozen=True, slots=True)
class HubDescription:
    """One path of an app. `client_methods`: the methods of the client Protocol, with the type of their result."""

    path: str
    hub: type
    methods: tuple[MethodDescription, ...]
    requirements: tuple[Requirement, ...]
    client_methods: tuple[tuple[str, Any], ...]


def describe(path: str, runtime: HubRuntime) -> HubDescription:
    return HubDescription(
        path=path,
        hub=runtime.hub,
        methods=tuple(_method(method) for method in runtime.methods.all),
        requirements=runtime.requirements,
        client_methods=tuple((method.target, method.result_type) for method in runtime.interface.methods.values()),
    )


def _method(method: HubMethod) -> MethodDescription:
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
    )
