"""The usage of a run for each model."""

from typing import Any


class Usage:
    """One entry for each provider and model, with its reported values; repeated numbers are added."""

    def __init__(self) -> None:
        self._models: dict[tuple[object, object], dict[str, Any]] = {}

    def add(self, values: dict[str, Any]) -> None:
        """`values` by the names for clients; values that are `None` were not reported."""
        said = {name: value for name, value in values.items() if value is not None}
        both = ("inputTokens", "outputTokens")
        if "totalTokens" not in said and any(name in said for name in both):
            said["totalTokens"] = sum(said.get(name, 0) for name in both)
        model = self._models.setdefault((said.get("provider"), said.get("model")), {})
        for name, value in said.items():
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            model[name] = model[name] + value if is_number and name in model else value

    def entries(self) -> tuple[dict[str, Any], ...]:
        return tuple(dict(model) for model in self._models.values() if model)


def camel(name: str) -> str:
    """`input_tokens` → `inputTokens`."""
    head, *rest = name.split("_")
    return head + "".join(word.title() for word in rest)
