"""Messages to a running answer."""

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Iterable
from dataclasses import dataclass
from typing import Any

from hubline import HubError
from hubline.runs.values import sent, value_size

WAITING = 10
"""Messages that may wait for the function (runs.md R28)."""

LARGEST = 16_384
"""Bytes of a message in JSON (runs.md R28)."""


@dataclass(frozen=True, slots=True)
class SteerMessage:
    """A message to a running answer."""

    id: str
    """The id that `SteerRun` returned; `unread` in the `end` lists messages that were never read."""
    value: Any
    """As it was sent: text, or any other value."""
    by: str | None
    """The user id of the sender; `None` for an anonymous user."""


def message(value: Any) -> Any:
    """The message of a client, as it is kept. Raises HubError if it is too large or has no form in JSON."""
    try:
        found = sent(value)
    except (TypeError, RecursionError) as error:
        raise HubError(f"The message cannot be kept: {error}") from error
    if value_size(found) > LARGEST:
        raise HubError(f"A message may have {LARGEST // 1024} KiB.")
    return found


class Inbox:
    """The messages of `SteerRun`, oldest first. When one is read, this is reported to viewers.

    `async for message in run.inbox` waits for one message after the other, until the run ends.
    """

    def __init__(self, taken: Callable[[SteerMessage], Awaitable[None]], waits: Callable[[int], None]) -> None:
        self._taken, self._waits = taken, waits
        self._messages: deque[SteerMessage] = deque()
        self._told: set[str] = set()
        """Those of them that were reported as read, by a call that was cancelled meanwhile."""
        self._news = asyncio.Event()

    def __len__(self) -> int:
        return len(self._messages)

    async def take(self) -> SteerMessage:
        """Wait for the next message. Meanwhile the function does not count as silent."""
        self._waits(+1)
        try:
            while not self._messages:
                self._news.clear()
                await self._news.wait()
        finally:
            self._waits(-1)
        return await self._take()

    async def take_nowait(self) -> SteerMessage | None:
        """The next message, if there is one."""
        return await self._take() if self._messages else None

    def __aiter__(self) -> AsyncIterator[SteerMessage]:
        return self._iterate()

    def _put(self, value: Any, by: str | None) -> str:
        """Add a message. Raises HubError if it is not valid, or if too many are unread."""
        value = message(value)
        if len(self._messages) >= WAITING:
            raise HubError("Too many messages wait.")
        added = SteerMessage(secrets.token_urlsafe(9), value, by)
        self._messages.append(added)
        self._news.set()
        return added.id

    def _left(self) -> list[tuple[str, Any, str | None]]:
        """The messages that were not read, for the server that goes on."""
        return [(message.id, message.value, message.by) for message in self._messages]

    def _take_over(self, left: Iterable[tuple[str, Any, str | None]], told: Container[str]) -> None:
        """Those of the server before, but for messages that it has told of."""
        self._messages.extend(SteerMessage(*each) for each in left if each[0] not in told)

    def _unread(self) -> tuple[str, ...]:
        return tuple(message.id for message in self._messages)

    async def _iterate(self) -> AsyncIterator[SteerMessage]:
        while True:
            yield await self.take()

    async def _take(self) -> SteerMessage:
        message = self._messages.popleft()
        try:
            if message.id not in self._told:
                await self._taken(message)
        except asyncio.CancelledError:  # the entry is on its way, and the next call gets the message
            self._told.add(message.id)
            self._messages.appendleft(message)
            self._news.set()
            raise
        self._told.discard(message.id)
        return message
