"""The search of the room in which the assistant is asked: of no other one, whoever asks."""

from dataclasses import replace

from hubline import HubError
from hubline_chat.contract import Message
from hubline_chat.files.material import named_files
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
        return "\n\n".join(f"{each.author.name}, {each.sent_at:%Y-%m-%d %H:%M} UTC:\n{_told(each)}" for each in found)

    return RoomTool(
        "search_room",
        "Search this room",
        "Finds earlier messages of this chat room, the newest first, also those that you were not told. All the words"
        " must be in a message or in the names of its files; put a phrase into quotes. Search for few, distinctive"
        " words.",
        texts(words="Such as: deployment friday"),
        use,
        is_safe=True,
        seconds=15.0,
    )


def _told(message: Message) -> str:
    """The beginning of a message, with its files, whose names are searched too."""
    text = message.text if len(message.text) <= CHARACTERS else f"{message.text[:CHARACTERS]}…"
    return named_files(replace(message, text=text)).text
