"""Language models behind one small interface: any OpenAI-compatible endpoint, a local model, a scripted one.

The adapters are imported when they are first used, because each needs an optional dependency.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hubline.models.model import (
    ChatModel,
    Delta,
    Fault,
    Image,
    Message,
    ModelError,
    StopReason,
    Tool,
    ToolCall,
    ToolModel,
    Usage,
)

if TYPE_CHECKING:
    from hubline.models.local import LocalModel, LocalState, LocalStatus, bundled_model
    from hubline.models.openai import OpenAIModel
    from hubline.models.scripted import ScriptedModel

__all__ = [
    "ChatModel",
    "Delta",
    "Fault",
    "Image",
    "LocalModel",
    "LocalState",
    "LocalStatus",
    "Message",
    "ModelError",
    "OpenAIModel",
    "ScriptedModel",
    "StopReason",
    "Tool",
    "ToolCall",
    "ToolModel",
    "Usage",
    "bundled_model",
]

_LAZY = {
    "LocalModel": "local",
    "LocalState": "local",
    "LocalStatus": "local",
    "OpenAIModel": "openai",
    "ScriptedModel": "scripted",
    "bundled_model": "local",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"hubline.models.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
