"""The command `hubline check`: shows the hubs of an application with their methods and their calls to clients."""

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

from rich.text import Text
from rich.tree import Tree

from hubline import HubApp


def find_hubs(app: Any, prefix: str = "") -> Iterator[tuple[str, HubApp]]:
    """The hub applications in an ASGI application and its middleware, with the paths at which they are mounted."""
    if isinstance(app, HubApp):
        yield prefix, app
        return
    for route in getattr(app, "routes", ()):
        if hasattr(route, "app"):
            yield from find_hubs(route.app, prefix + getattr(route, "path", ""))
    if not hasattr(app, "routes") and hasattr(app, "app"):
        yield from find_hubs(app.app, prefix)


def trees(app: Any) -> list[Tree]:
    """One for each hub, ready to print."""
    return [_hub(prefix, hub) for prefix, hubs in find_hubs(app) for hub in hubs.describe()]


def _hub(prefix: str, hub: Any) -> Tree:
    title = Text.assemble((prefix + hub.path, "bold cyan"), "  ", (hub.hub.__qualname__, "bold"))
    tree = Tree(title.append_text(_requirements(hub.requirements)))
    called = tree.add(Text("clients call" if hub.methods else "clients call nothing", "dim"))
    for method in hub.methods:
        called.add(_method(method))
    calls = tree.add(Text("the server calls" if hub.client_methods else "the server calls by name", "dim"))
    for method in hub.client_methods:
        calls.add(Text(f"{method.name} -> {_type(method.result)}" if method.has_result else method.name))
    return tree


def _method(method: Any) -> Text:
    uploads = [f"{name}: stream of {_type(kind)}" for name, kind in method.uploads]
    arguments = [f"{a.name}: {_type(a.kind)}{'' if a.required else ' = …'}" for a in method.arguments]
    shown = Text(f"{method.name}({', '.join(arguments + uploads)}){_result(method)}")
    shown.append_text(_requirements(method.requirements))
    if not method.is_async:
        shown.append("  in a thread", "dim")
    return shown


def _result(method: Any) -> str:
    if method.is_stream:
        items = getattr(method.result, "__args__", (Any,))
        return f" -> stream of {_type(items[0])}"
    return "" if method.result is type(None) else f" -> {_type(method.result)}"


def _requirements(requirements: Sequence[Any]) -> Text:
    words = [str(requirement) for requirement in requirements]
    return Text(f"  needs {' and '.join(words)}" if words else "", "yellow")


def _type(kind: Any) -> str:
    return inspect.formatannotation(kind).removeprefix("typing.")
