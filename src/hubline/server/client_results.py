"""Client results that code on this server or another server waits for."""

import asyncio
import base64
import itertools
import os
from collections.abc import Callable
from typing import Any, Protocol

from msgspec import UNSET

from hubline.errors import ConnectionClosed, HubError, RemoteProtocolError, text_of
from hubline.wire.binding import Readers
from hubline.wire.codec import Codec
from hubline.wire.messages import Completion

DISCONNECTED = "Connection disconnected."
"""The error for another server if the client has left. Source: the original's."""


class Question(Protocol):
    """A call to a client that the client has not answered yet."""

    @property
    def connection_id(self) -> str: ...

    @property
    def deadline(self) -> float:
        """The time limit for the answer, in seconds of the application's clock."""

    def complete(self, message: Completion, codec: Codec) -> None:
        """The client has answered, in this codec."""

    def fail(self, error: Exception) -> None:
        """The client will not answer."""


class PendingResult:
    """A call whose answer code on this server waits for, in `future`."""

    __slots__ = ("connection_id", "deadline", "future", "kind", "readers")

    def __init__(self, connection_id: str, kind: Any, deadline: float, readers: Readers) -> None:
        self.connection_id, self.kind, self.deadline, self.readers = connection_id, kind, deadline, readers
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)

    def complete(self, message: Completion, codec: Codec) -> None:
        """Set the client's answer. An error keeps its text, as in the original."""
        if self.future.done():
            return
        if message.error is not UNSET:
            self.fail(HubError(message.error))
        elif message.result is UNSET:
            self.fail(HubError(""))
        else:
            try:
                self.future.set_result(self.readers.reader(codec, self.kind)(message.result))
            except BaseException as error:  # msgspec's error, or any exception of a user's validator
                self.fail(HubError(f"Error trying to deserialize result. {text_of(error)}"))


class ClientResults:
    """All awaited client results of one hub. `next_id` makes their ids."""

    def __init__(self, next_id: Callable[[], str]) -> None:
        self._next_id = next_id
        self._readers = Readers()
        self._questions: dict[str, Question] = {}
        self._asked: dict[str, set[str]] = {}

    def __len__(self) -> int:
        return len(self._questions)

    def expect(self, connection_id: str, kind: Any, deadline: float) -> tuple[str, PendingResult]:
        """Register a call whose answer will be decoded to `kind`. Returns its id, and the future of the answer."""
        invocation_id = self._next_id()
        pending = PendingResult(connection_id, kind, deadline, self._readers)
        self.register(invocation_id, pending)
        return invocation_id, pending

    def register(self, invocation_id: str, question: Question) -> None:
        self._questions[invocation_id] = question
        self._asked.setdefault(question.connection_id, set()).add(invocation_id)

    def forget(self, invocation_id: str) -> None:
        """Stop waiting. An answer that arrives later is ignored."""
        question = self._questions.pop(invocation_id, None)
        if question is not None:
            asked = self._asked[question.connection_id]
            asked.discard(invocation_id)
            if not asked:
                del self._asked[question.connection_id]

    def complete(self, connection_id: str | None, message: Completion, codec: Codec) -> None:
        """Set the result of this completion. A completion that nobody waits for is ignored.

        The connection is `None` if the completion comes from another server, which has checked the connection.

        Raises:
            RemoteProtocolError: another connection was asked; the original closes the connection that answered.
        """
        question = self._questions.get(message.invocation_id)
        if question is None:
            return
        if connection_id is not None and question.connection_id != connection_id:
            raise RemoteProtocolError(
                f"Connection ID '{connection_id}' is not valid for invocation ID '{message.invocation_id}'."
            )
        self.forget(message.invocation_id)
        if connection_id is None and message.error == DISCONNECTED:
            question.fail(disconnected(question.connection_id))
        else:
            question.complete(message, codec)

    def expire(self, connection_id: str, now: float) -> bool:
        """Fail calls to this connection that have waited too long. Returns whether other calls still wait.

        The heartbeat calls it about once a second.
        """
        for invocation_id in tuple(self._asked.get(connection_id, ())):
            question = self._questions[invocation_id]
            if now >= question.deadline:
                self.forget(invocation_id)
                question.fail(timed_out())
        return connection_id in self._asked

    def disconnected(self, connection_id: str) -> None:
        """Fail all calls to a connection that has ended."""
        for invocation_id in tuple(self._asked.get(connection_id, ())):
            question = self._questions[invocation_id]
            self.forget(invocation_id)
            question.fail(disconnected(connection_id))


def counted_ids() -> Callable[[], str]:
    """`s1`, `s2`, …: unique in the process, and different from clients' stream ids. Source: the original's."""
    numbers = itertools.count(1)
    return lambda: f"s{next(numbers)}"


def unique_id() -> str:
    """22 characters, unique among servers. Source: the original's with Redis, a GUID in base64 without padding."""
    return base64.b64encode(os.urandom(16))[:22].decode()  # twice as fast as a UUID, and as unique


class TimedOut(HubError):
    """The client has not answered in time. Source of the text: the original's."""


def timed_out() -> HubError:
    return TimedOut("Invocation canceled by the server.")


def disconnected(connection_id: str) -> ConnectionClosed:
    return ConnectionClosed(f"Connection '{connection_id}' disconnected.")


def does_not_exist(connection_id: str) -> ConnectionClosed:
    return ConnectionClosed(f"Connection '{connection_id}' does not exist.")
