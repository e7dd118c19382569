"""One question to the assistant, and the message with its answer."""

import asyncio
import secrets
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from hubline.runs import FinishedRun, Run
from hubline_chat.allowance import Ticket
from hubline_chat.contract import Answer, AnswerState, Message
from hubline_chat.room import Room
from hubline_chat.transcript import said

RESTARTED = "A server restart interrupted the answer."
"""The text that people see in the message, as long as it is kept."""
TOO_LONG = "The answer reached its limit of length."


def now() -> datetime:
    return datetime.now(UTC)


def new_id() -> str:
    """A unique id for a message, which cannot be guessed."""
    return secrets.token_urlsafe(12)


@dataclass(eq=False)
class Answering:
    """An answer in progress. Its text grows in the run; `message` is its last stored form."""

    room: Room
    question: Message
    message: Message
    """Empty at first; for an answer that continues, its earlier text."""
    ticket: Ticket
    told: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the room has the message. Its end is not sent before."""
    run: Run | None = None
    """While its function runs."""
    note: str | None = None
    """The note of a completed answer."""
    is_cut: bool = False
    """A limit of length ended it, and it can be continued."""

    @property
    def answer(self) -> Answer:
        assert self.message.answer is not None
        return self.message.answer

    def change(self, *, text: str | None = None, **changes: Any) -> Message:
        """Replace the message, in the room's history too."""
        answer = replace(self.answer, **changes)
        self.message = replace(self.message, text=self.message.text if text is None else text, answer=answer)
        self.room.history.update(self.message)
        return self.message

    def grown(self) -> Message | None:
        """The message with the text so far; `None` if no text was added."""
        text, reasoning, tools = said(self.run.parts if self.run is not None else ())
        if (text, reasoning, tools) in (("", "", []), (self.message.text, self.answer.reasoning, self.answer.tools)):
            return None
        return self.change(text=text, reasoning=reasoning, tools=tools)

    async def end(self, run: FinishedRun) -> Message:
        """The final message."""
        if run.parts:  # a run that never began has no text to replace the earlier one
            text, reasoning, tools = said(run.parts)
            self.change(text=text, reasoning=reasoning, tools=tools)
        state = AnswerState(run.info.state)
        if state is AnswerState.LIMITED and not self.ticket.is_used_up:  # by the size of a run, not by the budget
            state, self.note = AnswerState.COMPLETED, TOO_LONG
        error = run.error
        if state is AnswerState.COMPLETED:
            error = self.note
        elif state is AnswerState.INTERRUPTED:
            error = RESTARTED
        elif state is AnswerState.LIMITED:
            error = await self.ticket.cut()
        self.message = self.message.at(now())
        can_go_on = state is AnswerState.COMPLETED and self.is_cut
        return self.change(state=state, error=error, ended_at=now(), can_go_on=can_go_on)
