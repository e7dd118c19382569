"""Typed clients in TypeScript: wrappers over the official `HubConnection`, made from a contract.

A hub is a class with its methods; what the server calls is an interface that types `on`. The code needs nothing but the
package `@microsoft/signalr`, whose types it imports, and has no syntax that a runtime cannot strip.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from hubline.contract.reading import Hub, Method, hubs_of
from hubline.wire.names import camel_case

HEADER = "// Made by `hubline generate typescript`. Change the hubs and generate it again; changes here are lost.\n"

GIVEN = """
/** The arguments up to the last that is given: the server has the defaults of the others. */
function given(...values: unknown[]): unknown[] {
  while (values.length > 0 && values[values.length - 1] === undefined) {
    values.pop();
  }
  return values;
}
"""

_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")

_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
        null true false break case catch class const continue debugger default delete do else enum export extends
        finally for function if import in instanceof new return super switch this throw try typeof var void while with
        implements interface let package private protected public static yield await arguments eval given
        """,
    )
)
"""Names that a parameter of the generated code cannot have."""

_TYPES = _WORDS.union(
    ("HubConnection", "IStreamResult", "Promise", "any", "unknown", "never", "object", "string", "number", "boolean"),
    ("symbol", "bigint", "undefined"),
)
"""Names that a type or class cannot have."""

_MEMBERS = frozenset(("constructor", "connection", "on", "then", "toString", "toJSON", "valueOf"))
"""Names that a method cannot have: the class has them, or `await`, a text or JSON would call the hub."""


def typescript(document: Mapping[str, Any]) -> str:
    """The module, as text."""
    names = _Names(document)
    types = [_declaration(names, name, schema) for name, schema in document["components"]["schemas"].items()]
    hubs = [_Hub(names, key, hub).text() for key, hub in names.found.items()]
    body = "".join(f"\n{part}" for part in (*types, *hubs))
    imports = [name for name in ("HubConnection", "IStreamResult") if re.search(rf"\b{name}\b", body)]
    line = f'import type {{ {", ".join(imports)} }} from "@microsoft/signalr";\n' if imports else ""
    return f"{HEADER}{line}{body}{GIVEN if '...given(' in body else ''}"


class _Names:
    """The names of types and classes, which differ from each other and from those that TypeScript has."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        taken = set(_TYPES)
        self.types = {name: _free(name, taken) for name in document["components"]["schemas"]}
        self.hubs: dict[str, str] = {}
        self.calls: dict[str, str] = {}
        self.found = hubs_of(document)
        for key, hub in self.found.items():
            self.hubs[key] = _free(hub.name, taken)
            self.calls[key] = _free(f"{self.hubs[key]}Calls", taken)

    def of(self, schema: Any) -> str:
        """The type of a schema."""
        if "$ref" in schema:
            return self.types[schema["$ref"].rpartition("/")[2]]
        if "enum" in schema:
            return " | ".join(json.dumps(value, ensure_ascii=False) for value in schema["enum"]) or "never"
        for word, sign in (("anyOf", " | "), ("oneOf", " | "), ("allOf", " & ")):
            if word in schema:
                kinds = map(self.of, schema[word])
                found = dict.fromkeys(kinds if sign == " | " else map(_in_brackets, kinds))
                return "unknown" if "unknown" in found else sign.join(found)
        match schema.get("type"):
            case "string" | "boolean" | "null" as plain:
                return str(plain)
            case "integer" | "number":
                return "number"
            case "array":
                return self._array(schema)
            case "object":
                return self._object(schema)
        return "unknown"

    def _array(self, schema: Any) -> str:
        items = schema.get("items", {})
        if isinstance(items, list):
            least = schema.get("minItems", 0)
            kinds = [self.of(each) for each in items]
            return f"[{', '.join(k if n < least else _in_brackets(k) + '?' for n, k in enumerate(kinds))}]"
        if schema.get("maxItems") == 0:
            return "[]"
        return f"{_in_brackets(self.of(items))}[]"

    def _object(self, schema: Any) -> str:
        if "properties" in schema:
            return "{ " + " ".join(line for _, line in self.properties(schema)) + " }"
        rest = schema.get("additionalProperties", True)
        return f"{{ [key: string]: {self.of(rest) if isinstance(rest, dict) else 'unknown'} }}"

    def properties(self, schema: Any) -> Iterator[tuple[str, str]]:
        """Of each property the comment, and the line."""
        for name, each in schema["properties"].items():
            mark = "" if name in schema.get("required", ()) else "?"
            yield _comment(each.get("description", ""), "  "), f"{_key(name)}{mark}: {self.of(each)};"


class _Hub:
    def __init__(self, names: _Names, key: str, hub: Hub) -> None:
        self._names, self._key, self._hub = names, key, hub

    def text(self) -> str:
        """The interface of the server's calls, if it has any, and the class."""
        calls = "".join(map(self._call, self._hub.calls()))
        name, interface = self._names.hubs[self._key], self._names.calls[self._key]
        parts = [
            f"{_comment(f'The hub at {self._hub.address}.', '')}export class {name} {{\n",
            "  readonly connection: HubConnection;\n\n",
            "  constructor(connection: HubConnection) {\n    this.connection = connection;\n  }\n",
        ]
        taken = set(_MEMBERS)
        parts += [self._method(each, taken) for each in self._hub.methods()]
        if not calls:
            return "".join(parts) + "}\n"
        parts.append(
            "\n  /** Has the server's calls of this name handled. The result ends that. */\n"
            f"  on<Name extends keyof {interface}>(name: Name, handler: {interface}[Name]): () => void {{\n"
            "    this.connection.on(name, handler);\n"
            "    return () => this.connection.off(name, handler);\n  }\n"
        )
        comment = _comment(f"What the server calls on clients of {self._hub.address}.", "")
        return f"{comment}export interface {interface} {{\n{calls}}}\n\n{''.join(parts)}}}\n"

    def _method(self, method: Method, taken: set[str]) -> str:
        parameters = self._parameters(method)
        result = self._names.of(method.result)
        kind = f"IStreamResult<{result}>" if method.is_stream else f"Promise<{'void' if result == 'null' else result}>"
        declared = ", ".join(f"{name}{mark}: {kind}" for name, mark, kind in parameters)
        passed = ", ".join(name for name, _, _ in parameters)
        if any(mark for _, mark, _ in parameters):
            passed = f"...given({passed})"
        call = f"this.connection.{'stream' if method.is_stream else 'invoke'}("
        call += ", ".join(filter(None, (json.dumps(method.name, ensure_ascii=False), passed))) + ")"
        name = _free(camel_case(re.sub(r"\W+", "_", method.name)), taken)
        return f"\n{_comment(method.text, '  ')}  {name}({declared}): {kind} {{\n    return {call};\n  }}\n"

    def _call(self, call: Method) -> str:
        declared = ", ".join(f"{name}: {kind}" for name, _, kind in self._parameters(call))
        kind = None if call.result is None else self._names.of(call.result)
        result = "void | Promise<void>" if kind is None else f"{kind} | Promise<{kind}>"
        return f"{_comment(call.text, '  ')}  {_key(call.name)}: ({declared}) => {result};\n"

    def _parameters(self, method: Method) -> list[tuple[str, str, str]]:
        """Name, `?` if it may be left out, as all after it may, type."""
        taken = set(_WORDS)
        found = []
        for number, each in enumerate(method.parameters, 1):
            kind = self._names.of(each.schema)
            shown = f"IStreamResult<{kind}>" if each.is_stream else kind
            found.append((_free(each.name, taken), "" if number <= method.required else "?", shown))
        return found


def _declaration(names: _Names, name: str, schema: Any) -> str:
    shown, comment = names.types[name], _comment(schema.get("description", ""), "")
    if schema.get("type") != "object" or "properties" not in schema:
        return f"{comment}export type {shown} = {names.of(schema)};\n"
    lines = "".join(f"{text}  {line}\n" for text, line in names.properties(schema))
    return f"{comment}export interface {shown} {{\n{lines}}}\n"


def _free(name: str, taken: set[str]) -> str:
    """The name as an identifier that is not taken, which it is from now on."""
    name = re.sub(r"[^A-Za-z0-9_$]", "_", name) or "_"
    if name[0].isdigit():
        name = f"_{name}"
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _in_brackets(kind: str) -> str:
    """A type as a part of another one. Brackets around a type that needs none are harmless."""
    return f"({kind})" if " | " in kind or " & " in kind else kind


def _key(name: str) -> str:
    return name if _IDENTIFIER.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def _comment(text: str, indent: str) -> str:
    lines = text.replace("*/", "* /").splitlines()
    if not lines:
        return ""
    if len(lines) == 1:
        return f"{indent}/** {lines[0]} */\n"
    return f"{indent}/**\n" + "".join(f"{indent} * {line}".rstrip() + "\n" for line in lines) + f"{indent} */\n"
