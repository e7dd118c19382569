"""The text of generated C#; `interop/test_generated_csharp.py` compiles and runs it."""

from typing import Any

import pytest

from hubline.contract.csharp import csharp
from tests.contract.documents import document

TAKEN = [
    ({}, "object"),
    ({"type": "string"}, "string"),
    ({"type": "string", "format": "uuid"}, "Guid"),
    ({"type": "string", "format": "date-time"}, "DateTime"),
    ({"type": "string", "format": "duration"}, "string"),
    ({"type": "string", "contentEncoding": "base64"}, "byte[]"),
    ({"type": "integer", "minimum": 1}, "long"),
    ({"type": "null"}, "object"),
    ({"enum": ["a", "b"]}, "string"),
    ({"enum": [1, 2, None]}, "long?"),
    ({"enum": ["a", 1]}, "object"),
    ({"enum": []}, "object"),
    ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "string"),
    ({"anyOf": [{"type": "boolean"}, {"type": "null"}]}, "bool?"),
    ({"anyOf": [{"type": "integer"}, {"type": "number"}]}, "object"),
    ({"allOf": [{"type": "integer"}], "minimum": 1}, "long"),
    ({"type": "array"}, "IReadOnlyList<object>"),
    ({"type": "array", "items": {"type": "number"}}, "IReadOnlyList<double>"),
    ({"type": "array", "items": [{"type": "string"}, {"type": "integer"}]}, "IReadOnlyList<object>"),
    ({"type": "object"}, "IReadOnlyDictionary<string, object>"),
    ({"type": "object", "additionalProperties": {"type": "string"}}, "IReadOnlyDictionary<string, string>"),
]


@pytest.mark.parametrize(("schema", "expected"), TAKEN, ids=str)
def test_types(schema: Any, expected: str) -> None:
    assert f" TakeAsync({expected} p0, CancellationToken " in csharp(document(schema))


def test_names_that_dotnet_has_get_an_underscore_and_a_type_that_contains_itself_is_an_object() -> None:
    reference = {"$ref": "#/components/schemas/Task"}
    loop = {"type": "array", "items": {"$ref": "#/components/schemas/Loop"}}
    text = csharp(document(reference, {"$ref": "#/components/schemas/Loop"}, Task=object_of(Task={}), Loop=loop))
    assert " TakeAsync(Task_ p0, IReadOnlyList<object> p1, " in text
    assert "        public object Task { get; set; }\n" in text


def test_a_property_is_read_by_its_own_name() -> None:
    schema = object_of(noteText={}, note_text={}, URL={}, a={}, equals={}, Kept={})
    text = csharp(document({"$ref": "#/components/schemas/Note"}, Note=schema))
    body = text.partition("public sealed class Note\n")[2].partition("    }\n\n")[0]
    assert [line.strip() for line in body.splitlines() if "{ get" in line or "Name" in line] == [
        "public object NoteText { get; set; }",
        '[JsonPropertyName("note_text")]',
        "public object NoteText_ { get; set; }",
        '[JsonPropertyName("URL")]',
        "public object URL { get; set; }",
        "public object A { get; set; }",
        '[JsonPropertyName("equals")]',
        "public object Equals_ { get; set; }",
        '[JsonPropertyName("Kept")]',
        "public object Kept { get; set; }",
    ]


def test_an_enum_of_strings_has_constants() -> None:
    kind = {"enum": ["small", "very large", 'a "b"', None]}
    text = csharp(document({"$ref": "#/components/schemas/Kind"}, Kind=kind))
    assert " TakeAsync(string p0, " in text
    assert '        public const string VeryLarge = "very large";\n' in text
    assert '        public const string AB = "a \\"b\\"";\n' in text


def test_comments_are_xml() -> None:
    assert "        /// <summary>\n        /// First.\n        ///\n        /// Second */ third.\n" in csharp(
        document()
    )


def object_of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}
