"""Typed clients in Python: Protocols for `HubConnection.typed`, made from a contract, and the types that they use.

A hub is a Protocol with its methods, and another with what the server calls on clients. Types are msgspec Structs, so
that results and arguments are validated. `mypy --strict` takes the module.
"""

import ast
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hubline.contract.python_types import RESERVED, Types, documented, free, snake_case
from hubline.contract.reading import Hub, Method, hubs_of
from hubline.wire.names import pascal_case

HEADER = '''"""Made by `hubline generate python`. Change the hubs and generate it again; changes here are lost."""

from __future__ import annotations
'''

_IMPORTS = {
    "collections.abc": ("AsyncIterable", "AsyncIterator"),
    "datetime": ("date", "datetime", "time", "timedelta"),
    "typing": ("Any", "Literal", "Protocol"),
    "uuid": ("UUID",),
    "msgspec": ("UNSET", "Struct", "UnsetType", "field"),
    "hubline": ("hub_method",),
    "hubline.client": ("HubConnection",),
}
"""What the module may import. The first four are Python's own."""


def python(document: Mapping[str, Any]) -> str:
    """The module, as text."""
    types = Types(document, {name for names in _IMPORTS.values() for name in names})
    parts = [*types.declarations()]
    for key, hub in hubs_of(document).items():
        parts += _hub(types, hub, types.hubs[key])
    body = "".join(f"\n\n{part}" for part in parts)
    return f"{HEADER}{_imports(body)}{body}"


def _imports(body: str) -> str:
    names_read = (node for node in ast.walk(ast.parse(body)) if isinstance(node, ast.Name))
    used = {node.id for node in names_read if isinstance(node.ctx, ast.Load)}
    lines = {
        module: f"from {module} import {', '.join(name for name in names if name in used)}\n"
        for module, names in _IMPORTS.items()
        if used.intersection(names)
    }
    modules = list(_IMPORTS)
    groups = (modules[:4], sorted(modules[4:]))
    found = ["".join(lines.get(module, "") for module in group) for group in groups]
    return "".join(f"\n{group}" for group in found if group)


def _hub(types: Types, hub: Hub, name: str) -> Iterator[str]:
    taken = set(RESERVED)
    methods = [_method(types, each, _named(each, taken)) for each in hub.methods()]
    yield _class(name, f"The hub at {hub.address}, for `HubConnection.typed`.", methods)
    taken = set(RESERVED)
    calls = [(each, _named(each, taken)) for each in hub.calls() if each.by != "RoomsHub"]  # `join_room` hears those
    if calls:
        interface = types.calls[name]
        yield _class(
            interface,
            f"What the server calls on clients of {hub.address}.",
            [_method(types, call, own, declared=False) for call, own in calls],
        )
        handled = "".join(f"    connection.handler(name={json.dumps(call.name)})(calls.{own})\n" for call, own in calls)
        yield (
            f"def handle_{snake_case(name)}(connection: HubConnection, calls: {interface}) -> None:\n"
            f'    """Have this object handle what the server calls."""\n{handled}'
        )


def _class(name: str, text: str, methods: Sequence[str]) -> str:
    return f"class {name}(Protocol):\n{documented(text, '    ')}" + "".join(f"\n{method}" for method in methods)


def _named(method: Method, taken: set[str]) -> str:
    return free(snake_case(method.name), taken)


def _method(types: Types, method: Method, name: str, *, declared: bool = True) -> str:
    """`declared`: its name on the wire must be known from the method alone."""
    taken, parameters = {"self"}, ["self"]
    for number, each in enumerate(method.parameters, 1):
        kind = types.of(each.schema)
        kind = f"AsyncIterable[{kind}]" if each.is_stream else kind
        default = " = ..." if number > method.required else ""
        parameters.append(f"{free(snake_case(each.name), taken)}: {kind}{default}")
    result = "None" if method.result is None else types.of(method.result)
    mark = (
        "" if not declared or pascal_case(name) == method.name else f"    @hub_method(name={json.dumps(method.name)})\n"
    )
    opening = f"def {name}({', '.join(parameters)})"
    opening += f" -> AsyncIterator[{result}]" if method.is_stream else f" -> {result}"
    text = documented(method.text, "        ")
    body = f"\n{text}        ..." if text else " ..."
    return f"{mark}    {'' if method.is_stream else 'async '}{opening}:{body}\n"
