"""One question on its way through the assistant, and the message that its answer becomes."""

import asyncio
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from hubline.runs import FinishedRun, Run
from hubline_chat.allowance import Ticket
from hubline_chat.contract import Answer, AnswerState, Message
from hubline_chat.rooms import Room

RESTARTED = "A restart of the server cut the answer."
"""Read at that moment, and as long as the message is kept."""


def now() -> datetime:
    return datetime.now(UTC)


def new_id() -> str:
    """A name for a message that nobody can guess or make twice."""
    return secrets.token_urlsafe(12)


@dataclass(eq=False)
class Answering:
    """An answer in the making. Its text grows in the run; `message` is what was last stored of it."""

    room: Room
    question: Message
    message: Message
    """At first empty or, of an answer that goes on, what it said before."""
    ticket: Ticket
    told: asyncio.Event = field(default_factory=asyncio.Event)
    """The room knows of it: nothing is told of its end before."""
    run: Run | None = None
    """While its function runs."""
    note: str | None = None
    """What an answer that came to its end has to say about itself."""

    @property
    def answer(self) -> Answer:
        assert self.message.answer is not None
        return self.message.answer

    def change(self, *, text: str | None = None, **changes: Any) -> Message:
        """Another form of the message, in the room's history too."""
        answer = replace(self.answer, **changes)
        self.message = replace(self.message, text=self.message.text if text is None else text, answer=answer)
        self.room.history.update(self.message)
        return self.message

    def grown(self) -> Message | None:
        """The message with the text so far; `None` when nothing was added to it."""
        text, reasoning = _said(self.run.parts if self.run is not None else ())
        if (text, reasoning) in (("", ""), (self.message.text, self.answer.reasoning)):
            return None
        return self.change(text=text, reasoning=reasoning)

    async def end(self, run: FinishedRun) -> Message:
        """The message as it stays."""
        if run.parts:  # a run that never began has nothing to put in place of what was said before
            text, reasoning = _said(run.parts)
            self.change(text=text, reasoning=reasoning)
        state = AnswerState(run.info.state)
        error = run.error
        if state is AnswerState.COMPLETED:
            error = self.note
        elif state is AnswerState.INTERRUPTED:
            error = RESTARTED
        elif state is AnswerState.LIMITED:
            error = await self.ticket.cut()
        self.message = self.message.at(now())
        return self.change(state=state, error=error, ended_at=now())


def _said(parts: Iterable[dict[str, Any]]) -> tuple[str, str]:
    """Text and reasoning of a run's parts."""
    texts: dict[str, list[str]] = {"text": [], "reasoning": [], "data": []}
    for part in parts:
        texts[part["kind"]].append(part.get("text", ""))
    return "".join(texts["text"]), "\n\n".join(texts["reasoning"])
