"""The assistant: takes questions in order and answers as many at a time as the model has slots."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Literal

from hubline import HubError
from hubline.limits import QuotaExceeded
from hubline.models import ModelError
from hubline_chat import contract
from hubline_chat.allowance import Allowance
from hubline_chat.answering import Answering, PageOf, new_id, now
from hubline_chat.contract import Answer, AnswerState, Message, ModelName, Person
from hubline_chat.people import person
from hubline_chat.reading import Models, Reader
from hubline_chat.rooms import Room
from hubline_chat.settings import ChatSettings
from hubline_chat.store import User

logger = logging.getLogger("hubline_chat")

WAITING = 32
CLEAN_UP_SECONDS = 5.0
"""Time for a stopped model to let go of its connection."""


class Assistant:
    """Answers live here, not in the connections of those who asked: they go on whoever leaves.

    `changed` hears of each newer form of an answer, to store it.
    """

    def __init__(
        self,
        models: Models,
        settings: ChatSettings,
        allowance: Allowance,
        page_of: PageOf,
        changed: Callable[[Message], None],
    ) -> None:
        self.person = Person("assistant", settings.assistant_name, "assistant")
        self._models, self._settings, self._page_of = models, settings, page_of
        self._allowance, self._changed = allowance, changed
        self._admitted: set[Answering] = set()
        self._waiting: deque[Answering] = deque()
        self._running: list[Answering] = []
        self._ending: set[Answering] = set()
        self._usable = asyncio.Event()
        self._asked = asyncio.Event()
        self._is_closing = False
        self._reader = Reader(models, settings, self._usable)
        self.set_state("starting", None)

    def set_state(self, state: Literal["starting", "ready", "failed"], detail: str | None) -> None:
        """How the model stands. While it is starting, questions wait; when it has failed, they fail with its reason."""
        models = self._models
        self.info = contract.Assistant(self.person.name, models.standard.name, state, detail, models.premium_name)
        if state == "starting":
            self._usable.clear()
        else:
            self._usable.set()

    async def admit(self, room: Room, question: Message, user: User, model: ModelName) -> Answering:
        """Make the empty answer to a question, not yet stored. `put` it into the queue, or `give_up`.

        Raises:
            HubError: too much is waiting, in all or of this person, or nothing is left of the day's tokens.
        """
        if self._is_closing:
            raise HubError("The server is restarting. Try again in a moment.")
        if len(self._admitted) >= WAITING + self._settings.model_slots:
            raise HubError(f"{WAITING} questions are waiting already. Try again later.")
        ticket = await self._allowance.admit(user)
        answer = Answer(AnswerState.QUEUED, len(self._admitted), person(user), question.id, model=model)
        draft = Message(new_id(), room.id, 0, "assistant", self.person, "", now(), answer=answer)
        answering = Answering(room, question, draft, ticket, self._page_of(room), self._changed)
        self._admitted.add(answering)
        return answering

    async def give_up(self, answering: Answering) -> None:
        """The question could not be stored."""
        self._admitted.discard(answering)
        await answering.ticket.release()

    def put(self, answering: Answering, question: Message, message: Message) -> None:
        """Both are stored: the question waits for its turn."""
        answering.question, answering.message = question, message
        self._waiting.append(answering)
        self._asked.set()

    def check_retry(self, room: Room, message: Message) -> Message:
        """The question of an answer, to be asked again.

        Raises:
            HubError: the question is being answered, or no longer there.
        """
        if message.answer is None:
            raise HubError("This message is no answer.")
        question = room.history.find(message.answer.question_id)
        if question is None:
            raise HubError("The question is no longer there.")
        if any(each.question.id == question.id for each in self._admitted):
            raise HubError("This question is being answered.")
        return question

    async def stop(self, message_id: str) -> None:
        """Stop an answer, also one that waits; returns when it has ended. Its text stays."""
        answering = next((each for each in self._open() if each.message.id == message_id), None)
        if answering is not None:
            answering.was_stopped = True
            await self._break_off(answering)

    async def stop_all(self, room: Room) -> None:
        """Stop the answers of a room that is gone."""
        for answering in [each for each in self._open() if each.room is room]:
            answering.was_stopped = True
            await self._break_off(answering)

    async def interrupt(self) -> None:
        """Take no more questions and end every answer, because the server goes away."""
        self._is_closing = True
        answerings = [*self._waiting, *self._running]  # in this order no slot takes up another question
        for answering in answerings:
            await self._break_off(answering)
        for answering in [*answerings, *self._ending]:
            await answering.settled.wait()

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
            await self._end(answering)
            await self._move_up()
        elif answering.task is not None:
            async with answering.ticket.paying:
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
        task = asyncio.create_task(self._reader.read(answering))
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
            await self._end(answering)
            await self._move_up()

    async def _end(self, answering: Answering) -> None:
        self._admitted.discard(answering)
        self._ending.add(answering)
        try:
            await answering.end()
        finally:
            self._ending.discard(answering)

    async def _move_up(self) -> None:
        for index, answering in enumerate(list(self._waiting)):
            await answering.move(len(self._running) + index)


def _log(error: BaseException) -> None:
    """What a model gives as its reason fits into a line; anything else may be a mistake of ours: with its traceback."""
    if isinstance(error, QuotaExceeded):
        return  # that is no failure
    if isinstance(error, ModelError):
        reason = f" ({error.__cause__})" if error.__cause__ is not None else ""
        logger.warning("an answer failed: %s%s", error, reason)
    else:
        logger.warning("an answer failed: %r", error, exc_info=error)
