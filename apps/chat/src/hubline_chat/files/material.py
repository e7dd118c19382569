"""What a model is told of the files of a question: the text of texts, and images if it takes them."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

from hubline.models import Image
from hubline.models import Message as Turn
from hubline_chat.attached import File
from hubline_chat.contract import Message
from hubline_chat.files.kinds import MODEL_TYPE, for_model, is_image, is_text
from hubline_chat.files.service import first_of
from hubline_chat.files.storage import Storage
from hubline_chat.limits import storable
from hubline_chat.prompts import GO_ON

logger = logging.getLogger("hubline_chat")

IMAGES = 4
"""Of one question; further ones are only named."""
IMAGE_TOKENS = 1_000
"""Counted for an image, if the model does not report what it cost."""
IMAGE_BYTES = 100_000_000
SHARE = 4
"""A quarter of the budget is left for the question and what was said before."""
LEAST = 200
"""Characters of a text that are worth telling."""


class Material:
    """Reads the files of questions."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def text(self, message: Message, question: str, budget: int) -> str:
        """The question with what it replies to, and the texts of its files, in about `budget` characters."""
        left = budget - budget // SHARE
        parts = [question] if question else []
        if message.quote is not None and not message.quote.is_deleted:
            parts.insert(0, f"> {message.quote.author_name}: {message.quote.text}")
        for file in message.files:
            part = named(file)
            if is_text(file.type) and left > LEAST:
                part, size = await self._told(file, left)
                left -= size
            parts.append(part)
        return "\n\n".join(parts)

    async def images(self, message: Message) -> list[Image]:
        """The images of a question, as models take them. Those that cannot be read are left out."""
        images = []
        for file in [each for each in message.files if is_image(each.type)][:IMAGES]:
            try:
                data = await first_of(self._storage, file.id, IMAGE_BYTES)
                images.append(Image(MODEL_TYPE, await asyncio.to_thread(for_model, data)))
            except Exception as error:  # of a decoder of images, whatever the image has
                logger.warning("an image was not told to the model: %r", error)
        return images

    async def _told(self, file: File, most: int) -> tuple[str, int]:
        """A text with its name; and how many characters of it there are."""
        try:
            data = await first_of(self._storage, file.id, most * 4)
        except OSError as error:
            logger.warning("a file was not told to the model: %s", error)
            return named(file), 0
        text = storable(data.decode("utf-8", "ignore"))
        cut = " […cut]" if len(text) > most or len(data) < file.size else ""
        text = text[:most]
        fence = "`" * max(3, _longest_run(text) + 1)
        return f"The file {file.name}:\n{fence}\n{text}{cut}\n{fence}", len(text)


def named(file: File) -> str:
    """A file of which only the name is told."""
    return f"[{'Image' if is_image(file.type) else 'File'}: {file.name}]"


def named_files(message: Message) -> Message:
    """A message that was said before, with the names of its files in its text."""
    if not message.files:
        return message
    names = " ".join(map(named, message.files))
    return replace(message, text=f"{message.text}\n{names}".strip())


def with_images(turns: Sequence[Turn], images: Sequence[Image]) -> Sequence[Turn]:
    """The turns with images in the question, which is the last of the user's."""
    asked = max(index for index, turn in enumerate(turns) if turn.role == "user" and turn.content != GO_ON)
    return [replace(turn, images=tuple(images)) if index == asked else turn for index, turn in enumerate(turns)]


def _longest_run(text: str) -> int:
    """The longest run of backticks, for a fence that holds the text."""
    longest = run = 0
    for character in text:
        run = run + 1 if character == "`" else 0
        longest = max(longest, run)
    return longest
