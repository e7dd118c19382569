"""Schemas say what is on the wire: names are compared with what the JSON codec writes."""

import datetime as dt
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, NotRequired, TypedDict, TypeVar

import attrs
import pytest
from msgspec import UNSET, Meta, Struct, UnsetType
from pydantic import BaseModel, Field, create_model
from pydantic.dataclasses import dataclass as pydantic_dataclass
from typing_extensions import TypeAliasType

from hubline.contract.schemas import Schemas, Side
from hubline.wire.encoded import Encoded
from hubline.wire.json import JsonCodec
from hubline.wire.messages import Completion

T = TypeVar("T")


@dataclass
class Node:
    """A node.

    More about it.
    """

    node_value: int
    left_child: "Node | None" = None


@dataclass
class Page(Generic[T]):
    page_items: list[T]


@dataclass
class Nodes(Page[Node]):
    next_page: int


class Plain(Struct):
    first_name: str


class Tagged(Struct, tag="leaf", rename="kebab", omit_defaults=True, forbid_unknown_fields=True):
    own_name: str
    inner_node: Node | None = None


class Row(Struct, array_like=True):
    x: int
    y: str = ""


class Partial(Struct):
    may_be: int | UnsetType = UNSET


class Keys(TypedDict):
    key_one: int
    key_two: NotRequired[str]


class Point(NamedTuple):
    x: int
    y: float = 0.0


class Model(BaseModel):
    some_name: int = Field(alias="otherName")
    inner: "Model | None" = None


@pydantic_dataclass
class Checked:
    some_name: int
    own: int = Field(default=1, alias="other")


@attrs.define
class Attributes:
    some_name: int


class Color(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Parts:
    """Only sent: msgspec does not read a union of dataclasses."""

    parts: list[Node | Page[int]]


UserId = NewType("UserId", str)
Alias = TypeAliasType("Alias", list[int])
SENT, READ = Side(sent=True), Side(sent=False)


def schema(kind: Any, side: Side = SENT) -> tuple[Any, dict[str, Any]]:
    schemas = Schemas()
    return schemas.finish(schemas.of(kind, side))


def component(kind: Any, side: Side = SENT) -> Any:
    found, components = schema(kind, side)
    return components[found["$ref"].rpartition("/")[2]]


def keys(part: Any) -> Any:
    return set(part) if isinstance(part, dict) else len(part)


@pytest.mark.parametrize(
    "value",
    [
        Node(1, Node(2)),
        Page([1]),
        Nodes([], 1),
        Plain("x"),
        Tagged("x", Node(1)),
        Row(1),
        Partial(1),
        Keys(key_one=1, key_two="x"),
        Point(1),
        Model(otherName=1),
        Checked(some_name=1, other=2),
        Attributes(1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_names_and_shapes_are_those_that_the_codec_writes(value: Any) -> None:
    written = json.loads(JsonCodec().encode(Completion(invocation_id="1", result=value))[:-1])["result"]
    found = component(Keys if type(value) is dict else type(value))
    assert keys(written) == keys(found["properties"] if found["type"] == "object" else found["items"])


def test_names_as_written_are_those_of_python() -> None:
    written = json.loads(
        JsonCodec(field_names="as_written").encode(Completion(invocation_id="1", result=Node(1)))[:-1]
    )["result"]
    assert set(component(Node, Side(sent=True, renames=False))["properties"]) == set(written)


def test_inside_of_a_struct_with_names_of_its_own_nothing_is_renamed() -> None:
    _, components = schema(Tagged)
    assert set(components["Node"]["properties"]) == {"node_value", "left_child"}
    assert components["Tagged"]["properties"]["type"] == {"enum": ["leaf"]}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (int, {"type": "integer"}),
        (bool, {"type": "boolean"}),
        (type(None), {"type": "null"}),
        (None, {"type": "null"}),
        (Decimal, {"type": "number"}),
        (bytes, {"type": "string", "contentEncoding": "base64"}),
        (dt.datetime, {"type": "string", "format": "date-time"}),
        (dt.date, {"type": "string", "format": "date"}),
        (dt.timedelta, {"type": "string", "format": "duration"}),
        (uuid.UUID, {"type": "string", "format": "uuid"}),
        (UserId, {"type": "string"}),
        (Literal["a", 1, Color.RED], {"enum": ["a", 1, "red"]}),
        (int | None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        (int | Any, {}),
        (Any, {}),
        (object, {}),
        (list, {"type": "array"}),
        (Sequence[int], {"type": "array", "items": {"type": "integer"}}),
        (frozenset[str], {"type": "array", "items": {"type": "string"}}),
        (tuple[int, ...], {"type": "array", "items": {"type": "integer"}}),
        (
            tuple[int, str],
            {"type": "array", "minItems": 2, "maxItems": 2, "items": [{"type": "integer"}, {"type": "string"}]},
        ),
        (Mapping[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (Encoded[int], {"type": "integer"}),
        (T, {}),
        (Annotated[int, Meta(ge=1, lt=5)], {"type": "integer", "minimum": 1, "exclusiveMaximum": 5}),
        (Annotated[str, Meta(max_length=3)], {"type": "string", "maxLength": 3}),
        (Annotated[list[int], Meta(min_length=3)], {"type": "array", "items": {"type": "integer"}, "minItems": 3}),
    ],
    ids=str,
)
def test_types_without_names(kind: Any, expected: Any) -> None:
    assert schema(kind) == (expected, {})


def test_what_is_sent_is_complete_and_what_is_read_may_lack_what_has_a_default() -> None:
    assert component(Node, SENT)["required"] == ["nodeValue", "leftChild"]
    assert component(Node, READ)["required"] == ["nodeValue"]
    assert component(Tagged, SENT)["required"] == ["type", "own-name"]  # `omit_defaults`
    assert "required" not in component(Partial, SENT)
    assert component(Keys, SENT)["required"] == ["key_one"]
    assert (component(Row, SENT)["minItems"], component(Row, READ)["minItems"]) == (2, 1)
    assert "additionalProperties" not in component(Tagged, SENT)
    assert component(Tagged, READ)["additionalProperties"] is False


def test_a_type_with_one_form_has_one_name_and_one_with_two_has_two() -> None:
    schemas = Schemas()
    parts = [schemas.of(kind, side) for kind in (Node, Plain) for side in (READ, SENT)]
    found, components = schemas.finish(parts)
    assert [part["$ref"].rpartition("/")[2] for part in found] == ["NodeInput", "Node", "Plain", "Plain"]
    assert components["NodeInput"]["properties"]["leftChild"]["anyOf"][0] == {"$ref": "#/components/schemas/NodeInput"}


def test_two_classes_with_one_name_get_their_modules() -> None:
    other: Any = dataclass(type("Node", (), {"__annotations__": {"x": int}, "__module__": "some.where"}))
    schemas = Schemas()
    _, components = schemas.finish([schemas.of(Node, SENT), schemas.of(other, SENT)])
    assert sorted(components) == ["some_where_Node", f"{__name__.replace('.', '_')}_Node"]


def test_generic_classes_of_two_classes_with_one_name_differ() -> None:
    other: Any = dataclass(type("Node", (), {"__annotations__": {"x": int}, "__module__": "some.where"}))
    schemas = Schemas()
    found, components = schemas.finish([schemas.of(Page[Node], SENT), schemas.of(Page[other], SENT)])
    items = [
        components[each["$ref"].rpartition("/")[2]]["properties"]["pageItems"]["items"]["$ref"].rpartition("/")[2]
        for each in found
    ]
    assert items == [f"{__name__.replace('.', '_')}_Node", "some_where_Node"]


def test_generic_classes_are_named_by_their_arguments() -> None:
    found, components = schema(Page[Node])
    assert found == {"$ref": "#/components/schemas/Page_Node"}
    assert components["Page_Node"]["properties"]["pageItems"]["items"] == {"$ref": "#/components/schemas/Node"}
    assert component(Nodes)["properties"]["pageItems"]["items"] == {"$ref": "#/components/schemas/Node"}


def test_unions_of_dataclasses_can_be_sent() -> None:
    assert component(Parts)["properties"]["parts"]["items"] == {
        "anyOf": [{"$ref": "#/components/schemas/Node"}, {"$ref": "#/components/schemas/Page_int"}]
    }


def test_enums_aliases_and_pydantic_models() -> None:
    assert component(Color) == {"enum": ["red", "blue"]}
    assert component(Alias) == {"type": "array", "items": {"type": "integer"}}
    model = component(Model)
    assert model["properties"]["inner"]["anyOf"][0] == {"$ref": "#/components/schemas/Model"}
    assert "otherName" in model["required"]


class Words(BaseModel):
    """Its fields are words of JSON Schema."""

    title: str
    default: int = 1
    const: bool = True


def test_fields_of_pydantic_models_may_be_words_of_json_schema() -> None:
    found = component(Words)
    assert found["properties"] == {
        "title": {"type": "string"},
        "default": {"type": "integer"},
        "const": {"type": "boolean"},
    }


class Wrapper(BaseModel):
    own_node: Node
    color: Color


def test_a_class_inside_of_a_pydantic_model_has_the_names_that_pydantic_writes() -> None:
    schemas = Schemas()
    found, components = schemas.finish([schemas.of(kind, SENT) for kind in (Node, Wrapper, Color)])
    assert [each["$ref"].rpartition("/")[2] for each in found] == ["Node", "Wrapper", "Color"]
    assert sorted(components) == ["Color", "Node", "NodeAsWritten", "Wrapper"]
    assert set(components["Node"]["properties"]) == {"nodeValue", "leftChild"}
    assert set(components["NodeAsWritten"]["properties"]) == {"node_value", "left_child"}
    written = json.loads(
        JsonCodec().encode(Completion(invocation_id="1", result=Wrapper(own_node=Node(1), color=Color.RED)))[:-1]
    )
    assert set(written["result"]["own_node"]) == set(components["NodeAsWritten"]["properties"])


def test_a_pydantic_model_does_not_take_the_name_of_another_class_of_its_module() -> None:
    other: Any = dataclass(type("Node", (), {"__annotations__": {"x": int}, "__module__": "some.where"}))
    wrapper: Any = create_model("Other", node=(other, ...), __module__=__name__)
    schemas = Schemas()
    _, components = schemas.finish([schemas.of(Node, SENT), schemas.of(wrapper, SENT)])
    found = {name: set(each["properties"]) for name, each in components.items()}
    assert {"nodeValue", "leftChild"} in found.values()
    assert {"x"} in found.values()


class Unresolved(Struct):
    own_name: "Nowhere"  # type: ignore[name-defined]  # noqa: F821
    other: int = 0


def test_structs_with_hints_that_cannot_be_resolved_can_be_sent() -> None:
    assert component(Unresolved) == {
        "type": "object",
        "properties": {"ownName": {}, "other": {}},
        "required": ["ownName", "other"],
    }


def test_the_first_paragraph_of_a_docstring_describes_a_class() -> None:
    assert component(Node)["description"] == "A node."
    assert "description" not in component(Page[int])


def test_hints_that_cannot_be_resolved_are_anything() -> None:
    @dataclass
    class Local:
        inner: "Nowhere"  # type: ignore[name-defined]  # noqa: F821
        other: int = field(default=0, init=False)

    assert component(Local)["properties"] == {"inner": {}, "other": {}}
    assert component(Local, READ)["properties"] == {"inner": {}}
