"""One question on its way through the assistant: its place, its growing answer, its end."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hubline.limits import QuotaExceeded
from hubline.models import ModelError
from hubline_chat.allowance import Ticket, cut
from hubline_chat.contract import Answer, AnswerState, ChatClient, Message
from hubline_chat.rooms import Room

TOO_LATE = "The answer took too long and was cut."
RESTARTED = "A restart of the server cut the answer."
"""Read at that moment, and as long as the message is kept."""
UNEXPECTED = "The assistant had an unexpected problem."


def now() -> datetime:
    return datetime.now(UTC)


def new_id() -> str:
    """A name for a message that nobody can guess or make twice."""
    return secrets.token_urlsafe(12)


class Answering:
    """An answer being made. All changes of its message go through here: into the history, then to the room.

    What is in the history is exactly what was sent, so that whoever joins gets the text so far, and then the rest.
    """

    def __init__(
        self,
        room: Room,
        question: Message,
        draft: Message,
        ticket: Ticket,
        page: ChatClient,
        changed: Callable[[Message], None],
    ) -> None:
        """`draft` is the empty answer, which gets its number when it is stored; `changed` hears of each newer form."""
        self.room, self.question, self.message, self.ticket = room, question, draft, ticket
        self._page, self._changed = page, changed
        self.note: str | None = None
        """What an answer that came to its end has to say about itself."""
        self.was_stopped = False
        self.task: asyncio.Task[Any] | None = None
        """Reads the model, once it is this question's turn."""
        self.ended, self.settled = asyncio.Event(), asyncio.Event()
        """Whether it has come to its end, and whether what it cost is stored too."""
        self._news = asyncio.Event()
        self._pending = ""

    @property
    def answer(self) -> Answer:
        assert self.message.answer is not None
        return self.message.answer

    def add(self, text: str) -> None:
        """Text from the model; it goes out with the next `forward`."""
        self._pending += text
        self._news.set()

    async def move(self, place: int) -> None:
        """Tell the place in the queue, when it is another than before."""
        if self.answer.place != place:
            await self._status(place=place)

    async def begin(self, task: "asyncio.Task[Any]") -> None:
        """It is this question's turn: `task` reads the model."""
        self.task = task
        task.add_done_callback(lambda _: self._news.set())
        await self._status(state=AnswerState.THINKING, place=0, started_at=now())

    async def forward(self, merge_seconds: float) -> None:
        """Send what the model says until it is silent for good: the first words at once, the others gathered."""
        assert self.task is not None
        while True:
            await self._news.wait()
            self._news.clear()
            is_last = self.task.done()
            await self.flush()
            if is_last:
                return
            await asyncio.sleep(merge_seconds)

    async def flush(self) -> None:
        """Send the text that has not been sent."""
        text, self._pending = self._pending, ""
        if not text:
            return
        if self.answer.state is AnswerState.THINKING:
            await self._status(state=AnswerState.ANSWERING)
        offset = len(self.message.text)
        self._keep(replace(self.message, text=self.message.text + text))
        await self._page.answer_delta(self.room.id, self.message.id, offset, text)

    async def end(self) -> None:
        """Tell the room that nothing more comes, and why."""
        state, error = self._outcome()
        self.message = self.message.at(now())
        answer = replace(self.answer, state=state, error=error, place=0, ended_at=now())
        self._keep(replace(self.message, answer=answer))
        await self.ticket.release()
        self.ended.set()
        try:
            await self._page.answer_ended(self.room.id, self.message.id, self.message.text, answer)
        finally:
            await self.ticket.settle()
            self.settled.set()

    def _outcome(self) -> tuple[AnswerState, str | None]:
        task = self.task
        if task is None or not task.done() or task.cancelled():
            return (AnswerState.STOPPED, None) if self.was_stopped else (AnswerState.INTERRUPTED, RESTARTED)
        match task.exception():
            case None:
                return AnswerState.COMPLETED, self.note
            case QuotaExceeded() as error:
                return AnswerState.LIMITED, cut(error)
            case ModelError() as error:
                return AnswerState.FAILED, f"{error}."
            case TimeoutError():
                return AnswerState.FAILED, TOO_LATE
        return AnswerState.FAILED, UNEXPECTED

    async def _status(self, **changes: Any) -> None:
        answer = replace(self.answer, **changes)
        self._keep(replace(self.message, answer=answer).at(now()))
        await self._page.answer_status(self.room.id, self.message.id, self.answer)

    def _keep(self, message: Message) -> None:
        self.message = message
        self.room.history.update(message)
        self._changed(message)


PageOf = Callable[[Room], ChatClient]
"""How the members of a room are called."""
