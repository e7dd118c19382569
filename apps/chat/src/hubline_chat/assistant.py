"""The assistant: takes questions in order and answers as many at a time as the model has slots."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Literal

from hubline import HubError
from hubline.models import ChatModel, Delta, ModelError, StopReason
from hubline.models import Message as Turn
from hubline_chat import contract
from hubline_chat.answering import RESTARTING, Answering, PageOf
from hubline_chat.contract import Answer, AnswerState, Message, Person
from hubline_chat.prompts import conversation, question_in
from hubline_chat.rooms import Room
from hubline_chat.settings import ChatSettings

logger = logging.getLogger("hubline_chat")

WAITING = 32
OPEN_QUESTIONS = 4
"""Questions of one person that are waiting or being answered."""
ANSWER_CHARACTERS = 32_000
CLEAN_UP_SECONDS = 5.0
"""Time for a stopped model to let go of its connection."""


class Assistant:
    """Answers live here, not in the connections of those who asked: they go on whoever leaves."""

    def __init__(self, model: ChatModel, settings: ChatSettings, page_of: PageOf) -> None:
        self.person = Person("assistant", settings.assistant_name, "assistant")
        self.info = contract.Assistant(settings.assistant_name, model.name, "starting")
        self._model, self._settings, self._page_of = model, settings, page_of
        self._budget = settings.context_characters or (2_000 if settings.is_local else 12_000)
        self._waiting: deque[Answering] = deque()
        self._running: list[Answering] = []
        self._usable = asyncio.Event()
        self._asked = asyncio.Event()
        self._is_closing = False

    def set_state(self, state: Literal["starting", "ready", "failed"], detail: str | None) -> None:
        """How the model stands. While it is starting, questions wait; when it has failed, they fail with its reason."""
        self.info = contract.Assistant(self.person.name, self._model.name, state, detail)
        if state == "starting":
            self._usable.clear()
        else:
            self._usable.set()

    async def ask(self, room: Room, question: Message, asked_by: Person) -> Message:
        """Put a question into the queue; its answer, still empty, is shown to the room.

        Raises:
            HubError: too much is waiting, in all or of this person.
        """
        self.check(asked_by)
        answer = Answer(AnswerState.QUEUED, len(self._open()), asked_by, question.id)
        answering = Answering(room, question, self.person, answer, self._page_of(room))
        self._waiting.append(answering)
        await answering.announce()
        self._asked.set()
        return answering.message

    def check(self, asked_by: Person) -> None:
        """Raise a HubError when this person may not ask now."""
        if self._is_closing:
            raise HubError(f"{RESTARTING} Try again in a moment.")
        if len(self._waiting) >= WAITING:
            raise HubError(f"{WAITING} questions are waiting already. Try again later.")
        if sum(each.answer.asked_by.id == asked_by.id for each in self._open()) >= OPEN_QUESTIONS:
            raise HubError(f"{OPEN_QUESTIONS} of your questions are open. Wait for an answer or stop one.")

    async def retry(self, room: Room, message: Message, asked_by: Person) -> Message:
        """Ask the question of an answer again.

        Raises:
            HubError: the question is being answered, or no longer there.
        """
        if message.answer is None:
            raise HubError("This message is no answer.")
        question = room.history.find(message.answer.question_id)
        if question is None:
            raise HubError("The question is no longer there.")
        if any(each.question.id == question.id for each in self._open()):
            raise HubError("This question is being answered.")
        return await self.ask(room, question, asked_by)

    async def stop(self, message_id: str) -> None:
        """Stop an answer, also one that waits; returns when it has ended. Its text stays."""
        answering = next((each for each in self._open() if each.message.id == message_id), None)
        if answering is not None:
            answering.was_stopped = True
            await self._break_off(answering)

    async def interrupt(self) -> None:
        """Take no more questions and end every answer, because the server goes away."""
        self._is_closing = True
        for answering in [*self._waiting, *self._running]:  # in this order no slot takes up another question
            await self._break_off(answering)

    async def run(self) -> None:
        """Answer until cancelled."""
        async with asyncio.TaskGroup() as slots:
            for _ in range(self._settings.model_slots):
                slots.create_task(self._serve())

    def _open(self) -> list[Answering]:
        return [*self._running, *self._waiting]

    async def _break_off(self, answering: Answering) -> None:
        if answering in self._waiting:
            self._waiting.remove(answering)
            await answering.end()
            await self._move_up()
        elif answering.task is not None:
            answering.task.cancel()
        await answering.ended.wait()

    async def _serve(self) -> None:
        while True:
            await self._usable.wait()
            if self._waiting:
                try:
                    await self._answer(self._waiting.popleft())
                except Exception:
                    logger.exception("an answer could not be sent to its room")
            else:
                self._asked.clear()
                await self._asked.wait()

    async def _answer(self, answering: Answering) -> None:
        self._running.append(answering)
        task = asyncio.create_task(self._read(answering))
        try:
            await answering.begin(task)
            await self._move_up()
            await answering.forward(self._settings.merge_seconds)
        finally:
            task.cancel()
            await asyncio.wait([task], timeout=CLEAN_UP_SECONDS)
            self._running.remove(answering)
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                _log(error)
            await answering.end()
            await self._move_up()

    async def _read(self, answering: Answering) -> None:
        """The task that reads the model into `answering`; how it ends is how the answer ends."""
        question = answering.question
        earlier = [message for message in answering.room.history.newest_first() if message.seq < question.seq]
        turns = conversation(
            self._settings.system_prompt,
            earlier,
            question_in(question.text) or question.text,
            budget=self._budget,
            with_chatter=not self._settings.is_local,
        )
        size = 0
        async with asyncio.timeout(self._settings.answer_seconds), aclosing(self._stream(turns)) as stream:
            async for delta in stream:
                text = delta.text if size else delta.text.lstrip()
                size += len(text)
                answering.add(text)
                if delta.stop is StopReason.FILTERED:
                    answering.note = "The model's provider withheld the rest."
                if delta.stop is StopReason.LENGTH or size > ANSWER_CHARACTERS:
                    answering.note = "The answer reached its limit of length."
                if size > ANSWER_CHARACTERS:
                    break
        if size == 0:
            answering.note = answering.note or "The model said nothing."

    async def _stream(self, turns: Sequence[Turn]) -> AsyncGenerator[Delta, None]:
        """What the model says. One whose process was lost before the first word is asked once more, when it is back."""
        has_begun = False
        try:
            async with aclosing(self._model.stream(turns)) as stream:
                async for delta in stream:
                    has_begun = True
                    yield delta
            return
        except ModelError:
            if has_begun or self._usable.is_set():
                raise
        await self._usable.wait()
        async with aclosing(self._model.stream(turns)) as stream:
            async for delta in stream:
                yield delta

    async def _move_up(self) -> None:
        for index, answering in enumerate(list(self._waiting)):
            await answering.move(len(self._running) + index)


def _log(error: BaseException) -> None:
    """What a model gives as its reason fits into a line; anything else may be a mistake of ours: with its traceback."""
    if isinstance(error, ModelError):
        reason = f" ({error.__cause__})" if error.__cause__ is not None else ""
        logger.warning("an answer failed: %s%s", error, reason)
    else:
        logger.warning("an answer failed: %r", error, exc_info=error)
