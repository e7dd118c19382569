"""Authorisation: `@authorize` on hubs and methods, the roles and policies it names, and how they are combined.

Evaluated on every call with the connection's current identity, as in the original (spec §8).
"""

import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar, overload

from hubline._mistakes import Mistakes
from hubline.connection import ConnectionScope, Identity
from hubline.errors import ConfigurationError

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_REQUIREMENTS = "__hubline_authorize__"
_ANONYMOUS = "__hubline_anonymous__"


@dataclass(frozen=True, slots=True)
class Combined:
    """A combination of policies. Made by `any_of` and `all_of`."""

    word: str
    rules: tuple["Rule", ...]

    def __str__(self) -> str:
        return f" {self.word} ".join(map(_inner, self.rules))


Rule: TypeAlias = str | Combined


def any_of(*rules: Rule) -> Combined:
    """A policy that admits a caller if one of these does. They are evaluated in order until one admits."""
    return _combined("or", rules)


def all_of(*rules: Rule) -> Combined:
    """A policy that admits a caller if all of these do. They are evaluated in order until one refuses."""
    return _combined("and", rules)


def _combined(word: str, rules: tuple[Rule, ...]) -> Combined:
    given: tuple[object, ...] = rules
    wrong = [rule for rule in given if not isinstance(rule, str | Combined)]
    if wrong or not rules:
        raise ConfigurationError([f"any_of and all_of take names of policies, got {wrong or 'nothing'!r}"])
    return Combined(word, rules)


@dataclass(frozen=True, slots=True)
class Requirement:
    """One `@authorize`: requires one of the roles, if it names roles, and the policy, if it names one."""

    policy: Rule | None = None
    roles: tuple[str, ...] = ()

    def __str__(self) -> str:
        wanted = [f"role {' or '.join(self.roles)}"] if self.roles else []
        if self.policy is not None:
            wanted.append(f"policy {_inner(self.policy)}")
        return " and ".join(wanted) or "any user"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyContext:
    """The argument of a policy."""

    identity: Identity
    """The caller's identity at this moment."""
    scope: ConnectionScope
    """The HTTP request that opened the connection."""
    hub: type
    """The class of the hub."""
    method: str | None = None
    """The method's name on the wire; `None` if the policy guards a connection."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """The validated arguments by the names of the parameters, in their order.

    Empty if the policy guards a connection.
    """


Policy: TypeAlias = Callable[[PolicyContext], bool | Awaitable[bool]]
"""May be `async`. A plain function runs on the event loop, so it must not block."""


@overload
def authorize(target: Decorated) -> Decorated: ...
@overload
def authorize(
    *, policy: Rule | None = None, roles: str | Sequence[str] | None = None
) -> Callable[[Decorated], Decorated]: ...


def authorize(target: Any = None, *, policy: Rule | None = None, roles: str | Sequence[str] | None = None) -> Any:
    """Admit only authenticated callers, only those who have one of `roles`, or only those whom `policy` admits.

    `policy` is a name in `HubApp(policies=…)`, or a combination by `any_of(…)` and `all_of(…)`. On a hub class,
    `@authorize` guards the connection (HTTP 401 or 403 before any code of the hub runs); on a method, each call. If
    there are several `@authorize`, all must be satisfied. Subclasses and overriding methods inherit it.

    Raises:
        ConfigurationError: `roles` is empty, which would admit everybody who is authenticated; a role or a policy
            is not a name.
    """
    mistakes = Mistakes("@authorize")
    if roles is not None and not isinstance(roles, str):
        mistakes.texts("roles", roles)
    rule = "the name of a policy, or what any_of and all_of make"
    mistakes.fits("policy", policy, isinstance(policy, str | Combined), rule, optional=True)
    mistakes.tell()
    named = (roles,) if isinstance(roles, str) else tuple(roles or ())
    if roles is not None and not all(named or ("",)):
        raise ConfigurationError([f"@authorize(roles={roles!r}) names no role; leave it out to admit any user"])
    requirement = Requirement(policy, named)

    def mark(target: Decorated) -> Decorated:
        setattr(target, _REQUIREMENTS, (*target.__dict__.get(_REQUIREMENTS, ()), requirement))
        return target

    return mark if target is None else mark(target)


def allow_anonymous(target: Decorated) -> Decorated:
    """Admit everybody, also if the base class of a hub or the overridden method has `@authorize`.

    If the hub has `@authorize`, strangers cannot connect, so they cannot call a method with `@allow_anonymous` either.
    Both decorators on the same class or method are an error at start-up.
    """
    setattr(target, _ANONYMOUS, True)
    return target


def requirements_of(*definitions: Any) -> tuple[Requirement, ...]:
    """The requirements on a class and its bases, or a function and those it overrides; give the most derived first.

    Requirements of bases come first in the result. `@allow_anonymous` removes the requirements of its own class and of
    that class's bases, or of the overridden functions. It does not remove those of other base classes of a subclass.
    """
    found: tuple[Requirement, ...] = ()
    lifted: set[Any] = set()
    for position, each in enumerate(definitions):
        if _ANONYMOUS in each.__dict__:
            lifted.update(each.__mro__ if isinstance(each, type) else definitions[position:])
        if each not in lifted:
            found = (*each.__dict__.get(_REQUIREMENTS, ()), *found)
    return found


class Policies:
    """The policies of an app, by name."""

    def __init__(self, policies: Mapping[str, Policy] | None = None) -> None:
        self._policies = dict(policies or {})

    def problems(self, where: str, *definitions: Any) -> list[str]:
        """The mistakes in the decorators of a class or function and of its bases, for the report at start-up."""
        found = [
            f"{where}: it has both @authorize and @allow_anonymous; remove one of them"
            for each in definitions
            if _ANONYMOUS in each.__dict__ and _REQUIREMENTS in each.__dict__
        ]
        for requirement in requirements_of(*definitions):
            found += [
                f"{where}: there is no policy {name!r}"
                for name in _names(requirement.policy)
                if name not in self._policies
            ]
        return found

    async def admit(self, requirements: Sequence[Requirement], context: PolicyContext) -> bool:
        """Whether every requirement is met. Raises what a policy raises, which refuses the call too."""
        for requirement in requirements:
            if requirement.roles and context.identity.roles.isdisjoint(requirement.roles):
                return False
            if requirement.policy is not None and not await self._holds(requirement.policy, context):
                return False
        return True

    async def _holds(self, rule: Rule, context: PolicyContext) -> bool:
        if isinstance(rule, str):
            verdict = self._policies[rule](context)
            return bool(await verdict if inspect.isawaitable(verdict) else verdict)
        sought = rule.word == "or"
        for each in rule.rules:
            if await self._holds(each, context) is sought:
                return sought
        return not sought


def _inner(rule: Rule) -> str:
    """A rule as part of a sentence, in brackets if it is a combination."""
    return f"({rule})" if isinstance(rule, Combined) and len(rule.rules) > 1 else str(rule)


def _names(rule: Rule | None) -> Iterator[str]:
    if isinstance(rule, Combined):
        for each in rule.rules:
            yield from _names(each)
    elif rule is not None:
        yield rule
