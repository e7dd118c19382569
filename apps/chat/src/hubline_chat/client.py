"""What the server calls on pages. `contract.py` has the types."""

from typing import Protocol

from hubline_chat.contract import Assistant, Budget, Me, Message, Person, Room


class ChatClient(Protocol):
    """The page, as the server calls it."""

    async def receive_message(self, message: Message) -> None: ...

    async def message_changed(self, message: Message) -> None:
        """A message has changed: an answer has ended or continues, or the message was edited or deleted."""

    async def history_cleared(self, room_id: str, before_seq: int) -> None:
        """The messages before that number were deleted."""

    async def prompt_changed(self, room_id: str, prompt: str) -> None:
        """The room tells the assistant something else."""

    async def rooms_changed(self, rooms: list[Room]) -> None: ...

    async def assistant_changed(self, assistant: Assistant) -> None: ...

    async def budget_changed(self, budget: Budget) -> None: ...

    async def account_changed(self, me: Me) -> None:
        """The person's role or tier has changed."""

    async def person_removed(self, person: Person, is_erased: bool) -> None:
        """An account was removed. `person` has the name that remains; `is_erased`: and their messages were deleted."""

    async def read_changed(self, room_id: str, seq: int) -> None:
        """The person has read a room up to that message, on whatever device."""

    async def mentioned(self, message: Message) -> None:
        """A new message mentions the person, in whatever room."""

    async def not_answered(self, message: Message, sentence: str) -> None:
        """A message of the person was posted, and the assistant does not answer it, for this reason."""

    async def room_gone(self, room_id: str, sentence: str) -> None:
        """The person was removed from a private room, or a room was deleted."""
