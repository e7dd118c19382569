"""Contracts for tests of generators."""

from typing import Any


def document(*schemas: Any, **components: Any) -> dict[str, Any]:
    """A contract with a hub that has one method, whose parameters have these schemas."""
    parameters = [{"name": f"p{number}", "required": True} for number, _ in enumerate(schemas)]
    reference = {"$ref": "#/channels/notes"}
    return {
        "channels": {
            "notes": {
                "address": "/notes",
                "x-signalr": {"hub": "NoteHub"},
                "messages": {
                    "Take": {"name": "Take", "payload": {"type": "array", "items": list(schemas)}},
                    "Take.result": {"name": "Take.result", "payload": {"type": "null"}},
                },
            }
        },
        "operations": {
            "notes.Take": {
                "action": "receive",
                "channel": reference,
                "description": "First.\n\nSecond */ third.",
                "messages": [{"$ref": "#/channels/notes/messages/Take"}],
                "reply": {"messages": [{"$ref": "#/channels/notes/messages/Take.result"}]},
                "x-signalr": {"kind": "call", "parameters": parameters},
            }
        },
        "components": {"schemas": components},
    }
