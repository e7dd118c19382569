"""The schemas that Pydantic makes of its models, and the classes that they are of."""

import sys
from collections.abc import Mapping
from typing import Any

from hubline.wire.foreign import pydantic_adapter

_CLASS = "x-hubline-class"


def schema_of(model: type, mode: str) -> tuple[dict[str, Any], Mapping[str, type]]:
    """The schema of a model for `serialization` or `validation`, and the classes of its definitions that have one.

    Pydantic names a definition after its class alone, and classes of two modules may have one name.

    Raises:
        Exception: of any kind; a field has no schema, such as a callable.
    """
    generator: Any = sys.modules["pydantic"].json_schema.GenerateJsonSchema
    classes: list[type] = []

    def marked(name: str) -> Any:
        def make(self: Any, schema: Any) -> Any:
            classes.append(schema.get("cls", object))
            return {**getattr(generator, name)(self, schema), _CLASS: len(classes) - 1}

        return make

    kinds = ("model_schema", "dataclass_schema", "typed_dict_schema", "enum_schema")
    marking = type("Marking", (generator,), {name: marked(name) for name in kinds})
    schema: dict[str, Any] = pydantic_adapter(model).json_schema(mode=mode, by_alias=True, schema_generator=marking)
    found: dict[str, type] = {}
    for name, definition in schema.get("$defs", {}).items():
        cls = classes[definition[_CLASS]] if _CLASS in definition else object
        if cls is not object:
            found[name] = cls
    return _unmarked(schema), found


def _unmarked(part: Any) -> Any:
    if isinstance(part, list):
        return [_unmarked(each) for each in part]
    if isinstance(part, dict):
        return {word: _unmarked(each) for word, each in part.items() if word != _CLASS}
    return part
