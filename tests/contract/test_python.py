"""The text of generated Python; `interop/test_generated_python.py` checks and runs it."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

import msgspec
import pytest

from hubline.contract.python import python
from tests.contract.documents import document

NOTE, TASK = {"$ref": "#/components/schemas/Note"}, {"$ref": "#/components/schemas/Task"}
STRING, NOTHING = {"type": "string"}, {"type": "null"}


def object_of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def namespace(text: str) -> dict[str, Any]:
    """What the module has, once it is imported."""
    module = sys.modules["generated"] = ModuleType("generated")  # where msgspec looks for names
    exec(compile(text, "generated.py", "exec", dont_inherit=True), module.__dict__)
    return module.__dict__


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({}, "Any"),
        ({"type": "string", "format": "uuid"}, "UUID"),
        ({"type": "string", "format": "date-time"}, "datetime"),
        ({"type": "string", "format": "duration"}, "timedelta"),
        ({"type": "string", "format": "email"}, "str"),
        ({"type": "string", "contentEncoding": "base64"}, "bytes"),
        ({"type": "integer", "minimum": 1}, "int"),
        ({"type": "number"}, "float"),
        ({"enum": ["a", 1, None]}, 'Literal["a", 1] | None'),
        ({"enum": [True, "é"]}, 'Literal["é", True]'),
        ({"enum": [1.5, None]}, "float | None"),
        ({"enum": []}, "Any"),
        ({"anyOf": [NOTHING, STRING]}, "str | None"),
        ({"anyOf": [STRING, {"enum": ["a"]}, {"type": "integer"}]}, "str | int"),
        ({"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]}, "str"),
        ({"anyOf": [{"type": "integer"}, {"type": "number"}]}, "int | float"),
        ({"anyOf": [STRING, {}]}, "Any"),
        ({"anyOf": [{"type": "array", "items": STRING}, {"type": "array", "items": {"type": "integer"}}]}, "Any"),
        ({"anyOf": [NOTE, {"type": "object"}]}, "Any"),
        ({"anyOf": [NOTE, NOTHING]}, "Note | None"),
        ({"allOf": [STRING], "minLength": 1}, "str"),
        ({"type": "array"}, "list[Any]"),
        ({"type": "array", "minItems": 2, "items": [STRING, {"type": "integer"}]}, "tuple[str, int]"),
        ({"type": "array", "minItems": 1, "items": [STRING, {"type": "integer"}]}, "list[Any]"),
        ({"type": "array", "maxItems": 0}, "tuple[()]"),
        ({"type": "object"}, "dict[str, Any]"),
        ({"type": "object", "additionalProperties": STRING}, "dict[str, str]"),
    ],
    ids=str,
)
def test_types_are_ones_that_msgspec_reads(schema: Any, expected: str) -> None:
    text = python(document(schema, Note=object_of(text=STRING)))
    assert f"async def take(self, p0: {expected}) -> None:" in text
    msgspec.json.Decoder(get_type_hints(namespace(text)["NoteHub"].take)["p0"])


def test_objects_of_a_union_are_told_apart_by_a_field() -> None:
    found = python(
        document(
            {"anyOf": [NOTE, TASK]},
            Note=object_of(kind={"enum": ["note"]}, noteText=STRING),
            Task=object_of(kind={"enum": ["task"]}, done={"type": "boolean"}),
        )
    )
    assert (
        'class Note(Struct, kw_only=True, tag_field="kind", tag="note"):\n    note_text: str = field(name="noteText")'
        in found
    )
    assert "p0: Note | Task" in found
    made = namespace(found)
    read = msgspec.json.decode(b'{"kind":"note","noteText":"milk"}', type=made["Note"] | made["Task"])
    assert read == made["Note"](note_text="milk")
    assert "p0: Any" in python(document({"anyOf": [NOTE, TASK]}, Note=object_of(a={}), Task=object_of(a={})))


def test_names_keep_their_meaning() -> None:
    note = object_of(date={"type": "string", "format": "date"}, userID=STRING, field={}) | {"required": ["date"]}
    text = python(document(NOTE, Note=note, str=object_of(), Loop={"type": "array", "items": {"$ref": "#/x/Loop"}}))
    assert "class str_(Struct, kw_only=True):\n    pass\n" in text
    note_class = namespace(text)["Note"]
    assert [each.encode_name for each in msgspec.structs.fields(note_class)] == ["date", "userID", "field"]
    assert (
        msgspec.json.encode(msgspec.json.decode(b'{"date":"2026-01-02"}', type=note_class)) == b'{"date":"2026-01-02"}'
    )


def test_an_object_with_a_name_that_a_struct_cannot_have_is_a_dict() -> None:
    for name in ('quo"te', "back\\slash", "new\nline"):
        text = python(document(NOTE, Note=object_of(**{name: STRING})))
        assert "p0: dict[str, Any]" in text
        assert "class Note(" not in text
        assert "NoteHub" in namespace(text)


def test_a_path_does_not_end_its_docstring() -> None:
    found = document()
    found["channels"]["notes"]["address"] = '/"""\\'
    assert '/"""\\' in str(namespace(python(found))["NoteHub"].__doc__)


def test_a_type_that_contains_itself_and_is_no_object_is_anything_there() -> None:
    loop = {"type": "array", "items": {"$ref": "#/components/schemas/Loop"}}
    assert "p0: list[Any]" in python(document({"$ref": "#/components/schemas/Loop"}, Loop=loop))


def test_docstrings_are_those_of_the_methods() -> None:
    assert '        """First.\n\n        Second */ third.\n        """\n        ...\n' in python(document())
    text = python(document(NOTE, Note=object_of() | {"description": 'Says """no\\n""" and "yes"'}))
    assert namespace(text)["Note"].__doc__ == 'Says """no\\n""" and "yes"'


def test_only_what_is_used_is_imported_in_the_order_of_ruff(tmp_path: Path) -> None:
    note = object_of(date={"enum": ["time", "datetime"]}, id={"type": "string", "format": "uuid"})
    path = tmp_path / "notes.py"
    path.write_text(python(document(NOTE, Note=note | {"description": "At any time or date, a UUID."})), "utf-8")
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F,I", str(path)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout
    assert "from uuid import UUID\n" in path.read_text("utf-8")
