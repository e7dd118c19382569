"""Titles of private conversations: at first the beginning of the question, then what the model calls it."""

import asyncio
import logging
import re
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass

from hubline import HubError
from hubline.models import ChatModel, ModelError
from hubline.models import Message as Turn
from hubline_chat.limits import NAME_LENGTH, clean_name, storable
from hubline_chat.room import Room
from hubline_chat.rooms import Rooms

logger = logging.getLogger("hubline_chat")

WAITING = 100
"""Conversations that wait for their titles; further ones keep the beginning of their question."""
SECONDS = 30.0
"""For one title."""
QUESTION, THOUGHT = 600, 4_000
"""Characters of the question that the model is told, and of what it says until it is given up."""
WANTED = (
    "Write a title of two to five words for a conversation that begins as follows."
    " Write the title and nothing else.\n\n"
)

_THINKING = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_MARKS = " \t\"'`*_#.:“”„«»"


@dataclass(frozen=True, slots=True)
class Wanted:
    room: Room
    question: str


class Titles:
    """Asks the model for titles, one after the other. They cost nobody tokens."""

    def __init__(self, model: ChatModel, slots: asyncio.Semaphore) -> None:
        """`slots`: held while the model is asked, so that answers and titles share it."""
        self._model, self._slots = model, slots
        self._wanted: asyncio.Queue[Wanted] = asyncio.Queue(WAITING)

    def want(self, room: Room, question: str) -> None:
        """Find a title for a conversation, if nobody has given it one."""
        if room.is_conversation and room.is_untitled and not self._wanted.full():
            self._wanted.put_nowait(Wanted(room, question))

    async def run(self, rooms: Rooms, changed: Callable[[], None]) -> None:
        """Find titles until cancelled. `changed` is called after each."""
        while True:
            wanted = await self._wanted.get()
            try:
                async with self._slots:
                    title = await self._title(wanted.question)
                if await rooms.entitle(wanted.room, title, is_final=True):
                    changed()
            except (HubError, ModelError, TimeoutError) as error:
                logger.info("a conversation keeps the beginning of its question as title: %s", error)
            except Exception:  # of a model that is not ours: the chat goes on
                logger.warning("a title could not be found", exc_info=True)

    async def _title(self, question: str) -> str:
        """Raises HubError, ModelError or TimeoutError."""
        said = ""
        turns = [Turn("user", WANTED + question[:QUESTION])]
        async with asyncio.timeout(SECONDS), aclosing(self._model.stream(turns)) as stream:
            async for delta in stream:
                said += delta.text
                if len(said) > THOUGHT or "\n" in _THINKING.sub("", said).strip():
                    break
        return cleaned(said)


def cleaned(said: str) -> str:
    """A title from what a model has said. Raises HubError when there is none."""
    line = next((each for each in _THINKING.sub("", storable(said)).splitlines() if each.strip(_MARKS)), "")
    line = re.sub(r"^\W*title\W*:", "", line, flags=re.IGNORECASE).strip(_MARKS)
    return shortened(line)


def shortened(text: str) -> str:
    """The beginning of a text as a name, cut between words. Raises HubError when it has none."""
    text = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    if len(text) > NAME_LENGTH:
        cut = text[:NAME_LENGTH]
        text = (cut.rsplit(" ", 1)[0] if " " in cut[NAME_LENGTH // 2 :] else cut[:-1]).rstrip(" ,.;:") + "…"
    return clean_name(text, whose="The title")
