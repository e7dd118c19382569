"""Messages are stored before they are sent to a room; answers are stored while they grow."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from sqlalchemy.exc import IntegrityError

from hubline import HubError
from hubline_chat.contract import Message
from hubline_chat.room import Room
from hubline_chat.store import StoreError
from hubline_chat.store.messages import Messages

logger = logging.getLogger("hubline_chat")

WAITING = 1_000
"""Posts that wait to be stored; further ones are refused."""
BATCH = 100
"""Posts that are stored in one transaction."""
FLUSH_SECONDS = 0.5
"""Seconds between two writes of growing answers: the time that is lost when the process dies."""


Tell = Callable[[Sequence[Message]], Awaitable[Sequence[Message]]]
"""Sends messages that are stored now; returns them as they were sent."""


@dataclass(slots=True, eq=False)
class Post:
    """Messages of one room that are stored together, and the function that sends them then."""

    room: Room
    messages: Sequence[Message]
    tell: Tell
    done: "asyncio.Future[Sequence[Message]]"


class Journal:
    """Numbers, stores and sends messages in order, and keeps the newest form of answers.

    One task writes, so that the order in the store, in memory and on the pages is the same, and a hub method that is
    cancelled leaves nothing half done. Messages that wait are stored together, because a commit is the expensive part.
    """

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self._posts: asyncio.Queue[Post] = asyncio.Queue(WAITING)
        self._changed: dict[str, Message] = {}
        self._flushing = asyncio.Lock()
        self._is_closed = False

    async def post(self, room: Room, messages: Sequence[Message], tell: Tell) -> Sequence[Message]:
        """Store messages and `tell` them, once they are in the room's history; as they are then, with their numbers.

        Raises:
            HubError: nothing was stored or sent; the text has the reason.
            IntegrityError: one of the messages already exists.
        """
        post = Post(room, messages, tell, asyncio.get_running_loop().create_future())
        if self._is_closed:
            raise HubError("The server is restarting. Try again in a moment.")
        try:
            self._posts.put_nowait(post)
        except asyncio.QueueFull:
            raise HubError("The server has too much to store at the moment. Try again.") from None
        return await post.done

    def changed(self, message: Message) -> None:
        """An answer has changed; store it soon."""
        self._changed[message.id] = message

    async def replace(self, message: Message) -> None:
        """Store another form of a message now. Forms that wait to be stored are older.

        Raises:
            StoreError: it was not stored.
        """
        async with self._flushing:
            await self._messages.update([message])
            self._changed.pop(message.id, None)

    @asynccontextmanager
    async def rewriting(self, change: Callable[[Message], Message]) -> AsyncIterator[None]:
        """Change what waits to be stored. Nothing is stored while the block changes what is in the store."""
        async with self._flushing:
            self._changed = {message_id: change(message) for message_id, message in self._changed.items()}
            yield

    async def close(self) -> None:
        """Accept nothing more, and store what was accepted."""
        self._is_closed = True
        await self._posts.join()

    async def run(self) -> None:
        """Store what is posted, until cancelled."""
        while True:
            batch = [await self._posts.get()]
            while len(batch) < BATCH and not self._posts.empty():
                batch.append(self._posts.get_nowait())
            try:
                await self._store(batch)
            finally:
                for _ in batch:
                    self._posts.task_done()

    async def flush(self) -> None:
        """Store the answers that have changed. What cannot be stored now is tried again the next time."""
        async with self._flushing:  # one after the other, so that no older form comes last
            changed, self._changed = self._changed, {}
            if not changed:
                return
            try:
                await self._messages.update(list(changed.values()))
            except StoreError:
                self._changed = changed | self._changed

    @asynccontextmanager
    async def settled(self) -> AsyncIterator[Callable[[Message], Message]]:
        """Nothing that changed is being stored while the block runs; gives the newest form of what the store has."""
        async with self._flushing:
            yield lambda message: self._changed.get(message.id, message)

    async def _store(self, batch: Sequence[Post]) -> None:
        try:
            numbered = _numbered(batch)
            await self._messages.add([message for messages in numbered for message in messages])
        except IntegrityError as error:
            if len(batch) > 1:  # one of them is the cause; the others must be stored
                for post in batch:
                    await self._store([post])
                return
            _fail(batch[0], error)
        except Exception as error:
            if not isinstance(error, StoreError):
                logger.exception("messages could not be stored")
                error = HubError("The message could not be stored.")
            for post in batch:
                _fail(post, error)
        else:
            for post, messages in zip(batch, numbered, strict=True):
                await _tell(post, messages)


def _numbered(batch: Sequence[Post]) -> list[list[Message]]:
    """The messages of each post with the numbers that come next in their rooms."""
    last: dict[str, int] = {}
    numbered = []
    for post in batch:
        first = last.get(post.room.id, post.room.history.last_seq) + 1
        numbered.append([replace(message, seq=seq) for seq, message in enumerate(post.messages, first)])
        last[post.room.id] = first + len(post.messages) - 1
    return numbered


async def _tell(post: Post, messages: Sequence[Message]) -> None:
    messages = [post.room.history.append(message) for message in messages]
    try:
        messages = await post.tell(messages)
    except Exception:
        logger.exception("a message could not be sent to its room")
    if not post.done.done():
        post.done.set_result(messages)


def _fail(post: Post, error: Exception) -> None:
    if not post.done.done():
        post.done.set_exception(error)
