"""The search of the room in which the assistant is asked: of no other one, whoever asks."""

from hubline import HubError
from hubline_chat.search import Search
from hubline_chat.tools.tool import Arguments, Place, RoomTool, ToolError, text_in, texts

MESSAGES = 10
"""Messages that one search gives."""
CHARACTERS = 600
"""Of each message."""


def room_search(search: Search) -> RoomTool:
    """The tool, over the chat's own search of messages."""

    async def use(place: Place, arguments: Arguments) -> str:
        try:
            found = await search.messages(place.user.id, text_in(arguments, "words"), place.room.id, MESSAGES + 1)
        except HubError as error:
            raise ToolError(str(error)) from error
        found = [message for message in found if message.seq < place.before][:MESSAGES]
        if not found:
            return "No message has all these words."
        return "\n\n".join(
            f"{each.author.name}, {each.sent_at:%Y-%m-%d %H:%M} UTC:\n{_shortened(each.text)}" for each in found
        )

    return RoomTool(
        "search_room",
        "Search this room",
        "Finds earlier messages of this chat room, the newest first, also those that you were not told. All the words"
        " must be in a message; put a phrase into quotes. Search for few, distinctive words.",
        texts(words="Such as: deployment friday"),
        use,
        is_safe=True,
        seconds=15.0,
    )


def _shortened(text: str) -> str:
    return text if len(text) <= CHARACTERS else f"{text[:CHARACTERS]}…"
