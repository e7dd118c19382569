"""What a page sends as a message, and how it is known again when it is sent again."""

from collections.abc import Sequence
from dataclasses import dataclass

from hubline import HubError
from hubline_chat.contract import Message
from hubline_chat.room import Room

Sent = tuple[str, str]
"""The sender, and the id that the page gave the message."""


@dataclass(frozen=True, slots=True)
class Asking:
    """How a message asks the assistant: by default the room's `model`. Unless `is_needed`, no answer is no failure."""

    model: str | None = None
    is_needed: bool = True


@dataclass(frozen=True, slots=True)
class Said:
    """What a page sends: a text, the ids of its uploads, and the id of the message that it replies to."""

    text: str
    files: Sequence[str] = ()
    reply_to: str | None = None


def same(message: Message, room: Room, said: Said) -> Message:
    """The message, if it is what was sent under its id; it may have been edited or deleted since. Raises HubError."""
    is_other = message.text != said.text and message.edited_at is None
    if message.room_id != room.id or is_other:
        raise HubError("Another message was sent under this message's id.")
    return message
