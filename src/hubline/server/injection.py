"""Dependency injection: factories are inspected at start-up and run for each call."""

import inspect
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, get_type_hints

from hubline.connection import ConnectionScope
from hubline.server.context import HubCallerContext
from hubline.server.parameters import Depends, depends_of, misuse
from hubline.server.workers import in_worker


@dataclass(frozen=True, slots=True)
class Dependency:
    """A factory with its own dependencies, inspected once at start-up."""

    factory: Callable[..., Any]
    needs: Mapping[str, "Dependency | type"]
    use_cache: bool = True


def compile_dependency(depends: Depends, problems: list[str], where: str, seen: tuple[Any, ...] = ()) -> Dependency:
    """Inspect a factory and everything it depends on; mistakes go to `problems`."""
    factory: Any = depends.factory
    needs: dict[str, Dependency | type] = {}
    dependency = Dependency(factory, needs, depends.use_cache)
    if factory in seen:
        problems.append(f"{where}: {_name(factory)} depends on itself")
        return dependency
    try:
        signature = inspect.signature(factory)
        hints = get_type_hints(_code_of(factory), include_extras=True)
    except Exception as error:  # hints that are strings are evaluated, and may raise anything
        problems.append(f"{where}: cannot inspect {_name(factory)}: {error}")
        return dependency
    for name, parameter in signature.parameters.items():
        hint = hints.get(name, Any)
        inner = depends_of(hint, parameter.default)
        if problem := misuse(parameter, hint, in_method=False):
            problems.append(f"{where}: {name!r} of {_name(factory)} {problem}")
        elif inner is not None:
            needs[name] = compile_dependency(inner, problems, where, (*seen, factory))
        elif hint in (HubCallerContext, ConnectionScope):
            needs[name] = hint
        elif parameter.default is parameter.empty and parameter.kind not in (
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        ):
            problems.append(f"{where}: {_name(factory)} needs {name!r}, which nothing provides")
    return dependency


class Injector:
    """The injected values of one call, and their clean-up."""

    def __init__(self, context: HubCallerContext) -> None:
        self._context = context
        self._made: dict[Any, Any] = {}
        self.stack = AsyncExitStack()

    async def provide(self, dependency: Dependency) -> Any:
        """The value of a dependency. It is made once for a call, or each time if the dependency is not cached."""
        if dependency.use_cache and dependency.factory in self._made:
            return self._made[dependency.factory]
        arguments = {name: await self._need(need) for name, need in dependency.needs.items()}
        value = await self._make(dependency.factory, arguments)
        self._made.setdefault(dependency.factory, value)
        return value

    async def _need(self, need: Dependency | type) -> Any:
        if isinstance(need, Dependency):
            return await self.provide(need)
        return self._context if need is HubCallerContext else self._context.scope

    async def _make(self, factory: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        code = _code_of(factory)
        if inspect.isasyncgenfunction(code):
            return await self.stack.enter_async_context(asynccontextmanager(factory)(**arguments))
        if inspect.iscoroutinefunction(code):
            return await factory(**arguments)
        if inspect.isgeneratorfunction(code):
            return await self.stack.enter_async_context(_in_thread(factory, arguments))
        value = await in_worker(factory, **arguments)
        return await value if inspect.iscoroutine(value) else value


@asynccontextmanager
async def _in_thread(factory: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """A plain generator as a context manager whose two parts run in a worker thread."""
    manager = contextmanager(factory)(**arguments)
    value = await in_worker(manager.__enter__)
    try:
        yield value
    except Exception as error:
        if not await in_worker(manager.__exit__, type(error), error, error.__traceback__):
            raise
    except BaseException as error:
        await in_worker(manager.__exit__, type(error), error, error.__traceback__)
        raise
    else:
        await in_worker(manager.__exit__, None, None, None)


def _code_of(factory: Any) -> Any:
    """The function that runs when the factory is called: `__init__` of a class, `__call__` of an object."""
    if inspect.isclass(factory):
        return factory.__init__
    return factory if inspect.isroutine(factory) else type(factory).__call__


def _name(factory: Any) -> str:
    return getattr(factory, "__qualname__", repr(factory))
