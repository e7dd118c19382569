"""What a caller must be: `@authorize` on hubs and methods, and the policies it names.

Evaluated on every call with the connection's current identity, as in the original (spec §8).
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar, overload

from hubline.connection import ConnectionScope, Identity

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_MARK = "__hubline_authorize__"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One `@authorize`. Without a policy any identity will do."""

    policy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyContext:
    """What a policy may look at. `method` and `arguments` are empty when a whole hub is entered."""

    identity: Identity
    scope: ConnectionScope
    hub: type
    method: str | None = None
    arguments: Sequence[Any] = ()


Policy: TypeAlias = Callable[[PolicyContext], bool | Awaitable[bool]]


@overload
def authorize(target: Decorated) -> Decorated: ...
@overload
def authorize(*, policy: str | None = None) -> Callable[[Decorated], Decorated]: ...


def authorize(target: Any = None, *, policy: str | None = None) -> Any:
    """Let only authenticated callers in, or only those that a policy of `HubApp(policies=…)` admits.

    On a hub class it guards the connection (HTTP 401 or 403 before anything of the hub runs); on a method, each call.
    Several of them must all be satisfied. Inherited by subclasses of a hub.
    """

    def mark(target: Decorated) -> Decorated:
        setattr(target, _MARK, (*target.__dict__.get(_MARK, ()), Requirement(policy)))
        return target

    return mark if target is None else mark(target)


def requirements_of(target: Any) -> tuple[Requirement, ...]:
    """What stands on a function, or on a class and its bases."""
    if isinstance(target, type):
        return tuple(item for cls in reversed(target.__mro__) for item in cls.__dict__.get(_MARK, ()))
    return tuple(getattr(target, _MARK, ()))


class Policies:
    """The policies of an app, by name."""

    def __init__(self, policies: Mapping[str, Policy] | None = None) -> None:
        self._policies = dict(policies or {})

    def problems(self, where: str, requirements: Sequence[Requirement]) -> list[str]:
        """Policies that `@authorize` names at a hub or method and that do not exist, for the report at start-up."""
        names = [requirement.policy for requirement in requirements if requirement.policy is not None]
        return [f"{where}: there is no policy {name!r}" for name in names if name not in self._policies]

    async def admit(self, requirements: Sequence[Requirement], context: PolicyContext) -> bool:
        """Whether every requirement is met. A policy that raises refuses, and its error reaches the caller of this."""
        for requirement in requirements:
            if requirement.policy is None:
                continue
            verdict = self._policies[requirement.policy](context)
            if not (await verdict if inspect.isawaitable(verdict) else verdict):
                return False
        return True
