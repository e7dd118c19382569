"""The assistant: each answer is a run, one at a time in each room, as many at once as the model has slots."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Literal

from hubline import HubError
from hubline.models import ModelError
from hubline.runs import Caller, FinishedRun, Run, RunInfo, RunLimits, Runs
from hubline_chat import contract
from hubline_chat.allowance import Allowance
from hubline_chat.answering import Answering, new_id, now
from hubline_chat.clearing import is_clearing
from hubline_chat.contract import Answer, AnswerState, Message, ModelName, Person
from hubline_chat.journal import Journal
from hubline_chat.people import person
from hubline_chat.prompts import question_in
from hubline_chat.reading import Models, Reader
from hubline_chat.rooms import Room
from hubline_chat.settings import ChatSettings
from hubline_chat.store import StoreError, User

logger = logging.getLogger("hubline_chat")

WAITING = 32
"""Questions that wait in one room."""
DRAIN_SECONDS = 1.0
"""For answers to come to their end when the server stops. Half of what `HubApp` gives, so that viewers hear of it."""
UNPAID = ("failed", "interrupted")
TOO_LATE = "The answer took too long and was cut."
UNEXPECTED = "The assistant had an unexpected problem."

Allow = Callable[[str, RunInfo, Caller], Awaitable[bool]]
Clear = Callable[[Run, Answering], Awaitable[None]]


class Assistant:
    """Answers questions. `tell` tells a room of an answer that has another form; `clear` is the answer to that wish."""

    def __init__(
        self,
        models: Models,
        settings: ChatSettings,
        allowance: Allowance,
        journal: Journal,
        allow: Allow,
        tell: Callable[[Room, Message], Awaitable[None]],
        clear: Clear,
    ) -> None:
        self.person = Person("assistant", settings.assistant_name, "assistant")
        self.runs = Runs(
            allow=allow,
            on_end=self._ended,
            on_busy="queue",
            limits=RunLimits(per_starter=64, silence=None, waiting=WAITING),
            merge=settings.merge_seconds,
            drain=DRAIN_SECONDS,
        )
        self._models, self._settings, self._allowance = models, settings, allowance
        self._journal, self._tell, self._clear = journal, tell, clear
        self._open: dict[str, Answering | None] = {}
        """Answers that are not at their end, by the id of their message; `None` while one is being admitted."""
        self._usable = asyncio.Event()
        self._slots = asyncio.Semaphore(settings.model_slots)
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

    def asked(self, text: str) -> str | None:
        """What a message asks the assistant, or `None`."""
        return question_in(text, self.person.name)

    async def admit(self, room: Room, question: Message, user: User, model: ModelName) -> Answering:
        """Make the empty answer to a question, not yet stored. `begin` it, or `give_up`.

        Raises:
            HubError: too much is waiting, or nothing is left of the day's tokens.
        """
        answer = Answer(AnswerState.RUNNING, person(user), question.id, model=model)
        return await self._admit(
            room, question, Message(new_id(), room.id, 0, "assistant", self.person, "", now(), answer=answer), user
        )

    async def _admit(self, room: Room, question: Message, message: Message, user: User) -> Answering:
        if self._runs_in(room) > WAITING:
            raise HubError(f"{WAITING} questions are waiting here already. Try again later.")
        self._open[message.id] = None
        try:
            ticket = await self._allowance.admit(user)
        except BaseException:
            del self._open[message.id]
            raise
        answering = self._open[message.id] = Answering(room, question, message, ticket)
        return answering

    async def give_up(self, answering: Answering) -> None:
        """The question could not be stored."""
        self._open.pop(answering.message.id, None)
        await answering.ticket.close()
        await answering.ticket.charge("", 0)

    async def begin(self, answering: Answering, *, key: str | None) -> Message:
        """Both question and answer are stored: start the run; the answer with its id. `told` has to be set then."""
        try:
            run = await self.runs.start(
                self._answer,
                answering.message.id,
                key=key,
                room=answering.room.id,
                starter=answering.ticket.user.id,
                budget=answering.ticket,
            )
        except HubError as error:
            await self.give_up(answering)
            message = answering.change(state=AnswerState.FAILED, error=str(error), ended_at=now())
        else:
            message = answering.change(run_id=run.id)
        self._journal.changed(message)
        return message

    async def go_on(self, room: Room, message: Message, user: User, model: ModelName) -> None:
        """Let an answer that was cut go on from where it stopped. Asking twice does it once.

        Raises:
            HubError: there is nothing to go on from, or its question is no longer there.
        """
        if message.id in self._open:
            return
        question, answer = self._question(room, message)
        if message.is_running or answer.state is AnswerState.COMPLETED or not message.text:
            raise HubError("This answer has nothing to go on from.")
        answer = replace(answer, state=AnswerState.RUNNING, asked_by=person(user), model=model, run_id=None)
        answer = replace(answer, started_at=None, ended_at=None, error=None, elapsed=0.0)
        answering = await self._admit(room, question, replace(message, answer=answer), user)
        await asyncio.shield(asyncio.ensure_future(self._begin_again(answering)))  # whoever asked may be gone meanwhile

    async def _begin_again(self, answering: Answering) -> None:
        try:
            await self._tell(answering.room, await self.begin(answering, key=None))
        finally:
            answering.told.set()

    def check_retry(self, room: Room, message: Message) -> Message:
        """The question of an answer, to be asked again.

        Raises:
            HubError: the question is being answered, or no longer there.
        """
        question, _ = self._question(room, message)
        if any(each is not None and each.question.id == question.id for each in self._open.values()):
            raise HubError("This question is being answered.")
        return question

    async def stop_all(self, room: Room) -> None:
        """Stop the answers of a room that is gone."""
        for info in await self.runs.room_runs(room.id):
            await self.runs.stop(info.id)

    async def save(self) -> None:
        """Store what has been said since the last time, of the answers that grow."""
        for answering in self._open.values():
            if answering is not None and (message := answering.grown()) is not None:
                self._journal.changed(message)
        await self._journal.flush()

    def _question(self, room: Room, message: Message) -> tuple[Message, Answer]:
        if message.answer is None:
            raise HubError("This message is no answer.")
        question = room.history.find(message.answer.question_id)
        if question is None:
            raise HubError("The question is no longer there.")
        return question, message.answer

    def _runs_in(self, room: Room) -> int:
        return sum(each is not None and each.room is room for each in self._open.values())

    async def _answer(self, run: Run, message_id: str) -> None:
        """The function of every run."""
        answering = self._open[message_id]
        assert answering is not None
        await answering.told.wait()
        answering.run = run
        try:
            if is_clearing(self.asked(answering.question.text) or answering.question.text):
                answering.change(started_at=now())
                await self._clear(run, answering)
            else:
                await self._speak(run, answering)
        except ModelError as error:
            reason = f" ({error.__cause__})" if error.__cause__ is not None else ""
            logger.warning("an answer failed: %s%s", error, reason)
            raise HubError(f"{error}.") from error
        except TimeoutError as error:
            raise HubError(TOO_LATE) from error
        except HubError:
            raise
        except Exception as error:
            logger.warning("an answer failed: %r", error, exc_info=error)
            raise HubError(UNEXPECTED) from error

    async def _speak(self, run: Run, answering: Answering) -> None:
        if not self._usable.is_set():
            await run.status("starting")
            await self._usable.wait()
        if self._slots.locked():
            await run.status("busy")
        async with self._slots:
            answering.change(started_at=now())
            await run.status("thinking")
            await self._reader.read(run, answering)

    async def _ended(self, run: FinishedRun) -> None:
        """`on_end`: the answer comes into the room's history, and is paid."""
        answering = next(each for each in self._open.values() if each is not None and each.answer.run_id == run.info.id)
        await answering.ticket.close()
        await answering.told.wait()
        message = await answering.end(run)
        del self._open[message.id]
        self._journal.changed(message)
        try:
            await self._tell(answering.room, message)
            tokens = sum(each.get("totalTokens", 0) for each in run.info.usage)
            await answering.ticket.charge("", 0 if run.info.state in UNPAID else tokens)
        except StoreError:
            logger.error("what an answer to %s cost was not counted", answering.ticket.user.id)
        await self._journal.flush()
