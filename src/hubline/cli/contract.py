"""The commands `hubline contract`, which writes or compares contracts, and `hubline generate`, for clients."""

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from hubline.cli.check import find_hubs
from hubline.contract.changes import changes
from hubline.contract.csharp import csharp
from hubline.contract.document import VERSION, contract
from hubline.contract.python import python
from hubline.contract.typescript import typescript
from hubline.errors import ConfigurationError

GENERATORS = {"typescript": typescript, "csharp": csharp, "python": python}


def contract_of(app: Any, target: str, title: str | None) -> dict[str, Any]:
    """The contract of a loaded application.

    Raises:
        ConfigurationError: there are no hubs in it.
    """
    hubs = [(prefix + hub.path, hub) for prefix, found in find_hubs(app) for hub in found.describe()]
    if not hubs:
        raise ConfigurationError(
            [f"{target} has no hubs: there is no HubApp with a hub in it, or it is mounted where this cannot be seen"]
        )
    return contract(hubs, title=title or target)


def read_contract(path: Path) -> dict[str, Any]:
    """A contract from a file.

    Raises:
        ConfigurationError: there is none.
    """
    try:
        found: Any = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError([f"{path} cannot be read: {error.strerror}"]) from None
    except ValueError as error:
        raise ConfigurationError([f"{path} is not JSON: {error}"]) from None
    if not isinstance(found, dict) or not _is_contract(found):
        raise ConfigurationError([f"{path} is not a contract: write one by `hubline contract MODULE:APP -o {path}`"])
    return found


def _is_contract(found: dict[str, Any]) -> bool:
    """Whether `hubline contract` wrote it: an AsyncAPI document of another origin does not say enough."""
    if found.get("asyncapi") != VERSION:
        return False
    parts = [found.get(word) for word in ("channels", "operations")]
    has_schemas = isinstance(found.get("components"), dict) and isinstance(found["components"].get("schemas"), dict)
    return has_schemas and all(
        isinstance(part, dict) and all(isinstance(each, dict) and "x-signalr" in each for each in part.values())
        for part in parts
    )


def text_of(document: dict[str, Any]) -> str:
    """The file: indented, with a line break at its end."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def show_changes(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Print what changed; whether something breaks clients."""
    console = Console(highlight=False, soft_wrap=True)
    found = changes(old, new)
    for change in found:
        mark = Text("breaks  ", "bold red") if change.breaks else Text("fits    ", "green")
        console.print(mark + Text(f"{change.where}: {change.text}"))
    if not found:
        console.print("no changes")
    return any(change.breaks for change in found)
