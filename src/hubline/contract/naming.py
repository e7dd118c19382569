"""Names of the components of a contract: the name of the class, longer only where two would have the same."""

import json
import re
from collections import defaultdict
from functools import partial
from typing import Any, TypeAlias

Key: TypeAlias = tuple[str, Any]
"""`module:name` and the side on which the type is used."""

REF = "#/components/schemas/"


def named(document: Any, components: dict[Key, Any]) -> tuple[Any, dict[str, Any]]:
    """The document and the components by name, with references to these names.

    A type has one name if it is the same when it is sent and when it is read. If not, what is read is `…Input`.
    """
    names = _names(components, _classes(components))
    finished = {names[key]: _refer(schema, lambda key: names[key]) for key, schema in components.items()}
    return _refer(document, lambda key: names[key]), dict(sorted(finished.items()))


def _classes(components: dict[Key, Any]) -> dict[Key, int]:
    """Numbers the components so that equal ones have the same number: refined until nothing more is told apart."""
    numbers: dict[Key, int] = dict.fromkeys(components, 0)
    count = 0
    while True:
        seen: dict[tuple[str, int, str], int] = {}
        refined = {}
        for key, schema in components.items():
            form = json.dumps(_refer(schema, partial(_number, numbers)), sort_keys=True, default=str)
            refined[key] = seen.setdefault((_short(key), numbers[key], form), len(seen))
        if len(seen) == count:
            return refined
        numbers, count = refined, len(seen)


def _number(numbers: dict[Key, int], key: Key) -> str:
    return str(numbers[key])


def _names(components: dict[Key, Any], classes: dict[Key, int]) -> dict[Key, str]:
    groups: dict[str, list[Key]] = defaultdict(list)
    for key in sorted(components, key=lambda key: (key[0], not key[1].sent, not key[1].renames)):
        groups[_short(key)].append(key)
    names: dict[Key, str] = {}
    taken: dict[str, int] = {}
    for short, keys in sorted(groups.items()):
        alone = len({classes[key] for key in keys}) == 1
        modules = {key[0] for key in keys}
        by_class: dict[int, str] = {}
        for key in keys:
            if classes[key] not in by_class:
                name = short if len(modules) == 1 or alone else re.sub(r"\W+", "_", key[0])
                if not alone and not key[1].sent and _is_sent(key, keys):
                    name += "Input"
                if not key[1].renames and any(other[1].renames for other in keys) and not alone:
                    name += "AsWritten"
                while taken.setdefault(name, classes[key]) != classes[key]:
                    name += "_"
                by_class[classes[key]] = name
            names[key] = by_class[classes[key]]
    return names


def _is_sent(key: Key, keys: list[Key]) -> bool:
    return any(other[0] == key[0] and other[1].sent for other in keys)


def _short(key: Key) -> str:
    return re.sub(r"\W+", "_", key[0].partition(":")[2], flags=re.ASCII).strip("_") or "type"


def _refer(part: Any, name: Any) -> Any:
    if isinstance(part, list):
        return [_refer(each, name) for each in part]
    if not isinstance(part, dict):
        return part
    if part.get("$ref") == REF and "key" in part:
        return {"$ref": REF + name(part["key"])}
    return {word: _refer(each, name) for word, each in part.items()}
