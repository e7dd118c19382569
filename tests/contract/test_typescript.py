"""The text of generated clients; `interop/test_generated_clients.py` compiles and runs them."""

from typing import Any

import pytest

from hubline.contract.typescript import typescript
from tests.contract.documents import document


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({}, "unknown"),
        ({"type": "string", "format": "uuid"}, "string"),
        ({"type": "integer", "minimum": 1}, "number"),
        ({"enum": ["a", 1, None]}, '"a" | 1 | null'),
        ({"enum": []}, "never"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "string | null"),
        ({"anyOf": [{"type": "integer"}, {"type": "number"}]}, "number"),
        ({"anyOf": [{"type": "string"}, {}]}, "unknown"),
        ({"allOf": [{"anyOf": [{"type": "string"}, {"type": "null"}]}], "minLength": 1}, "(string | null)"),
        ({"type": "array"}, "unknown[]"),
        ({"type": "array", "items": {"type": "string"}}, "string[]"),
        ({"type": "array", "items": {"enum": ["a", "b"]}}, '("a" | "b")[]'),
        ({"type": "array", "minItems": 1, "items": [{"type": "string"}, {"type": "integer"}]}, "[string, number?]"),
        ({"type": "array", "maxItems": 0}, "[]"),
        ({"type": "object"}, "{ [key: string]: unknown }"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "{ [key: string]: string }"),
        (
            {"type": "object", "properties": {"a": {"type": "string"}, "b-c": {}}, "required": ["a"]},
            '{ a: string; "b-c"?: unknown; }',
        ),
    ],
    ids=str,
)
def test_types(schema: Any, expected: str) -> None:
    assert f"  take(p0: {expected}): Promise<void> {{\n" in typescript(document(schema))


def test_names_that_typescript_needs_get_an_underscore() -> None:
    text = typescript(document({"$ref": "#/components/schemas/Promise"}, Promise={"type": "string"}, NoteHub={}))
    assert "export type Promise_ = string;\n" in text
    assert "take(p0: Promise_): Promise<void>" in text
    assert "export type NoteHub = unknown;\n" in text
    assert "export class NoteHub_ {" in text


def test_a_parameter_before_one_that_must_be_given_must_be_given() -> None:
    found = document({"type": "integer"}, {"type": "string"}, {"type": "string"})
    parameters = found["operations"]["notes.Take"]["x-signalr"]["parameters"]
    parameters[0]["required"] = parameters[2]["required"] = False
    assert "take(p0: number, p1: string, p2?: string): Promise<void>" in typescript(found)


def test_a_method_is_not_one_that_javascript_calls_by_itself() -> None:
    found = document()
    found["channels"]["notes"]["messages"]["Take"]["name"] = "Then"
    assert '  then_(): Promise<void> {\n    return this.connection.invoke("Then");' in typescript(found)


def test_a_path_does_not_end_its_comment() -> None:
    found = document()
    found["channels"]["notes"]["address"] = "/a*/b"
    assert "/** The hub at /a* /b. */\nexport class NoteHub {" in typescript(found)


def test_only_what_is_needed_is_imported_and_comments_do_not_end_early() -> None:
    text = typescript(document())
    assert 'import type { HubConnection } from "@microsoft/signalr";\n' in text
    assert "function given" not in text
    assert "   * First.\n   *\n   * Second * / third.\n   */\n  take(): Promise<void>" in text
